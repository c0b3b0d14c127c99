"""The arrows of ARCHITECTURE.md, read from every `#include` and `import`.

An arrow "uses" goes to a lower floor, or stays within its room. A new room
or module gets its floor here, in FLOORS or MODULES.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / 'src'
CORE = SOURCE / 'core'
PACKAGE = SOURCE / 'cronsched'

# The folders of the core, and the rooms in each, from the lowest floor to the
# highest; the binding is above them all.
FOLDERS = {
    'base': ('status mem', 'clock heap ring table digest', 'alarm thread'),
    'zone': ('civil', 'tzrule tzif', 'zone'),
    'cron': ('mt19937', 'expr offset', 'days', 'next'),
    'http': ('sign http',),
    'pq': ('pq',),
    'sched': ('lease', 'agenda knock heartbeat', 'owner', 'sched'),
    'binding': ('binding',),
}
FLOORS = {
    room: floor
    for floor, rooms in enumerate(rooms for floors in FOLDERS.values() for rooms in floors)
    for room in rooms.split()
}
HOME_FOLDERS = {
    room: folder
    for folder, floors in FOLDERS.items()
    for rooms in floors
    for room in rooms.split()
}

# Files that belong to a room without bearing its name (`expr_hint.c` does).
ROOM_OF = {
    'answer': 'agenda',
    'apps': 'agenda',
    'collect': 'agenda',
    'plan': 'agenda',
    'room': 'agenda',
    'run': 'agenda',
    'loop': 'sched',
    '_cronsched': 'binding',
}

# Headers from outside that only one room may know.
HOMES = {
    'Python.h': 'binding',
    'curl/': 'http',
    'pthread.h': 'thread',
    'openssl/': 'digest',
    'dlfcn.h': 'pq',
}

# What the core never calls, but in the room named.
BANNED = {
    **dict.fromkeys(('malloc', 'calloc', 'realloc', 'free'), 'mem'),
    **dict.fromkeys(('localtime', 'localtime_r', 'mktime'), None),
    **dict.fromkeys(('setenv', 'putenv', 'strtok'), None),
    'getenv': 'http',  # where certificates are, in wheels
    **dict.fromkeys(('sprintf', 'vsprintf', 'strcpy', 'strcat'), None),
    **dict.fromkeys(('gets', 'atoi', 'atol', 'rand', 'srand'), None),
    'time': 'clock',
}

# Rooms that may keep a variable for the whole process: the allocator's test
# switch, the lists of live schedulers and knocks, the lock that guards them
# over a fork, and how libcurl started.
STATEFUL = {'mem', 'sched', 'knock', 'thread', 'http'}

# The folders and modules of the package by floor; `__init__` is the roof.
MODULES = {
    module: floor
    for floor, modules in enumerate(
        (
            '_cronsched _version',
            'errors',
            'base',
            'schedule',
            'jobs',
            'ledger',
            'report',
            'dashboard',
            'telemetry',
            'scheduler',
            'web',
            'cli',
            'morepath',
            'onegov django flask pyramid starlette',
            'fastapi',
            'testing',
            '__main__',
            '__init__',
        )
    )
    for module in modules.split()
}

CORE_FILES = sorted(CORE.glob('*/*.[ch]'))
NATIVE_FILES = [
    *CORE_FILES,
    *sorted(SOURCE.glob('*.c')),
    *sorted(SOURCE.glob('binding/*.[ch]')),
]
MODULE_FILES = sorted(PACKAGE.rglob('*.py'))

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT_OR_TEXT = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'""",
    re.DOTALL | re.VERBOSE,
)
VARIABLE = re.compile(r'^static\s+(?!.*\b(?:const|inline)\b)[^()\n]*[;={]\s*$', re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def room_of(file: str) -> str:
    """The room of a file, by the longest part of its name that is one."""
    path = Path(file)
    if path.parent.name == 'binding':
        return 'binding'
    if path.stem in ROOM_OF:
        return ROOM_OF[path.stem]
    room = path.stem if path.stem in FLOORS else path.stem.split('_')[0]
    assert room in FLOORS, f'{file}: give the room {room!r} a floor in FLOORS, {__file__}'
    return room


def includes_of(path: Path) -> list[tuple[str, str]]:
    """Each include as its kind, `<` or `"`, and its name."""
    return INCLUDE.findall(path.read_text())


def code_of(path: Path) -> str:
    """The text without comments and literals."""
    return COMMENT_OR_TEXT.sub(' ', path.read_text())


@pytest.mark.parametrize('path', NATIVE_FILES, ids=name_of)
def test_an_include_goes_to_a_lower_floor(path: Path) -> None:
    room = room_of(name_of(path))
    for kind, name in includes_of(path):
        if kind == '"':
            other = room_of(name)
            assert other == room or FLOORS[other] < FLOORS[room], (
                f'{name_of(path)} ({room}, floor {FLOORS[room]}) uses '
                f'{name} ({other}, floor {FLOORS[other]})'
            )


def test_no_file_includes_itself_through_others() -> None:
    graph = {
        name_of(path): [name for kind, name in includes_of(path) if kind == '"']
        for path in NATIVE_FILES
    }

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, ' -> '.join((*way, name))
        for other in graph[name]:
            walk(other, (*way, name))

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize('path', NATIVE_FILES, ids=name_of)
def test_a_header_from_outside_has_one_home(path: Path) -> None:
    room = room_of(name_of(path))
    for kind, name in includes_of(path):
        for start, home in HOMES.items():
            if kind == '<' and name.startswith(start):
                assert room == home, f'{name_of(path)} includes {name}, which only {home} may'


@pytest.mark.parametrize('path', sorted(CORE.glob('*/*.c')), ids=name_of)
def test_a_source_includes_a_header_of_its_room_first(path: Path) -> None:
    kind, name = includes_of(path)[0]
    assert kind == '"', f'{name_of(path)} includes {name} before its own header'
    assert room_of(name) == room_of(name_of(path))


@pytest.mark.parametrize('path', CORE_FILES, ids=name_of)
def test_the_core_calls_nothing_that_is_banned(path: Path) -> None:
    room = room_of(name_of(path))
    called = set(re.findall(r'\b(\w+)\s*\(', code_of(path)))
    for name in called & BANNED.keys():
        assert BANNED[name] == room, f'{name_of(path)} calls {name}()'


@pytest.mark.parametrize('path', CORE_FILES, ids=name_of)
def test_the_core_keeps_no_variable_for_the_process(path: Path) -> None:
    found = VARIABLE.findall(code_of(path))
    assert not found or room_of(name_of(path)) in STATEFUL, found


# All that are here; there is one at least, or nothing would have been built.
COMPILERS = [name for name in ('gcc', 'clang') if shutil.which(name)] or ['cc']


@pytest.mark.parametrize('compiler', COMPILERS)
@pytest.mark.parametrize('path', sorted(CORE.glob('*/*.h')), ids=name_of)
def test_a_header_compiles_alone(path: Path, compiler: str) -> None:
    subprocess.run(
        [
            compiler,
            *('-x', 'c', '-std=c11', '-D_GNU_SOURCE', '-fsyntax-only'),
            *('-Wall', '-Wextra', '-Wpedantic', '-Wno-unused-function', '-Werror'),
            *('-iquote', str(SOURCE), str(path)),
        ],
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize('path', CORE_FILES, ids=name_of)
def test_a_room_is_in_its_folder(path: Path) -> None:
    assert HOME_FOLDERS[room_of(name_of(path))] == path.parent.name


@pytest.mark.parametrize('path', NATIVE_FILES, ids=name_of)
def test_an_include_is_the_path_of_the_file(path: Path) -> None:
    """So that no folder is searched, and <sched.h> stays the system's."""
    for kind, name in includes_of(path):
        assert kind == '<' or (SOURCE / name).exists(), f'{name_of(path)} includes {name}'


def module_of(path: Path) -> str:
    """The folder or module of the package that stands on a floor."""
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


PACKAGE_MODULES = {*map(dotted, MODULE_FILES), 'cronsched._cronsched'}


def imports_of(path: Path) -> Iterator[str]:
    """Each module of the package that the file imports, wherever it does, also
    for annotations alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{name_of(path)}: write absolute imports'
            # A name is a module, or defined in the one before it.
            names = [
                full if (full := f'{node.module}.{alias.name}') in PACKAGE_MODULES
                else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name.split('.')[0] == 'cronsched')


@pytest.mark.parametrize('path', MODULE_FILES, ids=name_of)
def test_an_import_goes_to_a_lower_floor(path: Path) -> None:
    module = module_of(path)
    for name in imports_of(path):
        other = [*name.split('.'), '__init__'][1]
        for each in (module, other):
            assert each in MODULES, f'give the module {each!r} a floor in MODULES, {__file__}'
        assert other == module or MODULES[other] < MODULES[module], (
            f'{name_of(path)} (floor {MODULES[module]}) imports {other} (floor {MODULES[other]})'
        )


def cycles_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """Names that reach each other: what is left when everything that uses
    nothing, or is used by nothing, was taken away again and again."""
    left = {name: set(others) - {name} for name, others in graph.items()}
    while True:
        used = set().union(*left.values()) if left else set()
        free = {name for name, others in left.items() if not others or name not in used}
        if not free:
            return [sorted(left)] if left else []
        left = {name: others - free for name, others in left.items() if name not in free}


def test_a_cycle_is_found() -> None:
    assert cycles_of({'a': {'b'}, 'b': {'c'}, 'c': set()}) == []
    assert cycles_of({'a': {'b'}, 'b': {'c'}, 'c': {'b'}, 'd': set()}) == [['b', 'c']]


def test_no_module_of_the_package_uses_itself_through_others() -> None:
    graph = {
        dotted(path): {name for name in imports_of(path) if name in PACKAGE_MODULES}
        for path in MODULE_FILES
    }
    assert cycles_of(graph) == []


DEFINED = re.compile(r'^(?!static)[a-z][^;{}]*?\b(cs_\w+)\([^;{}]*\)\s*\{', re.MULTILINE)


def test_no_source_of_the_core_calls_itself_through_others() -> None:
    code = {name_of(path): code_of(path) for path in CORE_FILES if path.suffix == '.c'}
    homes = {name: file for file, text in code.items() for name in DEFINED.findall(text)}
    assert homes['cs_loop_run'] == 'core/sched/loop.c'
    graph = {
        file: {homes[name] for name in re.findall(r'\bcs_\w+', text) if name in homes}
        for file, text in code.items()
    }
    assert cycles_of(graph) == []
