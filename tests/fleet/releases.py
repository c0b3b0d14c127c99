"""The next release of cronsched, as far as a deployment of it matters: its
schema has a column more, its processes call functions of the next version, and
those of this release go on with theirs.

Example::

    releases.migrate(server, 'fleet')      # first, as the documentation says
    releases.become_next()                 # in a process of that release
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cronsched.ledger.postgres import ledger, schema

if TYPE_CHECKING:   # of the tests, not of the application
    import postgres

#: What has a new version there.
FUNCTIONS = ('claim_v1', 'finish_v1', 'void_v1')

NEXT = """
BEGIN;
ALTER TABLE cronsched.runs ADD COLUMN note text;
DO $$
DECLARE
    v_name text;
BEGIN
    FOREACH v_name IN ARRAY ARRAY[{names}] LOOP
        EXECUTE replace(
            pg_get_functiondef(('cronsched.' || v_name)::regproc),
            v_name, replace(v_name, '_v1', '_v2'));
    END LOOP;
END $$;
UPDATE cronsched.state SET value = '2' WHERE key = 'version';
COMMIT;
"""


def migrate(server: postgres.Server, database: str) -> None:
    names = ', '.join(f"'{name}'" for name in FUNCTIONS)
    server.sql(NEXT.format(names=names), database)


def become_next() -> None:
    schema.VERSION = 2      # type: ignore[misc]
    for name in ('CLAIM', 'FINISH', 'VOID'):
        text = getattr(ledger, name)
        setattr(ledger, name, text.replace('_v1(', '_v2('))
