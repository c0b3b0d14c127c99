"""A ledger of an earlier version, and processes of other containers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from cronsched.ledger import Declared, LedgerError, Plan, Run, Seen
from cronsched.ledger.process import Process
from cronsched.ledger.sqlite import SQLiteLedger, schema

NOW = int(time.time())


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'ledger.sqlite3'


@pytest.fixture
def ledger(path):
    ledger = SQLiteLedger(path)
    yield ledger
    ledger.close()


def write_first_version(path, *executions):
    """As schema 1 left it; `executions` are (scheduled, place, pid, started)."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.VERSIONS[0])
        connection.execute(f'PRAGMA application_id = {schema.APPLICATION_ID}')
        connection.execute('PRAGMA user_version = 1')
        connection.execute(
            "INSERT INTO jobs (id, application_id, job, since, newest, last_ok, expression, "
            "timezone) VALUES (7, 'org/zug', 'tidy', 5.0, 60, 60, '* * * * *', 'UTC')")
        connection.execute(
            "INSERT INTO runs (job_id, scheduled, state, attempt, started, ended, host, pid) "
            "VALUES (7, 60, 'ok', 1, 61.0, 62.0, 'old', 12)")
        connection.execute("INSERT INTO pauses VALUES (NULL, 'other', 'moving', 1.0)")
        connection.execute("INSERT INTO applications VALUES ('org/zug', 'http://a', 5.0)")
        for scheduled, place, pid, started in executions:
            connection.execute(
                "INSERT INTO runs (job_id, scheduled, state, attempt, started) "
                "VALUES (7, ?, 'running', 1, 61.0)", (scheduled,))
            connection.execute(
                'INSERT INTO executions VALUES (7, ?, 1, ?, ?, ?, ?, ?)',
                (scheduled, 'old', place, pid, started, NOW + 3600))
        connection.commit()
    path.chmod(0o600)


def test_an_old_ledger_is_upgraded_and_keeps_what_it_knew(path, ledger):
    write_first_version(path)
    row, = ledger.history()
    assert (row.run, row.state, row.host, row.pid) == (Run('org/zug', 'tidy', 60), 'ok', 'old', 12)
    job, = ledger.jobs()
    assert (job.since, job.newest, job.last_success, job.declared) == (5.0, 60, 60, True)
    assert job.planned is None
    assert ledger.paused() == {(None, 'other'): 'moving'}
    assert ledger.claim(Run('org/zug', 'tidy', 60)).verdict == 'duplicate'
    assert ledger.claim(Run('org/zug', 'tidy', 120)).granted
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute('PRAGMA user_version').fetchone() == (len(schema.VERSIONS),)


def test_an_upgraded_ledger_has_the_tables_of_a_new_one(path, tmp_path, ledger):
    write_first_version(path)
    ledger.applications()
    new = SQLiteLedger(tmp_path / 'new')
    new.applications()
    texts = []
    for each in (path, tmp_path / 'new'):
        with contextlib.closing(sqlite3.connect(each)) as connection:
            texts.append(connection.execute(
                'SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name').fetchall())
    new.close()
    assert texts[0] == texts[1]


def test_what_was_executed_during_the_upgrade_is_known_still(path, ledger):
    here = Process.current()
    place = f'{here.boot}/{here.namespace}'
    write_first_version(
        path, (120, place, here.pid, here.started), (180, place, here.pid, here.started + 1))
    assert ledger.recover() == [Run('org/zug', 'tidy', 180)]
    assert [each.run.scheduled for each in ledger.executing()] == [120]


def test_the_first_version_refuses_what_came_later(path, ledger, monkeypatch):
    ledger.applications()
    ledger.close()
    monkeypatch.setattr(schema, 'VERSIONS', schema.VERSIONS[:1])
    with pytest.raises(LedgerError, match=r'newer cronsched \(schema 4, this one knows 1\)'):
        ledger.history()


def write_third_version(path, *jobs):
    """`jobs` are the application id, the name, the expression and the place."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(';'.join(schema.VERSIONS[:3]))
        connection.execute(f'PRAGMA application_id = {schema.APPLICATION_ID}')
        connection.execute('PRAGMA user_version = 3')
        connection.executemany(
            'INSERT INTO jobs (application_id, job, since, newest, last_ok, fence, expression, '
            "timezone, planned, offset, place, words) VALUES (?, ?, 5.0, 60, 60, 3, ?, 'UTC', "
            "7.0, 1.5, ?, 'words')", jobs)
        connection.commit()
    path.chmod(0o600)


def declarations(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            'SELECT expression, place FROM declarations ORDER BY 1, 2').fetchall()


def test_what_the_code_says_of_many_jobs_is_kept_once(path, ledger):
    write_third_version(
        path, ('org/bern', 'tidy', '* * * * *', 'a.py:1'), ('org/zug', 'tidy', '* * * * *',
        'a.py:1'), ('org/zug', 'mail', '0 8 * * *', None), ('org/zug', 'unknown', None, None))
    bern, mail, zug, unknown = ledger.jobs()
    assert bern[1:] == zug[1:]
    assert (zug.plan, zug.place, zug.words) == (Plan('* * * * *', 'UTC'), 'a.py:1', 'words')
    assert (zug.planned, zug.offset, zug.newest, zug.last_success) == (7.0, 1.5, 60, 60)
    assert (mail.plan, mail.place) == (Plan('0 8 * * *', 'UTC'), None)
    assert (unknown.plan, unknown.words) == (None, None)
    assert ledger.claim(Run('org/zug', 'tidy', 120)).fence == 4
    assert declarations(path) == [('* * * * *', 'a.py:1'), ('0 8 * * *', None)]


def test_what_no_job_says_any_more_is_forgotten(path, ledger):
    for place, at in (('a.py:1', 10.0), ('a.py:2', 20.0)):
        ledger.see([
            Seen(name, 'http://a', {'tidy': Declared(Plan('* * * * *'), 1.5, None, place)}, at)
            for name in ('org/bern', 'org/zug')])
    assert declarations(path) == [('* * * * *', 'a.py:1'), ('* * * * *', 'a.py:2')]
    assert [(job.place, job.planned) for job in ledger.jobs()] == [('a.py:2', 10.0)] * 2
    ledger.prune(0.0)
    assert declarations(path) == [('* * * * *', 'a.py:2')]
    assert [job.place for job in ledger.jobs()] == ['a.py:2'] * 2


CLAIMER = """
import sys
from cronsched.ledger import Run, open_ledger
ledger = open_ledger(f'sqlite://{sys.argv[1]}')
print(ledger.claim(Run('org/zug', 'tidy', 60)).verdict, flush=True)
sys.stdin.read()
"""


def contained(*command):
    return ['unshare', '--pid', '--uts', '--fork', '--kill-child', *command]


@pytest.fixture
def container(path):
    """A claim of a process in a pid namespace of its own, as in a container."""
    if not shutil.which('unshare') or subprocess.run(
            contained('true'), capture_output=True, check=False).returncode:
        pytest.skip('there are no pid namespaces to be had here')
    process = subprocess.Popen(
        contained(sys.executable, '-c', CLAIMER, str(path)), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == 'granted\n'
    yield process
    process.kill()
    process.communicate()


def test_a_run_in_another_container_is_executed_while_that_lives(ledger, container):
    assert ledger.recover() == []
    assert ledger.claim(Run('org/zug', 'tidy', 120)).verdict == 'skipped_overlap'
    assert ledger.owners() == {}


def test_a_run_of_a_container_that_is_gone_is_lost_at_once(ledger, container):
    container.kill()   # and its only process with it
    container.communicate()
    end = time.monotonic() + 10
    while not ledger.recover() and time.monotonic() < end:
        time.sleep(0.01)   # the kernel is still at it
    assert ledger.find(Run('org/zug', 'tidy', 60)).state == 'lost'
    assert ledger.claim(Run('org/zug', 'tidy', 120)).granted


def test_a_child_does_not_keep_its_dead_parent_alive(path, ledger):
    done = subprocess.Popen(
        [sys.executable, '-c', FORKER, str(path)], stdout=subprocess.PIPE, text=True)
    child = int(done.communicate(timeout=20)[0])
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            token, position = connection.execute(
                'SELECT presence, position FROM members').fetchone()
        ledger.applications()
        assert ledger._store.presence.is_held(token, position) is False
        assert ledger.recover() == [Run('org/zug', 'tidy', 60)]
    finally:
        os.kill(child, signal.SIGKILL)


FORKER = """
import os, sys, time
from cronsched.ledger import Run, open_ledger
ledger = open_ledger(f'sqlite://{sys.argv[1]}')
assert ledger.claim(Run('org/zug', 'tidy', 60)).granted
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_file_of_locks_that_was_made_anew_says_nothing_of_the_old(path, ledger):
    other = SQLiteLedger(path)
    assert other.claim(Run('org/zug', 'tidy', 60)).granted
    os.unlink(f'{path}-alive')
    ledger.applications()
    member = other._store.handles.own().member
    with ledger._store.read() as connection:
        from cronsched.ledger.sqlite import members
        # By its pid, as this is the same namespace; the new file is not asked.
        assert members.lives(connection, ledger._store.presence, member) is True
        token, position = connection.execute('SELECT presence, position FROM members').fetchone()
        assert ledger._store.presence.is_held(token, position) is None
    other.finish(other.claim(Run('org/zug', 'x', 60)), 'ok', took=0.1)
    other.close()
