"""The cases of the contract that an adapter cannot have, each with the reason."""

from __future__ import annotations

SIGNED_PATH = 'its paths are signed names: an unknown one is a path nobody was given, 404'
LOOP_ONLY = 'there is no event loop: an async job is an error, see the cases of decoration'
OUTERMOST = 'it is outermost: no error handler of the application is inside of it'
QUERY = 'a mounted application may be told by its query; it is removed before the job runs'
THREAD = 'the thread that serves is not in the child'
DEAF = 'waitress lets an exit end its thread, and never answers'
GET = 'its jobs are called by GET, as in the original'
REQUEST = 'its argument is the request, as in the original'
BY_REGISTRY = 'the names it takes are those of a path it signs'

STARLETTE = ('starlette', 'starlette-uvicorn', 'fastapi', 'fastapi-uvicorn')

_NONE: dict[str, tuple[str, list[str]]] = {
    'test_an_unknown_name_that_is_rightly_signed_is_not_found': (
        SIGNED_PATH, ['morepath', 'onegov']),
    'test_an_unknown_name_that_is_wrongly_signed_is_refused': (
        SIGNED_PATH, ['morepath', 'onegov']),
    'test_a_name_that_no_path_can_hold_is_an_error_at_decoration': (
        BY_REGISTRY, ['morepath', 'onegov']),
    'test_what_an_error_handler_made_of_it_is_a_failure': (
        OUTERMOST, ['wsgi', 'wsgi-waitress', 'asgi', 'asgi-uvicorn']),
    'test_an_exit_ends_the_run_as_failed_and_goes_on_to_the_server': (
        DEAF, ['wsgi-waitress', 'flask-waitress']),
    'test_a_forked_process_answers_as_its_parent': (
        THREAD, ['wsgi-waitress', 'asgi-uvicorn', 'flask-waitress', 'starlette-uvicorn',
                 'fastapi-uvicorn']),
    'test_a_query_is_refused': (QUERY, ['morepath', 'onegov']),
    'test_a_query_does_not_reach_the_function': (
        'it is refused',
        ['wsgi', 'wsgi-waitress', 'asgi', 'asgi-uvicorn', *STARLETTE, 'flask', 'flask-waitress',
         'pyramid']),
    'test_the_wrong_method_is_refused_without_a_word': (GET, ['onegov']),
    'test_a_function_may_take_nothing': (REQUEST, ['morepath', 'onegov']),
    'test_the_run_knows_its_request': (REQUEST, ['morepath', 'onegov']),
    'test_a_function_without_an_argument_is_an_error': (
        'it is called without one',
        ['wsgi', 'wsgi-waitress', 'asgi', 'asgi-uvicorn', *STARLETTE, 'flask', 'flask-waitress',
         'pyramid']),
    'test_an_async_job_is_an_error_where_no_loop_is': (
        'there is a loop', ['asgi', 'asgi-uvicorn', *STARLETTE, 'flask', 'flask-waitress']),
    **dict.fromkeys(
        (
            'test_an_async_job_is_awaited',
            'test_an_async_job_is_ended_at_its_timeout',
            'test_a_time_out_of_its_own_is_a_failure',
            'test_a_def_job_leaves_the_loop_free',
        ),
        (LOOP_ONLY, ['wsgi', 'wsgi-waitress', 'pyramid', 'morepath', 'onegov']),
    ),
}

_DJANGO = {
    'test_a_query_does_not_reach_the_function': 'it is refused',
    'test_a_function_without_an_argument_is_an_error': 'it is called without one',
    'test_an_async_job_is_an_error_where_no_loop_is': 'there is a loop',
    **dict.fromkeys(
        (
            'test_two_applications_in_one_process_are_two',
            'test_two_applications_of_one_id_share_their_runs',
        ),
        'there is one Django project in a process',
    ),
}

#: (adapter, case): reason
NOT_APPLICABLE = {
    (adapter, case): reason
    for case, (reason, adapters) in _NONE.items()
    for adapter in adapters
} | {
    (adapter, case): reason
    for case, reason in _DJANGO.items()
    for adapter in ('django', 'django-asgi')
}
