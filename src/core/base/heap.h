/* A timer heap whose nodes live inside what they time, so that pushing cannot
 * fail. The smallest key comes first; of equal keys, the one pushed first.
 */
#ifndef CS_HEAP_H
#define CS_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct cs_heap_node {
    struct cs_heap_node *left, *right, *parent;   /* Borrowed. */
    int64_t key;
    uint64_t sequence;
};

struct cs_heap {
    struct cs_heap_node *root;   /* Borrowed. */
    size_t count;
    uint64_t sequence;
};

void cs_heap_init(struct cs_heap *heap);

/* `node` must not be in any heap. */
void cs_heap_push(struct cs_heap *heap, struct cs_heap_node *node,
                  int64_t key);

/* `node` must be in this heap; afterwards it is in none. */
void cs_heap_remove(struct cs_heap *heap, struct cs_heap_node *node);

/* The first node, which stays in the heap; NULL when it is empty. */
struct cs_heap_node *cs_heap_first(const struct cs_heap *heap);

/* The structure that holds `node` as its member `member`. */
#define CS_HEAP_OWNER(node, type, member) \
    ((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
