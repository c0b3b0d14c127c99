"""Every part of `make test`, whether or not another fails, and one line that
sums them up. Exits with 1 when a part has failed.

    python tools/run_tests.py    # in the environment of `make build`
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

BUILD = Path(__file__).parent.parent / 'build'
PYTHON_RESULT = BUILD / 'test' / 'python.xml'
CHECKS = re.compile(r'(\d+) checks, (\d+) failed')


def main() -> int:
    began = time.monotonic()
    forget()
    failed = [part for part in ('test-c', 'test-tsan', 'test-python', 'lint') if not passes(part)]
    print('\n' + '; '.join((
        count_c(BUILD.glob('c/*/test_*.log')),
        count_python(PYTHON_RESULT),
        'linters: ' + ('failed' if 'lint' in failed else 'clean'),
        f'{time.monotonic() - began:.0f} s',
    )))
    if failed:
        print(f'FAILED: make {" ".join(failed)}')
    return 1 if failed else 0


def forget() -> None:
    """What an earlier run has left is no result of this one."""
    for path in (*BUILD.glob('c/*/test_*.log'), PYTHON_RESULT):
        path.unlink(missing_ok=True)


def passes(part: str) -> bool:
    print(f'\n== make {part}', flush=True)
    return subprocess.run([os.environ.get('MAKE', 'make'), part]).returncode == 0


def count_c(logs: Iterable[Path]) -> str:
    """Each log is of one program; one that was ended in the middle of its
    work has written no count."""
    found = [CHECKS.search(path.read_text(errors='replace')) for path in logs]
    checks = sum(int(match[1]) for match in found if match)
    failed = sum(int(match[2]) for match in found if match)
    unfinished = f', {found.count(None)} unfinished' if None in found else ''
    return f'C: {len(found)} programs, {checks:,} checks, {failed} failed{unfinished}'


def count_python(result: Path) -> str:
    if not result.exists():
        return 'Python: no result'
    suite = ElementTree.parse(result).getroot().find('testsuite')
    assert suite is not None
    total, skipped, *bad = (
        int(suite.get(name, '0')) for name in ('tests', 'skipped', 'failures', 'errors')
    )
    return f'Python: {total - skipped - sum(bad):,} passed, {sum(bad)} failed, {skipped} skipped'


if __name__ == '__main__':
    sys.exit(main())
