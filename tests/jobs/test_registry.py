from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from cronsched.errors import CronError, DuplicateJobError
from cronsched.jobs.registry import StartedHere, jobs_of
from cronsched.morepath.job import register_cronjob


def cleanup(request):
    pass


def test_a_registry_is_any_object_that_takes_attributes():
    registry = SimpleNamespace()
    register_cronjob(registry, cleanup, hour=8, minute=0, timezone='UTC')
    assert registry.cronjobs['cleanup'].function is cleanup
    assert registry.cronjob_threads == {}


def test_an_object_without_jobs_has_none():
    assert jobs_of(SimpleNamespace()) == {}
    assert jobs_of(None) == {}


def test_the_keywords_of_the_original_are_enough():
    registry = SimpleNamespace()
    register_cronjob(
        registry=registry, function=cleanup, hour='*', minute='*/15', timezone='UTC', once=True
    )
    assert registry.cronjobs['cleanup'].once is True


def test_two_functions_of_one_name_are_an_error_that_names_both():
    registry = SimpleNamespace()
    register_cronjob(registry, cleanup, 8, 0, 'UTC')

    def other(request):
        pass

    other.__qualname__ = 'cleanup'
    with pytest.raises(DuplicateJobError, match=r'test_registry\.py:\d+.*rename') as caught:
        register_cronjob(registry, other, 9, 0, 'UTC')
    assert isinstance(caught.value, CronError)
    assert registry.cronjobs['cleanup'].function is cleanup
    register_cronjob(registry, other, 9, 0, 'UTC', name='other')
    assert list(registry.cronjobs) == ['cleanup', 'other']


def test_the_same_function_may_be_registered_again():
    registry = SimpleNamespace()
    register_cronjob(registry, cleanup, 8, 0, 'UTC')
    register_cronjob(registry, cleanup, 9, 0, 'UTC')
    assert registry.cronjobs['cleanup'].hour == 9


def test_a_job_that_cannot_run_is_not_registered():
    registry = SimpleNamespace()
    with pytest.raises(CronError):
        register_cronjob(registry, cleanup, hour='*/2', timezone='UTC')
    assert registry.cronjobs == {}


def test_a_child_has_started_nothing_whatever_it_inherited():
    started = StartedHere()
    started['org/zug'] = object()
    assert 'org/zug' in started
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, b'1' if 'org/zug' in started or len(started) else b'0')
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 1) == b'0'
    os.close(read)
    os.close(write)
    assert 'org/zug' in started
