"""The pages in a real browser: with and without JavaScript, by keyboard alone,
narrow and dark, behind a proxy that tells nobody of its prefix, and under a
policy that would report each thing that is not ours.

Debian's Chromium, driven by Playwright; nothing is downloaded. Skipped where it
is not installed, but not in CI.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import scene
from asking import opened
from scene import HOSTILE, SHOP, WIKI
from servers import get, served, wait_for

from cronsched.ledger import Ledger
from cronsched.web.dashboard import Mounted

CHROMIUM = shutil.which('chromium')
NGINX = shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin')
IN_CI = bool(os.environ.get('CI'))

if not IN_CI:
    if CHROMIUM is None:
        pytest.skip('there is no chromium: tools/system-packages.sh --browser',
                    allow_module_level=True)
    for name in ('playwright', 'axe_playwright_python'):
        pytest.importorskip(name)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

PAGES = {
    'jobs': {}, 'job': {'application': SHOP, 'job': 'import_prices'},
    'day': {}, 'load': {}, 'history': {'limit': 10}, 'machines': {},
    'why': {'job': 'cleanup', 'application': SHOP, 'at': '2026-07-01T12:00'},
    'run': {'application': WIKI, 'job': HOSTILE, 'at': 0},
}
WIDE: Any = {'width': 1280, 'height': 800}
NARROW: Any = {'width': 320, 'height': 640}

#: Notes what the policy of the page has refused.
WATCH = """
window.refused = [];
document.addEventListener('securitypolicyviolation', event =>
  window.refused.push(event.violatedDirective + ' ' + event.blockedURI));
"""


def place_of(name: str) -> str:
    return f'{name}?{urlencode(PAGES[name])}'


# -- one browser and one server for all

@pytest.fixture(scope='module')
def browser() -> Iterator[Browser]:
    # Its loop would be in the way of tests that have their own: so for this
    # module only.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Ledger]]:
    """The URL of a dashboard whose visitor may act, and its ledger."""
    ledger = opened(tmp_path_factory.mktemp('stage'))
    now = time.time()
    scene.paint(ledger, now)
    scene.paint_herd(ledger, now, towns=3)
    with served(Mounted(lambda: ledger, lambda environ: ('operate', 'ann')).wsgi) as url:
        yield url, ledger
    ledger.close()


@pytest.fixture(scope='module')
def url(stage: tuple[str, Ledger]) -> str:
    return stage[0]


class Opened:
    """A page, and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page, self.said = page, []
        page.add_init_script(WATCH)
        page.on('console', lambda message: self.said.append(message.text))
        page.on('pageerror', lambda error: self.said.append(str(error)))
        page.on('requestfailed', self._note)

    def _note(self, request: Any) -> None:
        # Whoever leaves a page ends what it was asking for.
        if request.failure != 'net::ERR_ABORTED':
            self.said.append(f'{request.url}: {request.failure}')

    def go(self, url: str) -> Page:
        answer = self.page.goto(url)
        assert answer is not None
        assert answer.status == 200
        return self.page

    def complaints(self) -> list[str]:
        return [*self.said, *self.page.evaluate('window.refused')]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Opened]]:
    contexts: list[Any] = []

    def visit(**options: Any) -> Opened:
        contexts.append(browser.new_context(**{'viewport': WIDE, **options}))
        contexts[-1].set_default_timeout(15_000)
        return Opened(contexts[-1].new_page())

    yield visit
    for context in contexts:
        context.close()


# -- every page

def find_nothing(page: Page, **options: Any) -> None:
    found = Axe().run(page, options={'resultTypes': ['violations'], **options})
    assert found.violations_count == 0, f'{page.url}: {found.generate_report()}'


def test_axe_finds_nothing_and_nothing_is_wider_than_320_pixels(
    visit: Callable[..., Opened], url: str,
) -> None:
    opened = visit()
    for name in PAGES:
        page = opened.go(f'{url}/{place_of(name)}')
        find_nothing(page)
        page.set_viewport_size(NARROW)
        assert page.evaluate('document.documentElement.scrollWidth') <= 320, name
        if name in ('jobs', 'run'):
            find_nothing(page)
        page.set_viewport_size(WIDE)
    assert opened.complaints() == []


def test_there_is_contrast_in_the_dark(visit: Callable[..., Opened], url: str) -> None:
    opened = visit(color_scheme='dark')
    for name in ('jobs', 'job', 'day'):     # these have every part
        find_nothing(opened.go(f'{url}/{place_of(name)}'), runOnly=['color-contrast'])
    assert opened.complaints() == []


def test_every_page_is_whole_without_javascript(
    visit: Callable[..., Opened], url: str,
) -> None:
    page = visit(java_script_enabled=False).page
    texts = {}
    for name in PAGES:
        page.goto(f'{url}/{place_of(name)}')
        texts[name] = page.locator('main').inner_text()
    assert 'import_prices' in texts['jobs']
    assert 'Next ten times' in texts['job']
    assert 'ago' in texts['history']
    assert 'is not scheduled' in texts['why']
    assert HOSTILE[:25] in texts['jobs']


def test_a_job_is_paused_and_resumed_without_javascript(
    visit: Callable[..., Opened], stage: tuple[str, Ledger],
) -> None:
    url, ledger = stage
    page = visit(java_script_enabled=False).page
    page.goto(f'{url}/job?{urlencode({"application": WIKI, "job": HOSTILE})}')
    page.get_by_label('Why').fill('a <b>note</b>')
    page.get_by_role('button', name='Pause').click()
    expect(page.locator('.lead')).to_contain_text('paused: a <b>note</b>')
    assert (WIKI, HOSTILE) in ledger.paused()
    page.get_by_role('button', name='Resume').click()
    assert (WIKI, HOSTILE) not in ledger.paused()
    page.get_by_role('button', name='Run now').click()
    assert 'run?application=org%2Fwiki' in page.url
    assert [run.job for run in ledger.take_requests([WIKI], time.time())] == [HOSTILE]


# -- by keyboard

def test_everything_is_reached_by_keyboard(
    visit: Callable[..., Opened], stage: tuple[str, Ledger],
) -> None:
    url, ledger = stage
    opened = visit()
    page = opened.go(f'{url}/')
    page.keyboard.press('Tab')
    assert focused(page) == 'Skip to content'
    page.keyboard.press('/')
    assert page.evaluate('document.activeElement.name') == 'q'
    page.keyboard.type('sync_st')
    page.keyboard.press('Enter')
    page.wait_for_url('**q=sync_st*')
    tab_to(page, 'sync_stock')
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == 'solid'
    page.keyboard.press('Enter')
    page.wait_for_url('**/job?**')
    tab_to(page, 'Pause')
    page.keyboard.press('Enter')
    expect(page.get_by_role('button', name='Resume')).to_be_visible()
    assert (SHOP, 'sync_stock') in ledger.paused()
    tab_to(page, 'Resume')
    page.keyboard.press('Enter')
    expect(page.get_by_role('button', name='Pause')).to_be_visible()
    assert opened.complaints() == []


def focused(page: Page) -> str:
    return str(page.evaluate('document.activeElement.innerText')).strip()


def tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press('Tab')
        if focused(page) == text:
            return
    raise AssertionError(f'{text} is not reached')


# -- what the pages do by themselves

def test_a_page_stays_fresh_while_nobody_is_busy_with_it(
    visit: Callable[..., Opened], stage: tuple[str, Ledger],
) -> None:
    url, ledger = stage
    opened = visit()
    opened.page.clock.install()
    page = opened.go(f'{url}/machines')
    ledger.pause('town/000', 'monthly', note='seen without a reload', at=time.time())
    page.clock.run_for(10_500)
    expect(page.locator('main')).to_contain_text('seen without a reload')
    # It goes on, and a field somebody is in is left alone.
    ledger.resume('town/000', 'monthly')
    page.clock.run_for(10_500)
    expect(page.locator('main')).not_to_contain_text('seen without a reload')
    assert opened.complaints() == []


def test_who_types_is_left_alone(visit: Callable[..., Opened], url: str) -> None:
    opened = visit()
    opened.page.clock.install()
    page = opened.go(f'{url}/jobs')
    page.get_by_label('Search').fill('half a wo')
    page.clock.run_for(30_000)
    assert page.get_by_label('Search').input_value() == 'half a wo'


def test_relative_times_go_on(visit: Callable[..., Opened], url: str) -> None:
    opened = visit()
    opened.page.clock.install()
    page = opened.go(f'{url}/history')
    told = page.locator('footer .rel')
    assert told.inner_text() == 'now'
    page.clock.run_for(125_000)
    assert told.inner_text() == '2 min ago'


def test_from_a_run_that_is_not_there_to_the_reason_in_three_clicks(
    visit: Callable[..., Opened], url: str,
) -> None:
    page = visit().go(f'{url}/')
    page.get_by_role('link', name='Day', exact=True).click()
    yesterday = page.get_by_role('link', name='Day before')
    yesterday.click()
    # The last of the marks: a time that has no record.
    page.locator('svg.row a[href^="why"]').last.click()
    expect(page.locator('main .answer')).to_contain_text('The run of')


# -- behind a proxy

CONFIGURATION = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 404; }}
    location /x/y/ {{
      proxy_pass {url}/;
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


@contextmanager
def nginx(url: str, directory: Path) -> Iterator[str]:
    from servers import free_port

    if NGINX is None and not IN_CI:
        pytest.skip('there is no nginx: tools/system-packages.sh --browser')
    port = free_port()
    place = directory / 'nginx.conf'
    place.write_text(CONFIGURATION.format(directory=directory, port=port, url=url))
    process = subprocess.Popen([NGINX, '-c', str(place), '-e', f'{directory}/error.log'])
    try:
        wait_for(lambda: answers(f'http://127.0.0.1:{port}/'))
        yield f'http://127.0.0.1:{port}/x/y/'
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return get(url)[0] == 404
    except OSError:
        return False


def test_it_works_behind_a_proxy_under_a_prefix(
    visit: Callable[..., Opened], stage: tuple[str, Ledger], tmp_path: Path,
) -> None:
    url, ledger = stage
    opened = visit()
    with nginx(url, tmp_path) as front:
        page = opened.go(front)
        for label in ('Day', 'Load', 'History', 'Why not?', 'Machines', 'Jobs'):
            page.get_by_role('link', name=label, exact=True).click()
            page.wait_for_url(f'{front}**')
            expect(page.locator('nav [aria-current]')).to_have_text(label)
        page.get_by_role('link', name='reindex').click()
        page.get_by_role('button', name='Pause').click()
        expect(page.get_by_role('button', name='Resume')).to_be_visible()
        assert page.url.startswith(f'{front}job?')
        assert (WIKI, 'reindex') in ledger.paused()
        page.get_by_role('button', name='Resume').click()
        expect(page.get_by_role('button', name='Pause')).to_be_visible()
        assert opened.complaints() == []
        page.goto('about:blank')     # nothing is refreshed any more
