#include "check.h"
#include "core/base/mem.h"
#include "core/base/ring.h"

struct event { int number; char letter; };

static enum cs_status push(struct cs_ring *ring, int number)
{
    struct event event = {number, (char)('a' + number % 26)};

    return cs_ring_push(ring, &event);
}

static void check_pop(struct cs_ring *ring, int number)
{
    struct event event = {-1, '?'};

    CHECK_INT(cs_ring_pop(ring, &event), CS_OK);
    CHECK_INT(event.number, number);
    CHECK_INT(event.letter, 'a' + number % 26);
}

static void test_items_come_out_in_order_around_the_end(void)
{
    struct cs_ring ring;
    int turn;

    CHECK_INT(cs_ring_init(&ring, sizeof(struct event), 5), CS_OK);
    for (turn = 0; turn < 100; turn += 3) {
        CHECK_INT(push(&ring, turn), CS_OK);
        CHECK_INT(push(&ring, turn + 1), CS_OK);
        CHECK_INT(push(&ring, turn + 2), CS_OK);
        check_pop(&ring, turn);
        check_pop(&ring, turn + 1);
        check_pop(&ring, turn + 2);
    }
    CHECK_INT(ring.dropped, 0);
    cs_ring_fini(&ring);
}

static void test_a_full_ring_refuses_the_new_and_counts_it(void)
{
    struct cs_ring ring;

    CHECK_INT(cs_ring_init(&ring, sizeof(struct event), 2), CS_OK);
    CHECK_INT(push(&ring, 1), CS_OK);
    CHECK_INT(push(&ring, 2), CS_OK);
    CHECK_INT(push(&ring, 3), CS_NONE);
    CHECK_INT(push(&ring, 4), CS_NONE);
    CHECK_INT(ring.dropped, 2);
    check_pop(&ring, 1);
    CHECK_INT(push(&ring, 5), CS_OK);
    check_pop(&ring, 2);
    check_pop(&ring, 5);
    CHECK_INT(ring.dropped, 2);
    cs_ring_fini(&ring);
}

static void test_an_empty_ring_leaves_the_item_alone(void)
{
    struct event event = {7, 'x'};
    struct cs_ring ring;

    CHECK_INT(cs_ring_init(&ring, sizeof(event), 1), CS_OK);
    CHECK_INT(cs_ring_pop(&ring, &event), CS_NONE);
    CHECK_INT(event.number, 7);
    cs_ring_fini(&ring);
}

static void test_a_size_that_makes_no_sense_is_refused(void)
{
    struct cs_ring ring;

    CHECK_INT(cs_ring_init(&ring, 0, 4), CS_RANGE);
    CHECK_INT(cs_ring_init(&ring, 4, 0), CS_RANGE);
    CHECK_INT(cs_ring_init(&ring, 16, SIZE_MAX / 8), CS_RANGE);
    cs_ring_fini(&ring);
    cs_ring_fini(&ring);
}

static void test_it_says_when_there_is_no_memory(void)
{
    struct cs_ring ring;

    cs_mem_fail_after(0);
    CHECK_INT(cs_ring_init(&ring, 4, 4), CS_NOMEM);
    cs_mem_fail_after(-1);
    cs_ring_fini(&ring);
}

static void test_it_grows_around_its_end(void)
{
    struct cs_ring ring;
    int i, item;

    CHECK_INT(cs_ring_init(&ring, sizeof(item), 4), CS_OK);
    for (i = 0; i < 6; i++) {
        CHECK_INT(cs_ring_push(&ring, &i), CS_OK);
        if (i < 2)
            CHECK_INT(cs_ring_pop(&ring, &item), CS_OK);
    }
    CHECK_INT(cs_ring_push(&ring, &i), CS_NONE);
    cs_mem_fail_after(0);
    CHECK_INT(cs_ring_grow(&ring), CS_NOMEM);
    cs_mem_fail_after(-1);
    CHECK_INT(cs_ring_grow(&ring), CS_OK);
    CHECK_INT(ring.capacity, 8);
    CHECK_INT(ring.dropped, 1);
    CHECK_INT(cs_ring_push(&ring, &i), CS_OK);
    for (i = 2; i < 7; i++) {
        CHECK_INT(cs_ring_pop(&ring, &item), CS_OK);
        CHECK_INT(item, i);
    }
    CHECK_INT(cs_ring_pop(&ring, &item), CS_NONE);
    cs_ring_fini(&ring);
}

int main(void)
{
    test_items_come_out_in_order_around_the_end();
    test_a_full_ring_refuses_the_new_and_counts_it();
    test_an_empty_ring_leaves_the_item_alone();
    test_a_size_that_makes_no_sense_is_refused();
    test_it_says_when_there_is_no_memory();
    test_it_grows_around_its_end();
    return check_done();
}
