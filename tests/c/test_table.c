#include "check.h"
#include "core/base/mem.h"
#include "core/base/table.h"

static int items[1000];

static void test_a_handle_finds_its_item_until_it_is_removed(void)
{
    struct cs_table table;
    uint64_t handle = 0;

    cs_table_init(&table);
    CHECK_INT(cs_table_add(&table, &items[7], &handle), CS_OK);
    CHECK(handle >> 32 != 0);
    CHECK(cs_table_get(&table, handle) == &items[7]);
    CHECK_INT(table.count, 1);
    CHECK(cs_table_remove(&table, handle) == &items[7]);
    CHECK(cs_table_get(&table, handle) == NULL);
    CHECK(cs_table_remove(&table, handle) == NULL);
    CHECK_INT(table.count, 0);
    cs_table_fini(&table);
}

static void test_a_handle_that_was_never_given_out_names_nothing(void)
{
    struct cs_table table;
    uint64_t handle;

    cs_table_init(&table);
    CHECK(cs_table_get(&table, 0) == NULL);
    CHECK(cs_table_get(&table, UINT64_MAX) == NULL);
    CHECK_INT(cs_table_add(&table, &items[0], &handle), CS_OK);
    CHECK(cs_table_get(&table, 0) == NULL);
    CHECK(cs_table_get(&table, handle + 1) == NULL);
    CHECK(cs_table_get(&table, handle + (UINT64_C(1) << 32)) == NULL);
    CHECK(cs_table_remove(&table, UINT64_MAX) == NULL);
    cs_table_fini(&table);
}

static void test_an_old_handle_stays_wrong_when_its_slot_is_used_again(void)
{
    struct cs_table table;
    uint64_t old, handle;
    int i;

    cs_table_init(&table);
    CHECK_INT(cs_table_add(&table, &items[0], &old), CS_OK);
    cs_table_remove(&table, old);
    for (i = 0; i < 1000; i++) {
        CHECK_INT(cs_table_add(&table, &items[i], &handle), CS_OK);
        CHECK(cs_table_get(&table, old) == NULL);
        CHECK(cs_table_remove(&table, handle) == &items[i]);
    }
    CHECK_INT(table.used, 1);
    cs_table_fini(&table);
}

static void test_a_slot_without_generations_left_is_retired(void)
{
    struct cs_table table;
    uint64_t handle, next;

    cs_table_init(&table);
    CHECK_INT(cs_table_add(&table, &items[0], &handle), CS_OK);
    table.slots[0].generation = UINT32_MAX;
    handle |= UINT64_C(0xffffffff) << 32;
    CHECK(cs_table_remove(&table, handle) == &items[0]);
    CHECK_INT(cs_table_add(&table, &items[1], &next), CS_OK);
    CHECK_INT((uint32_t)next, 1);
    CHECK(cs_table_get(&table, handle) == NULL);
    cs_table_fini(&table);
}

static void test_a_visit_sees_each_item_once_and_may_remove_it(void)
{
    static uint64_t handles[1000];
    struct cs_table table;
    size_t cursor = 0;
    int i, seen = 0;
    int *item;

    cs_table_init(&table);
    for (i = 0; i < 1000; i++)
        CHECK_INT(cs_table_add(&table, &items[i], &handles[i]), CS_OK);
    for (i = 0; i < 1000; i += 2)
        cs_table_remove(&table, handles[i]);
    while ((item = cs_table_next(&table, &cursor))) {
        CHECK_INT(item - items, seen * 2 + 1);
        cs_table_remove(&table, handles[item - items]);
        seen++;
    }
    CHECK_INT(seen, 500);
    CHECK_INT(table.count, 0);
    cs_table_fini(&table);
}

static void test_it_survives_the_lack_of_memory(void)
{
    struct cs_table table;
    uint64_t handle = 99;

    cs_table_init(&table);
    cs_mem_fail_after(0);
    CHECK_INT(cs_table_add(&table, &items[0], &handle), CS_NOMEM);
    cs_mem_fail_after(-1);
    CHECK_INT(handle, 99);
    CHECK_INT(table.count, 0);
    CHECK_INT(cs_table_add(&table, &items[0], &handle), CS_OK);
    CHECK(cs_table_get(&table, handle) == &items[0]);
    cs_table_fini(&table);
    cs_table_fini(&table);
}

int main(void)
{
    test_a_handle_finds_its_item_until_it_is_removed();
    test_a_handle_that_was_never_given_out_names_nothing();
    test_an_old_handle_stays_wrong_when_its_slot_is_used_again();
    test_a_slot_without_generations_left_is_retired();
    test_a_visit_sees_each_item_once_and_may_remove_it();
    test_it_survives_the_lack_of_memory();
    return check_done();
}
