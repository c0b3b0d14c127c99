/* Expected words: the reference's mt19937ar.out for its own key; for the
 * other keys, CPython's `random.Random(n).getrandbits(32)`, where n is the
 * key read as one little-endian integer. */
#include "check.h"
#include "core/cron/mt19937.h"

static void test_it_agrees_with_the_reference_output(void)
{
    static const uint32_t key[] = {0x123, 0x234, 0x345, 0x456};
    static const uint32_t first[] = {
        1067595299, 955945823, 477289528, 4107218783, 4228976476,
        3344332714, 3355579695, 227628506, 810200273, 2591290167};
    struct cs_mt mt;
    int i;

    cs_mt_seed(&mt, key, 4);
    for (i = 0; i < 10; i++)
        CHECK_INT(cs_mt_next(&mt), first[i]);
    for (; i < 999; i++)
        (void)cs_mt_next(&mt);
    CHECK_INT(cs_mt_next(&mt), 3460025646u);   /* the last of the thousand */
}

static void test_words_are_renewed_over_many_generations(void)
{
    static const uint32_t key[] = {0};
    static const struct { int number; uint32_t word; } expected[] = {
        {0, 3626764237u}, {623, 2390040247u}, {624, 2229104038u},
        {1247, 577331751u}, {1248, 2465233080u}, {4999, 3643128746u}};
    struct cs_mt mt;
    int i, row = 0;

    cs_mt_seed(&mt, key, 1);
    for (i = 0; i < 5000; i++) {
        uint32_t word = cs_mt_next(&mt);

        if (i == expected[row].number)
            CHECK_INT(word, expected[row++].word);
    }
    CHECK_INT(row, 6);
}

static void test_keys_longer_than_the_state_are_used_whole(void)
{
    static const struct { size_t count; uint32_t first, last; } rows[] = {
        {1, 577090037u, 3348972608u},
        {2, 3175622348u, 1038666377u},
        {623, 337003400u, 653478165u},
        {624, 2227916181u, 2022170905u},
        {625, 1746871316u, 2126855792u},
        {626, 2603017027u, 3429217894u},
        {1247, 1868102073u, 1556010608u},
        {1248, 3284053594u, 1026663186u},
        {1249, 1494099460u, 297515323u},
        {2000, 2588905648u, 71568312u}};
    static uint32_t key[2000];
    struct cs_mt mt;
    size_t row;
    uint32_t i;

    for (i = 0; i < 2000; i++)
        key[i] = i * 2654435761u + 1;
    for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        cs_mt_seed(&mt, key, rows[row].count);
        CHECK_INT(cs_mt_next(&mt), rows[row].first);
        for (i = 1; i < 699; i++)
            (void)cs_mt_next(&mt);
        CHECK_INT(cs_mt_next(&mt), rows[row].last);
    }
}

int main(void)
{
    test_it_agrees_with_the_reference_output();
    test_words_are_renewed_over_many_generations();
    test_keys_longer_than_the_state_are_used_whole();
    return check_done();
}
