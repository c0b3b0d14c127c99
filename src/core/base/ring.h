/* A bounded queue of fixed-size items. When it is full, the new item is
 * refused and counted: the reader learns how many it missed. Not locked.
 */
#ifndef CS_RING_H
#define CS_RING_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct cs_ring {
    unsigned char *items;   /* Owned. */
    size_t item_size, capacity, head, count;
    uint64_t dropped;       /* since init */
};

/* CS_NOMEM, CS_RANGE (a size or capacity of 0, or too large). */
enum cs_status cs_ring_init(struct cs_ring *ring, size_t item_size,
                            size_t capacity);

/* Safe on a zeroed ring, and twice. */
void cs_ring_fini(struct cs_ring *ring);

/* Copies `item_size` bytes in. CS_NONE when full; then `dropped` grows. */
enum cs_status cs_ring_push(struct cs_ring *ring, const void *item);

/* Twice the capacity; what is in it stays. CS_NOMEM: nothing has changed. */
enum cs_status cs_ring_grow(struct cs_ring *ring);

/* Copies the oldest item out. CS_NONE when empty. */
enum cs_status cs_ring_pop(struct cs_ring *ring, void *item);

#endif
