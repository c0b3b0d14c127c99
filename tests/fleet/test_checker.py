"""The checker finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

from checker import Record, Scheduled, Stated, check, figures, read

RUNS = [Scheduled('a', 'job', each) for each in range(100, 104)]
GOOD = [Stated(RUNS[0], 'ok'), Stated(RUNS[1], 'missed', 102), Stated(RUNS[3], 'lost')]
LINES = [
    'began a job 100 1 host 7 1.0', 'ended a job 100 1 host 7 1.1',
    'began a job 103 1 host 7 4.0',
]


def problems(lines: list[str] = LINES, rows: list[Stated] = GOOD) -> list[str]:
    return [each.split(':')[0] for each in check(read(lines), rows, RUNS)]


def test_a_good_history_has_no_problems() -> None:
    assert problems() == []


def test_it_tells_what_is_wrong() -> None:
    assert problems([*LINES, 'began a job 100 1 other 8 1.2']) == ['executed 2 times']
    assert problems([*LINES, 'began a job 100 2 other 8 1.2']) == []   # another attempt
    assert problems([*LINES, 'began a job 102 1 host 8 3.0']) == [
        'executed, and there is no row']
    assert problems([*LINES, 'began a job 101 1 host 8 3.0']) == [
        'executed, and the row says missed']
    assert problems(LINES[2:]) == ['never executed, and the row says ok']
    ahead = Scheduled('a', 'job', 3600)
    early = [*GOOD, Stated(ahead, 'failed')]
    assert problems(rows=early) == ['never executed, and the row says failed']
    assert check(read(LINES), early, RUNS, now=3599.0) == []
    assert problems(rows=GOOD[:2]) == [
        'executed, and there is no row', 'absent, and no row says why']
    assert problems(rows=[*GOOD, GOOD[0]]) == ['two rows']


def test_it_counts_what_became_of_what_was_wanted() -> None:
    assert figures(read(LINES), GOOD[:2], RUNS) == (
        '4 runs wanted, 2 executed; the rows say missed 2, ok 1, absent 1')


def test_a_record_that_grows_is_read_once(tmp_path: Path) -> None:
    record = Record(tmp_path / 'executions')
    assert record.all() == []
    with open(tmp_path / 'executions', 'a') as file:
        file.write(LINES[0] + '\n' + LINES[1][:9])     # while it is written
        file.flush()
        assert record.all() == read(LINES[:1])
        file.write(LINES[1][9:] + '\n')
        file.write(LINES[2].replace('host', 'other') + '\n')
    assert record.all() == read([*LINES[:2], LINES[2].replace('host', 'other')])
    assert record.owners() == {'a': 'other'}
