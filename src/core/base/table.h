/* Handles for pointers: a 64-bit number that stays wrong for ever once its
 * pointer is removed (low 32 bits: slot; high 32 bits: generation, never 0).
 * So a handle that a caller kept too long is an error, not a crash.
 */
#ifndef CS_TABLE_H
#define CS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct cs_table_slot { void *item; uint32_t generation; uint32_t next_free; };

struct cs_table {
    struct cs_table_slot *slots;   /* Owned. The items are not. */
    size_t capacity, used;         /* `used` slots were ever handed out */
    size_t count;                  /* items in it now */
    uint32_t free;                 /* first free slot + 1, or 0 */
};

void cs_table_init(struct cs_table *table);
void cs_table_fini(struct cs_table *table);

/* `item` must not be NULL. CS_NOMEM. */
enum cs_status cs_table_add(struct cs_table *table, void *item,
                            uint64_t *handle);

/* The item, or NULL for a handle that names none. */
void *cs_table_get(const struct cs_table *table, uint64_t handle);

/* Removes and returns the item; NULL for a handle that names none. */
void *cs_table_remove(struct cs_table *table, uint64_t handle);

/* To visit all: start with `*cursor` 0; NULL at the end. Removing the item
 * just visited is allowed. */
void *cs_table_next(const struct cs_table *table, size_t *cursor);

#endif
