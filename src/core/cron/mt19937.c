/* Invariant: the words before `index` are renewed, the others are not yet.
 * Each step of seeding needs the result of the step before, so its price is
 * the length of that chain of instructions. The plain fill that init_by_array
 * starts from is a chain of its own; here it runs beside the first pass over
 * the key, in the same loop, and costs next to nothing.
 */
#include "core/cron/mt19937.h"

#define SHIFT 397

static uint32_t fold(uint32_t word)
{
    return word ^ word >> 30;
}

/* The fill (init_genrand of 19650218) and the first pass over the key, up to
 * the end of the state. Returns how much of the key that used up. */
static size_t fill_and_mix(uint32_t *state, const uint32_t *key, size_t count)
{
    uint32_t filled = 19650218u, mixed = filled;
    uint32_t i;
    size_t j = 0;

    for (i = 1; i < CS_MT_SIZE; i++) {
        filled = 1812433253u * fold(filled) + i;
        mixed = (filled ^ fold(mixed) * 1664525u) + key[j] + (uint32_t)j;
        state[i] = mixed;
        j = j + 1 < count ? j + 1 : 0;
    }
    return j;
}

/* The rest of the first pass: one step, or more for a key that is longer than
 * the state. Returns the word that comes next. */
static size_t mix_rest(uint32_t *state, const uint32_t *key, size_t count,
                       size_t j)
{
    size_t left = count > CS_MT_SIZE ? count - (CS_MT_SIZE - 1) : 1;
    size_t i = 1;

    state[0] = state[CS_MT_SIZE - 1];
    for (; left > 0; left--) {
        state[i] = (state[i] ^ fold(state[i - 1]) * 1664525u) + key[j]
                   + (uint32_t)j;
        j = j + 1 < count ? j + 1 : 0;
        if (++i == CS_MT_SIZE) {
            state[0] = state[CS_MT_SIZE - 1];
            i = 1;
        }
    }
    return i;
}

/* The second pass, CS_MT_SIZE - 1 steps from word `i` on. */
static void mix_again(uint32_t *state, size_t i)
{
    uint32_t mixed = state[i - 1];
    size_t left;

    for (left = CS_MT_SIZE - 1; left > 0; left--) {
        mixed = (state[i] ^ fold(mixed) * 1566083941u) - (uint32_t)i;
        state[i] = mixed;
        if (++i == CS_MT_SIZE)
            i = 1;
    }
    state[0] = 0x80000000u;
}

void cs_mt_seed(struct cs_mt *mt, const uint32_t *key, size_t count)
{
    size_t j = fill_and_mix(mt->state, key, count);

    mix_again(mt->state, mix_rest(mt->state, key, count, j));
    mt->index = 0;
}

/* Word `i` of the next generation, in place of the present one. */
static uint32_t renew(uint32_t *state, int i)
{
    int next = i + 1 < CS_MT_SIZE ? i + 1 : 0;
    int far = i + SHIFT < CS_MT_SIZE ? i + SHIFT : i + SHIFT - CS_MT_SIZE;
    uint32_t joined = (state[i] & 0x80000000u) | (state[next] & 0x7fffffffu);

    state[i] = state[far] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
    return state[i];
}

uint32_t cs_mt_next(struct cs_mt *mt)
{
    uint32_t word = renew(mt->state, mt->index);

    mt->index = mt->index + 1 < CS_MT_SIZE ? mt->index + 1 : 0;
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}
