/* Items by value, in one block. Invariant: the `count` items from `head` on,
 * around the end, are filled; the others are free.
 */
#include "core/base/ring.h"

#include <string.h>

#include "core/base/mem.h"

static unsigned char *find_item(const struct cs_ring *ring, size_t index)
{
    size_t place = ring->head + index;

    if (place >= ring->capacity)
        place -= ring->capacity;
    return ring->items + place * ring->item_size;
}

enum cs_status cs_ring_init(struct cs_ring *ring, size_t item_size,
                            size_t capacity)
{
    *ring = (struct cs_ring){0};
    /* Half of the range, so that head + count cannot overflow. */
    if (item_size == 0 || capacity == 0
        || capacity > SIZE_MAX / 2 / item_size)
        return CS_RANGE;
    ring->items = cs_mem_alloc(item_size * capacity);
    if (!ring->items)
        return CS_NOMEM;
    ring->item_size = item_size;
    ring->capacity = capacity;
    return CS_OK;
}

void cs_ring_fini(struct cs_ring *ring)
{
    cs_mem_free(ring->items);
    *ring = (struct cs_ring){0};
}

enum cs_status cs_ring_push(struct cs_ring *ring, const void *item)
{
    if (ring->count == ring->capacity) {
        ring->dropped++;
        return CS_NONE;
    }
    memcpy(find_item(ring, ring->count), item, ring->item_size);
    ring->count++;
    return CS_OK;
}

enum cs_status cs_ring_grow(struct cs_ring *ring)
{
    struct cs_ring grown;
    size_t i;

    if (ring->capacity > SIZE_MAX / 4 / ring->item_size
        || cs_ring_init(&grown, ring->item_size, ring->capacity * 2) != CS_OK)
        return CS_NOMEM;
    for (i = 0; i < ring->count; i++)
        memcpy(find_item(&grown, i), find_item(ring, i), ring->item_size);
    grown.count = ring->count;
    grown.dropped = ring->dropped;
    cs_mem_free(ring->items);
    *ring = grown;
    return CS_OK;
}

enum cs_status cs_ring_pop(struct cs_ring *ring, void *item)
{
    if (ring->count == 0)
        return CS_NONE;
    memcpy(item, find_item(ring, 0), ring->item_size);
    ring->head = ring->head + 1 < ring->capacity ? ring->head + 1 : 0;
    ring->count--;
    return CS_OK;
}
