/* Oracle: CPython's `random`, by the rows of tests/data/offset.tsv. */
#include <stdlib.h>

#include "check.h"
#include "core/base/mem.h"
#include "core/cron/offset.h"

struct row {
    char *seed;
    size_t size;
    int32_t max_ms, expected;
};

static int digit_of(char digit)
{
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

static int read_row(char *line, struct row *row)
{
    char *tab = strchr(line, '\t');
    size_t i;

    if (line[0] == '#' || !tab)
        return 0;
    row->size = (size_t)(tab - line) / 2;
    row->seed = line;
    for (i = 0; i < row->size; i++)
        line[i] = (char)(digit_of(line[2 * i]) << 4
                         | digit_of(line[2 * i + 1]));
    return sscanf(tab, "%" SCNd32 "%" SCNd32, &row->max_ms,
                  &row->expected) == 2;
}

static void test_every_row_agrees_with_cpython(void)
{
    static char line[65536];
    FILE *file = fopen("tests/data/offset.tsv", "r");
    struct row row;
    int rows = 0;

    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof(line), file)) {
        int32_t drawn = -1;

        if (!read_row(line, &row))
            continue;
        CHECK_INT(cs_offset_ms(row.seed, row.size, row.max_ms, &drawn),
                  CS_OK);
        if (!CHECK_INT(drawn, row.expected))
            fprintf(stderr, "  in row %d\n", rows + 1);
        rows++;
    }
    CHECK(rows > 180);
    (void)fclose(file);
}

static void test_a_limit_out_of_range_is_refused(void)
{
    int32_t drawn = 42;

    CHECK_INT(cs_offset_ms("a", 1, -1, &drawn), CS_RANGE);
    CHECK_INT(cs_offset_ms("a", 1, INT32_MAX, &drawn), CS_RANGE);
    CHECK_INT(drawn, 42);
}

static void test_a_long_seed_says_when_there_is_no_memory(void)
{
    static char seed[1000];
    int32_t drawn = 42;

    memset(seed, 'x', sizeof(seed));
    cs_mem_fail_after(0);
    CHECK_INT(cs_offset_ms(seed, sizeof(seed), 30000, &drawn), CS_NOMEM);
    CHECK_INT(drawn, 42);
    CHECK_INT(cs_offset_ms(seed, 100, 30000, &drawn), CS_OK);
    cs_mem_fail_after(-1);
    CHECK_INT(cs_offset_ms(seed, sizeof(seed), 30000, &drawn), CS_OK);
}

int main(void)
{
    test_every_row_agrees_with_cpython();
    test_a_limit_out_of_range_is_refused();
    test_a_long_seed_says_when_there_is_no_memory();
    return check_done();
}
