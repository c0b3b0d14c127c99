/* One field of an expression: its grammar and nothing else.
 *
 *   field := ['+'] item {',' item}
 *   item  := ('*' | '?') ['/' n] | value ['-' value ['/' n]]
 *          | 'H' ['(' n '-' n ')'] ['/' n]
 *          | 'L' ['-' n] | 'LW' | n 'W' | weekday '#' (n | 'L') | weekday 'L'
 */
#ifndef CS_EXPR_FIELD_H
#define CS_EXPR_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "expr.h"
#include "expr_hint.h"

struct cs_expr_reader {
    struct cs_expr_place place; /* the field to read, set by the caller */
    const char *seed;           /* Borrowed; NULL: no H. */
    size_t seed_size;
    bool plain;                 /* refuse H L W # + */
    const char *at;             /* how far it has come */
    uint64_t set[4];            /* the values so far, from `base` up */
    struct cs_expr *expr;       /* Borrowed: where the result goes. */
};

/* Read the field at `reader->place` into `reader->expr`. */
enum cs_status cs_expr_read_field(struct cs_expr_reader *reader);

#endif
