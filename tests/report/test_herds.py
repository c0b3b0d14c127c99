"""When how many calls are due, against counting each of them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from cronsched import Schedule
from cronsched.ledger import Plan, Planned
from cronsched.report.herds import load_of

START = 1_790_000_040
HOUR, DAY = 3600, 86400


def job(name: str, expression: str, delay: int = 0, jobs: int = 1) -> Planned:
    return Planned(name, Plan(expression, 'UTC', name), delay, jobs)


def test_the_calls_of_each_minute_are_those_that_are_due_then() -> None:
    chance = random.Random(3)
    plans = ['*/5 * * * *', '0 * * * *', '7 3 * * *', '*/20 * * * * *', 'H H * * *']
    jobs = [
        job(f'job{index}', chance.choice(plans), chance.randrange(200), chance.randrange(1, 4))
        for index in range(60)
    ]
    load = load_of(jobs, start=START, length=6 * HOUR)
    counted: Counter[int] = Counter()
    for each in jobs:
        assert each.plan
        schedule = Schedule(each.plan.expression, seed=each.plan.seed)
        at = schedule.next_epoch(load.start - 300)
        while at is not None and at < load.start + load.length:
            due = at + each.delay
            if load.start <= due < load.start + load.length:
                counted[(due - load.start) // 60] += each.jobs
            at = schedule.next_epoch(at)
    assert dict(counted) == {
        minute: calls for minute, calls in enumerate(load.counts) if calls}
    assert load.herds[0].calls == max(load.counts)


def test_a_job_of_many_is_told_how_long_to_spread_its_calls() -> None:
    jobs = [job('bill', '0 3 * * *', town % 30, 1) for town in range(1000)]
    herd, = load_of(jobs, start=START, length=DAY).herds
    assert (herd.calls, herd.peak, len(herd.times)) == (1000, 34, 1)
    assert herd.members[0].advice == 'max_offset=3600: about 16 a minute'


def test_a_delay_is_never_longer_than_half_the_way_to_the_next_run() -> None:
    jobs = [job('poll', '*/5 * * * *', 0, 100)]
    assert load_of(jobs, start=START, length=DAY).herds[0].members[0].advice.startswith(
        'max_offset=120:')
    jobs = [job('poll', '* * * * *', 0, 100)]
    assert 'less often' in load_of(jobs, start=START, length=DAY).herds[0].members[0].advice


def test_jobs_that_meet_are_told_to_let_their_names_choose() -> None:
    jobs = [job(f'job{index}', '0 3 * * *') for index in range(8)]
    herd, = load_of(jobs, start=START, length=DAY).herds
    assert {each.advice for each in herd.members} == {"'H 3 * * *': its name chooses the minute"}
    spread = [job(f'job{index}', 'H 3 * * *') for index in range(8)]
    assert max(load_of(spread, start=START, length=DAY).counts) < 5


@pytest.mark.parametrize(('expression', 'advice'), [
    ('*/10 * * * *', 'H/10 * * * *'), ('0 0 4 * * *', '0 H 4 * * *'), ('1,2 4 * * *', ''),
    ('0 0 4 1 1 * 2030', '0 H 4 1 1 * 2030'), ('@daily', ''),
])
def test_advice_can_be_written(expression: str, advice: str) -> None:
    jobs = [job(f'job{index}', expression) for index in range(8)] + [job('other', expression)]
    start = START
    if '2030' in expression:
        start = Schedule(expression).next_epoch(START) or 0
    member = load_of(jobs, start=start - HOUR, length=2 * DAY).herds[0].members[0]
    assert member.advice.startswith(repr(advice) if advice else '')
    if advice:
        Schedule(advice, seed='job1')


def test_herds_of_mostly_the_same_jobs_are_one() -> None:
    jobs = [job('poll', '*/30 * * * *', 0, 100)]
    jobs += [job('one', '0 4 * * *'), job('two', '30 6 * * *')]
    herd, = load_of(jobs, start=START, length=DAY).herds
    assert len(herd.times) == 48
    assert {each.job for each in herd.members} >= {'poll'}
    assert herd.calls == 101


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    odd = Planned('odd', Plan('* * * * *', 'Mars/Olympus'), 0, 3)
    bare = Planned('bare', None, 0, 2)
    load = load_of([odd, bare], start=START, length=DAY)
    assert (sum(load.counts), load.unknown) == (0, 5)


def test_what_is_too_much_is_counted_for_less_long() -> None:
    jobs = [job(f'job{index}', '* * * * * *') for index in range(30)]
    load = load_of(jobs, start=START, length=DAY)
    assert 0 < load.length < DAY
    assert set(load.counts) == {1800}
