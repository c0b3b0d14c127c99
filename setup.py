"""The extension module; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, ExecError, LinkError

NEEDED = """

cronsched needs a C compiler, and the headers of Python, libcurl and OpenSSL. On Debian:
    apt-get update && apt-get install gcc python3-dev libcurl4-openssl-dev libssl-dev"""


class BuildNative(build_ext):
    """Where the build fails, the last lines say what to install."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CompileError, ExecError, LinkError, OSError) as error:
            raise CompileError(f'{error}{NEEDED}') from error


def found(*patterns: str) -> list[str]:
    return sorted(str(path) for pattern in patterns for path in Path('src').glob(pattern))


setup(
    cmdclass={'build_ext': BuildNative},
    ext_modules=[
        Extension(
            'cronsched._cronsched',
            sources=found('_cronsched.c', 'binding/*.c', 'core/*/*.c'),
            depends=found('binding/*.h', 'core/*/*.h'),
            libraries=['curl', 'crypto', 'dl'],
            define_macros=[('_GNU_SOURCE', '1')],
            extra_compile_args=[
                *('-std=c11', '-O2', '-fvisibility=hidden', '-Wall', '-Wextra'),
                # For quoted includes only: <sched.h> stays the system's.
                '-iquotesrc',
            ],
        )
    ],
)
