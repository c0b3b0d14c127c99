"""OneGov's Framework as its modules use it (docs/onegov.md): decorated before anything is
mounted, strict in production, heard by its own logger, seen by mypy."""

from __future__ import annotations

import logging
import logging.config
import subprocess
import sys
from pathlib import Path
from typing import Any

import morepath
import pytest
from dectate import directive
from framework import make_app, make_unmounted
from processes import run_python
from webtest import TestApp as Client

from cronsched.onegov import CronjobAction, CronjobDirective, mount

ROOT = Path(__file__).parents[2]


def make_framework() -> Any:
    """With the directives in the class, as the documentation has it."""

    class Framework(make_unmounted()):  # type: ignore[misc]
        cronjob = directive(CronjobDirective)
        _cronjob = directive(CronjobAction)

    return Framework


@pytest.mark.parametrize('order', ['declared first', 'mounted first', 'declared twice'])
def test_jobs_may_be_declared_before_anything_is_mounted(order: str) -> None:
    Framework = make_framework()

    class Town(Framework):
        pass

    class PasApp(Town):
        pass

    if order == 'mounted first':
        mount(Framework)
    PasApp.cronjob(hour=8, minute=0, timezone='UTC', name='pas')(lambda request: None)
    if order == 'declared twice':
        Town.cronjob(hour=9, minute=0, timezone='UTC', name='town')(lambda request: None)
    if order != 'mounted first':
        mount(Framework)
    PasApp.commit()
    jobs = PasApp.config.cronjob_registry.cronjobs
    assert sorted(jobs) == (['pas', 'town'] if order == 'declared twice' else ['pas'])


def test_a_module_that_is_imported_alone_can_declare_jobs() -> None:
    Framework = make_framework()
    Framework.cronjob(hour=8, minute=0, timezone='UTC', name='job')(lambda request: None)
    Framework.commit()
    assert list(Framework.config.cronjob_registry.cronjobs) == ['job']


STRICT = """
    import sys, types
    import morepath
    from cronsched.onegov import mount

    class Framework(morepath.App):
        application_id = 'x'
        sign = unsign = lambda self, text, salt: text

    mount(Framework, **{options})
    Framework.cronjob(hour=8, minute=0, timezone='UTC', name='job')(lambda request: None)
    Framework.setting(section='cronjobs', name='enabled')(lambda: False)
    Framework.setting(section='cronjobs', name='state_directory')(lambda: {directory!r})
    Framework.commit()
    assert 'pytest' not in sys.modules
    print(Framework().cronjob_site.strict, morepath.__name__)
"""


@pytest.mark.parametrize(('options', 'strict'), [
    ({}, True), ({'strict': False}, False), ({'strict': True}, True),
])
def test_an_unsigned_request_is_answered_in_tests_only_unless_said(
    options: dict[str, bool], strict: bool, tmp_path: Path,
) -> None:
    script = STRICT.format(options=options, directory=str(tmp_path / 'own'))
    assert run_python(script).split()[0] == str(strict)
    # This process is a test.
    App = make_app(**options)
    App.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    App.commit()
    assert App().cronjob_site.strict is (options.get('strict') is True)


# -- The log

ONEGOV_LOGGING = {
    'version': 1,
    'disable_existing_loggers': True,
    'loggers': {'onegov': {'level': 'INFO', 'propagate': True}},
}


@pytest.fixture
def loggers() -> Any:
    log = logging.getLogger('cronsched')
    known = [each for each in logging.root.manager.loggerDict.values()
             if isinstance(each, logging.Logger)]
    before = [(each, each.disabled, each.propagate, list(each.handlers), each.level)
              for each in known]
    yield log
    for each, each.disabled, each.propagate, each.handlers, level in before:
        each.setLevel(level)


def visit(**options: Any) -> None:
    App = make_app(**options)
    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    App.commit()
    logging.config.dictConfig(ONEGOV_LOGGING)
    assert logging.getLogger('cronsched').disabled
    Client(App()).get('/')


def test_what_we_log_is_heard_by_the_logger_that_is_named(
    loggers: logging.Logger, caplog: pytest.LogCaptureFixture,
) -> None:
    visit(logger=logging.getLogger('onegov.core'))
    with caplog.at_level(logging.INFO, 'onegov'):
        loggers.error('could not start')
        logging.getLogger('cronsched.ledger').warning('is locked')
    assert caplog.messages == ['could not start', 'is locked']


def test_a_logger_that_is_disabled_is_told_once(
    loggers: logging.Logger, capsys: pytest.CaptureFixture[str],
) -> None:
    visit()
    told = capsys.readouterr().err
    assert told.count("the logger 'cronsched' is disabled") == 1
    assert "'disable_existing_loggers': False" in told
    mount(make_unmounted())
    assert "the logger 'cronsched' is disabled" in capsys.readouterr().err


# -- Type checkers

FRAMEWORK = """
from typing import Any
from dectate import directive
from morepath import App
from cronsched.onegov import CronjobAction, CronjobDirective, Job, mount

class Framework(App):
    cronjob = directive(CronjobDirective)
    _cronjob = directive(CronjobAction)

def has_permission_cronjob(app: Framework, identity: None, model: Job[Any]) -> bool:
    return True

def get_cronjob_by_name(app: Framework, name: str) -> Job[Any] | None:
    for job in app.config.cronjob_registry.cronjobs.values():
        if name in job.name:
            return job  # type: ignore[no-any-return]
    return None

def get_cronjob_url(job: Job) -> str:
    return '/cronjobs/' + job.id

mount(Framework)
"""

JOBS = """
from framework_of_onegov import Framework
from morepath import Request
from cronsched.morepath import CronApp

class Own(CronApp):
    pass

@Framework.cronjob(hour=8, minute=0, timezone='Europe/Zurich')
def hourly(request: Request) -> None:
    pass

@Framework.cronjob('0 9 * * MON#1', timezone='Europe/Zurich', retries=2)
def monthly(request: Request) -> None:
    pass

@Own.cronjob(hour='*', minute='*/15', timezone='UTC')
def often(request: Request) -> None:
    pass
"""

WRONG = """
from framework_of_onegov import Framework
from cronsched.morepath import CronApp
from cronsched.onegov import Job

Framework.cronjob(hour=b'8', minute=0, timezone='UTC')
CronApp.cronjob(hour=8, minute=[0], timezone='UTC')
Framework.cronjob('0 9 * * *', 'UTC')
Job[int, str]
"""


def type_check(directory: Path, **files: str) -> str:
    for name, text in files.items():
        (directory / f'{name}.py').write_text(text)
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--strict', '--config-file', '', '--no-error-summary',
         '--cache-dir', str(directory / 'cache'), *(f'{name}.py' for name in files)],
        cwd=directory, env={'MYPYPATH': str(ROOT / 'src'), 'PATH': '/usr/bin:/bin'},
        capture_output=True, text=True, timeout=300,
    )
    return done.stdout + done.stderr


def test_strict_mypy_takes_what_onegov_writes_and_finds_mistakes(tmp_path: Path) -> None:
    pytest.importorskip('mypy')
    if morepath.__file__ and not (Path(morepath.__file__).parent / 'py.typed').exists():
        pytest.skip('this morepath tells type checkers nothing')
    assert type_check(tmp_path, framework_of_onegov=FRAMEWORK, jobs=JOBS) == ''
    told = type_check(tmp_path, framework_of_onegov=FRAMEWORK, wrong=WRONG)
    errors = [line.split(':')[1] for line in told.splitlines() if ' error: ' in line]
    assert errors == ['6', '7', '8', '9'], told
