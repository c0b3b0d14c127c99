"""What a dashboard asks a ledger, whatever keeps it: pages of jobs, how they
stand, and the histories of many at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_ledger import FIRST, MINUTE, PARAMETERS, STORES, ended, granted

from cronsched.ledger import (
    GONE,
    NO_RUN,
    Declared,
    Ledger,
    Plan,
    Planned,
    Row,
    Run,
    Standing,
    Tally,
    Wanted,
    open_ledger,
)

DAY = 86400
PLAN = Declared(Plan('0 3 * * *'), words='at 03:00')


@pytest.fixture(params=PARAMETERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(STORES[request.param](tmp_path))
    yield ledger
    ledger.close()


def run(application_id: str, job: str, minute: int = 0) -> Run:
    return Run(application_id, job, FIRST + minute * MINUTE)


def names(ledger: Ledger, **wanted: object) -> list[str]:
    found, _ = ledger.find_jobs(Wanted(**wanted))  # type: ignore[arg-type]
    return [f'{each.known.application_id} {each.known.job}' for each in found]


def state_of(ledger: Ledger, application_id: str, job: str) -> str:
    found, total = ledger.find_jobs(Wanted(application_id=application_id, job=job))
    assert total == 1
    return found[0].state


# -- how a job stands

@pytest.mark.parametrize('outcome', ['ok', 'failed', 'lost', 'timed_out', 'unreachable'])
def test_a_job_stands_as_its_last_run(ledger: Ledger, outcome: str) -> None:
    ended(ledger, run('bern', 'cleanup'), 'ok')
    ended(ledger, run('bern', 'cleanup', 1), outcome)
    assert state_of(ledger, 'bern', 'cleanup') == outcome


def test_a_job_is_ok_again_after_a_success(ledger: Ledger) -> None:
    ended(ledger, run('bern', 'cleanup'), 'failed')
    ended(ledger, run('bern', 'cleanup', 1), 'ok')
    assert state_of(ledger, 'bern', 'cleanup') == 'ok'


def test_an_older_run_that_ends_later_does_not_count(ledger: Ledger) -> None:
    older = granted(ledger, run('bern', 'cleanup'))
    ended(ledger, run('bern', 'cleanup', 1), 'failed', overlap='allow')
    ledger.finish(older, 'ok', took=1.0)
    assert state_of(ledger, 'bern', 'cleanup') == 'failed'


def test_missed_runs_count_by_the_last_of_them(ledger: Ledger) -> None:
    ended(ledger, run('bern', 'cleanup'), 'ok')
    until = run('bern', 'cleanup', 9).scheduled
    ledger.record(run('bern', 'cleanup', 2), 'missed', at=until, until=until, count=8)
    assert state_of(ledger, 'bern', 'cleanup') == 'missed'


def test_a_run_by_hand_counts_once_it_was_executed(ledger: Ledger) -> None:
    ended(ledger, run('bern', 'cleanup'), 'ok')
    wanted = ledger.request_run('bern', 'cleanup', FIRST + 30)
    assert state_of(ledger, 'bern', 'cleanup') == 'ok'
    ended(ledger, wanted, 'failed')
    assert state_of(ledger, 'bern', 'cleanup') == 'failed'


def test_a_job_without_a_run_and_one_that_is_gone_are_told(ledger: Ledger) -> None:
    ledger.seen('bern', 'http://localhost', {'cleanup': PLAN, 'old': PLAN}, 1.0)
    assert state_of(ledger, 'bern', 'cleanup') == NO_RUN
    ledger.seen('bern', 'http://localhost', {'cleanup': PLAN}, 2.0)
    assert state_of(ledger, 'bern', 'old') == GONE


def test_a_job_that_runs_is_running(ledger: Ledger) -> None:
    ended(ledger, run('bern', 'cleanup'), 'ok')
    granted(ledger, run('bern', 'cleanup', 1))
    assert state_of(ledger, 'bern', 'cleanup') == 'running'


def test_standings_are_counted_over_application_ids(ledger: Ledger) -> None:
    for town in ('bern', 'chur', 'zug'):
        ledger.seen(town, 'http://localhost', {'cleanup': PLAN}, 1.0)
        ended(ledger, run(town, 'cleanup'), 'failed' if town == 'zug' else 'ok')
    assert ledger.standings() == [
        Standing('cleanup', 'failed', 1, 'zug', FIRST, 'at 03:00'),
        Standing('cleanup', 'ok', 2, 'bern', FIRST, 'at 03:00'),
    ]


def test_words_are_told_where_all_are_planned_alike(ledger: Ledger) -> None:
    ledger.seen('bern', 'http://localhost', {'cleanup': PLAN}, 1.0)
    ledger.seen('zug', 'http://localhost', {
        'cleanup': Declared(Plan('0 4 * * *'), words='at 04:00')}, 1.0)
    assert [each.words for each in ledger.standings()] == [None]


# -- pages of jobs

@pytest.fixture
def shops(ledger: Ledger) -> Ledger:
    for number, name in enumerate(('Bern', 'chur', '100%', 'a_b')):
        ledger.seen(name, 'http://localhost', {'cleanup': PLAN, 'report': PLAN}, 1.0)
        ended(ledger, run(name, 'cleanup', number), 'failed' if name == 'chur' else 'ok')
    return ledger


def test_a_page_is_a_part_and_says_how_many_there_are(shops: Ledger) -> None:
    every = names(shops)
    assert every == sorted(every)
    found, total = shops.find_jobs(Wanted(limit=3, skip=2))
    assert [each.known.application_id for each in found] == [
        each.split()[0] for each in every[2:5]]
    assert total == len(every) == 8


def test_a_text_is_part_of_a_name_in_any_case(shops: Ledger) -> None:
    assert names(shops, text='bER') == ['Bern cleanup', 'Bern report']
    assert len(names(shops, text='EPOR')) == 4
    assert names(shops, text='nowhere') == []


@pytest.mark.parametrize(('text', 'found'), [('%', '100%'), ('_', 'a_b'), ('\\', None)])
def test_a_text_means_itself(shops: Ledger, text: str, found: str | None) -> None:
    assert names(shops, text=text) == ([] if found is None else [
        f'{found} cleanup', f'{found} report'])


def test_pages_are_chosen_by_name_and_state(shops: Ledger) -> None:
    assert names(shops, application_id='chur') == ['chur cleanup', 'chur report']
    assert names(shops, job='cleanup', states=('failed', 'lost')) == ['chur cleanup']
    assert len(names(shops, states=(NO_RUN,))) == 4


def test_pages_are_ordered(shops: Ledger) -> None:
    assert names(shops, order='job')[0] == '100% cleanup'
    assert names(shops, order='newest', descending=True)[0] == 'a_b cleanup'
    assert names(shops, order='state')[0] == 'chur cleanup'


def test_the_plans_are_told_with_how_many_jobs_have_each(ledger: Ledger) -> None:
    night, other = Plan('0 3 * * *', 'Europe/Zurich', 's'), Plan('0 3 * * *')
    for town, plan, offset in (
        ('bern', night, 7.9), ('chur', night, 7.1), ('zug', night, 8.0), ('uri', other, 7.0),
    ):
        ledger.seen(town, 'http://localhost', {
            'cleanup': Declared(plan, offset), 'bare': None, 'gone': Declared(plan, offset)}, 1.0)
        ledger.seen(town, 'http://localhost', {
            'cleanup': Declared(plan, offset), 'bare': None}, 2.0)
    assert sorted(ledger.planned(), key=str) == sorted([
        Planned('bare', None, 0, 4), Planned('cleanup', night, 7, 2),
        Planned('cleanup', night, 8, 1), Planned('cleanup', other, 7, 1)], key=str)
    assert ledger.states() == {NO_RUN: 8, GONE: 4}
    assert ledger.timezones() == ['Europe/Zurich', 'UTC']


@pytest.mark.parametrize('descending', [False, True])
def test_jobs_are_ordered_by_what_their_plans_say(ledger: Ledger, descending: bool) -> None:
    plans = {'late': Plan('0 9 * * *'), 'early': Plan('0 3 * * *', 'Europe/Zurich', ''),
             'middle': Plan('0 3 * * *', 'Europe/Zurich'), 'never': Plan('0 0 30 2 *')}
    for town in ('bern', 'chur'):
        ledger.seen(town, 'http://localhost', {
            'bare': None, 'old': plans['early'], **plans}, 1.0)
        ledger.seen(town, 'http://localhost', {'bare': None, **plans}, 2.0)
    ranks = {plans['early']: 1, plans['middle']: 5, plans['late']: 9, plans['never']: None}
    asked = []

    def rank(plan: Plan) -> int | None:
        asked.append(plan)
        return ranks[plan]

    def ranked(**part: int) -> list[str]:
        return [name.split()[1] for name in names(
            ledger, order='rank', descending=descending, rank=rank, **part)]

    timed = [each for job in ('early', 'middle', 'late') for each in (job, job)]
    assert ranked() == [
        *(timed[::-1] if descending else timed), 'bare', 'bare', 'never', 'never', 'old', 'old']
    assert sorted(map(str, asked)) == sorted(map(str, ranks))   # once each
    assert ranked(skip=1, limit=2) == (['late', 'middle'] if descending else ['early', 'middle'])


# -- histories

def test_histories_of_many_jobs_are_asked_for_at_once(shops: Ledger) -> None:
    ended(shops, run('Bern', 'cleanup', 60), 'ok')
    keys = [('Bern', 'cleanup'), ('chur', 'cleanup'), ('chur', 'nothing')]
    found = shops.histories(keys, limit=1)
    assert [[row.run.scheduled for row in found[key]] for key in keys] == [
        [run('Bern', 'cleanup', 60).scheduled], [run('chur', 'cleanup', 1).scheduled], []]


def test_histories_have_an_extent(ledger: Ledger) -> None:
    for minute in range(5):
        ended(ledger, run('bern', 'cleanup', minute), 'ok')
    since, until = FIRST + MINUTE, FIRST + 3 * MINUTE
    rows = ledger.histories([('bern', 'cleanup')], since=since, until=until)['bern', 'cleanup']
    assert minutes(rows) == [3, 2, 1]


def test_a_range_of_missed_runs_reaches_into_an_extent(ledger: Ledger) -> None:
    ledger.record(
        run('bern', 'cleanup'), 'missed', at=1.0, until=FIRST + 9 * MINUTE, count=10)
    ended(ledger, run('bern', 'cleanup', 12), 'ok')
    for since, expected in ((5, [12, 0]), (9, [12, 0]), (10, [12])):
        rows = ledger.histories(
            [('bern', 'cleanup')], since=FIRST + since * MINUTE)['bern', 'cleanup']
        assert minutes(rows) == expected


def minutes(rows: list[Row]) -> list[int]:
    return [(row.run.scheduled - FIRST) // MINUTE for row in rows]


def test_a_history_is_chosen_by_outcome_and_by_hand(ledger: Ledger) -> None:
    for minute, outcome in enumerate(['ok', 'failed', 'ok', 'lost', 'failed']):
        ended(ledger, run('bern', 'cleanup', minute), outcome)
    by_hand = ledger.request_run('bern', 'cleanup', FIRST + 600)
    ended(ledger, by_hand, 'failed')
    rows = ledger.history(states=['failed', 'lost'])
    assert minutes(rows) == [10, 4, 3, 1]
    assert minutes(ledger.history(states=['failed'], requested=False)) == [4, 1]
    assert minutes(ledger.history(requested=True, job='cleanup')) == [10]
    assert minutes(ledger.history(states=['failed', 'lost'], skip=1, limit=2)) == [4, 3]


def test_what_is_rare_is_found_among_all(ledger: Ledger) -> None:
    for minute, outcome in enumerate(['ok', 'lost', 'failed', 'skipped_overlap', 'lost']):
        ended(ledger, run(('bern', 'zug')[minute % 2], 'cleanup', minute), outcome)
    granted(ledger, run('uri', 'cleanup', 5))
    by_hand = [ledger.request_run('zug', 'cleanup', FIRST + 360 + each) for each in (0, 60)]
    ended(ledger, by_hand[0], 'ok')
    granted(ledger, by_hand[1])
    for states, expected in (
        (['lost'], [4, 1]), (['running'], [7, 5]), (['running', 'lost'], [7, 5, 4, 1]),
        (['skipped_overlap', 'failed'], [3, 2]), (['ok'], [6, 0]), (['queued'], []),
    ):
        assert minutes(ledger.history(states=states)) == expected
    assert minutes(ledger.history(requested=True)) == [7, 6]
    assert minutes(ledger.history(requested=True, states=['running'])) == [7]
    assert minutes(ledger.history(states=['running'], job='cleanup', application_id='uri')) == [5]
    assert minutes(ledger.history(states=['lost'], oldest_first=True, limit=1)) == [1]
    assert minutes(ledger.history(states=['lost'], until=FIRST + 200)) == [1]


def test_runs_are_tallied_in_steps(ledger: Ledger) -> None:
    for minute, outcome in enumerate(['ok', 'failed', 'ok', 'ok', 'ok']):
        ended(ledger, run('bern', 'cleanup', minute), outcome)
    ledger.record(run('bern', 'cleanup', 5), 'missed', at=1.0, until=FIRST + 540, count=5)
    found = ledger.tally(
        'bern', 'cleanup', since=FIRST, until=FIRST + 10 * MINUTE, step=3 * MINUTE)
    assert found == [
        Tally(FIRST, 'failed', 1), Tally(FIRST, 'ok', 2),
        Tally(FIRST + 180, 'missed', 5), Tally(FIRST + 180, 'ok', 2)]
    assert ledger.tally('bern', 'other', since=0, until=FIRST * 2, step=60) == []
