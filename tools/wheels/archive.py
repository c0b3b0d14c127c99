"""Debian's packages, without changing this machine's apt.

Example::

    archive = Archive(Path('~/.cache/cronsched-wheels').expanduser())
    archive.source('curl')                      # -> .../sources/curl_8.14.1-2+deb13u7
    archive.unpack('libpython3.14-dev', architecture='amd64', suite='testing', into=folder)

Sources come from Debian's stable release with its security updates: apt checks the signatures, and
the patches are applied. The archives are those that the machine's own apt is set up with.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

STABLE = 'trixie'
# Have other Pythons; for headers and for trying wheels, never for what goes into one.
OLDSTABLE = 'bookworm'
TESTING = 'testing'
FRESH_S = 3600
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'


class AptError(RuntimeError):
    """In apt's words."""


class NoSource(SystemExit):
    """Each revision that the archive names is gone."""


class Archive:
    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folder = cache / 'apt'

    @functools.cached_property
    def _environment(self) -> dict[str, str]:
        """The archives' indexes are read at the first question, if they are
        older than an hour."""
        read = self.folder / 'read'
        if not read.exists() or time.time() - read.stat().st_mtime > FRESH_S:
            self._update()
            read.touch()
        return self._variables

    @property
    def _variables(self) -> dict[str, str]:
        return {**os.environ, 'APT_CONFIG': str(self.folder / 'apt.conf')}

    def _update(self) -> None:
        (self.folder / 'lists/partial').mkdir(parents=True, exist_ok=True)
        (self.folder / 'archives/partial').mkdir(parents=True, exist_ok=True)
        (self.folder / 'sources.list').write_text(self._sources_list())
        (self.folder / 'apt.conf').write_text(
            f'Dir::Etc::SourceList "{self.folder}/sources.list";\n'
            'Dir::Etc::SourceParts "/dev/null";\n'
            f'Dir::State::Lists "{self.folder}/lists";\n'
            f'Dir::Cache "{self.folder}";\n'
            'APT::Sandbox::User "root";\n'
            'APT::Architectures {"amd64"; "arm64";};\n'
            'Acquire::Languages "none";\n'
        )
        subprocess.run(['apt-get', '-qq', 'update'], env=self._variables, check=True)

    def _sources_list(self) -> str:
        lines = []
        for label, suites in (
            ('Debian', (STABLE, OLDSTABLE, TESTING)),
            ('Debian-Security', (f'{STABLE}-security',)),
        ):
            address = archive_of_this_machine(label)
            for suite in suites:
                lines.append(f'deb [signed-by={KEYRING}] {address} {suite} main')
                lines.append(f'deb-src [signed-by={KEYRING}] {address} {suite} main')
        return '\n'.join(lines) + '\n'

    def _apt(self, *command: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=folder, env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            raise AptError(done.stderr)
        return done.stdout

    def revisions(self, name: str, suite: str = STABLE) -> list[str]:
        """Of a source package in a release, the newest first."""
        found: set[str] = set()
        for line in self._apt('apt-cache', 'madison', name).splitlines():
            package, revision, place = (part.strip() for part in line.split('|'))
            if package == name and f' {suite}' in place and place.endswith('Sources'):
                found.add(revision)
        return sorted(found, key=functools.cmp_to_key(compare), reverse=True)

    def source(self, name: str, suite: str = STABLE) -> Path:
        """The newest revision that is to be had, unpacked; printed, so that
        one that is named but cannot be fetched does not go unseen."""
        for revision in self.revisions(name, suite):
            target = self.cache / 'sources' / f'{name}_{revision}'
            if target.exists() or self._fetch(name, revision, target):
                print(f'== {name} {revision}', flush=True)
                return target
            print(f'!! {name} {revision} is named by the archive but not handed out', flush=True)
        raise NoSource(f'{name}: no source to be had')

    def _fetch(self, name: str, revision: str, target: Path) -> bool:
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            package = f'{name}={revision}'
            try:
                self._apt(
                    'apt-get', '-qq', 'source', '--only-source', package, folder=Path(folder)
                )
            except AptError as error:
                if '404' not in str(error):
                    raise
                return False
            (tree,) = (path for path in Path(folder).iterdir() if path.is_dir())
            tree.rename(target)
        return True

    def needs(self, *packages: str, architecture: str, suite: str) -> list[str]:
        """The packages and all that they depend on, as an empty machine
        would install them."""
        nothing = self.folder / 'status'
        nothing.touch()
        simulated = self._apt(
            *('apt-get', '--simulate', '--no-install-recommends', '-q'),
            *('-o', f'Dir::State::status={nothing}'),
            *('-o', f'APT::Architecture={architecture}'),
            *('-o', f'APT::Default-Release={suite}'),
            *('install', *(f'{name}/{suite}' for name in packages)),
        )
        return re.findall(r'(?m)^Inst (\S+)', simulated)

    def unpack(self, *packages: str, architecture: str, suite: str, into: Path) -> Path:
        """The files of binary packages, in a folder of their own; none of
        their scripts is run."""
        if into.exists():
            return into
        work = into.with_name(into.name + '.new')
        shutil.rmtree(work, ignore_errors=True)
        (work / '.packages').mkdir(parents=True)
        names = [f'{name}/{suite}' for name in packages]
        native = ('-o', f'APT::Architecture={architecture}')
        self._apt('apt-get', '-q', *native, 'download', *names, folder=work / '.packages')
        for package in sorted((work / '.packages').glob('*.deb')):
            subprocess.run(['dpkg', '-x', package, work], check=True)
        work.rename(into)
        return into


def compare(one: str, other: str) -> int:
    """Two revisions, by Debian's order."""
    for relation, answer in (('lt', -1), ('gt', 1)):
        command = ['dpkg', '--compare-versions', one, relation, other]
        if subprocess.run(command).returncode == 0:
            return answer
    return 0


def archive_of_this_machine(label: str) -> str:
    listed = subprocess.run(
        ['apt-get', 'indextargets', '--format', '$(LABEL) $(REPO_URI)'],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found = re.search(rf'^{label} (\S+)$', listed, re.MULTILINE)
    if not found:
        raise SystemExit(f'apt knows no archive labelled {label}: wheels are built on Debian')
    return found[1]
