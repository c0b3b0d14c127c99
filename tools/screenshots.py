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

# By name: the page, how much of it, and what is painted.
PICTURES = {
    'jobs': ('jobs', {}, (1180, 620), 'shop'),
    'day': ('day', {}, (1180, 560), 'shop'),
    'good-day': ('day', {'date': '2026-11-24'}, (1180, 480), 'good day'),
    'job': ('job', {'application': 'shop', 'job': 'import_prices'}, (1180, 860), 'shop'),
    'load': ('load', {}, (1180, 700), 'herd'),
    'small': ('jobs', {}, (320, 640), 'shop'),
}


def paint(ledger: Ledger, scenery: str) -> None:
    if scenery == 'good day':
        return scene.paint_good_day(ledger, NOW)
    scene.paint(ledger, NOW, hostile=False)
    if scenery == 'herd':
        scene.paint_herd(ledger, NOW, TOWNS)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'))
        for scenery in ('shop', 'herd', 'good day'):
            place = Path(directory, scenery)
            place.mkdir()
            ledger = opened(place)
            paint(ledger, scenery)
            with scene.at(NOW):
                take(browser, ledger, scenery)
            ledger.close()
        browser.close()


def take(browser: Browser, ledger: Ledger, scenery: str) -> None:
    with served(Mounted(lambda: ledger, lambda environ: ('operate', 'ann')).wsgi) as url:
        for name, (page, query, (width, height), painted) in PICTURES.items():
            if painted != scenery:
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
