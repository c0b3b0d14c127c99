"""The extension module; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup


def found(*patterns: str) -> list[str]:
    return sorted(str(path) for pattern in patterns for path in Path('src').glob(pattern))


setup(
    ext_modules=[
        Extension(
            'cronsched._cronsched',
            sources=found('_cronsched.c', 'binding/*.c', 'core/*/*.c'),
            depends=found('binding/*.h', 'core/*/*.h'),
            libraries=['curl', 'crypto'],
            define_macros=[('_GNU_SOURCE', '1')],
            extra_compile_args=[
                *('-std=c11', '-O2', '-fvisibility=hidden', '-Wall', '-Wextra'),
                # For quoted includes only: <sched.h> stays the system's.
                '-iquotesrc',
            ],
        )
    ]
)
