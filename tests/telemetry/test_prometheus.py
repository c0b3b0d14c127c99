from __future__ import annotations

import shutil
import subprocess

import postgres
import pytest
from processes import run_python
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from telemetry_stage import NOW

import cronsched
from cronsched.base import clock
from cronsched.cli import main
from cronsched.ledger import Declared, LedgerError, Missed, Owner, Plan, Run, open_ledger
from cronsched.ledger.postgres import PostgresLedger
from cronsched.ledger.process import Process
from cronsched.telemetry.fleet import COUNTED
from cronsched.telemetry.prometheus import Collector

EVERY_MINUTE = Declared(Plan('* * * * *', 'UTC', 'tidy'), 7.0)


@pytest.fixture(autouse=True)
def now():
    with clock.in_place(lambda: NOW + 30.0):
        yield


@pytest.fixture
def filled(ledger):
    return fill(ledger)


def fill(ledger):
    for application_id in ('org/zug', 'org/uri'):
        ledger.seen(application_id, '', {'tidy': EVERY_MINUTE, 'report': EVERY_MINUTE}, NOW)
    ledger.own([Owner('org/zug', 'http://127.0.0.1:1', '/srv', NOW)])
    for minute, outcome in enumerate(('ok', 'ok', 'failed')):
        claim = ledger.claim(Run('org/zug', 'tidy', NOW - 600 + 60 * minute))
        ledger.finish(claim, outcome, took=0.3)
    claim = ledger.claim(Run('org/uri', 'tidy', NOW - 120))
    ledger.finish(claim, 'ok', took=7.0)
    ledger.miss([Missed(Run('org/zug', 'report', NOW - 1200), NOW - 900, 6)], NOW)
    ledger.claim(Run('org/zug', 'report', NOW - 60))   # executes
    ledger.pause('org/zug', 'report', at=NOW)
    return ledger


def exposition(ledger, **options):
    registry = CollectorRegistry()
    registry.register(Collector(ledger, **options))
    return generate_latest(registry).decode()


def figures(ledger, **options):
    """By name and labels, all but the buckets."""
    return {
        (sample.name.removeprefix('cronsched_'), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition(ledger, **options))
        for sample in family.samples if not sample.name.endswith('_bucket')
    }


def test_runs_are_counted_by_outcome(filled):
    found = figures(filled)
    assert found['runs_total', 'tidy', 'ok'] == 3
    assert found['runs_total', 'tidy', 'failed'] == 1
    assert found['runs_total', 'report', 'missed'] == 6


def test_durations_and_lateness_are_histograms(filled):
    found = figures(filled)
    assert found['run_duration_seconds_count', 'tidy'] == 4
    assert found['run_duration_seconds_sum', 'tidy'] == pytest.approx(0.3 * 3 + 7.0)
    lines = exposition(filled).splitlines()
    assert 'cronsched_run_duration_seconds_bucket{job="tidy",le="0.5"} 3.0' in lines
    assert 'cronsched_run_duration_seconds_bucket{job="tidy",le="10.0"} 4.0' in lines
    assert 'cronsched_run_duration_seconds_bucket{job="tidy",le="+Inf"} 4.0' in lines
    # 630, 570, 510 and 150 seconds after their time, less the offset of 7.
    assert 'cronsched_run_lateness_seconds_bucket{job="tidy",le="300.0"} 1.0' in lines
    assert 'cronsched_run_lateness_seconds_bucket{job="tidy",le="900.0"} 4.0' in lines


def test_what_is_now(filled):
    found = figures(filled)
    assert found['runs_in_progress', 'report'] == 1
    assert found['runs_in_progress', 'tidy'] == 0
    assert found['job_paused', 'report'] == 1
    assert found['job_paused', 'tidy'] == 0
    assert found['next_run_timestamp_seconds', 'tidy'] == NOW + 60 + 7
    # Of those that a living process owns, the one that is farthest behind.
    assert found['last_success_timestamp_seconds', 'tidy'] == NOW - 600 + 60
    assert found['last_run_timestamp_seconds', 'tidy'] == NOW - 600 + 120
    assert found['applications',] == 2
    assert found['applications_owned',] == 1
    assert found['build_info', cronsched.__version__] == 1


def of_runs(found):
    return {key: value for key, value in found.items()
            if not key[0].startswith(('member', 'seats', *COUNTED))}


def test_one_machine_tells_who_lives(filled):
    found, host = figures(filled), Process.current().host
    assert found['members', host] == 1
    assert found['member_seats', host] == 1
    assert not any(key[0].startswith(('seats', *COUNTED)) for key in found)


def test_several_machines_tell_who_fires_and_what_happened_among_them():
    ledger = PostgresLedger(postgres.server().clean_database())
    seats, suspect = ledger.seats('a'), PostgresLedger(postgres.server().clean_url)
    gone = suspect.seats('b')
    host = Process.current().host
    try:
        seats.join()
        gone.join()
        gone.take(['org/uri', 'org/zug'])
        assert gone.beat(-1.5).alive
        assert seats.beat(0.5).alive
        found = figures(ledger)
        assert (found['members', host], found['member_seats', host]) == (2, 2)
        assert found['member_clock_offset_seconds', host] == -1.5
        assert 0 <= found['member_silence_seconds', host] < 60
        assert found['seats_free',] == found['convictions_total',] == 0
        assert seats.convict(gone.member, 1)
        assert not gone.beat().alive
        found = figures(ledger)
        assert (found['members', host], found['seats_free',]) == (1, 2)
        assert (found['convictions_total',], found['deposed_total',]) == (1, 1)
        assert found['lapses_total',] == found['said_again_total',] == 0
    finally:
        for each in (seats, gone, ledger, suspect):
            each.close()


def test_a_ledger_of_several_machines_tells_the_same(filled):
    shared = PostgresLedger(postgres.server().clean_database())
    shared.clock = clock.now
    try:
        fill(shared)
        for options in ({}, {'by_application': True}):
            assert of_runs(figures(shared, **options)) == of_runs(figures(filled, **options))
        buckets = [line for line in exposition(filled).splitlines() if '_bucket{' in line]
        assert buckets
        assert set(buckets) <= set(exposition(shared).splitlines())
    finally:
        shared.close()


def test_one_series_for_each_application_id_if_wanted(filled):
    found = figures(filled, by_application=True)
    assert found['runs_total', 'org/zug', 'tidy', 'ok'] == 2
    assert found['runs_total', 'org/uri', 'tidy', 'ok'] == 1
    assert found['application_owned', 'org/zug'] == 1
    assert found['application_owned', 'org/uri'] == 0
    assert not any('org' in str(each) for each in figures(filled))


def test_only_those_asked_for_are_told_of(filled):
    found = figures(filled, application_ids=['org/uri'])
    assert found['runs_total', 'tidy', 'ok'] == 1
    assert found['applications',] == 1


def test_a_thousand_tenants_are_one_series(ledger):
    for number in range(1000):
        ledger.seen(f'org/{number}', '', {'tidy': EVERY_MINUTE}, NOW)
    assert len(exposition(ledger).splitlines()) < 100


def test_counters_only_grow_though_the_history_is_pruned(filled):
    before = figures(filled)
    assert filled.prune(NOW + 1e6) > 0
    assert filled.history() != []   # what executes
    after = figures(filled)
    for key, value in before.items():
        if key[0].endswith(('_total', '_count', '_sum')):
            assert after[key] == value
    claim = filled.claim(Run('org/zug', 'tidy', NOW))
    filled.finish(claim, 'ok', took=0.1)
    assert figures(filled)['runs_total', 'tidy', 'ok'] == before['runs_total', 'tidy', 'ok'] + 1


def test_every_worker_gives_the_same_figures(filled, tmp_path):
    other = run_python(f"""
        from cronsched.base import clock
        from cronsched.ledger import open_ledger
        from cronsched.telemetry.prometheus import Collector
        from prometheus_client import CollectorRegistry, generate_latest
        registry = CollectorRegistry()
        ledger = open_ledger('sqlite://{tmp_path}/ledger.sqlite3')
        registry.register(Collector(ledger))
        with clock.in_place(lambda: {NOW} + 30.0):
            print(generate_latest(registry).decode(), end='')
        ledger.close()
    """)
    assert other == exposition(filled)


def test_it_obeys_the_rules_of_names(filled):
    """`promtool check metrics`, of Debian's package prometheus, where it is
    installed; and what can be said without it, in any case."""
    text = exposition(filled, by_application=True)
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith('.'), family.name
        assert family.type != 'counter' or f'{family.name}_total' in text
        assert '_ms' not in family.name
    if shutil.which('promtool'):
        done = subprocess.run(
            ['promtool', 'check', 'metrics'], input=text, text=True, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_names_of_others_are_escaped(ledger):
    name = 'a"b\\c\nd'
    ledger.seen('shop', '', {name: EVERY_MINUTE}, NOW)
    assert figures(ledger)['job_paused', name] == 0


def test_registering_needs_no_ledger_and_a_scrape_without_one_fails(tmp_path):
    ledger = open_ledger(f'sqlite://{tmp_path}/missing/ledger.sqlite3')
    registry = CollectorRegistry()
    registry.register(Collector(ledger))
    with pytest.raises(LedgerError):
        generate_latest(registry)


def test_the_command_writes_the_same(filled, tmp_path, capsys):
    filled.close()
    url = f'sqlite://{tmp_path}/ledger.sqlite3'
    assert main(['metrics', '--ledger', url]) == 0
    assert capsys.readouterr().out == exposition(filled)
    assert main(['metrics', '--by-application', '-a', 'org/zug', '--ledger', url]) == 0
    assert capsys.readouterr().out == exposition(
        filled, by_application=True, application_ids=['org/zug'])
