"""`Schedule` as a Python object: how it is made, compared, copied and asked."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cronsched import CronError, ExpressionError, Schedule
from cronsched.schedule import expression_of

ZURICH = ZoneInfo('Europe/Zurich')
NINE = Schedule('0 9 * * MON-FRI', timezone='Europe/Zurich')


def at(text: str, **changes: Any) -> datetime:
    return datetime.fromisoformat(text).replace(**changes)


# -- keywords


@pytest.mark.parametrize(('fields', 'expression'), [
    ({'hour': 8, 'minute': 0}, '0 8 * * *'),
    ({'hour': '*', 'minute': '*/15'}, '*/15 * * * *'),
    ({'minute': 30}, '30 * * * *'),
    ({'minute': '*/2'}, '*/2 * * * *'),
    ({'hour': 8, 'minute': 0, 'weekday': 'MON-FRI'}, '0 8 * * MON-FRI'),
    ({'hour': 8, 'minute': 0, 'day': 1}, '0 8 1 * *'),
    ({'hour': 8, 'minute': 0, 'day': 'L', 'month': 'JUN'}, '0 8 L JUN *'),
    ({'hour': 8, 'minute': 0, 'weekday': 'MON#1', 'month': 6}, '0 8 * 6 MON#1'),
    ({'hour': [8, 12], 'minute': (0, '30-40/5')}, '0,30-40/5 8,12 * * *'),
    ({'second': 30}, '30 * * * * *'),
    ({'second': 0, 'hour': 3, 'minute': 0}, '0 0 3 * * *'),
    ({'year': 2027, 'month': 1, 'day': 1, 'hour': 0, 'minute': 0}, '0 0 0 1 1 * 2027'),
    ({'hour': 8, 'minute': 0, 'day': None, 'year': None}, '0 8 * * *'),
])
def test_keywords_are_an_expression(fields: dict[str, Any], expression: str) -> None:
    assert expression_of(**fields) == expression
    assert Schedule.from_fields(**fields).expression == expression


@pytest.mark.parametrize(('fields', 'missing'), [
    ({'hour': '*/2'}, 'minute'),
    ({'hour': 8}, 'minute'),
    ({'day': 1}, 'hour'),
    ({'day': 1, 'hour': 8}, 'minute'),
    ({'weekday': 'MON', 'minute': 0}, 'hour'),
    ({'month': 6, 'hour': 8, 'minute': 0}, 'day'),
    ({'year': 2027, 'day': 1, 'hour': 8, 'minute': 0}, 'month'),
    ({'second': 0, 'hour': 8}, 'minute'),
])
def test_a_finer_field_left_out_is_an_error(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(ExpressionError, match=f'write {missing}=') as caught:
        Schedule.from_fields(**fields)
    assert caught.value.field == missing


@pytest.mark.parametrize('value', [True, 1.5, None.__class__, b'8', object(), [], '', ' ', '8 9',
                                   '8\t', [8, True], [[]]])
def test_a_value_that_is_no_field_is_an_error(value: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        Schedule.from_fields(hour=value, minute=0)
    assert caught.value.field == 'hour'


def test_an_unknown_keyword_is_named() -> None:
    with pytest.raises(ExpressionError, match='no such field: hours; there are second, minute'):
        Schedule.from_fields(hours=8)


def test_nothing_said_is_an_error() -> None:
    with pytest.raises(ExpressionError, match='say when'):
        Schedule.from_fields(timezone='Europe/Zurich')


def test_keywords_take_a_zone_and_a_seed() -> None:
    schedule = Schedule.from_fields(hour='H', minute='H', timezone=ZURICH, seed='cleanup')
    assert schedule == Schedule('H H * * *', 'Europe/Zurich', seed='cleanup')


def test_h_is_stable_and_spread() -> None:
    def minute(job: int) -> int:
        return Schedule('H * * * *', seed=f'job {job}').parts['minute'][0]

    minutes = [minute(job) for job in range(600)]
    assert minutes == [minute(job) for job in range(600)]
    assert len(set(minutes)) == 60
    assert max(map(minutes.count, minutes)) < 30


# -- equality, copies


def test_what_means_the_same_is_equal() -> None:
    same = Schedule('0\t9 ? * mon-fri', timezone=ZURICH)
    assert same == NINE
    assert hash(same) == hash(NINE)
    assert {same, NINE} == {NINE}


@pytest.mark.parametrize('other', [
    Schedule('0 9 * * MON-THU', 'Europe/Zurich'), Schedule('0 9 * * MON-FRI', 'UTC'),
    Schedule('0-0 9 * * MON-FRI', 'Europe/Zurich'), '0 9 * * MON-FRI', None,
])
def test_what_means_something_else_is_not(other: object) -> None:
    assert other != NINE


def test_schedules_have_no_order() -> None:
    with pytest.raises(TypeError):
        sorted([NINE, NINE])  # type: ignore[type-var]


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('schedule', [
    NINE, Schedule('H H * * *', seed='x'), Schedule('@reboot'),
    Schedule('0 9 * * *', timezone(timedelta(hours=5, minutes=30))),
])
def test_it_survives_pickle(schedule: Schedule, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(schedule, protocol))
    assert again == schedule
    assert (again.expression, again.seed) == (schedule.expression, schedule.seed)
    assert again.zone.name == schedule.zone.name


def test_it_survives_copy() -> None:
    assert copy.copy(NINE) == copy.deepcopy(NINE) == NINE


@pytest.mark.parametrize('name', ['expression', 'timezone', 'zone', 'seed', 'parts', 'other'])
def test_it_cannot_be_changed(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(NINE, name, 'x')


def test_its_parts_are_a_copy() -> None:
    NINE.parts['hour'] = (1,)  # type: ignore[index]
    assert NINE.parts['hour'] == (9,)


def test_it_is_no_base_class() -> None:
    with pytest.raises(TypeError):
        type('Mine', (Schedule,), {})


def test_it_shows_how_it_was_made() -> None:
    assert repr(NINE) == "Schedule('0 9 * * MON-FRI', timezone='Europe/Zurich')"
    assert eval(repr(NINE)) == NINE
    assert str(NINE) == '0 9 * * 1-5'
    assert NINE.timezone is ZURICH


@pytest.mark.parametrize('arguments', [(), ('* * * * *', 'UTC', 'seed', 'more'), (5,), (None,),
                                       (b'* * * * *',)])
def test_other_arguments_are_a_type_error(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        Schedule(*arguments)


# -- instants


def test_next_is_strictly_after() -> None:
    run = NINE.next(at('2026-11-23T08:59:59', tzinfo=ZURICH))
    assert run == at('2026-11-23T09:00', tzinfo=ZURICH)
    assert NINE.next(run) == at('2026-11-24T09:00', tzinfo=ZURICH)


def test_previous_is_strictly_before() -> None:
    run = NINE.previous(at('2026-11-23T09:00:01', tzinfo=ZURICH))
    assert run == at('2026-11-23T09:00', tzinfo=ZURICH)
    assert NINE.previous(run) == at('2026-11-20T09:00', tzinfo=ZURICH)


def test_instants_are_in_the_zone_of_the_schedule() -> None:
    run = NINE.next(at('2026-11-23T00:00', tzinfo=UTC))
    assert run is not None
    assert run.tzinfo is ZURICH
    assert run.isoformat() == '2026-11-23T09:00:00+01:00'


@pytest.mark.parametrize('call', [NINE.next, NINE.previous, NINE.matches])
@pytest.mark.parametrize(('value', 'error'), [
    (datetime(2026, 1, 1), ValueError), (5, TypeError), ('2026-01-01', TypeError),
])
def test_an_instant_needs_a_zone(call: Any, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(value)


def test_an_interval_needs_zones_too() -> None:
    with pytest.raises(ValueError, match='naive'):
        list(NINE.between(datetime(2026, 1, 1), datetime(2026, 1, 2)))


def test_the_second_half_hour_of_autumn_is_asked_by_fold() -> None:
    half_hourly = Schedule('*/30 * * * *', 'Europe/Zurich')
    first = at('2026-10-25T02:15', tzinfo=ZURICH)
    assert str(half_hourly.next(first)) == '2026-10-25 02:30:00+02:00'
    second = half_hourly.next(first.replace(fold=1))
    assert str(second) == '2026-10-25 02:30:00+01:00'
    assert second is not None
    assert second.fold == 1


def test_microseconds_are_not_lost() -> None:
    every = Schedule('* * * * * *')
    instant = at('2026-01-01T00:00:00.000001', tzinfo=UTC)
    assert every.next(instant) == at('2026-01-01T00:00:01', tzinfo=UTC)
    assert every.previous(instant) == at('2026-01-01T00:00:00', tzinfo=UTC)
    assert not every.matches(instant)
    assert every.matches(instant.replace(microsecond=0))
    before_1970 = at('1969-12-31T23:59:59.5', tzinfo=UTC)
    assert every.next(before_1970) == at('1970-01-01T00:00', tzinfo=UTC)


def test_the_supported_instants_are_1970_to_2199() -> None:
    minutely = Schedule('* * * * *')
    assert minutely.next(at('0001-01-02', tzinfo=UTC)) == at('1970-01-01', tzinfo=UTC)
    assert minutely.previous(at('9999-12-30', tzinfo=UTC)) == at('2199-12-31T23:59', tzinfo=UTC)
    assert minutely.next(at('2199-12-31T23:59', tzinfo=UTC)) is None
    assert minutely.previous(at('1970-01-01', tzinfo=UTC)) is None
    assert minutely.next_epoch(7258118400) is None
    assert minutely.previous_epoch(0) is None


def test_a_date_that_never_comes_has_no_run() -> None:
    never = Schedule('0 0 30 2 *')
    assert never.next() is None
    assert never.previous() is None
    assert list(never.between(at('1970-01-01', tzinfo=UTC), at('2199-12-31', tzinfo=UTC))) == []
    assert never.next_epoch(0) is None


def test_seconds_are_whole_numbers() -> None:
    assert Schedule('* * * * *').next_epoch(1792000000) == 1792000020
    for wrong in (1.5, '1', None):
        with pytest.raises(TypeError):
            NINE.next_epoch(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize('step', [-1, 0, 1])
def test_matches_is_exact(step: int) -> None:
    run = NINE.next_epoch(1792000000)
    assert run is not None
    assert NINE.matches_epoch(run + step) == (step == 0)
    assert NINE.matches(datetime.fromtimestamp(run + step, UTC)) == (step == 0)


def test_between_has_its_start_and_not_its_end() -> None:
    daily = Schedule('0 0 * * *')
    start, end = at('2026-01-01', tzinfo=UTC), at('2026-01-04', tzinfo=UTC)
    assert [run.day for run in daily.between(start, end)] == [1, 2, 3]
    assert list(daily.between(end, start)) == []
    assert list(daily.between(start, start)) == []


def test_between_is_lazy() -> None:
    start, end = at('1970-01-01', tzinfo=UTC), at('2199-12-31', tzinfo=UTC)
    assert len(list(islice(Schedule('* * * * * *').between(start, end), 10))) == 10


def test_next_without_an_instant_is_after_now(monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC)
    run = Schedule('* * * * * *').next()
    assert run is not None
    assert before < run <= datetime.now(UTC) + timedelta(seconds=1)


def test_now_is_that_of_pythons_clock() -> None:
    freezegun = pytest.importorskip('freezegun')
    with freezegun.freeze_time('2030-05-05 12:00:00'):
        assert Schedule('* * * * *').next() == at('2030-05-05T12:01', tzinfo=UTC)
        assert Schedule('* * * * *').previous() == at('2030-05-05T11:59', tzinfo=UTC)


# -- threads


def test_threads_share_a_schedule() -> None:
    expected = list(islice(_walk(NINE), 200))
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(20):
            made = Schedule('0 9 * * MON-FRI', 'Europe/Zurich')
            for schedule in (NINE, made):
                found = list(islice(_walk(schedule), 200))
                if found != expected:
                    wrong.append(found)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def _walk(schedule: Schedule) -> Any:
    run = schedule.next_epoch(1792000000)
    while run is not None:
        yield run
        run = schedule.next_epoch(run)


def test_every_error_is_a_cron_error() -> None:
    for make in (lambda: Schedule('x'), lambda: Schedule('* * * * *', 'x')):
        with pytest.raises(CronError) as caught:
            make()
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, RuntimeError)
