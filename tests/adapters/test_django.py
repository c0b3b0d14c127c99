"""What a Django project writes: jobs, settings; and what its checks say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from django.core import checks
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import include, path
from django_site import page, run_job, set_up, site
from servers import served

set_up()

from cronsched.django import cronjob, deployment, jobs  # noqa: E402
from cronsched.django.conf import configuration  # noqa: E402
from cronsched.django.host import HOST  # noqa: E402
from cronsched.errors import ConfigurationError, CronError, DuplicateJobError  # noqa: E402
from cronsched.ledger import Plan, Run  # noqa: E402
from cronsched.web.host import Diagnosis  # noqa: E402

HERE = Path(__file__)


@pytest.fixture(autouse=True)
def _project():
    with site():
        yield


def job():
    pass


async def async_job(run):
    pass


# -- jobs ---------------------------------------------------------------------------


def test_a_job_is_in_the_time_zone_of_the_project():
    cronjob('0 8 * * *')(job)
    cronjob('0 8 * * *', name='other', timezone='Europe/Zurich')(job)
    assert [str(each.timezone) for each in HOST.jobs.values()] == ['Asia/Tokyo', 'Europe/Zurich']
    with site(CRONSCHED={'TIMEZONE': 'UTC'}):
        cronjob(hour=8, minute=0)(job)
        assert str(HOST.jobs['job'].timezone) == 'UTC'


def test_two_jobs_of_one_name_are_told_by_a_check_and_refused_by_a_server():
    cronjob('0 8 * * *', name='same')(job)
    cronjob('0 8 * * *', name='same')(job)    # the module was loaded anew
    jobs.refuse_duplicates()
    cronjob('0 9 * * *', name='same')(async_job)
    with pytest.raises(DuplicateJobError, match=f'{HERE}.*{HERE}'):
        jobs.refuse_duplicates()
    assert ids_of() == ['cronsched.E003']
    assert HOST.jobs['same'].function is job


def test_a_task_of_django_is_enqueued():
    tasks = pytest.importorskip('django.tasks', reason='Django 6 has it')
    source = """
from django.tasks import task

@task
def mail():
    pass

@task
def mail_to(whom):
    pass

@task(takes_context=True)
def context_only(context):
    pass
"""
    module = type(sys)('tasks_of_a_test')
    sys.modules['tasks_of_a_test'] = module
    exec(source, vars(module))
    backend = {'default': {'BACKEND': 'django.tasks.backends.dummy.DummyBackend'}}
    with override_settings(TASKS=backend):
        assert cronjob('0 8 * * *')(module.mail) is module.mail
        cronjob('0 8 * * *')(module.context_only)
        assert run_job('mail').status_code == 200
        assert [each.task.name for each in tasks.default_task_backend.results] == ['mail']
    with pytest.raises(CronError, match=r'mail_to is enqueued without arguments.*\(whom\)'):
        cronjob('0 8 * * *')(module.mail_to)


def test_a_module_of_an_application_is_found_and_what_it_raises_is_raised(tmp_path, monkeypatch):
    from django.utils.module_loading import autodiscover_modules

    place = tmp_path / 'billing'
    place.mkdir()
    (place / '__init__.py').write_text('')
    (place / 'cron.py').write_text(
        "from cronsched.django import cronjob\n\n@cronjob('0 8 * * *')\ndef bill(): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(INSTALLED_APPS=['cronsched.django', 'billing']):
        autodiscover_modules('cron')
        assert list(HOST.jobs) == ['bill']
        (place / 'cron.py').write_text("from cronsched.django import cronjob\ncronjob('0 8')(1)\n")
        importlib.invalidate_caches()
        sys.modules.pop('billing.cron')
        with pytest.raises(CronError):
            autodiscover_modules('cron')


# -- settings -----------------------------------------------------------------------


def test_the_environment_wins_over_the_settings(monkeypatch):
    monkeypatch.setenv('CRONSCHED_APPLICATION_ID', 'staging')
    monkeypatch.setenv('CRONSCHED_BASE_URL', 'http://127.0.0.1:9000')
    with site(CRONSCHED={'APPLICATION_ID': 'shop', 'BASE_URL': 'http://127.0.0.1:8000'}):
        assert HOST.application_id == 'staging'
        assert HOST.settings.base_url == 'http://127.0.0.1:9000'
        assert not HOST.implicit_id


@pytest.mark.parametrize(('urlconf', 'application_id'), [
    ('shop.urls', 'shop'), ('urls', 'urls'), ('config.urls.prod', 'config'),
])
def test_the_application_id_is_the_package_of_the_urls(urlconf, application_id):
    with site(ROOT_URLCONF=urlconf):
        assert HOST.application_id == application_id
        assert HOST.implicit_id
    with site(CRONSCHED={'APPLICATION_ID': 'mine'}):
        assert not HOST.implicit_id


@pytest.mark.parametrize(('given', 'says'), [
    ({'RETRY': 1}, r"CRONSCHED has no 'RETRY': write 'RETRIES'"),
    ({'retries': 1}, r"CRONSCHED has no 'retries': write 'RETRIES'"),
    ({'COLOUR': 1}, r"CRONSCHED has no 'COLOUR': there are ENABLED, "),
    ({'RETRIES': -1}, r"CRONSCHED\['RETRIES'\]|retries=-1"),
    ({'BASE_URL': 'shop'}, r"CRONSCHED\['BASE_URL'\]='shop': it does not begin"),
    ({'PREFIX': 'cronjobs'}, r"CRONSCHED\['PREFIX'\]='cronjobs': write a path"),
    ({'APPLICATION_ID': 5}, r"CRONSCHED\['APPLICATION_ID'\]=5: write a text"),
])
def test_a_mistake_in_a_setting_says_what_to_write(given, says):
    with site(CRONSCHED=given), pytest.raises(ConfigurationError, match=says):
        configuration()


def test_the_setting_is_a_dict():
    with override_settings(CRONSCHED=['RETRIES']), pytest.raises(ConfigurationError, match='dict'):
        configuration()


# -- checks -------------------------------------------------------------------------


def messages(*, deploy=False):
    return checks.run_checks(tags=['cronsched'], include_deployment_checks=deploy)


def ids_of(*, deploy=False):
    return [each.id for each in messages(deploy=deploy)]


class Urls:
    """Modules of URLs, for ROOT_URLCONF."""

    nothing = (path('', page),)
    below = (path('internal/', include('cronsched.django.urls')),)
    catching = (path('<path:all>', page), path('', include('cronsched.django.urls')))


@pytest.mark.parametrize(('urls', 'hint'), [
    (Urls.nothing, "Add path('', include('cronsched.django.urls')) to urlpatterns of"),
    (Urls.below, "Write CRONSCHED = {'PREFIX': '/internal/cronjobs'}."),
    (Urls.catching, "before the pattern that matches everything"),
])
@pytest.mark.parametrize('script', [None, '/shop'])
def test_e001_says_where_the_urls_belong(urls, hint, script, monkeypatch):
    module = type(sys)('urls_of_a_test')
    module.urlpatterns = list(urls)
    monkeypatch.setitem(sys.modules, 'urls_of_a_test', module)
    with site(ROOT_URLCONF='urls_of_a_test', FORCE_SCRIPT_NAME=script):
        [message] = messages()
        assert message.id == 'cronsched.E001'
        assert hint in message.hint
    with site(ROOT_URLCONF='urls_of_a_test', CRONSCHED={'PREFIX': '/internal/cronjobs'}):
        assert (ids_of() == []) is (urls is Urls.below)


@pytest.mark.parametrize(('changed', 'told'), [
    ({'ALLOWED_HOSTS': []}, True),
    ({'ALLOWED_HOSTS': [], 'DEBUG': True}, False),
    ({'ALLOWED_HOSTS': ['*']}, False),
    ({'ALLOWED_HOSTS': ['.shop.example']}, False),
    ({'ALLOWED_HOSTS': ['.example'], 'CRONSCHED': {'PUBLIC_URL': 'https://shop.example'}}, False),
    ({'ALLOWED_HOSTS': [], 'CRONSCHED': {'PUBLIC_URL': 'https://shop.example'}}, True),
    ({'ALLOWED_HOSTS': [], 'DEBUG': True,
      'CRONSCHED': {'PUBLIC_URL': 'https://shop.example'}}, True),
])
def test_w001_where_no_host_is_known(changed, told):
    with site(**changed):
        assert ids_of() == ['cronsched.W001'] * told


@pytest.mark.parametrize(('changed', 'told'), [
    ({}, True),
    ({'SECURE_PROXY_SSL_HEADER': ('HTTP_X_FORWARDED_PROTO', 'https')}, False),
    ({'SECURE_REDIRECT_EXEMPT': [r'(^|/)cronjobs/']}, False),
    ({'SECURE_REDIRECT_EXEMPT': [r'^health/']}, True),
])
def test_w002_where_https_redirects_the_scheduler(changed, told):
    with site(SECURE_SSL_REDIRECT=True, **changed):
        assert ids_of() == ['cronsched.W002'] * told


def test_w003_an_odd_expression():
    cronjob('*/25 * * * *')(job)
    cronjob('0 8 * * *', name='good')(job)
    [message] = messages()
    assert message.id == 'cronsched.W003'
    assert '*/25' in message.msg
    assert f'{HERE}:{job.__code__.co_firstlineno}' in message.msg


def test_w004_an_async_job_where_requests_are_atomic():
    from django.db import connections

    cronjob('0 8 * * *')(async_job)
    assert ids_of() == []
    connections['other'].settings_dict['ATOMIC_REQUESTS'] = True
    try:
        [message] = messages()
    finally:
        connections['other'].settings_dict['ATOMIC_REQUESTS'] = False
    assert (message.id, 'async_job' in message.msg) == ('cronsched.W004', True)


def test_w005_a_state_directory_that_others_may_write_to(tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, 'is_layer', lambda directory, mounts: False)
    assert 'cronsched.W005' not in ids_of(deploy=True)
    place = tmp_path / 'open'
    place.mkdir()
    place.chmod(0o777)
    with site(CRONSCHED={'STATE_DIRECTORY': str(place)}):
        assert 'cronsched.W005' in ids_of(deploy=True)
        assert ids_of() == []
    monkeypatch.setattr(deployment, 'is_layer', lambda directory, mounts: True)
    assert 'lost with the container' in next(
        each.msg for each in messages(deploy=True) if each.id == 'cronsched.W005'
    )


def test_the_layer_of_a_container_is_known_from_a_volume(tmp_path):
    mounts = tmp_path / 'mounts'
    mounts.write_text(
        'overlay / overlay rw 0 0\n/dev/sda1 /var/lib/shop ext4 rw 0 0\nproc /proc proc rw 0 0\n'
    )
    assert deployment.is_layer(Path('/root/.local/state'), mounts)
    assert not deployment.is_layer(Path('/var/lib/shop/cronsched'), mounts)
    assert not deployment.is_layer(Path('/root'), tmp_path / 'nowhere')


@pytest.mark.parametrize(('written', 'arguments', 'told'), [
    ('', '', True),
    ('workers = 4\n', '', True),
    ("worker_class = 'sync'\n", '', True),
    ('timeout = 3630\n', '', False),
    ("worker_class = 'gthread'\n", '', False),
    ('threads = 4\n', '', False),
    ('graceful_timeout = 5\n', '', True),
    ('', '--timeout 600', False),
    ('', '-t 600', False),
    ('', '-k uvicorn_worker.UvicornWorker', False),
])
def test_w006_a_worker_that_gunicorn_would_end(written, arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GUNICORN_CMD_ARGS', arguments)
    monkeypatch.setattr(deployment, 'is_layer', lambda directory, mounts: False)
    (tmp_path / 'gunicorn.conf.py').write_text(written)
    cronjob('0 8 * * *', timeout=20)(job)
    assert ids_of(deploy=True) == []
    cronjob('0 8 * * *', name='long')(job)
    assert ids_of(deploy=True) == ['cronsched.W006'] * told


# -- what the knock meets -------------------------------------------------------------


@pytest.mark.parametrize(('kind', 'location', 'changed', 'says'), [
    ('redirect', 'https://127.0.0.1/', {}, 'SECURE_PROXY_SSL_HEADER if a proxy'),
    ('redirect', 'https://127.0.0.1/', {'CRONSCHED': {'PREFIX': '/in/cronjobs'}},
     r"[r'(^|/)in/cronjobs/']"),
    ('redirect', 'http://www.shop.example/', {'PREPEND_WWW': True}, 'PREPEND_WWW'),
    ('redirect', '/welcome', {}, 'leave that path out'),
    ('login', '/login', {}, 'login_required = False'),
    ('host', '', {}, 'ALLOWED_HOSTS'),
    ('refused', '', {}, 'csrf_exempt'),
    ('not_found', '', {}, "include('cronsched.django.urls')"),
    ('error', '', {'FORCE_SCRIPT_NAME': '/shop'}, 'SCRIPT_NAME'),
    ('error', '', {}, ''),
    ('secret', '', {}, "'STATE_DIRECTORY'"),
    ('no_answer', '', {}, ''),
])
def test_what_stands_in_the_way_is_told_in_the_words_of_django(kind, location, changed, says):
    with site(**changed):
        told = HOST.told(Diagnosis(kind, 'http://127.0.0.1:8000/cronjobs/-', 301, location))
        assert says in told
        assert bool(told) is bool(says)


def test_behind_a_unix_socket_uvicorn_is_named():
    told = HOST.told(Diagnosis('redirect', 'http+unix://%2Frun/', 301, 'https://shop.example/'))
    assert '--forwarded-allow-ips' in told


# -- the command ----------------------------------------------------------------------


@pytest.fixture
def ran():
    cronjob('*/5 * * * *')(job)
    assert run_job('job').status_code == 200
    plan = Plan('*/5 * * * *', 'Asia/Tokyo')
    HOST.site.ledger.seen(HOST.application_id, 'http://127.0.0.1:8000', {'job': plan}, 60)
    HOST.site.ledger.seen('another', 'http://127.0.0.1:8001', {'job': plan}, 60)


def command(*arguments, capsys):
    call_command('cron', *arguments)
    return capsys.readouterr().out


@pytest.mark.usefixtures('ran')
def test_the_command_knows_the_application_and_its_ledger(capsys):
    HOST.site.ledger.record(Run('another', 'cleanup', 60), 'missed', at=60)
    written = command('history', '-v', '2', '--no-color', capsys=capsys)
    assert 'job' in written
    assert 'another' not in written
    assert 'another' in command('history', '-a', 'another', capsys=capsys)


@pytest.mark.usefixtures('ran')
def test_the_command_asks_whether_the_project_is_reached(capsys):
    with site(CRONSCHED={'PREFIX': '/internal/cronjobs', 'SECRET': 'of a test, and long enough'}):
        cronjob('*/5 * * * *')(job)
        with served(WSGIHandler()) as url, pytest.raises(SystemExit):
            command('doctor', '--at', url, capsys=capsys)
        written = capsys.readouterr().out
    assert f'{url}/internal/cronjobs/-' in written
    with served(WSGIHandler()) as url:
        assert f'answers at {url}' in command('doctor', '--at', url, capsys=capsys)


def test_the_command_checks_the_jobs_of_the_project(capsys):
    with pytest.raises(CommandError, match='there are no jobs'):
        command('check', capsys=capsys)
    cronjob('*/5 * * * *')(job)
    assert 'Every 5 minutes, Asia/Tokyo' in command('check', '*/5 * * * *', capsys=capsys)
    with pytest.raises(SystemExit) as caught:
        command('check', 'one two', capsys=capsys)
    assert caught.value.code == 2


def test_the_command_says_what_is_wrong_as_django_does():
    with pytest.raises(CommandError, match='there is no ledger'):
        call_command('cron', 'status')
    with pytest.raises(CommandError, match='required'):
        call_command('cron')


def test_where_the_command_writes_is_said_as_everywhere():
    from io import StringIO

    out = StringIO()
    call_command('cron', 'check', '0 8 * * *', '--json', stdout=out)
    assert '"At 08:00 every day, Asia/Tokyo"' in out.getvalue()
