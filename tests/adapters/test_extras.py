"""An adapter without its framework says which extra to install."""

from __future__ import annotations

import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from pages import ROOT
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


def lowest_of(text, separator):
    name, _, version = text.partition(separator)
    parts = [int(part) for part in version.split('.')]
    return name.lower(), tuple([*parts, 0, 0][:3])


def test_the_lowest_version_of_each_extra_is_one_that_is_tried():
    """The first row of each framework, in `make frameworks`."""
    path = ROOT / 'tools' / 'frameworks.py'
    tool = module_from_spec(spec_from_file_location('frameworks', path))
    sys.modules['frameworks'] = tool   # as its dataclasses ask
    try:
        tool.__spec__.loader.exec_module(tool)
    finally:
        del sys.modules['frameworks']
    tried = {}
    for row in tool.ROWS:
        for each in row.requires:
            separator = '~=' if '~=' in each else '=='
            if separator in each:
                name, version = lowest_of(each, separator)
                tried.setdefault(name, version)
    extras = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project'][
        'optional-dependencies']
    for extra in ('flask', 'fastapi', 'starlette', 'pyramid', 'django'):
        (required,) = extras[extra]
        name, lowest = lowest_of(required, '>=')
        assert tried[name] == lowest
