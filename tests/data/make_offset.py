"""Write offset.tsv: what CPython's own `random` makes of a seed.

    python tests/data/make_offset.py > tests/data/offset.tsv

Columns: the seed in UTF-8 as hex digits, the largest delay, the delay drawn.
"""

import random

MOST = 2**31 - 2
LIMITS = (30_000, 0, 1, 2, 3, 255, 256, 65_535, 2**30 - 1, 2**30, MOST)

SEEDS = [
    '',
    'a',
    'abc',
    'abcd',
    'abcde',
    '\0',
    '\0\0\0\0',
    '\0\0\0\0\0',
    '\0\0\0abc',
    '\0\0\0\0abc',
    '\0' * 9 + 'x' + '\0' * 9,
    'ends with NUL\0',
    'Zürich',
    'おはよう',
    '\U0001f552 on the hour',
    '\u00ff\u0100\uffff',
    'http://localhost:8080/cronjobs/hourly_maintenance_tasks',
    'https://example.org/onegov_town6/govikon/cronjobs/' + 'q' * 43,
]
# Around a block of SHA-512 (111, 112, 128 bytes), around the words kept on
# the stack (320 bytes), and keys around the size of the state (2,432 bytes
# are 608 words, 16 more are the digest's).
SIZES = [
    *range(6, 17),
    *range(108, 130),
    *range(317, 325),
    *range(2424, 2441),
    4999,
    5000,
    9999,
]


def url(number: int) -> str:
    return f'https://example.org/town-{number}/cronjobs/job-{number * 7919}'


def rows() -> list[tuple[str, int]]:
    found = [(seed, limit) for seed in SEEDS for limit in (30_000, 0)]
    found += [(url(0), limit) for limit in LIMITS]
    found += [(url(number), LIMITS[number % len(LIMITS)]) for number in range(80)]
    # The first and last byte of a seed of each size differ.
    found += [('s' + '.' * (size - 2) + chr(65 + size % 26), 30_000) for size in SIZES]
    return found


if __name__ == '__main__':
    print('# written by tests/data/make_offset.py: seed in hex, max_ms, ms')
    for seed, limit in rows():
        drawn = random.Random(seed).randint(0, limit)
        print(seed.encode().hex(), limit, drawn, sep='\t')
