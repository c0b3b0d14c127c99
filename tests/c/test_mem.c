#include <stdint.h>

#include "check.h"
#include "core/base/mem.h"

static void test_zeroed_memory_is_zero(void)
{
    unsigned char *block = cs_mem_zalloc(10, 10);
    int i, sum = 0;

    CHECK(block != NULL);
    for (i = 0; i < 100; i++)
        sum += block[i];
    CHECK_INT(sum, 0);
    cs_mem_free(block);
}

static void test_a_copy_ends_with_a_nul(void)
{
    char *copy = cs_mem_copy("abcdef", 3);

    CHECK_TEXT(copy, "abc");
    cs_mem_free(copy);
    CHECK(cs_mem_copy("", SIZE_MAX) == NULL);
}

static void test_the_nth_allocation_fails_and_all_after_it(void)
{
    void *first, *second;

    cs_mem_fail_after(2);
    first = cs_mem_alloc(1);
    second = cs_mem_zalloc(1, 1);
    CHECK(first != NULL);
    CHECK(second != NULL);
    CHECK(cs_mem_alloc(1) == NULL);
    CHECK(cs_mem_zalloc(1, 1) == NULL);
    CHECK(cs_mem_copy("a", 1) == NULL);
    cs_mem_fail_after(-1);
    cs_mem_free(first);
    cs_mem_free(second);
    cs_mem_free(NULL);
}

static void test_the_old_block_survives_a_failed_growth(void)
{
    char *text = cs_mem_copy("kept", 4), *more;

    cs_mem_fail_after(0);
    CHECK(cs_mem_realloc(text, 100) == NULL);
    cs_mem_fail_after(-1);
    CHECK_TEXT(text, "kept");
    more = cs_mem_realloc(text, 100);
    CHECK(more != NULL);
    CHECK_TEXT(more, "kept");
    cs_mem_free(more);
}

static void test_nothing_is_still_a_block(void)
{
    void *nothing = cs_mem_alloc(0);

    CHECK(nothing != NULL);
    cs_mem_free(nothing);
    nothing = cs_mem_zalloc(0, 0);
    CHECK(nothing != NULL);
    cs_mem_free(nothing);
}

int main(void)
{
    test_zeroed_memory_is_zero();
    test_a_copy_ends_with_a_nul();
    test_the_nth_allocation_fails_and_all_after_it();
    test_the_old_block_survives_a_failed_growth();
    test_nothing_is_still_a_block();
    return check_done();
}
