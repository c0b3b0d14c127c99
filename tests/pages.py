"""The README and the pages of docs/: their code blocks and links.

Above each block stands how a test runs it (see test_docs.py)::

    <!-- run: python -->
    ```python
    s = Schedule('0 9 * * MON')
    ```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]

_BLOCK = re.compile(
    r'(?:^<!-- run: (?P<how>[^\n]*?) -->\n)?'
    r'^ *(?P<fence>`{3,}|~{3,})(?P<language>[^\n]*)\n(?P<text>.*?)^ *(?P=fence) *$',
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r'\]\(([^)\s]+)\)')
_HEADING = re.compile(r'^#+ +(.*)$', re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    page: Path
    line: int       # of its first line of text
    how: str        # '' where the page does not say
    language: str
    text: str

    def __str__(self) -> str:
        return f'{name_of(self.page)}:{self.line}'


def blocks_of(page: Path, how: str | None = None) -> list[Block]:
    """All, or those that are run in this way."""
    text = page.read_text()
    blocks = [
        Block(
            page, text.count('\n', 0, match.start('text')) + 1, match['how'] or '',
            match['language'].strip(), match['text'],
        )
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in blocks if how in (None, block.how)]


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub('', page.read_text())


def links_of(page: Path) -> list[str]:
    """What it links, but for what is written as code."""
    return _LINK.findall(re.sub(r'`[^`\n]*`', '', prose_of(page)))


def anchors_of(page: Path) -> set[str]:
    """As the usual renderers make them of headings."""
    headings = _HEADING.findall(prose_of(page))
    return {
        re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-')
        for heading in headings
    }
