"""Time zones: what a caller may write, what is refused, what changes."""

from __future__ import annotations

import os
import sys
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cronsched import Schedule, ZoneError
from cronsched._cronsched import Zone, forget_zones
from cronsched.schedule import zones

SUMMER = 1_783_000_000   # July 2026
WINTER = 1_768_000_000   # January 2026


SYSTEM_PATH = zoneinfo.TZPATH


def data_of(name: str) -> bytes:
    """A file of the system, or of the package."""
    tzdata = pytest.importorskip('tzdata')
    places = [Path(root) for root in (*SYSTEM_PATH, Path(tzdata.__path__[0], 'zoneinfo'))]
    return next((place / name).read_bytes() for place in places if (place / name).is_file())


# -- what may be written


@pytest.mark.parametrize('name', ['Europe/Zurich', 'UTC', 'America/Argentina/Buenos_Aires',
                                  'Etc/GMT+5', 'EST5EDT', 'GMT', 'US/Eastern'])
def test_a_name_is_a_zone(name: str) -> None:
    zone = zones.resolve(name)
    assert zone.name == name
    assert zone.tzinfo is ZoneInfo(name)
    for at in (SUMMER, WINTER):
        offset = datetime.fromtimestamp(at, ZoneInfo(name)).utcoffset()
        assert zone.span_at(at)[2] == offset.total_seconds()  # type: ignore[union-attr]


def test_a_zone_is_loaded_once() -> None:
    assert zones.resolve('Europe/Zurich') is zones.resolve(ZoneInfo('Europe/Zurich'))
    assert zones.resolve(zones.resolve('Europe/Zurich')) is zones.resolve('Europe/Zurich')


def test_a_pytz_zone_is_known_by_its_name() -> None:
    pytz = pytest.importorskip('pytz')
    zurich = pytz.timezone('Europe/Zurich')
    assert zones.resolve(zurich) is zones.resolve('Europe/Zurich')
    localized = zurich.localize(datetime(2026, 7, 1)).tzinfo
    assert zones.resolve(localized) is zones.resolve('Europe/Zurich')
    assert zones.resolve(pytz.utc).name == 'UTC'


@pytest.mark.parametrize('offset', [
    timedelta(0), timedelta(hours=2), timedelta(hours=-5, minutes=-30), timedelta(seconds=1),
    timedelta(hours=23, minutes=59, seconds=59), -timedelta(hours=23, minutes=59, seconds=59),
])
def test_a_fixed_offset_is_a_zone(offset: timedelta) -> None:
    zone = zones.resolve(timezone(offset))
    assert zone.span_at(SUMMER) == (None, None, offset.total_seconds())
    run = Schedule('0 0 * * *', timezone(offset)).next(datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert run is not None
    assert (run.hour, run.minute, run.second) == (0, 0, 0)
    assert run.utcoffset() == offset


def test_utc_is_utc_however_it_is_written() -> None:
    assert Schedule('0 0 * * *', 'UTC') == Schedule('0 0 * * *', UTC)


class Named(tzinfo):
    """Another library's zone that has a key."""

    key = 'Asia/Tokyo'


def test_a_zone_with_a_key_is_known_by_it() -> None:
    assert zones.resolve(Named()).name == 'Asia/Tokyo'


# -- what is refused


@pytest.mark.parametrize(('name', 'meant'), [
    ('Europe/Zurch', 'Europe/Zurich'), ('europe/zurich', 'Europe/Zurich'),
    ('Zurich', 'Europe/Zurich'), ('America/New York', 'America/New_York'),
    (' Europe/Zurich ', 'Europe/Zurich'), ('utc', 'UTC'),
])
def test_a_name_that_is_nearly_right_is_suggested(name: str, meant: str) -> None:
    with pytest.raises(ZoneError, match=f'did you mean {meant!r}'):
        zones.resolve(name)


@pytest.mark.parametrize('name', ['Nowhere/Atlantis', '', ' ', '12345', '\ud800', 'Ü'])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ZoneError, match='is not an IANA time zone'):
        zones.resolve(name)


@pytest.mark.parametrize('name', [
    '../zoneinfo/UTC', '../../../etc/passwd', '/etc/localtime', '/usr/share/zoneinfo/UTC',
    'Europe/../UTC', './UTC', 'Europe//Zurich', 'UTC/', 'UTC\0', 'Europe/Zurich\0.txt',
    'Europe\\Zurich', '..', '.', '/',
])
def test_a_name_that_wanders_off_is_refused(name: str) -> None:
    with pytest.raises(ZoneError, match='is not an IANA time zone'):
        zones.resolve(name)


@pytest.mark.parametrize('value', [None, 5, b'UTC', object(), ['UTC'], tzinfo()])
def test_what_is_no_zone_is_refused(value: object) -> None:
    with pytest.raises((ZoneError, NotImplementedError)):
        zones.resolve(value)


def test_a_zone_without_a_key_is_refused() -> None:
    nameless = ZoneInfo.from_file(BytesIO(data_of('Europe/Zurich')))
    with pytest.raises(ZoneError, match='a ZoneInfo with a key'):
        zones.resolve(nameless)


@pytest.mark.parametrize(('name', 'written'), [
    ('UTC+2', 'hours=2'),
    ('GMT+2', 'hours=2'),
    ('utc-5', 'hours=-5'),
    ('GMT-03:30', 'hours=-3, minutes=-30'),
    ('+0530', 'hours=5, minutes=30'),
    ('+05:45', 'hours=5, minutes=45'),
])
def test_an_offset_is_not_taken_for_utc(name: str, written: str) -> None:
    with pytest.raises(ZoneError) as caught:
        zones.resolve(name)
    assert f'datetime.timezone(timedelta({written}))' in str(caught.value)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize('name', ['UTC+25', 'UTC+2:99', 'GMT+99'])
def test_an_offset_that_no_clock_has_has_no_hint(name: str) -> None:
    with pytest.raises(ZoneError, match=r'is not an IANA time zone$'):
        zones.resolve(name)


def test_a_zone_from_an_open_file_is_refused_whatever_its_key() -> None:
    data = data_of('Europe/Zurich')
    zone = ZoneInfo.from_file(BytesIO(data), key='Asia/Tokyo')
    with pytest.raises(ZoneError, match=r"was read from an open file.*ZoneInfo\('Asia/Tokyo'\)"):
        zones.resolve(zone)


def test_a_zone_that_was_not_cached_is_known_by_its_key() -> None:
    assert zones.resolve(ZoneInfo.no_cache('Europe/Zurich')) is zones.resolve('Europe/Zurich')


def test_without_any_data_it_says_what_to_install_and_utc_needs_none(
    monkeypatch: pytest.MonkeyPatch, own_files: Path,
) -> None:
    monkeypatch.setattr(zoneinfo, 'TZPATH', ())
    monkeypatch.setattr(zones, '_loaded', {})
    monkeypatch.setitem(sys.modules, 'tzdata', None)
    with pytest.raises(ZoneError, match='no time zone data: install the package tzdata'):
        zones.resolve('Europe/Zurich')
    assert Schedule('0 9 * * *', 'UTC').next_epoch(0) == 9 * 3600
    assert Schedule('0 9 * * *', UTC).next_epoch(0) == 9 * 3600


def test_a_fraction_of_a_second_is_refused() -> None:
    with pytest.raises(ZoneError, match='whole number of seconds'):
        zones.resolve(timezone(timedelta(milliseconds=500)))


# -- files that change


@pytest.fixture
def own_files(tmp_path: Path) -> Iterator[Path]:
    """A directory of time zones of our own."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        yield tmp_path
    finally:
        zoneinfo.reset_tzpath(before)
        zoneinfo.ZoneInfo.clear_cache()
        zones._loaded.clear()
        forget_zones()


def write(path: Path, data: bytes, mtime: int = 0) -> None:
    """As a package manager does: a new file in the place of the old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix('.new')
    fresh.write_bytes(data)
    os.utime(fresh, (mtime, mtime))
    fresh.replace(path)


def test_a_changed_file_is_a_new_zone(own_files: Path) -> None:
    zurich, tokyo = data_of('Europe/Zurich'), data_of('Asia/Tokyo')
    write(own_files / 'Test/Town', zurich, 1)
    old = Schedule('0 9 * * *', 'Test/Town')
    assert zones.refresh() == {}
    write(own_files / 'Test/Town', tokyo, 2)
    changed = zones.refresh()
    assert set(changed) == {old.zone}
    new = Schedule('0 9 * * *', 'Test/Town')
    assert new.zone is changed[old.zone]
    assert old.next_epoch(WINTER) != new.next_epoch(WINTER)
    run = new.next(datetime.fromtimestamp(WINTER, UTC))
    assert run is not None
    assert run.utcoffset() == timedelta(hours=9)
    assert zones.refresh() == {}


def test_a_file_that_was_only_touched_is_no_change(own_files: Path) -> None:
    data = data_of('Europe/Zurich')
    write(own_files / 'Test/Touched', data, 1)
    zone = zones.resolve('Test/Touched')
    write(own_files / 'Test/Touched', data, 2)
    assert zones.refresh() == {}
    assert zones.resolve('Test/Touched').span_at(SUMMER) == zone.span_at(SUMMER)


def test_a_file_that_is_gone_or_broken_changes_nothing(own_files: Path) -> None:
    path = own_files / 'Test/Broken'
    write(path, data_of('Europe/Zurich'), 1)
    zone = zones.resolve('Test/Broken')
    path.unlink()
    assert zones.refresh() == {}
    assert zones.resolve('Test/Broken') is zone
    for mtime, size in enumerate((4, 5, 20, 43, 44, 100, 700, 1500, -1), 2):
        write(path, data_of('Europe/Zurich')[:size], mtime)
        assert zones.refresh() == {}
        assert zones.resolve('Test/Broken') is zone
    write(path, data_of('Asia/Tokyo'), 99)
    assert set(zones.refresh()) == {zone}


@pytest.mark.parametrize('data', [
    b'', b'TZif', b'not a zone', b'TZif2' + bytes(60), bytes(range(256)),
])
def test_a_file_that_is_no_zone_is_an_error_with_its_path(own_files: Path, data: bytes) -> None:
    write(own_files / 'Test/Wrong', data)
    with pytest.raises(ZoneError, match=r'Test/Wrong.* cannot be read'):
        zones.resolve('Test/Wrong')


def test_a_directory_is_no_zone(own_files: Path) -> None:
    (own_files / 'Test').mkdir()
    with pytest.raises(ZoneError, match='is not an IANA time zone'):
        zones.resolve('Test')


def test_the_first_directory_of_the_path_counts(own_files: Path, tmp_path: Path) -> None:
    second = tmp_path / 'second'
    write(own_files / 'Test/Twice', data_of('Asia/Tokyo'))
    write(second / 'Test/Twice', data_of('Europe/Zurich'))
    zoneinfo.reset_tzpath([str(own_files), str(second)])
    assert zones.resolve('Test/Twice').span_at(WINTER)[2] == 9 * 3600


def test_without_files_of_the_system_the_package_is_used(own_files: Path) -> None:
    pytest.importorskip('tzdata')
    zones._loaded.clear()
    forget_zones()
    assert zones.resolve('Europe/Zurich').span_at(SUMMER)[2] == 7200


# -- the native type


def test_a_span_is_a_stretch_of_one_offset() -> None:
    zone = zones.resolve('Europe/Zurich')
    start, end, offset = zone.span_at(SUMMER)
    assert offset == 7200
    assert start is not None
    assert end is not None
    assert datetime.fromtimestamp(start, UTC) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(end, UTC) == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert zone.span_at(start) == zone.span_at(end - 1) == (start, end, 7200)
    assert zone.span_at(start - 1)[2] == zone.span_at(end)[2] == 3600


@pytest.mark.parametrize(('local', 'meaning'), [
    ('2026-03-29T01:59:59', 'unique'), ('2026-03-29T02:00', 'gap'),
    ('2026-03-29T02:59:59', 'gap'), ('2026-03-29T03:00', 'unique'),
    ('2026-10-25T01:59:59', 'unique'), ('2026-10-25T02:00', 'overlap'),
    ('2026-10-25T02:59:59', 'overlap'), ('2026-10-25T03:00', 'unique'),
])
def test_a_local_time_can_mean_one_two_or_no_instants(local: str, meaning: str) -> None:
    zone = zones.resolve('Europe/Zurich')
    seconds = int(datetime.fromisoformat(local).replace(tzinfo=UTC).timestamp())
    found, first, second = zone.from_local(seconds)
    assert found == meaning
    assert (second - first) == (3600 if meaning == 'overlap' else 0)


def test_a_zone_is_made_by_its_makers_only() -> None:
    with pytest.raises(TypeError):
        Zone()
    with pytest.raises(AttributeError):
        zones.resolve('UTC').name = 'x'  # type: ignore[misc]

