/* Slots in one growing array. Invariants: a slot holds an item or is on the
 * free list, never both; its generation grows by one at each removal, and a
 * slot whose generations are used up is retired, so that no handle is ever
 * given out twice.
 */
#include "core/base/table.h"

#include "core/base/mem.h"

#define FIRST_CAPACITY 16u
#define MOST_SLOTS UINT32_MAX   /* links in the free list are slot + 1 */

static uint64_t make_handle(uint32_t slot, uint32_t generation)
{
    return (uint64_t)generation << 32 | slot;
}

/* The slot that `handle` names, if it holds that item still. */
static struct cs_table_slot *find_slot(const struct cs_table *table,
                                       uint64_t handle)
{
    size_t index = (uint32_t)handle;
    struct cs_table_slot *slot;

    if (index >= table->used)
        return NULL;
    slot = table->slots + index;
    return slot->item && slot->generation == handle >> 32 ? slot : NULL;
}

static enum cs_status grow(struct cs_table *table)
{
    size_t capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY;
    struct cs_table_slot *slots;

    if (capacity > MOST_SLOTS)
        capacity = MOST_SLOTS;
    if (capacity == table->capacity || capacity > SIZE_MAX / sizeof(*slots))
        return CS_NOMEM;
    slots = cs_mem_realloc(table->slots, capacity * sizeof(*slots));
    if (!slots)
        return CS_NOMEM;
    table->slots = slots;
    table->capacity = capacity;
    return CS_OK;
}

void cs_table_init(struct cs_table *table)
{
    *table = (struct cs_table){NULL, 0, 0, 0, 0};
}

void cs_table_fini(struct cs_table *table)
{
    cs_mem_free(table->slots);
    cs_table_init(table);
}

enum cs_status cs_table_add(struct cs_table *table, void *item,
                            uint64_t *handle)
{
    struct cs_table_slot *slot;
    uint32_t index;

    if (table->free) {
        index = table->free - 1;
        slot = table->slots + index;
        table->free = slot->next_free;
    } else {
        if (table->used == table->capacity && grow(table) != CS_OK)
            return CS_NOMEM;
        index = (uint32_t)table->used++;
        slot = table->slots + index;
        slot->generation = 1;
    }
    slot->item = item;
    slot->next_free = 0;
    table->count++;
    *handle = make_handle(index, slot->generation);
    return CS_OK;
}

void *cs_table_get(const struct cs_table *table, uint64_t handle)
{
    const struct cs_table_slot *slot = find_slot(table, handle);

    return slot ? slot->item : NULL;
}

void *cs_table_remove(struct cs_table *table, uint64_t handle)
{
    struct cs_table_slot *slot = find_slot(table, handle);
    void *item;

    if (!slot)
        return NULL;
    item = slot->item;
    slot->item = NULL;
    table->count--;
    if (++slot->generation != 0) {
        slot->next_free = table->free;
        table->free = (uint32_t)handle + 1;
    }
    return item;
}

void *cs_table_next(const struct cs_table *table, size_t *cursor)
{
    while (*cursor < table->used) {
        void *item = table->slots[(*cursor)++].item;

        if (item)
            return item;
    }
    return NULL;
}
