"""What nobody uses is not loaded."""

from __future__ import annotations

from processes import run_python

OTHERS = ('sentry_sdk', 'prometheus_client', 'opentelemetry', 'structlog', 'http.client')


def loaded_by(*lines):
    return run_python('\n'.join([
        *lines, 'import sys', f'print([name for name in {OTHERS!r} if name in sys.modules])',
        "print('cronsched.telemetry' in sys.modules)",
    ])).splitlines()


def test_importing_cronsched_loads_none_of_it():
    assert loaded_by('import cronsched') == ['[]', 'False']


def test_a_cron_loads_no_library():
    nothing, telemetry = loaded_by(
        'from cronsched import Cron',
        "cron = Cron('shop', timezone='UTC', enabled=False)",
        "cron.job('* * * * *')(print)",
        'from cronsched.scheduler import process',
    )
    assert (nothing, telemetry) == ('[]', 'True')


def test_a_collector_without_its_library_says_what_to_install():
    assert run_python("""
        import sys
        sys.modules['prometheus_client'] = None
        try:
            import cronsched.telemetry.prometheus
        except ImportError as error:
            print(error)
    """) == "prometheus_client is not installed: pip install 'cronsched[prometheus]'\n"
