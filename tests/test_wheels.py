"""What `make wheels` would not publish, shown with files that are wrong on purpose, and how it
finishes a wheel. The wheels in dist/, if there are any, are looked at as well."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
sys.path.append(str(TOP / 'tools/wheels'))

from check import faults_of  # noqa: E402
from finish import finish  # noqa: E402
from platforms import PLATFORMS, PYTHONS, Target  # noqa: E402
from sbom import bill  # noqa: E402

TARGET = Target('3.13', PLATFORMS['x86_64'])
NAME = f'cronsched-0.1.0-{TARGET.tag}.whl'
INFO = 'cronsched-0.1.0.dist-info'
REVISIONS = {'curl': '8.14.1-2+deb13u5', 'openssl': '3.5.7-1~deb13u2'}
# As both libraries say it of themselves.
CODE = """
__attribute__((used)) static const char said[] = "libcurl/8.14.1";
__attribute__((used)) static const char also[] = "OpenSSL 3.5.7 9 Jun 2026";
int PyInit__cronsched(void) { return said[0] + also[0]; }
"""

pytestmark = pytest.mark.skipif(
    not shutil.which('readelf'), reason='needs readelf, which comes with a linker'
)


@pytest.fixture
def make(tmp_path):
    """A wheel around one extension, right but for what a test changes."""

    def wheel(code=CODE, *options, name=NAME, **changed):
        source, extension = tmp_path / 'part.c', tmp_path / 'part.so'
        source.write_text(code)
        command = ['cc', '-shared', '-fPIC', '-o', extension, *options, source.name]
        subprocess.run(command, check=True, cwd=tmp_path)
        files = {
            'cronsched/_cronsched.so': extension.read_bytes(),
            f'{INFO}/WHEEL': f'Wheel-Version: 1.0\nTag: {TARGET.tag}\n',
            f'{INFO}/sboms/cronsched.cdx.json': bill('0.1.0', TARGET.tag, REVISIONS, 0),
            f'{INFO}/licenses/LICENSE': 'MIT',
            f'{INFO}/licenses/curl-COPYING': 'curl',
            f'{INFO}/licenses/openssl-LICENSE.txt': 'Apache',
        }
        files |= changed
        path = tmp_path / name
        with zipfile.ZipFile(path, 'w') as archive:
            for each, content in files.items():
                if content is not None:
                    archive.writestr(each, content)
        return path

    return wheel


def faults(*arguments, **keywords):
    return '\n'.join(faults_of(*arguments, **keywords))


def test_a_right_wheel_has_no_fault(make):
    assert faults(make()) == ''


def test_another_export_is_a_fault(make):
    code = CODE + 'int AES_encrypt(void) { return 1; }'
    assert faults(make(code)) == 'exports other than PyInit__cronsched alone: AES_encrypt'


def test_a_missing_entry_is_a_fault(make):
    code = CODE.replace('PyInit__cronsched', 'PyInit_cronsched')
    assert 'exports other than PyInit__cronsched alone' in faults(make(code))


def test_a_source_s_absolute_path_is_a_fault(make):
    code = CODE + '__attribute__((used)) static const char at[] = "/build/curl/lib/url.c";'
    assert 'names /build/curl/lib/url.c' in faults(make(code))


def test_a_private_folder_is_a_fault_wherever_it_is_named(make):
    metadata = {f'{INFO}/METADATA': 'Home-page: /srv/builder/cronsched\n'}
    wheel = make(**metadata)
    assert faults(wheel, private=[Path('/srv/builder')]) == f'{INFO}/METADATA names /srv/builder'
    assert faults(wheel, private=[Path('/srv/other')]) == ''


def test_a_library_that_is_not_inside_is_a_fault(make):
    wheel = make(CODE, '-Wl,--no-as-needed', '-lcurl')
    assert faults(wheel).startswith('needs libcurl')


def test_a_search_path_for_libraries_is_a_fault(make):
    assert faults(make(CODE, '-Wl,-rpath,/opt/lib')) == 'searches /opt/lib for libraries'


def test_another_tag_than_the_name_says_is_a_fault(make):
    other = f'cronsched-0.1.0-{Target("3.12", TARGET.platform).tag}.whl'
    assert 'its name says cp312' in faults(make(name=other))


@pytest.mark.parametrize('name', ['LICENSE', 'curl-COPYING', 'openssl-LICENSE.txt'])
def test_a_missing_licence_is_a_fault(make, name):
    assert faults(make(**{f'{INFO}/licenses/{name}': None})) == f'no licenses/{name}'


def test_a_bill_of_materials_has_to_be_there_and_true(make):
    place = f'{INFO}/sboms/cronsched.cdx.json'
    assert faults(make(**{place: None})) == 'no bill of materials'
    older = bill('0.1.0', TARGET.tag, REVISIONS | {'openssl': '3.5.6-1'}, 0)
    assert faults(make(**{place: older})).startswith('openssl: the code says')


def test_two_extensions_are_a_fault(make):
    assert faults(make(**{'cronsched/_other.so': b''})).startswith('2 extensions')


@pytest.fixture
def raw(tmp_path):
    """What setuptools hands over, in an order of its own."""
    path = tmp_path / 'cronsched-0.1.0-cp311-cp311-linux_x86_64.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(f'{INFO}/RECORD', 'something older')
        archive.writestr(f'{INFO}/WHEEL', 'Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n\n')
        archive.writestr(
            f'{INFO}/METADATA',
            'Name: cronsched\nLicense-Expression: MIT\nLicense-File: LICENSE\n\nLong words\n',
        )
        archive.writestr(f'{INFO}/licenses/LICENSE', 'MIT')
        archive.writestr('cronsched/_cronsched.so', b'code')
        archive.writestr('cronsched/__init__.py', '')
    return path


@pytest.fixture
def finished(raw, tmp_path):
    licenses = tmp_path / 'licenses'
    licenses.mkdir()
    (licenses / 'curl-COPYING').write_text('curl')
    (licenses / 'openssl-LICENSE.txt').write_text('Apache')
    return finish(raw, TARGET, REVISIONS, licenses, 1_800_000_000, tmp_path)


def test_a_finished_wheel_bears_its_tag_and_all_licences(finished):
    with zipfile.ZipFile(finished) as archive:
        wheel = archive.read(f'{INFO}/WHEEL').decode()
        metadata = archive.read(f'{INFO}/METADATA').decode()
    assert finished.name == NAME
    assert wheel == f'Wheel-Version: 1.0\nTag: {TARGET.tag}\n'
    assert 'License-Expression: MIT AND curl AND Apache-2.0\n' in metadata
    assert metadata.count('License-File: ') == 3


def test_its_record_is_true(finished):
    with zipfile.ZipFile(finished) as archive:
        rows = list(csv.reader(archive.read(f'{INFO}/RECORD').decode().splitlines()))
        assert [row[0] for row in rows] == archive.namelist()
        for name, digest, size in rows[:-1]:
            content = archive.read(name)
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            assert digest == 'sha256=' + found.rstrip('=')
            assert int(size) == len(content)
    assert rows[-1] == [f'{INFO}/RECORD', '', '']


def test_order_and_times_are_the_same_each_time(raw, finished, tmp_path):
    with zipfile.ZipFile(raw) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(raw, 'w') as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name, (2001, 1, 1, 0, 0, 0)), entries[name])
    again = tmp_path / 'again'
    again.mkdir()
    other = finish(raw, TARGET, REVISIONS, tmp_path / 'licenses', 1_800_000_000, again)
    assert other.read_bytes() == finished.read_bytes()


def test_the_bill_of_materials_names_what_is_inside():
    document = json.loads(bill('0.1.0', TARGET.tag, REVISIONS, 0))
    assert (document['bomFormat'], document['specVersion']) == ('CycloneDX', '1.6')
    parts = {part['name']: part for part in document['components']}
    assert {name: part['version'] for name, part in parts.items()} == REVISIONS
    assert parts['openssl']['cpe'] == 'cpe:2.3:a:openssl:openssl:3.5.7:*:*:*:*:*:*:*'
    assert parts['curl']['purl'] == 'pkg:deb/debian/curl@8.14.1-2%2Bdeb13u5?arch=source'
    known = {part['bom-ref'] for part in parts.values()}
    assert known == set(document['dependencies'][0]['dependsOn'])


def test_each_target_has_a_tag_and_a_suffix_of_its_own():
    targets = [Target(python, platform) for python in PYTHONS for platform in PLATFORMS.values()]
    assert len({target.tag for target in targets}) == len(targets)
    free_threaded = Target('3.14t', PLATFORMS['aarch64'])
    assert free_threaded.tag == 'cp314-cp314t-manylinux_2_17_aarch64'
    assert free_threaded.suffix == '.cpython-314t-aarch64-linux-gnu.so'
    assert Target('3.14', PLATFORMS['musl-x86_64']).suffix == '.so'


BUILT = sorted((TOP / 'dist').glob('*.whl'))


@pytest.mark.skipif(not BUILT, reason='`make wheels` has not been run here')
@pytest.mark.parametrize('wheel', BUILT, ids=lambda path: path.name)
def test_what_was_built_is_fit_to_be_published(wheel):
    assert faults(wheel, private=[TOP]) == ''
