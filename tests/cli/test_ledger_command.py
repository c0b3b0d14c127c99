"""`cronsched ledger`: the tables of a PostgreSQL ledger, and moving to it."""

from __future__ import annotations

import time
from pathlib import Path

import postgres
import pytest
from pages import ROOT, blocks_of

from cronsched.cli import main
from cronsched.ledger import Declared, Owner, Plan, Run, open_ledger
from cronsched.ledger.process import Process

FIRST = 1700000040


def run(minute: int, job: str = 'cleanup') -> Run:
    return Run('org/zug', job, FIRST + 60 * minute)


@pytest.fixture
def empty() -> str:
    return postgres.server().empty_database()


def as_application(url: str) -> str:
    return postgres.server().url(postgres.database_of(url), postgres.APPLICATION)


def sql(url: str, text: str) -> list[tuple[object, ...]]:
    return postgres.server().sql(text, postgres.database_of(url))


def test_migrate_makes_the_tables_and_prints_the_rights(
    empty: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['ledger', 'check', empty]) == 2
    assert 'run `cronsched ledger migrate URL` once' in capsys.readouterr().err
    assert main(['ledger', 'migrate', empty, '--role', 'app']) == 0
    told = capsys.readouterr().out
    assert told.startswith('The tables were made: schema 1.')
    sql(empty, told.partition('\n')[2])
    assert main(['ledger', 'check', as_application(empty)]) == 0
    assert 'PostgreSQL' in capsys.readouterr().out
    assert main(['ledger', 'migrate', empty]) == 0
    assert 'up to date' in capsys.readouterr().out
    with_rights = open_ledger(as_application(empty))
    assert with_rights.claim(run(0)).granted
    with_rights.close()


def test_the_statements_can_be_run_by_hand(
    empty: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['ledger', 'migrate', empty, '--sql', '--role', 'app']) == 0
    script = capsys.readouterr().out
    assert sql(empty, "SELECT to_regnamespace('cronsched') IS NULL") == [(True,)]
    sql(empty, script)
    assert main(['ledger', 'check', as_application(empty)]) == 0


def test_check_says_what_the_role_may_not(
    empty: str, capsys: pytest.CaptureFixture[str],
) -> None:
    main(['ledger', 'migrate', empty, '--role', 'app'])
    sql(empty, capsys.readouterr().out.partition('\n')[2].partition('GRANT EXECUTE')[0])
    assert main(['ledger', 'check', as_application(empty)]) == 1
    assert 'This role may not call the functions' in capsys.readouterr().out


def test_the_rights_are_also_for_what_a_later_migration_makes(
    empty: str, capsys: pytest.CaptureFixture[str],
) -> None:
    main(['ledger', 'migrate', empty, '--role', 'app'])
    sql(empty, capsys.readouterr().out.partition('\n')[2])
    sql(empty, "CREATE FUNCTION cronsched.claim_v2() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    main(['ledger', 'migrate', empty])
    assert main(['ledger', 'check', as_application(empty)]) == 0


def test_check_says_that_a_clock_is_wrong(
    empty: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    main(['ledger', 'migrate', empty])
    real = time.time
    monkeypatch.setattr('cronsched.cli.ledger.time.time', lambda: real() - 7)
    assert main(['ledger', 'check', empty]) == 1
    assert 'is -7.0 s away from that of the database' in (
        capsys.readouterr().out.replace('\n', ' '))


@pytest.mark.parametrize(('words', 'told'), [
    (['check', 'mysql://db/app'], 'write postgresql://user@host/database'),
    (['check', 'postgresql:///none?host=/nowhere'], 'does not answer'),
    (['copy', 'postgresql:///a'], 'takes 2 URLs, not 1'),
    (['copy', 'sqlite:///no/such/file', 'postgresql:///a'], 'there is no SQLite ledger at'),
])
def test_what_cannot_be_done_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['ledger', *words]) == 2
    assert told in capsys.readouterr().err.replace('\n', ' ')


# -- copy

@pytest.fixture
def one_machine(tmp_path: Path) -> str:
    """The ledger of an application that was stopped."""
    url = f'sqlite://{tmp_path}/ledger.sqlite3'
    ledger = open_ledger(url)
    ledger.seen('org/zug', 'http://localhost', {
        'cleanup': Declared(Plan('0 3 * * *', 'UTC', 'seed'), 5.0, '{}', 'a.py:1', 'at 03:00'),
        'report': None}, 1.0)
    for minute in range(1500):
        ledger.record(run(minute), 'ok' if minute % 2 else 'failed', at=FIRST + 60.0 * minute,
                      detail='a\0b' if minute == 7 else None)
    ledger.finish(ledger.claim(run(2000)), 'ok', took=2.0)
    assert ledger.claim(run(2001)).granted
    ledger.record(run(2100), 'missed', at=FIRST, until=run(2110).scheduled, count=11)
    ledger.pause(None, 'report', note='new server', at=5.0, by='anna')
    ledger.request_run('org/zug', 'report', FIRST, by='beat')
    ledger.close()
    return url


def test_a_copy_keeps_what_is_known(
    one_machine: str, capsys: pytest.CaptureFixture[str],
) -> None:
    target = postgres.server().clean_database()
    owner = postgres.server().url(postgres.database_of(target))
    assert main(['ledger', 'copy', one_machine, owner]) == 0
    assert '1503 runs' in capsys.readouterr().out
    old, new = open_ledger(one_machine, looking=True), open_ledger(target)
    assert new.jobs() == old.jobs()
    assert new.applications() == old.applications()
    assert new.pauses() == old.pauses()
    assert new.totals() == old.totals()
    assert new.find(run(2105)) == old.find(run(2105))
    was_running = new.find(run(2001))
    assert was_running is not None
    assert was_running.state == 'lost'
    rows = {row.run: row for row in new.walk()}
    for row in old.walk():
        if row.run not in (run(2001), run(7)):
            assert rows[row.run] == row._replace(member=rows[row.run].member)
    assert [wanted.job for wanted in new.take_requests(['org/zug'], FIRST)] == ['report']
    claim = new.claim(run(2200))
    assert (claim.previous, claim.last_success) == (run(2001).scheduled, run(2000).scheduled)
    old.close()
    new.close()


def test_a_second_copy_adds_nothing(
    one_machine: str, capsys: pytest.CaptureFixture[str],
) -> None:
    target = postgres.server().url(postgres.database_of(postgres.server().clean_database()))
    main(['ledger', 'copy', one_machine, target])
    capsys.readouterr()
    assert main(['ledger', 'copy', one_machine, target]) == 0
    assert capsys.readouterr().out.strip() == (
        'added: 0 members, 0 applications, 0 jobs, 0 pauses, 0 requests, 0 runs, 0 totals')


def test_what_a_copy_adds_to_a_job_that_is_known_holds_for_its_claims(
    one_machine: str, tmp_path: Path,
) -> None:
    """The target knows an older run, missed ones are added, and one by hand."""
    target = postgres.server().clean_database()
    earlier = f'sqlite://{tmp_path}/earlier.sqlite3'
    ledger = open_ledger(earlier)
    ledger.record(run(0), 'ok', at=FIRST)
    ledger.close()
    owner = postgres.server().url(postgres.database_of(target))
    for source in (earlier, one_machine):
        assert main(['ledger', 'copy', source, owner]) == 0
    new = open_ledger(target)
    assert new.claim(run(2105)).verdict == 'duplicate'
    assert new.claim(run(1999)).previous is None        # what was recorded never started
    assert new.claim(run(2000)).verdict == 'duplicate'
    assert new.claim(Run('org/zug', 'report', FIRST)).granted
    row = new.find(Run('org/zug', 'report', FIRST))
    assert row is not None
    assert row.requested
    new.close()


def test_a_copy_keeps_where_runs_were_executed(
    one_machine: str, capsys: pytest.CaptureFixture[str],
) -> None:
    target = postgres.server().clean_database()
    owner = postgres.server().url(postgres.database_of(target))
    sql(owner, "INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, "
               "since) VALUES ('another', 'b', 'n', 1, 1, 'web9', 1)")
    for _ in range(2):
        assert main(['ledger', 'copy', one_machine, owner]) == 0
    new = open_ledger(target)
    row, here = new.find(run(2000)), Process.current()
    assert row is not None
    assert (row.machine, row.host, row.pid) == (here.machine, here.host, here.pid)
    assert [(each.machine, each.pid, each.alive) for each in new.members()
            if each.id == row.member] == [(here.machine, here.pid, False)]
    assert len(new.members()) == 2
    new.close()


def test_the_ledger_of_an_application_that_runs_is_not_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    url = f'sqlite://{tmp_path}/ledger.sqlite3'
    ledger = open_ledger(url)
    ledger.own([Owner('org/zug', 'http://localhost', '/', 1.0)])
    assert main(['ledger', 'copy', url, postgres.server().clean_url]) == 2
    assert 'stop the application, and copy then' in capsys.readouterr().err.replace('\n', ' ')
    ledger.close()


def test_the_other_commands_take_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    url = postgres.server().clean_database()
    ledger = open_ledger(url)
    ledger.seen('org/zug', 'http://localhost', {'cleanup': Plan('0 3 * * *')}, 1.0)
    ledger.finish(ledger.claim(run(0)), 'failed', took=1.0, detail='no such town')
    for words, told in (
        (['status'], 'failed'), (['history'], 'no such town'), (['run', 'cleanup'], 'cleanup'),
        (['history', 'cleanup', '--at', '2023-11-14T22:14:00Z'], 'no such town'),
        (['pause', 'cleanup', '--note', 'moving'], 'moving'),
        (['resume', 'cleanup'], 'not paused'),
    ):
        nobody_runs_it = 3
        assert main([*words, '--ledger', url]) in (0, nobody_runs_it), words
        assert told in capsys.readouterr().out
    assert len(ledger.take_requests(['org/zug'])) == 1
    ledger.close()


# -- docs/several-machines.md

def test_the_page_says_what_works(one_machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    empty = postgres.server().empty_database()
    places = {
        'postgresql://owner@db/app': empty, 'postgresql://app@db/app': as_application(empty),
        'sqlite:///var/lib/app/cronsched/ledger.sqlite3': one_machine}
    page = ROOT / 'docs' / 'several-machines.md'
    blocks = blocks_of(page, 'by tests/cli/test_ledger_command.py')
    assert len(blocks) == 3
    for block in blocks:
        command = block.text.strip().removeprefix('$ cronsched ').split()
        assert main([places.get(word, word) for word in command]) == 0
        if 'migrate' in command:
            sql(empty, capsys.readouterr().out.partition('\n')[2])
