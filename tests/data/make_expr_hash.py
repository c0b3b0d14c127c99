"""Writes expr_hash.tsv: what H means, worked out apart from the C code.

FNV-1a (64 bits) over the seed's UTF-8 bytes and then the field's number
(0 second to 5 weekday), finished by splitmix64's mixer; the upper 32 bits
are scaled to the number of choices.
"""
import sys

MASK = 2**64 - 1
BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
SEEDS = ('', 'seed', 'a', 'b', 'https://example.org/cronjobs/1',
         'https://example.org/cronjobs/2', 'Zürich', 'x' * 200)


def chosen(seed: str, field: int, choices: int) -> int:
    value = 0xCBF29CE484222325
    for byte in (*seed.encode(), field):
        value = (value ^ byte) * 0x100000001B3 & MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    value ^= value >> 31
    return (value >> 32) * choices >> 32


def main() -> None:
    print('# seed | what `H H H H H H` means | what `H(1-5)` in each field means;'
          ' made by make_expr_hash.py')
    for seed in SEEDS:
        whole = [low + chosen(seed, field, high - low + 1)
                 for field, (low, high) in enumerate(BOUNDS)]
        some = [1 + chosen(seed, field, 5) for field in range(6)]
        print(seed, *(' '.join(map(str, row)) for row in (whole, some)),
              sep='\t')


if __name__ == '__main__':
    sys.exit(main())
