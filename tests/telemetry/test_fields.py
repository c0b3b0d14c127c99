"""Each line of the log about a run carries fields."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from telemetry_stage import NOW

import cronsched
from cronsched._cronsched import run_id
from cronsched.ledger import Plan, Run
from cronsched.telemetry.fields import NAMES, fields

PACKAGE = Path(cronsched.__file__).parent

# What is about no application id.
ABOUT_NONE = (
    'The clock was set by %+.3f s', 'The scheduler has a problem: %s',
    'The ledger cannot be used: %s', 'Kept in memory until the ledger can be written: %s',
    'New rules for %s: %d job(s) planned anew', '%d event(s) were dropped, as they came too fast',
    # Between machines.
    'Nothing is called while the ledger cannot be reached', 'Member %d has not been heard',
    'The other machines have not heard this process', 'The ledger is another server',
    'The clock of this machine is',
)


def lines_of(path):
    """Each call that logs by `say` or `alarm`: its text, and whether it has fields."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') in ('say', 'alarm'):
            text = node.args[node.func.id == 'say']
            yield ast.unparse(text).strip("'"), any(each.arg == 'extra' for each in node.keywords)


@pytest.mark.parametrize(
    'path', sorted(PACKAGE.glob('scheduler/*.py')), ids=lambda path: path.name)
def test_each_line_of_the_scheduler_has_fields(path):
    for text, has_fields in lines_of(path):
        assert has_fields or text.startswith(ABOUT_NONE), f'{path.name}: {text}'


def of_runs(caplog):
    return [record for record in caplog.records if 'tidy of shop' in record.getMessage()
            and record.levelname != 'DEBUG']


@pytest.mark.parametrize(
    ('said', 'outcome'),
    [
        ({'status': 200}, 'ok'),
        ({'status': 200, 'took': 31.0}, 'ok'),
        ({'status': 404}, 'failed'),
        ({'status': 401}, 'failed'),
        ({'status': 200, 'outcome': 'skipped_paused'}, 'skipped_paused'),
        ({'status': 200, 'outcome': 'skipped_overlap'}, 'skipped_overlap'),
        ({'status': 200, 'outcome': 'duplicate'}, 'duplicate'),
    ],
)
def test_a_line_says_which_run_it_is_about(stage, caplog, said, outcome):
    stage.start()
    stage.pass_by(1)
    caplog.clear()
    stage.answer(**said)
    sent, ended = of_runs(caplog)
    for record in (sent, ended):
        assert (record.cron_application, record.cron_job) == ('shop', 'tidy')
        assert record.cron_run == run_id('shop', 'tidy', NOW)
        assert record.cron_scheduled == record.cron_due == '2026-11-25T10:00:00+00:00'
        assert record.cron_attempt == 1
    assert sent.cron_lateness_s < 60
    assert (ended.cron_outcome, ended.cron_duration_s) == (outcome, said.get('took', 0.0))


def test_missed_and_attempts_have_them_too(make_stage, caplog):
    stage = make_stage(retries=1, backoff=1)
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    stage.pass_by(1)
    stage.answer(503)
    outcomes = {getattr(record, 'cron_outcome', None) for record in of_runs(caplog)}
    assert {'missed', 'failed'} <= outcomes
    for record in of_runs(caplog):
        assert record.cron_job == 'tidy'
        assert record.cron_run.startswith('run_')


def test_what_is_not_known_is_no_field():
    assert fields('shop') == {'cron_application': 'shop'}
    everything = fields(
        'shop', 'tidy', NOW, due=NOW, attempt=1, outcome='ok', took=0.0, lateness=0.0)
    assert sorted(everything) == sorted(NAMES)
