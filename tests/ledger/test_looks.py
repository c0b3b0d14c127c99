"""When the names of a ledger's files are compared, and how large its pages are."""

from __future__ import annotations

import os

import pytest

from cronsched.cli.stream import FEW, newest
from cronsched.ledger import LedgerError, Run, open_ledger
from cronsched.ledger.sqlite import store, wal


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


def looks(ledger, monkeypatch):
    found = []
    identities = ledger._store._identities
    monkeypatch.setattr(ledger._store, '_identities', lambda: found.append(1) or identities())
    return found


def test_names_are_not_compared_while_their_directory_is_as_it_was(ledger, tmp_path, monkeypatch):
    ledger.claim(Run('shop', 'tidy', 60))
    os.utime(tmp_path, (1, 1))   # the files were made long ago
    found = looks(ledger, monkeypatch)
    for minute in range(2, 2 * store.LOOK_EACH + 2):
        ledger.claim(Run('shop', 'tidy', 60 * minute), overlap='allow')
    assert 1 <= len(found) <= 4


def test_names_are_compared_while_a_change_is_fresh(ledger, monkeypatch):
    ledger.claim(Run('shop', 'tidy', 60))
    monkeypatch.setattr(store, 'SETTLED', 3_600_000_000_000)
    found = looks(ledger, monkeypatch)
    for minute in range(2, 7):
        ledger.claim(Run('shop', 'tidy', 60 * minute), overlap='allow')
    assert len(found) == 5


@pytest.mark.parametrize('suffix', ['', '-wal', '-shm'])
def test_a_file_that_is_replaced_long_after_is_noticed_at_once(ledger, tmp_path, suffix):
    ledger.claim(Run('shop', 'tidy', 60))
    os.utime(tmp_path, (1, 1))
    ledger.claim(Run('shop', 'tidy', 120), overlap='allow')
    assert ledger._store._looked_at is not None
    path = tmp_path / f'ledger.sqlite3{suffix}'
    path.rename(tmp_path / 'kept')
    with pytest.raises(LedgerError, match='removed or replaced'):
        ledger.claim(Run('shop', 'tidy', 180), overlap='allow')
    (tmp_path / 'kept').rename(path)


def test_a_new_file_has_small_pages(ledger):
    ledger.applications()
    connection = ledger._store.handles.own().connection
    assert connection.execute('PRAGMA page_size').fetchone()[0] == wal.PAGE
    pages = connection.execute('PRAGMA wal_autocheckpoint').fetchone()[0]
    assert pages * wal.PAGE == wal.KEPT


def test_few_rows_are_asked_for_as_such(ledger, monkeypatch):
    for minute in range(5):
        ledger.record(Run('shop', 'tidy', 60 * minute), 'ok', at=0.0)
    walked = []
    walk = ledger.walk
    monkeypatch.setattr(ledger, 'walk', lambda **given: walked.append(1) or walk(**given))
    assert [row.run.scheduled for row in newest(ledger, None, None, 3)] == [240, 180, 120]
    assert walked == []
    assert len(list(newest(ledger, None, None, FEW + 1))) == 5
    assert walked == [1]
