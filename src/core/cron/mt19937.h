/* The Mersenne Twister, seeded by an array: what CPython's `random` calls
 * version 2 seeding ends in. Source: M. Matsumoto, T. Nishimura, "Mersenne
 * Twister", ACM TOMACS 8 (1998), and their mt19937ar, 2002-01-26.
 */
#ifndef CS_MT19937_H
#define CS_MT19937_H

#include <stddef.h>
#include <stdint.h>

#define CS_MT_SIZE 624

struct cs_mt {
    uint32_t state[CS_MT_SIZE];
    int index;   /* next word to renew and hand out */
};

/* init_by_array; `count` is at least 1. */
void cs_mt_seed(struct cs_mt *mt, const uint32_t *key, size_t count);

/* The next 32 bits. State words are renewed one at a time, as they are
 * needed, so that the first few numbers do not pay for 624. */
uint32_t cs_mt_next(struct cs_mt *mt);

#endif
