/* One field of an expression: its grammar and nothing else.
 *
 *   field := ['+'] item {',' item}
 *   item  := ('*' | '?') ['/' n] | value ['-' value ['/' n]]
 *          | 'H' ['(' n '-' n ')'] ['/' n] | [value] '~' [value]
 *          | 'L' ['-' n] | 'LW' | n 'W' | weekday '#' (n | 'L') | weekday 'L'
 */
#ifndef CS_EXPR_FIELD_H
#define CS_EXPR_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cron/expr.h"
#include "core/cron/expr_hint.h"

/* What fields say besides their plain values; as in struct cs_expr. */
struct cs_expr_marks {
    uint8_t weekday_last, weekday_nth[5], last_minus, nearest;
    uint16_t flags;
    bool nth;                   /* weekday_last or weekday_nth has a bit */
};

struct cs_expr_reader {
    struct cs_expr_place place; /* the field to read, set by the caller */
    const char *seed;           /* Borrowed; NULL: no H, no ~. */
    size_t seed_size;
    bool plain;                 /* refuse H ~ L W # + */
    const char *at;             /* how far it has come */
    struct cs_expr_marks marks; /* of all fields so far */
    /* By `enum cs_field`, for the fields read so far; a weekday 7 is still
     * apart from 0, and the years take the last four. */
    uint64_t sets[CS_FIELD_YEAR + 4];
};

/* Read the field at `reader->place` into its set, and add to the marks. */
enum cs_status cs_expr_read_field(struct cs_expr_reader *reader);

#endif
