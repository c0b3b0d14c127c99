"""What users of such packages report, by adapter: each cell of the table names
the test that holds it, or says why there is nothing to hold.

    reloader             the job runs in both processes of a reloader
    preload              it runs in the process that only forks, or nowhere
    context              there is no application, request or session in a job
    connections          connections to a database stay open
    csrf login           a check for visitors answers the scheduler
    https hosts slash    so does a redirect, or a check of the host
    prefix               the path is another one behind a proxy, or mounted
    cancelled            the job ends with the connection of its client
    lifespan             a start-up that an application in another never has
    commands             migrations, shells and commands start jobs
    tests                tests of the application start jobs
    sentry               an exception arrives twice, or never
    global               authentication or dependencies of the whole application
    databases on_commit  which transaction, and when the run is recorded
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
FRAMEWORKS = ('flask', 'starlette', 'fastapi', 'pyramid', 'django')

SERVERS = 'servers/test_servers.py::test_it_starts_and_runs_without_a_visitor'
RELOADER = 'adapters/test_examples_servers.py::test_only_one_process_of_a_reloader_starts'
TOLD = 'adapters/test_told.py::test_what_it_says_is_what_helps'
COMMITS = 'adapters/test_pyramid.py::test_a_commit_that_fails_is_a_run_that_failed'
DEPENDENCIES = 'adapters/test_starlette.py::test_dependencies_are_closed_before_the_run_has_ended'
EXITS = 'adapters/test_starlette.py::test_a_commit_that_fails_is_a_run_that_failed'


def of(framework: str, *names: str) -> str:
    """Tests of the file of that adapter."""
    return ' '.join(f'adapters/test_{framework}.py::test_{name}' for name in names)


def django(*names: str) -> str:
    return of('django_requests', *names)


# In the order of FRAMEWORKS.
TABLE = {
    'reloader': (
        RELOADER, SERVERS, RELOADER, RELOADER,
        of('django_servers', 'only_one_process_of_a_reloader_starts'),
    ),
    'preload': (
        'adapters/test_examples_servers.py::'
        'test_each_second_is_run_once_also_when_who_fires_is_killed',
        SERVERS, SERVERS, SERVERS,
        of('django_servers', 'each_second_is_run_once_also_when_who_fires_is_killed'),
    ),
    'context': (
        of('flask', 'application_and_request_context_are_there_and_the_run_has_the_request'),
        'contract/test_contract.py::test_the_run_knows_its_request',
        of('starlette', 'dependencies_are_overridden_for_a_test'),
        of('pyramid', 'a_scan_finds_what_is_decorated'),
        django('an_async_job_runs_in_the_loop_that_serves'),
    ),
    'connections': (
        of('flask', 'after_request_and_teardown_act_as_ever'),
        'none are the framework\'s', DEPENDENCIES,
        of('pyramid', 'what_is_to_be_done_at_the_end_of_a_request_is_done'),
        django('a_connection_that_a_job_opened_is_closed'),
    ),
    'csrf': (
        of('flask', 'a_csrf_check_and_a_login_do_not_see_a_job_whoever_came_first'),
        TOLD, TOLD,
        of('pyramid', 'permissions_and_csrf_tokens_are_not_asked_for'),
        django('csrf_passes_jobs_by_and_nothing_else'),
    ),
    'login': (
        of('flask', 'a_csrf_check_and_a_login_do_not_see_a_job_whoever_came_first'),
        TOLD, TOLD,
        of('pyramid', 'permissions_and_csrf_tokens_are_not_asked_for'),
        django('a_login_for_everything_passes_jobs_by'),
    ),
    'https': (
        of('flask', 'a_hook_that_redirects_to_https_does_not_see_a_job'), TOLD, TOLD, TOLD,
        django('a_redirect_to_https_is_met_by_the_headers_of_a_proxy'),
    ),
    'hosts': (
        of('flask', 'it_is_found_whatever_host_flask_expects'), TOLD, TOLD, TOLD,
        django('the_host_is_one_that_is_allowed'),
    ),
    'slash': (
        of('flask', 'a_slash_is_never_added_or_removed'),
        *2 * [of('starlette', 'a_slash_is_never_added_or_removed')],
        of('pyramid', 'a_slash_is_never_added_or_removed'),
        django('a_slash_is_never_added_or_removed'),
    ),
    'prefix': (
        of('flask', 'it_may_be_added_after_the_first_request_and_be_mounted'),
        *2 * [of('starlette', 'a_root_path_does_not_matter',
                 'a_mounted_application_has_jobs_although_its_lifespan_never_runs')],
        of('pyramid', 'it_is_found_where_the_server_has_a_script_name',
           'a_route_prefix_is_in_its_path'),
        django('the_path_is_that_which_answered_and_not_the_one_of_links'),
    ),
    'cancelled': (
        'WSGI does not tell',
        *2 * [of('starlette', 'a_job_does_not_end_with_its_client_behind_middlewares')],
        'WSGI does not tell', django('an_async_job_does_not_end_with_its_client'),
    ),
    'lifespan': (
        'there is none',
        *2 * [of('starlette', 'a_mounted_application_has_jobs_although_its_lifespan_never_runs')],
        'there is none', 'there is none',
    ),
    'commands': (
        of('flask', 'commands_that_serve_nobody_start_nothing'),
        *3 * ['servers/test_servers.py::test_nothing_starts_where_nothing_listens'],
        of('django_servers', 'a_command_that_serves_nobody_starts_nothing'),
    ),
    'tests': (
        of('flask', 'in_a_test_of_the_application_nothing_starts'),
        *2 * [of('starlette', 'in_a_test_of_the_application_nothing_starts')],
        of('pyramid', 'in_a_test_of_the_application_nothing_starts'),
        of('django_servers', 'a_command_that_serves_nobody_starts_nothing'),
    ),
    'sentry': (
        of('flask', 'sentry_hears_of_an_exception_once'),
        *2 * [of('starlette', 'sentry_hears_of_an_exception_once')],
        of('pyramid', 'sentry_hears_of_an_exception_once'),
        django('an_error_reaches_sentry_once'),
    ),
    'global': (
        of('flask', 'a_csrf_check_and_a_login_do_not_see_a_job_whoever_came_first'),
        'there are none',
        of('starlette', 'a_login_of_the_whole_application_is_for_visitors'),
        of('pyramid', 'permissions_and_csrf_tokens_are_not_asked_for'),
        django('the_global_authentication_of_drf_leaves_jobs_alone'),
    ),
    'databases': (
        'none are the framework\'s', 'none are the framework\'s', EXITS, COMMITS,
        django('what_a_job_wrote_is_rolled_back_with_atomic_requests_on_any_database'),
    ),
    'on_commit': (
        'there is none', 'there is none', EXITS, COMMITS,
        django('what_on_commit_raises_is_a_failure_that_says_what_is_saved'),
    ),
}


def test_each_trap_of_the_list_has_a_row():
    listed = re.findall(r'^    ((?:[a-z_]+ )+) ', __doc__, re.MULTILINE)
    assert [name for line in listed for name in line.split()] == [*TABLE]


@pytest.mark.parametrize('trap', TABLE)
def test_each_cell_names_a_test_that_there_is(trap):
    row = TABLE[trap]
    assert len(row) == len(FRAMEWORKS)
    for cell in row:
        for each in re.findall(r'\S+::\S+', cell):
            file, _, name = each.partition('::')
            text = (TESTS / file).read_text()
            assert f'\ndef {name}(' in text, each
        assert '::' in cell or cell.startswith(('none', 'there is', 'there are', 'WSGI'))
