#include <stdlib.h>

#include "check.h"
#include "core/base/heap.h"

struct timer {
    int name;
    struct cs_heap_node node;
    int place;   /* in the sorted array, or -1 */
};

/* xorshift64*: the same numbers on every machine. */
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 2685821657736338717u >> 33) % limit);
}

static struct timer *owner_of(struct cs_heap_node *node)
{
    return node ? CS_HEAP_OWNER(node, struct timer, node) : NULL;
}

/* Counts the nodes below `node`; -1 as soon as an invariant is broken. */
static long count_sound(const struct cs_heap_node *node,
                        const struct cs_heap_node *parent)
{
    long left, right;

    if (!node)
        return 0;
    if (node->parent != parent || (parent && node->key < parent->key))
        return -1;
    left = count_sound(node->left, node);
    right = count_sound(node->right, node);
    return left < 0 || right < 0 || right > left ? -1 : left + right + 1;
}

static void test_an_empty_heap_has_no_first(void)
{
    struct cs_heap heap;

    cs_heap_init(&heap);
    CHECK(cs_heap_first(&heap) == NULL);
    CHECK_INT(heap.count, 0);
}

static void test_equal_keys_come_in_the_order_they_were_pushed(void)
{
    struct timer timers[100];
    struct cs_heap heap;
    int i;

    cs_heap_init(&heap);
    for (i = 0; i < 100; i++) {
        timers[i].name = i;
        cs_heap_push(&heap, &timers[i].node, i % 3);
    }
    for (i = 0; i < 100; i++) {
        struct timer *first = owner_of(cs_heap_first(&heap));
        int expected = i < 34 ? i * 3 : i < 67 ? (i - 34) * 3 + 1
                                               : (i - 67) * 3 + 2;

        CHECK_INT(first->name, expected);
        cs_heap_remove(&heap, &first->node);
    }
    CHECK_INT(heap.count, 0);
}

static void test_the_extreme_keys_are_ordered_too(void)
{
    struct timer never = {0}, zero = {0}, first = {0};
    struct cs_heap heap;

    cs_heap_init(&heap);
    cs_heap_push(&heap, &never.node, INT64_MAX);
    cs_heap_push(&heap, &zero.node, 0);
    cs_heap_push(&heap, &first.node, INT64_MIN);
    CHECK(cs_heap_first(&heap) == &first.node);
    cs_heap_remove(&heap, &first.node);
    CHECK(cs_heap_first(&heap) == &zero.node);
    cs_heap_remove(&heap, &zero.node);
    CHECK(cs_heap_first(&heap) == &never.node);
}

/* The oracle: an array kept sorted by (key, age) by insertion. */
static struct timer *sorted[600];
static int sorted_count;

static void insert_sorted(struct timer *timer, int64_t key)
{
    int at = sorted_count++;

    while (at > 0 && sorted[at - 1]->node.key > key) {
        sorted[at] = sorted[at - 1];
        sorted[at]->place = at;
        at--;
    }
    sorted[at] = timer;
    timer->place = at;
}

static void delete_sorted(struct timer *timer)
{
    int at = timer->place;

    for (sorted_count--; at < sorted_count; at++) {
        sorted[at] = sorted[at + 1];
        sorted[at]->place = at;
    }
    timer->place = -1;
}

static void test_random_pushes_and_removals_agree_with_a_sorted_array(void)
{
    static struct timer timers[600];
    struct cs_heap heap;
    int i, wrong = 0;

    cs_heap_init(&heap);
    for (i = 0; i < 600; i++)
        timers[i].place = -1;
    for (i = 0; i < 60000; i++) {
        struct timer *timer = &timers[random_below(600)];

        if (timer->place < 0) {
            int64_t key = (int64_t)random_below(200) - 100;

            insert_sorted(timer, key);
            cs_heap_push(&heap, &timer->node, key);
        } else {
            delete_sorted(timer);
            cs_heap_remove(&heap, &timer->node);
            wrong += timer->node.parent || timer->node.left
                     || timer->node.right;
        }
        wrong += owner_of(cs_heap_first(&heap))
                 != (sorted_count ? sorted[0] : NULL);
        wrong += count_sound(heap.root, NULL) != sorted_count;
        wrong += heap.count != (size_t)sorted_count;
    }
    CHECK_INT(wrong, 0);
}

static void test_a_million_nodes_come_out_sorted(void)
{
    enum { COUNT = 1000000 };
    struct timer *timers = calloc(COUNT, sizeof(*timers));
    struct cs_heap heap;
    int64_t last = INT64_MIN;
    int i, wrong = 0;

    cs_heap_init(&heap);
    for (i = 0; i < COUNT; i++)
        cs_heap_push(&heap, &timers[i].node, random_below(UINT32_MAX));
    CHECK_INT(heap.count, COUNT);
    for (i = 0; i < COUNT; i++) {
        struct cs_heap_node *first = cs_heap_first(&heap);

        wrong += first->key < last;
        last = first->key;
        cs_heap_remove(&heap, first);
    }
    CHECK_INT(wrong, 0);
    CHECK(cs_heap_first(&heap) == NULL);
    free(timers);
}

int main(void)
{
    test_an_empty_heap_has_no_first();
    test_equal_keys_come_in_the_order_they_were_pushed();
    test_the_extreme_keys_are_ordered_too();
    test_random_pushes_and_removals_agree_with_a_sorted_array();
    test_a_million_nodes_come_out_sorted();
    return check_done();
}
