/* A cron expression: text in, bit sets and flags out. It knows no calendar
 * and no zone; policy that follows from the text alone is decided here.
 * Source: Open Cron Pattern Specification (OCPS) 1.0 to 1.4, and beyond it
 * LW, L-3 (Quartz), H (Jenkins).
 *
 * A field's value v is bit v of its set: second, minute 0-59; hour 0-23; day
 * 1-31; month 1-12; weekday 0-6 (0 is Sunday; 7 is folded into it); year
 * y is bit y - 1970 of `year`.
 *
 * The parts of a day field add up: a date matches the day field when its bit
 * is in `day`, or CS_EXPR_LAST_DAY or CS_EXPR_NEAREST names it (`1,15,L`);
 * it matches the weekday field when `weekday`, `weekday_last` or
 * `weekday_nth` has it (`MON#1,MON#3`). A field that is ANY has every bit.
 *
 * Two texts that mean the same give the same struct: the second field `0` and
 * the year field `*` leave no trace, and what another part of the list
 * covers already (`*,L`) is dropped.
 */
#ifndef CS_EXPR_H
#define CS_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_EXPR_FIRST_YEAR 1970
#define CS_EXPR_LAST_YEAR 2199
#define CS_EXPR_YEARS 230
#define CS_EXPR_TEXT_SIZE 1536  /* longest expression, with its NUL */

enum {
    CS_EXPR_SECONDS = 1 << 0,   /* `second` is not just 0 */
    CS_EXPR_YEAR = 1 << 1,      /* `year` lacks a year */
    CS_EXPR_INTERVAL = 1 << 2,  /* second, minute or hour has `*`, a range or
                                   a step: interval-based, else fixed */
    CS_EXPR_DAY_ANY = 1 << 3,      /* day field begins with `*` or `?` */
    CS_EXPR_WEEKDAY_ANY = 1 << 4,  /* weekday field begins with it */
    CS_EXPR_BOTH_DAYS = 1 << 5,    /* `+`: both day fields must match */
    CS_EXPR_REBOOT = 1 << 6,       /* @reboot: no instant of its own */
    CS_EXPR_LAST_DAY = 1 << 7,     /* day is L, L-n or LW */
    CS_EXPR_NEAREST = 1 << 8       /* day is nW or LW */
};

struct cs_expr {
    uint64_t second, minute;
    uint64_t year[4];
    uint32_t hour, day;
    uint16_t month;
    uint8_t weekday;        /* plain weekdays */
    uint8_t weekday_last;   /* 5L, FRI#L: the last one of the month */
    uint8_t weekday_nth[5]; /* [n-1]: the n-th one of the month (MON#1) */
    uint8_t last_minus;     /* L-n: n days before the last day */
    uint8_t nearest;        /* nW: n, 1-31; 0 for LW */
    uint16_t flags;
};

/* `text`, `size` bytes, NULs refused. `seed` (may be NULL) chooses what H
 * means, for ever the same value for the same seed, field and bounds; H
 * without a seed is an error. On failure: CS_SYNTAX or CS_RANGE with field,
 * position, length, text (ASCII) and often a hint. Writes `expr` only on
 * success. Allocates nothing; safe from any thread. */
enum cs_status cs_expr_parse(const char *text, size_t size, const char *seed,
                             size_t seed_size, struct cs_expr *expr,
                             struct cs_error *error);

/* One field by itself, in the grammar of that field. `*set` as above (for
 * CS_FIELD_YEAR: CS_RANGE). Only plain values, names, lists, ranges and
 * steps: no H, L, W, # or +. */
enum cs_status cs_expr_parse_field(const char *text, size_t size,
                                   enum cs_field field, uint64_t *set,
                                   struct cs_error *error);

/* The canonical text of `expr`: numbers for names, H resolved, short lists
 * and steps; parsing it gives an equal expr. Returns its length. */
size_t cs_expr_format(const struct cs_expr *expr,
                      char text[CS_EXPR_TEXT_SIZE]);

/* The same instants, by the same rules? */
bool cs_expr_equal(const struct cs_expr *one, const struct cs_expr *other);

/* "second", "minute", "hour", "day", "month", "weekday", "year". */
const char *cs_expr_field_name(enum cs_field field);

#endif
