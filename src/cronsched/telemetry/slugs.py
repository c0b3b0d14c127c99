"""The name of a job for those who take short ones.

Example::

    slug('shop', 'cleanup')         # 'shop-cleanup'
    slug('org/zug', 'cleanup')      # 'org-zug-cleanup-4f3a90c1'

Of a-z, 0-9, _ and -, 50 at most and never only digits, as Sentry's monitors
want it. What had to be changed, or cut, ends with some digits of a hash: two
jobs never share a name. Without a change of a name, its slug never changes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ['LONGEST', 'slug']

LONGEST: Final = 50
HASH: Final = 8     # hexadecimal digits

OTHER: Final = re.compile(r'[^a-z0-9_-]+')


def slug(application_id: str, job: str) -> str:
    whole = f'{application_id}-{job}'
    made = OTHER.sub('-', whole.lower()).strip('-')
    # 'a-b' and 'c' would be as 'a' and 'b-c'.
    exact = len(made) <= LONGEST and made == whole and '-' not in application_id
    if exact:
        return made
    digest = hashlib.sha256(f'{application_id}\0{job}'.encode()).hexdigest()[:HASH]
    return f'{made[:LONGEST - HASH - 1].rstrip("-") or "job"}-{digest}'
