/* CPython's way from a text to a number (Lib/random.py, version 2 seeding;
 * Modules/_randommodule.c): the text and its SHA-512 are one big-endian
 * integer, whose 32-bit words, lowest first and without leading zeros, are
 * the key of the twister. A number below n is then drawn by taking as many
 * bits as n has, again and again until they make one.
 */
#include "core/cron/offset.h"

#include "core/base/digest.h"
#include "core/base/mem.h"
#include "core/cron/mt19937.h"

#define WORDS_ON_STACK 96   /* room for a seed of 320 bytes */
#define DIGEST_WORDS (CS_SHA512_SIZE / 4)

static size_t count_words(size_t size)
{
    return size / 4 + (size % 4 > 0) + DIGEST_WORDS;
}

/* The `size` bytes that end before `end`, at most 4, as a big-endian word. */
static uint32_t read_word(const uint8_t *end, size_t size)
{
    uint32_t word = 0;
    size_t i;

    for (i = size < 4 ? size : 4; i > 0; i--)
        word = word << 8 | end[-(ptrdiff_t)i];
    return word;
}

/* Words from the end of `bytes` to its start; returns how many. */
static size_t put_words(const uint8_t *bytes, size_t size, uint32_t *words)
{
    size_t count = 0;

    while (size > 0) {
        words[count++] = read_word(bytes + size, size);
        size -= size < 4 ? size : 4;
    }
    return count;
}

/* `words` has room for count_words(size). */
static enum cs_status seed_twister(const char *seed, size_t size,
                                   uint32_t *words, struct cs_mt *mt)
{
    uint8_t digest[CS_SHA512_SIZE];
    enum cs_status status = cs_digest_sha512(seed, size, digest);
    size_t count;

    if (status != CS_OK)
        return status;
    count = put_words(digest, sizeof(digest), words);
    count += put_words((const uint8_t *)seed, size, words + count);
    while (count > 1 && words[count - 1] == 0)
        count--;
    cs_mt_seed(mt, words, count);
    return CS_OK;
}

static int32_t draw_below(struct cs_mt *mt, uint32_t limit)
{
    uint32_t drawn;
    int bits = 0;

    while (limit >> bits)
        bits++;
    do {
        drawn = cs_mt_next(mt) >> (32 - bits);
    } while (drawn >= limit);
    return (int32_t)drawn;
}

enum cs_status cs_offset_ms(const char *seed, size_t size, int32_t max_ms,
                            int32_t *offset_ms)
{
    uint32_t on_stack[WORDS_ON_STACK], *words = on_stack;
    uint32_t *block = NULL;   /* Owned. */
    enum cs_status status;
    struct cs_mt mt;

    if (max_ms < 0 || max_ms == INT32_MAX)
        return CS_RANGE;
    if (count_words(size) > WORDS_ON_STACK) {
        block = cs_mem_zalloc(count_words(size), sizeof(*words));
        if (!block)
            return CS_NOMEM;
        words = block;
    }
    status = seed_twister(seed, size, words, &mt);
    if (status == CS_OK)
        *offset_ms = draw_below(&mt, (uint32_t)max_ms + 1);
    cs_mem_free(block);
    return status;
}
