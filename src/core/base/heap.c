/* A binary heap of linked nodes. Invariants: no node comes before its parent;
 * the tree is complete, so that the bits of a node's number (the root is 1)
 * below the highest spell the way to it: 0 is left, 1 is right.
 * After the idea of libuv's heap-inl.h.
 */
#include "core/base/heap.h"

#include <assert.h>
#include <stdbool.h>

static bool comes_before(const struct cs_heap_node *a,
                         const struct cs_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

/* The link that holds, or will hold, node `number`; `*parent` is whose. */
static struct cs_heap_node **find_link(struct cs_heap *heap, size_t number,
                                       struct cs_heap_node **parent)
{
    struct cs_heap_node **link = &heap->root;
    size_t bit = 1;

    *parent = NULL;
    while (bit <= number / 2)
        bit *= 2;
    while (bit /= 2) {
        *parent = *link;
        link = number & bit ? &(*link)->right : &(*link)->left;
    }
    return link;
}

static void set_children(struct cs_heap_node *node, struct cs_heap_node *left,
                         struct cs_heap_node *right)
{
    node->left = left;
    node->right = right;
    if (left)
        left->parent = node;
    if (right)
        right->parent = node;
}

/* What linked down to `old` links to `new` instead. */
static void replace_child(struct cs_heap *heap, struct cs_heap_node *old,
                          struct cs_heap_node *new)
{
    new->parent = old->parent;
    if (!old->parent)
        heap->root = new;
    else if (old->parent->left == old)
        old->parent->left = new;
    else
        old->parent->right = new;
}

static void swap_with_parent(struct cs_heap *heap, struct cs_heap_node *node)
{
    struct cs_heap_node *parent = node->parent;
    struct cs_heap_node *left = node->left, *right = node->right;

    replace_child(heap, parent, node);
    if (parent->left == node)
        set_children(node, parent, parent->right);
    else
        set_children(node, parent->left, parent);
    set_children(parent, left, right);
}

static void move_up(struct cs_heap *heap, struct cs_heap_node *node)
{
    while (node->parent && comes_before(node, node->parent))
        swap_with_parent(heap, node);
}

static void move_down(struct cs_heap *heap, struct cs_heap_node *node)
{
    struct cs_heap_node *child;

    while ((child = node->left)) {
        if (node->right && comes_before(node->right, child))
            child = node->right;
        if (!comes_before(child, node))
            break;
        swap_with_parent(heap, child);
    }
}

void cs_heap_init(struct cs_heap *heap)
{
    *heap = (struct cs_heap){NULL, 0, 0};
}

void cs_heap_push(struct cs_heap *heap, struct cs_heap_node *node,
                  int64_t key)
{
    node->key = key;
    node->sequence = heap->sequence++;
    node->left = node->right = NULL;
    *find_link(heap, ++heap->count, &node->parent) = node;
    move_up(heap, node);
}

void cs_heap_remove(struct cs_heap *heap, struct cs_heap_node *node)
{
    struct cs_heap_node *parent, **link, *last;

    assert(heap->count > 0);
    link = find_link(heap, heap->count--, &parent);
    last = *link;
    *link = NULL;
    if (last != node) {
        /* The last one takes the place, and then finds its own. */
        replace_child(heap, node, last);
        set_children(last, node->left, node->right);
        move_up(heap, last);
        move_down(heap, last);
    }
    node->left = node->right = node->parent = NULL;
}

struct cs_heap_node *cs_heap_first(const struct cs_heap *heap)
{
    return heap->root;
}
