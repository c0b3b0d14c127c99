from __future__ import annotations

import functools
import inspect

import pytest

from cronsched.errors import OptionError
from cronsched.web import functions

RUN = object()


def nothing(): return ()
def one(run): return (run,)
def optional(run=None): return (run,)
def anything(*args, **kwargs): return args
def one_and_default(run, town='zug'): return (run, town)
def default_by_name(*, town='zug'): return (town,)


class Called:
    def __call__(self, run): return (run,)

    def method(self): return ()


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def injecting(function):
    @functools.wraps(function)
    def wrapper(run):
        return function(run, 'database')

    return wrapper


@injecting
def with_database(run, database): return (run, database)


@pytest.mark.parametrize(('function', 'result'), [
    (nothing, ()),
    (one, (RUN,)),
    (optional, (RUN,)),
    (anything, (RUN,)),
    (one_and_default, (RUN, 'zug')),
    (default_by_name, ('zug',)),
    (Called(), (RUN,)),
    (Called().method, ()),
    (lambda: (), ()),
    (functools.partial(one_and_default, town='uri'), (RUN, 'uri')),
    (functools.partial(one, 'given'), ('given',)),
    (wrapped(nothing), ()),
    (wrapped(one), (RUN,)),
    (with_database, (RUN, 'database')),
])
def test_a_function_gets_the_run_if_it_takes_it(function, result):
    functions.check(function, 'zero or one', loop=False)
    assert functions.call(function, RUN) == result


def two(run, other): ...
def by_name(run, *, town): ...
def instead_of_the_run(town='zug'): ...
def generator(run): yield
async def asynchronous(run): ...
async def async_generator(run): yield


class CalledAsync:
    async def __call__(self, run): ...


@pytest.mark.parametrize(('function', 'says'), [
    (two, r'takes \(run, other\): a job takes nothing or one argument, the run'),
    (by_name, 'takes'),
    (instead_of_the_run, r"in place of the default town='zug': write it keyword-only"),
    (generator, 'is a generator'),
    (functools.partial(generator), 'is a generator'),
    (async_generator, 'is a generator'),
    (asynchronous, 'is async'),
    (functools.partial(asynchronous), 'is async'),
    (CalledAsync(), 'is async'),
    (CalledAsync, 'not a function'),
    ('text', 'not a function'),
])
def test_what_could_not_run_is_an_error(function, says):
    with pytest.raises(OptionError, match=says):
        functions.check(function, 'zero or one', loop=False)


def test_the_error_names_file_and_line():
    with pytest.raises(OptionError) as caught:
        functions.check(two, 'zero or one', loop=False)
    line = inspect.getsourcelines(two)[1]
    assert f'{__file__}:{line}' in str(caught.value)


@pytest.mark.parametrize(
    'function', [asynchronous, CalledAsync(), functools.partial(asynchronous)]
)
def test_async_is_right_where_a_loop_is(function):
    functions.check(function, 'zero or one', loop=True)
    assert functions.is_async(function)


def test_where_the_request_is_the_argument_it_is_taken():
    functions.check(one, 'one', loop=False)
    functions.check(one_and_default, 'one', loop=False)
    functions.check([].append, 'one', loop=False)
    with pytest.raises(OptionError, match='one argument, the request'):
        functions.check(nothing, 'one', loop=False)


def test_what_does_not_tell_its_arguments_is_trusted():
    functions.check(dict.fromkeys, 'one', loop=False)
    functions.check(print, 'zero or one', loop=False)


def test_only_a_coroutine_is_not_to_be_returned():
    functions.check_result(one, object())
    functions.check_result(one, (each for each in ()))
    coroutine = asynchronous(None)
    with pytest.raises(OptionError, match='returned a coroutine'):
        functions.check_result(one, coroutine)
