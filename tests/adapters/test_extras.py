"""An adapter without its framework says which extra to install."""

from __future__ import annotations

import pytest
from processes import run_python

from cronsched.base.extras import requires

IMPORT = """
import sys
sys.modules[{missing!r}] = None
try:
    import {module}
except ImportError as error:
    print(error)
    print(type(error.__cause__).__name__, error.__cause__.name)
"""


@pytest.mark.parametrize('module', ['cronsched.morepath', 'cronsched.onegov'])
@pytest.mark.parametrize('missing', ['morepath', 'dectate', 'itsdangerous', 'webob'])
def test_an_adapter_without_its_framework_names_the_extra(module, missing):
    said, cause = run_python(IMPORT.format(module=module, missing=missing)).splitlines()
    assert said == f"{missing} is not installed: pip install 'cronsched[morepath]'"
    assert cause.startswith(f'ModuleNotFoundError {missing}')


@pytest.mark.parametrize('missing', ['django', 'asgiref'])
def test_without_django_the_extra_is_named(missing):
    written = run_python(IMPORT.format(module='cronsched.django', missing=missing))
    said, cause = written.splitlines()
    assert said == f"{missing} is not installed: pip install 'cronsched[django]'"
    assert cause.startswith(f'ModuleNotFoundError {missing}')


def test_a_module_of_ours_that_is_not_there_is_no_extra():
    with pytest.raises(ModuleNotFoundError) as caught, requires('morepath'):
        import cronsched.nowhere  # type: ignore[import-not-found]  # noqa: F401
    assert caught.value.__cause__ is None


def test_an_import_that_fails_otherwise_is_raised_as_it_is():
    with pytest.raises(ImportError) as caught, requires('morepath'):
        from cronsched import nothing_of_this_name  # type: ignore[attr-defined]  # noqa: F401
    assert 'pip install' not in str(caught.value)
