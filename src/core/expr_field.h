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

/* What has been read so far. `sets` goes by `enum cs_field`, a weekday 7
 * still apart from 0; the years take the last four. */
struct cs_expr_draft {
    uint64_t sets[CS_FIELD_YEAR + 4];
    uint8_t weekday_last, weekday_nth[5], last_minus, nearest;  /* cs_expr */
    uint16_t flags;
};

struct cs_expr_reader {
    struct cs_expr_place place; /* the field to read, set by the caller */
    const char *seed;           /* Borrowed; NULL: no H. */
    size_t seed_size;
    bool plain;                 /* refuse H L W # + */
    const char *at;             /* how far it has come */
    struct cs_expr_draft draft;
};

/* Read the field at `reader->place` into the draft, whose set for it is
 * empty. */
enum cs_status cs_expr_read_field(struct cs_expr_reader *reader);

#endif
