"""The pages as functions: what is asked, and what is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from datetime import datetime
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import scene
from asking import Ask, asker
from scene import DAY, HOSTILE, HOUR, SHOP, WIKI

from cronsched import Schedule
from cronsched.base import clock
from cronsched.dashboard import Dashboard, Request, Rights
from cronsched.dashboard.site import PAGES
from cronsched.ledger import Declared, Ledger, Missed, Owner, Plan, Run

EVERY = {
    '/': {}, '/job': {'application': WIKI, 'job': HOSTILE}, '/day': {}, '/load': {},
    '/history': {}, '/why': {'job': 'cleanup', 'at': '2026-01-01T00:00'}, '/machines': {},
    '/run': {'application': WIKI, 'job': HOSTILE, 'at': 0},
}


def text_of(answer: Any) -> str:
    assert answer.status == 200, answer.body
    return answer.body.decode()


def data_of(answer: Any) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def row_of(data: Any, job: str) -> Any:
    return next(row for row in data['rows'] if row['job'] == job)


def last(name: str, now: float) -> int:
    return scene.times(scene.PLANS[name], now, 1)[0]


# -- every page

def test_every_page_is_looked_at() -> None:
    assert {path for path in PAGES if path != '/jobs'} == set(EVERY)


@pytest.mark.parametrize('path', EVERY)
def test_a_page_is_well_formed(ask: Ask, path: str) -> None:
    text = text_of(ask(path, **EVERY[path]))
    assert text.startswith('<!doctype html>')
    # So strict that nothing can be left open: void elements apart, it is XML.
    body = re.sub(r'<(meta|link|input)([^>]*)>', r'<\1\2/>', text.partition('\n')[2])
    body = re.sub(r'\s(hidden|required|selected|checked|defer)(?=[\s/>])', r' \1=""', body)
    ElementTree.fromstring(body.replace('&nbsp;', ' '))


@pytest.mark.parametrize('path', EVERY)
def test_a_page_has_a_twin_for_programs(ask: Ask, path: str) -> None:
    name = path if path != '/' else '/jobs'
    assert isinstance(data_of(ask(f'{name}.json', **EVERY[path])), dict)


@pytest.mark.parametrize('path', EVERY)
def test_nothing_is_inline_and_every_link_is_relative(ask: Ask, path: str) -> None:
    text = text_of(ask(path, **EVERY[path]))
    assert not re.search(r'<style|<script(?! src=)|\sstyle=|\son[a-z]+=', text)
    for place in re.findall(r'(?:href|src|action)="([^"]*)"', text):
        assert re.match(r'(#main$|static/|[a-z]+(-now)?(\.json|\.csv)?([?#]|$))', place), place


@pytest.mark.parametrize('path', EVERY)
def test_hostile_names_are_text(ask: Ask, path: str) -> None:
    text = text_of(ask(path, **EVERY[path]))
    assert '<script>alert' not in text
    # A field has to send it back as it is.
    assert '\u202e' not in re.sub(r' value="[^"]*"', '', text)
    if path not in ('/why', '/machines', '/load'):
        assert '&lt;script&gt;alert(1)' in text


def test_a_hostile_name_leads_to_its_job(ask: Ask, shop: Ledger) -> None:
    text = text_of(ask('/'))
    place = next(each for each in re.findall(r'href="([^"]*)"', text) if 'alert' in each)
    query = place.replace('&amp;', '&').partition('?')[2]
    answer = Dashboard(lambda: shop).respond(Request('GET', '/job', query), Rights('read'))
    assert answer.status == 200
    assert b'&lt;script&gt;' in answer.body
    # As a form sends its line feed.
    assert ask('/job', application=WIKI, job=HOSTILE.replace('\n', '\r\n')).status == 200


def test_the_headers_are_strict(ask: Ask) -> None:
    headers = dict(ask('/').headers)
    assert headers['Content-Security-Policy'].startswith("default-src 'none'; style-src 'self'")
    assert headers['Cache-Control'] == 'no-store'
    assert headers['X-Content-Type-Options'] == 'nosniff'


# -- Jobs

def test_jobs_are_listed_with_when_they_run_and_how_they_stand(ask: Ask, now: float) -> None:
    data = data_of(ask('/jobs.json'))
    row = row_of(data, 'import_prices')
    assert row['state'] == 'failed'
    assert row['next'] == Schedule(scene.PLANS['import_prices'], scene.ZURICH).next_epoch(int(now))
    assert row['last']['scheduled'] == last('import_prices', now)
    assert row['outcomes'].count('failed') == 9
    assert 20 < row['median'] < 70
    assert row_of(data, 'newsletter')['paused']['note'].startswith('until the new')
    assert data['strip']['states'] == {'ok': 5, 'failed': 2, 'running': 1}
    assert data['strip']['executing'] == 1


@pytest.mark.parametrize(('query', 'names'), [
    ({'q': 'PRICES'}, ['import_prices']),
    ({'q': 'wiki'}, [HOSTILE, 'reindex']),
    ({'state': 'bad'}, [HOSTILE, 'import_prices']),
    ({'state': 'running'}, ['bill']),
    ({'application': WIKI}, [HOSTILE, 'reindex']),
    ({'job': 'reindex'}, ['reindex']),
    ({'q': 'nothing of that'}, []),
])
def test_jobs_are_filtered(ask: Ask, query: dict[str, str], names: list[str]) -> None:
    assert [row['job'] for row in data_of(ask('/jobs.json', **query))['rows']] == names
    assert ('No job is like that' in text_of(ask('/', **query))) is (not names)


@pytest.mark.parametrize('order', ['job', 'application', 'last', 'state', 'next'])
def test_jobs_are_sorted_both_ways(ask: Ask, order: str) -> None:
    up, down = (
        data_of(ask('/jobs.json', sort=each))['rows'] for each in (order, f'-{order}'))
    assert sorted(map(str, up)) == sorted(map(str, down))
    if order == 'next':   # two may be due at one time
        assert up[0]['next'] == down[-1]['next']
    else:
        assert up[0] == down[-1] or order in ('application', 'state')   # several are alike
    assert 'aria-sort="descending"' in text_of(ask('/', sort=f'-{order}'))


def test_jobs_sorted_by_their_next_run_are_so(ask: Ask) -> None:
    found = [row['next'] for row in data_of(ask('/jobs.json', sort='next'))['rows']]
    assert found == sorted(found)


def test_a_job_of_many_applications_is_one_line(towns: Ledger, now: float) -> None:
    with clock.in_place(lambda: now):
        data = data_of(asker(towns)('/jobs.json'))
        assert data['grouped']
        assert row_of(data, 'monthly')['states'] == {'failed': 2, 'ok': 118}
        opened = data_of(asker(towns)('/jobs.json', job='monthly', state='failed'))
    assert [row['application_id'] for row in opened['rows']] == ['town/007', 'town/060']


def test_a_line_of_a_name_tells_the_next_run_of_one_that_is_in_the_code(
    ledger: Ledger, now: float,
) -> None:
    plans = {'some': Declared(Plan('0 3 * * *')), 'old': Declared(Plan('0 1 * * *'))}
    for number in range(25):
        ledger.seen(f'{number:02}', 'http://localhost', plans, now - HOUR)
        ledger.seen(f'{number:02}', 'http://localhost', {
            name: plan for name, plan in plans.items() if name == 'some' and number}, now)
    data = data_of(asker(ledger)('/jobs.json'))
    assert row_of(data, 'some')['states'] == {'gone': 1, 'none': 24}
    assert row_of(data, 'some')['next'] == Schedule('0 3 * * *').next_epoch(int(now))
    assert row_of(data, 'old')['next'] is None


def test_a_long_table_has_parts(towns: Ledger, now: float) -> None:
    with clock.in_place(lambda: now):
        first = data_of(asker(towns)('/jobs.json', job='monthly'))
        third = data_of(asker(towns)('/jobs.json', job='monthly', page=3))
        text = text_of(asker(towns)('/', job='monthly', page=2))
    assert (len(first['rows']), len(third['rows']), first['pages']) == (50, 20, 3)
    assert 'rel="prev"' in text
    assert 'rel="next"' in text


def test_an_application_that_nobody_owns_is_told(ledger: Ledger) -> None:
    ledger.seen('bern', 'http://localhost', {'a': None}, 1.0)
    assert 'nobody</span> calls the jobs of bern' in text_of(asker(ledger)('/'))


def test_an_empty_ledger_says_so(ledger: Ledger) -> None:
    assert 'The ledger knows no job yet' in text_of(asker(ledger)('/'))
    for path in ('/day', '/load', '/history', '/machines'):
        text_of(asker(ledger)(path))


# -- Job

def test_a_job_tells_its_next_ten_times_and_the_odd_days(ask: Ask) -> None:
    data = data_of(ask('/job.json', application=SHOP, job='cleanup'))
    assert len(data['next']) == 10
    assert data['next'][0]['due'] == data['next'][0]['scheduled'] + 7.3
    told = {each['kind']: each['told'] for each in data['odd_days']}
    assert told['forward'] == 'runs at 03:00, moved from 02:30: clocks go forward'
    assert told['back'] == 'runs at 02:30, 02:30 happens twice: first one'


def test_a_job_tells_its_options_and_where_they_come_from(ask: Ask) -> None:
    data = data_of(ask('/job.json', application=SHOP, job='cleanup'))
    assert {'name': 'timeout', 'value': 900.0, 'source': 'job'} in data['options']
    text = text_of(ask('/job', application=SHOP, job='cleanup'))
    assert '15 min 00 s <span class="note">job' in text
    assert 'shop/cron.py:12' in text


def test_a_job_shows_its_runs_as_bars_and_days(ask: Ask) -> None:
    text = text_of(ask('/job', application=SHOP, job='import_prices'))
    assert text.count('class="bar good"') == 21
    assert text.count('class="bar bad"') == text.count('class="notch"') == 9
    assert text.count('class="cell ') == 90
    assert 'class="cell bad"' in text


def test_a_job_that_executes_says_where_and_since_when(ask: Ask) -> None:
    data = data_of(ask('/job.json', application=SHOP, job='bill'))
    assert data['executing'][0]['pid'] > 0
    assert 'executes since' in text_of(ask('/job', application=SHOP, job='bill'))


def test_a_job_that_nobody_calls_says_so(ledger: Ledger, now: float) -> None:
    ledger.seen('bern', 'http://localhost', {'a': Declared(Plan('0 3 * * *'))}, now)
    query = {'application': 'bern', 'job': 'a'}
    assert 'Nobody calls it' in text_of(asker(ledger)('/job', **query))
    ledger.own([Owner('bern', 'http://localhost', '/srv', now)])
    assert 'Nobody calls it' not in text_of(asker(ledger)('/job', **query))
    ledger.seen('bern', 'http://localhost', {}, now)
    assert 'Nobody calls it' not in text_of(asker(ledger)('/job', **query))   # it is gone


def test_a_job_that_is_gone_says_so(ledger: Ledger) -> None:
    ledger.seen('bern', 'http://localhost', {'old': Declared(Plan('0 3 * * *'))}, 1.0)
    ledger.seen('bern', 'http://localhost', {}, 2.0)
    ask = asker(ledger)
    assert 'no longer in the code' in text_of(ask('/job', application='bern', job='old'))
    assert data_of(ask('/job.json', application='bern', job='old'))['next'] == []


def test_a_plan_that_cannot_be_read_here_is_no_fault(ledger: Ledger) -> None:
    ledger.seen('bern', 'http://localhost', {
        'odd': Declared(Plan('0 3 * * *', 'Mars/Olympus'), options='not JSON'), 'bare': None,
    }, 1.0)
    for job in ('odd', 'bare'):
        for path in ('/job', '/day', '/load', '/'):
            text_of(asker(ledger)(path, application='bern', job=job))


# -- Run and Why

def test_a_run_is_a_sentence_and_instants(ask: Ask, now: float) -> None:
    at = last('import_prices', now)
    data = data_of(ask('/run.json', application=SHOP, job='import_prices', at=at))
    assert data['sentence'].startswith('The run of ')
    assert 'failed' in data['sentence']
    assert [each['what'] for each in data['instants']] == ['scheduled', 'due', 'started', 'ended']
    assert data['run']['detail'].startswith('ValueError')


def test_what_an_error_said_is_for_those_who_may_act(ask: Ask, now: float) -> None:
    query = {'application': SHOP, 'job': 'import_prices', 'at': last('import_prices', now)}
    for path in ('/run', '/run.json', '/job', '/job.json', '/history', '/history.csv', '/why.json',
                 '/jobs.json', '/day.json'):
        assert b'espresso' not in ask(path, 'read', **query).body, path
    assert b'espresso' in ask('/run', 'operate', **query).body
    assert b'espresso' in ask('/why', 'operate', **query).body


def test_a_run_has_links_into_logs(shop: Ledger, now: float) -> None:
    ask = asker(shop, links={'Logs': 'https://logs.example/?q={run_id}&job={job}'})
    with clock.in_place(lambda: now):
        text = text_of(ask('/run', application=WIKI, job=HOSTILE,
                           at=scene.times('5 * * * *', now, 1)[0]))
    assert re.search(r'https://logs\.example/\?q=\w+&amp;job=%3Cscript%3E', text)


@pytest.mark.parametrize('links', [{'Logs': 'https://logs/{secret}'}, {'Logs': 'javascript:x'}])
def test_a_link_that_leads_nowhere_is_an_error(links: dict[str, str]) -> None:
    with pytest.raises(ValueError, match='links'):
        Dashboard(lambda: None, links=links)


def test_why_answers_in_the_zone_of_the_job(ask: Ask) -> None:
    data = data_of(ask('/why.json', job='cleanup', at='2030-07-01T02:30'))
    assert data['answers'][0]['sentence'] == (
        'The run of 2030-07-01 02:30:00 CEST is not due yet.')


def test_why_leads_to_the_times_around(ask: Ask) -> None:
    data = data_of(ask('/why.json', job='cleanup', application=SHOP, at='2026-07-01T12:00'))
    assert len(data['answers'][0]['near']) == 2
    assert 'is not scheduled' in data['answers'][0]['sentence']


def test_why_of_an_unknown_job_says_so(ask: Ask) -> None:
    assert 'knows no job nothing' in text_of(ask('/why', job='nothing', at='2026-07-01T12:00'))


def test_missed_runs_are_explained_for_each_of_them(ask: Ask, now: float) -> None:
    first = scene.times(scene.PLANS['sync_stock'], now - 80 * HOUR, 9)[0]
    data = data_of(ask('/run.json', application=SHOP, job='sync_stock', at=first + 1800))
    assert data['state'] == 'missed'
    assert 'no server answered' in data['sentence']


# -- Day

def test_a_day_has_a_line_for_each_job(ask: Ask, now: float) -> None:
    data = data_of(ask('/day.json', application=SHOP))
    line = next(each for each in data['jobs'] if each['job'] == 'import_prices')
    every = [*line['planned'], *(run['scheduled'] for run in line['runs']), *line['unrecorded']]
    assert len(every) == len(set(every)) == 12      # each two hours
    assert min(line['planned'], default=now + 1) > now
    assert data['end'] - data['start'] == DAY


@pytest.mark.parametrize(('date', 'hours'), [
    ('2026-03-29', 23), ('2026-10-25', 25), ('2026-06-01', 24)])
def test_a_day_is_as_long_as_its_zone_has_it(ask: Ask, date: str, hours: int) -> None:
    data = data_of(ask('/day.json', date=date, application=SHOP))
    assert data['end'] - data['start'] == hours * HOUR


def test_a_job_of_each_minute_is_a_band(ledger: Ledger, now: float) -> None:
    start = int(now) // DAY * DAY - DAY
    ledger.seen('bern', 'http://localhost', {'tick': Declared(Plan('* * * * *'))}, 1.0)
    ledger.miss([Missed(Run('bern', 'tick', start), start + 719 * 60, 720)], now)
    with clock.in_place(lambda: now):
        ask = asker(ledger)
        date = scene.date_of(start)
        data = data_of(ask('/day.json', date=date))
        text = text_of(ask('/day', date=date))
    assert len(data['jobs'][0]['unrecorded']) == 720
    # Those missed, and those without a record.
    assert text.count('<rect class="mark ') == 2


def test_a_missed_mark_leads_to_the_reason(ask: Ask, now: float) -> None:
    first = scene.times(scene.PLANS['sync_stock'], now - 80 * HOUR, 9)[0]
    text = text_of(ask('/day', date=scene.date_of(first, scene.ZURICH), job='sync_stock'))
    assert re.search(r'<a href="(run|history)\?application=shop&amp;job=sync_stock', text)


# -- Load

def test_a_herd_is_found_and_told_what_to_write(towns: Ledger, now: float) -> None:
    with clock.in_place(lambda: now):
        data = data_of(asker(towns)('/load.json'))
        text = text_of(asker(towns)('/load'))
    herd = data['herds'][0]
    members = {each['job']: each for each in herd['members']}
    assert members['monthly']['calls'] == 120
    assert members['monthly']['advice'] == 'max_offset=300: about 24 a minute'
    assert herd['calls'] == data['busiest'] >= 240
    assert sum(data['counts']) == data['calls']
    for times in (each['times'] for each in data['herds']):
        # What is to come; or, of the hour that has begun, what is past altogether.
        assert min(times) > now - 60 or data['start'] <= min(times) <= max(times) <= now - 60
    assert 'max_offset=300' in text


def test_a_week_is_counted_by_the_hour(ask: Ask) -> None:
    data = data_of(ask('/load.json', span='week'))
    assert (len(data['counts']), data['step'], data['herds']) == (168, HOUR, [])


def test_what_is_in_flight_is_told_beside_what_may_be(ledger: Ledger, now: float) -> None:
    settings = {'max_concurrency': [2, 'setting'], 'max_per_application': [1, 'default']}
    plan = Declared(Plan('0 3 * * *'), options=json.dumps(settings))
    for name in ('bern', 'chur', 'zug'):
        ledger.seen(name, 'http://localhost', {'cleanup': plan, 'bill': plan}, now - HOUR)
        ledger.own([Owner(name, 'http://localhost', '/srv', now - HOUR)])
    ledger.seen('alone', 'http://localhost', {'cleanup': plan}, now - HOUR)
    with scene.at(now - 40):
        for name in ('bern', 'chur', 'alone'):     # nobody calls the last one
            ledger.claim(Run(name, 'cleanup', int(now) - 60), timeout=900.0)
    with scene.at(now - 50):
        ledger.claim(Run('zug', 'bill', int(now) - 60), timeout=10.0)
    # Its caller waits no longer: it executes, and is not in flight.
    ledger.record(Run('zug', 'bill', int(now) - 60), 'timed_out', at=now - 40)
    with clock.in_place(lambda: now):
        data, text = data_of(asker(ledger)('/load.json')), text_of(asker(ledger)('/load'))
    assert data['executing'] == 4
    (process,) = data['in_flight']
    assert process == {
        'host': process['host'], 'pid': os.getpid(), 'applications': 3, 'runs': 2, 'at_most': 2,
        'at_most_of_one': 1, 'since': now - 40}
    assert 'full' in text


@pytest.mark.parametrize('options', [None, 'not JSON', '[]', '{"max_concurrency": 7}',
                                     '{"max_concurrency": ["x", "job"]}'])
def test_a_limit_that_is_not_written_is_not_made_up(
    ledger: Ledger, now: float, options: str | None,
) -> None:
    ledger.seen('bern', 'http://localhost', {
        'cleanup': Declared(Plan('0 3 * * *'), options=options)}, now)
    ledger.own([Owner('bern', 'http://localhost', '/srv', now)])
    (process,) = data_of(asker(ledger)('/load.json'))['in_flight']
    assert (process['runs'], process['at_most'], process['since']) == (0, None, None)
    text_of(asker(ledger)('/load'))


# -- History

def test_times_are_told_in_the_zone_of_all_jobs(ask: Ask, ledger: Ledger, now: float) -> None:
    for path in ('/history.json', '/machines.json', '/load.json'):
        assert data_of(ask(path))['timezone'] == scene.ZURICH
    at = last('import_prices', now)
    local = f'{datetime.fromtimestamp(at, ZoneInfo(scene.ZURICH)):%Y-%m-%dT%H:%M:%S}'
    found = data_of(ask('/history.json', **{'from': local, 'to': local}))['runs']
    assert 'import_prices' in [run['job'] for run in found]
    ledger.seen('bern', 'http://localhost', {
        'a': Declared(Plan('0 3 * * *', 'Asia/Tokyo')), 'b': Declared(Plan('0 3 * * *'))}, now)
    assert data_of(asker(ledger)('/history.json'))['timezone'] is None
    assert 'From, UTC' in text_of(asker(ledger)('/history'))


def test_history_is_filtered_and_paged_to_its_end(ask: Ask) -> None:
    query: dict[str, Any] = {'application': SHOP, 'limit': 7}
    seen: list[int] = []
    for _ in range(40):
        data = data_of(ask('/history.json', **query))
        seen += [(run['job'], run['scheduled']) for run in data['runs']]
        if data['older'] is None:
            break
        query = dict(each.split('=') for each in data['older'].partition('?')[2].split('&'))
    everything = data_of(ask('/history.json', application=SHOP, limit=1000))['runs']
    assert seen == [(run['job'], run['scheduled']) for run in everything]
    assert len(seen) > 160


def test_history_is_a_table_for_spreadsheets(ask: Ask) -> None:
    answer = ask('/history.csv', application=WIKI, state='failed')
    rows = list(csv.DictReader(io.StringIO(text_of(answer))))
    assert {row['state'] for row in rows} == {'failed'}
    assert len(rows) == 6


def test_a_formula_is_text_for_a_spreadsheet(ledger: Ledger) -> None:
    ledger.record(Run('=cmd()', '+1', 60), 'failed', at=61.0, detail='@SUM(A1)')
    assert b"'=cmd(),'+1," in asker(ledger)('/history.csv').body


# -- Machines

def test_machines_tell_who_calls_and_who_executes(ask: Ask) -> None:
    data = data_of(ask('/machines.json'))
    process = data['processes'][0]
    assert (process['applications'], process['executing'], process['alive']) == (2, 1, True)
    assert process['addresses'] == ['http://127.0.0.1:8000', 'http://127.0.0.1:8001']
    assert data['executing'][0]['job'] == 'bill'
    assert data['pauses'][0]['by'] == 'ann'
    assert data['unowned'] == []


# -- what cannot be answered

@pytest.mark.parametrize(('path', 'query', 'status'), [
    ('/nothing', {}, 404), ('/../etc/passwd', {}, 404), ('/static/../site.py', {}, 404),
    ('/static/site.py', {}, 404), ('/job', {}, 400), ('/jobs.xml', {}, 404),
    ('/jobs.csv', {}, 404), ('/job', {'application': SHOP, 'job': 'nothing'}, 404),
    ('/', {'sort': 'size'}, 400), ('/', {'state': 'odd'}, 400), ('/', {'page': 'x'}, 400),
    ('/run', {'application': SHOP, 'job': 'cleanup'}, 400), ('/day', {'date': 'today'}, 400),
    ('/run', {'application': SHOP, 'job': 'cleanup', 'at': '9' * 30}, 400),
    ('/why', {'job': 'cleanup', 'at': 'yesterday'}, 400), ('/load', {'span': 'year'}, 400),
    ('/history', {'skip': '\u00b2'}, 400), ('/', {'q': 'a\0b'}, 400),
    ('/why', {'job': 'cleanup', 'at': '9999-12-31T23:59-23:59'}, 400),
    ('/why', {'job': 'cleanup', 'at': '0001-01-01T00:00+23:59'}, 400),
    ('/history', {'state': 'odd'}, 400), ('/day', {'date': '9999-12-31'}, 400),
])
def test_what_cannot_be_answered_is_told(
    ask: Ask, path: str, query: dict[str, str], status: int,
) -> None:
    answer = ask(path, **query)
    assert answer.status == status
    assert b'<h1>' in answer.body
    assert dict(answer.headers)['Content-Security-Policy']


@pytest.mark.parametrize('path', ['/', '/history', '/day'])
@pytest.mark.parametrize('key', ['skip', 'page', 'limit'])
def test_a_number_is_never_too_large(ask: Ask, path: str, key: str) -> None:
    assert ask(path, **{key: '9' * 5000}).status == 200


def test_a_query_that_is_not_ours_is_told() -> None:
    dashboard = Dashboard(lambda: None)
    for query in ('q=%ff', '&'.join(['a=1'] * 60)):
        answer = dashboard.respond(Request('GET', '/', query), Rights('read'))
        assert answer.status in (400, 503)


def test_an_application_without_a_ledger_says_so() -> None:
    answer = asker(None)('/')
    assert answer.status == 503
    assert b'keeps no ledger' in answer.body


def test_an_error_is_json_where_json_was_asked(ask: Ask) -> None:
    answer = ask('/job.json', application=SHOP, job='nothing')
    assert answer.status == 404
    assert 'knows no job' in json.loads(answer.body)['error']


def test_a_refresh_without_javascript_is_a_header(ask: Ask) -> None:
    assert dict(ask('/', refresh=30).headers)['Refresh'] == '30'
    assert dict(ask('/', refresh=1).headers)['Refresh'] == '5'
    assert 'Refresh' not in dict(ask('/').headers)
