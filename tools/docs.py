"""The documentation as a site, in build/docs/html: `make docs`.

Example::

    python tools/docs.py [DIRECTORY]    # any warning is an error

The pages are those of docs/, and of the repository's root those that belong to
the documentation. They are copied, with their links as they are in one folder.
Nothing is fetched.
"""

from __future__ import annotations

import re
import shutil
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = Path('build/docs')
#: Pages of the repository's root.
OUTSIDE = ('ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md')

UP = re.compile(r'\]\(\.\./(?=[A-Z]+\.md)')
DOWN = re.compile(r'\]\(docs/')


def stage(source: Path) -> None:
    """All pages in one folder."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / 'docs', source, ignore=shutil.ignore_patterns('__pycache__'))
    for page in source.glob('*.md'):
        page.write_text(UP.sub('](', page.read_text()))
    for name in OUTSIDE:
        (source / name).write_text(DOWN.sub('](', (ROOT / name).read_text()))


def build(source: Path, out: Path, configuration: Path = ROOT / 'docs') -> int:
    """The exit status: 0 without a warning."""
    from sphinx.cmd.build import main

    shutil.rmtree(out, ignore_errors=True)
    warnings.filterwarnings('ignore', '.*pkg_resources')    # Pyramid
    return main([
        '-q', '-W', '--keep-going', '-b', 'html', '-c', str(configuration),
        '-d', str(out.parent / 'doctrees'), str(source), str(out),
    ])


def main() -> int:
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD
    stage(where / 'source')
    status = build(where / 'source', where / 'html')
    if status == 0:
        print(f'open {where / "html" / "index.html"}')
    return status


if __name__ == '__main__':
    sys.exit(main())
