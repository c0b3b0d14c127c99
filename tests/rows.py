"""The rows of tests/data/*.tsv: columns parted by tabs, `#` begins a comment."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / 'data'


def rows(name: str) -> list[list[str]]:
    lines = (DATA / name).read_text('utf-8').splitlines()
    return [line.split('\t') for line in lines if line and not line.startswith('#')]
