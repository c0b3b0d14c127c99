"""The pictures of the dashboard in docs/images, made of what the tests paint.

Example::

    python tools/screenshots.py        # writes docs/images/dashboard-*.png

In Debian's Chromium, as `tests/dashboard/test_browser.py`, and always on the
same day, in the early afternoon.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT / 'tests' / 'dashboard')]

import scene  # noqa: E402
from asking import opened  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402
from servers import served  # noqa: E402

from cronsched.ledger import Ledger  # noqa: E402
from cronsched.web.dashboard import Mounted  # noqa: E402

IMAGES = ROOT / 'docs' / 'images'
TOWNS = 120
NOW = 1_795_612_815.0     # 25 Nov 2026 14:20:15 in Zurich

# By name: the page, how much of it, and whether the herd is there.
PICTURES = {
    'jobs': ('jobs', {}, (1180, 620), False),
    'day': ('day', {}, (1180, 560), False),
    'job': ('job', {'application': 'shop', 'job': 'import_prices'}, (1180, 860), False),
    'load': ('load', {}, (1180, 700), True),
    'small': ('jobs', {}, (320, 640), False),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'))
        for herd in (False, True):
            place = Path(directory, str(herd))
            place.mkdir()
            ledger = opened(place)
            scene.paint(ledger, NOW, hostile=False)
            if herd:
                scene.paint_herd(ledger, NOW, TOWNS)
            with scene.at(NOW):
                take(browser, ledger, herd)
            ledger.close()
        browser.close()


def take(browser: Browser, ledger: Ledger, herd: bool) -> None:
    with served(Mounted(lambda: ledger, lambda environ: ('operate', 'ann')).wsgi) as url:
        for name, (page, query, (width, height), wants_herd) in PICTURES.items():
            if wants_herd != herd:
                continue
            context = browser.new_context(
                viewport={'width': width, 'height': height}, locale='en-GB',
                color_scheme='dark' if name == 'small' else 'light')
            opened_page = context.new_page()
            opened_page.goto(f'{url}/{page}?{urlencode(query)}')
            opened_page.screenshot(path=IMAGES / f'dashboard-{name}.png')
            context.close()


if __name__ == '__main__':
    main()
