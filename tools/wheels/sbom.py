"""What is inside of a wheel, as a bill of materials: CycloneDX 1.6 in JSON, at the place that
PEP 770 names, `cronsched-*.dist-info/sboms/`. `cronsched --version` reads it.

Example::

    bill('0.1.0', 'cp313-cp313-manylinux_2_17_x86_64', {'curl': '8.14.1-2+deb13u5', ...}, 0)
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    license: str    # SPDX
    supplier: str
    # For a search for known faults: cpe:2.3:a:<this>:<version>
    cpe: str


INSIDE = {
    'curl': Part('curl', 'https://curl.se', 'haxx:libcurl'),
    'openssl': Part('Apache-2.0', 'https://openssl-library.org', 'openssl:openssl'),
}


def bill(version: str, tag: str, revisions: dict[str, str], timestamp: int) -> bytes:
    assert revisions.keys() == INSIDE.keys()
    wheel = f'pkg:pypi/cronsched@{version}'
    parts = [component(name, revisions[name]) for name in sorted(INSIDE)]
    document = {
        'bomFormat': 'CycloneDX',
        'specVersion': '1.6',
        'serialNumber': f'urn:uuid:{serial(version, tag, revisions)}',
        'version': 1,
        'metadata': {
            'timestamp': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(timestamp)),
            'component': {
                'type': 'library',
                'bom-ref': wheel,
                'name': 'cronsched',
                'version': version,
                'purl': wheel,
                'licenses': [{'license': {'id': 'MIT'}}],
                'properties': [{'name': 'cronsched:wheel-tag', 'value': tag}],
            },
        },
        'components': parts,
        'dependencies': [
            {'ref': wheel, 'dependsOn': [part['bom-ref'] for part in parts]},
            {'ref': parts[0]['bom-ref'], 'dependsOn': [parts[1]['bom-ref']]},
            {'ref': parts[1]['bom-ref']},
        ],
    }
    return json.dumps(document, indent=2).encode() + b'\n'


def component(name: str, revision: str) -> dict[str, object]:
    """A Debian source package with its patches, linked statically."""
    part = INSIDE[name]
    upstream = upstream_of(revision)
    purl = f'pkg:deb/debian/{name}@{revision.replace("+", "%2B").replace("~", "~")}?arch=source'
    return {
        'type': 'library',
        'bom-ref': purl,
        'name': name,
        'version': revision,
        'purl': purl,
        'cpe': f'cpe:2.3:a:{part.cpe}:{upstream}:*:*:*:*:*:*:*',
        'licenses': [{'license': {'id': part.license}}],
        'externalReferences': [{'type': 'website', 'url': part.supplier}],
    }


def upstream_of(revision: str) -> str:
    """8.14.1 of 8.14.1-2+deb13u5."""
    return revision.split(':')[-1].rsplit('-', 1)[0]


def serial(version: str, tag: str, revisions: dict[str, str]) -> uuid.UUID:
    """The same for the same contents."""
    return uuid.uuid5(uuid.NAMESPACE_URL, repr((version, tag, sorted(revisions.items()))))
