"""The platforms and the Pythons that wheels are built for.

A new one is a row here.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['PLATFORMS', 'PYTHONS', 'Platform', 'Target']


@dataclass(frozen=True)
class Platform:
    name: str
    machine: str
    # Of the wheel, as `auditwheel show` says it.
    tag: str
    # As zig, OpenSSL and a configure script call it.
    zig: str
    openssl: str
    triple: str

    @property
    def debian(self) -> str:
        return {'x86_64': 'amd64', 'aarch64': 'arm64'}[self.machine]

    @property
    def musl(self) -> bool:
        return self.tag.startswith('musllinux')


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform(
            name='x86_64',
            machine='x86_64',
            tag='manylinux_2_17_x86_64',
            zig='x86_64-linux-gnu.2.17',
            openssl='linux-x86_64',
            triple='x86_64-linux-gnu',
        ),
        Platform(
            name='aarch64',
            machine='aarch64',
            tag='manylinux_2_17_aarch64',
            zig='aarch64-linux-gnu.2.17',
            openssl='linux-aarch64',
            triple='aarch64-linux-gnu',
        ),
        Platform(
            name='musl-x86_64',
            machine='x86_64',
            tag='musllinux_1_2_x86_64',
            zig='x86_64-linux-musl',
            openssl='linux-x86_64',
            triple='x86_64-linux-musl',
        ),
        Platform(
            name='musl-aarch64',
            machine='aarch64',
            tag='musllinux_1_2_aarch64',
            zig='aarch64-linux-musl',
            openssl='linux-aarch64',
            triple='aarch64-linux-musl',
        ),
    )
}

# A `t` at the end: free-threaded.
PYTHONS = ('3.11', '3.12', '3.13', '3.13t', '3.14', '3.14t')


@dataclass(frozen=True)
class Target:
    """One wheel."""

    python: str
    platform: Platform

    @property
    def version(self) -> str:
        return self.python.removesuffix('t')

    @property
    def free_threaded(self) -> bool:
        return self.python.endswith('t')

    @property
    def tag(self) -> str:
        interpreter = 'cp' + self.version.replace('.', '')
        abi = interpreter + 't' * self.free_threaded
        return f'{interpreter}-{abi}-{self.platform.tag}'

    @property
    def suffix(self) -> str:
        """What ends the extension's name. Pythons built for musl call
        themselves `-musl` or, older and home-made ones, `-gnu`; all of them
        also load a plain `.so`."""
        if self.platform.musl:
            return '.so'
        return f'.cpython-{self.python.replace(".", "")}-{self.platform.triple}.so'

    def __str__(self) -> str:
        return f'{self.python} {self.platform.name}'
