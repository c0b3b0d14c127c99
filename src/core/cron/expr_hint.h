/* The messages about a text that is not an expression: what is wrong, where,
 * and what to write instead. Only the way to a failure comes here, so nothing
 * here is fast. Every function fills the error of its place (if any) and
 * returns the status, so that a caller can `return cs_hint_...(...)`.
 * Messages are ASCII, whatever the text holds.
 */
#ifndef CS_EXPR_HINT_H
#define CS_EXPR_HINT_H

#include "core/base/status.h"

/* The text under way, as far as the messages need it. All borrowed. */
struct cs_expr_place {
    const char *text;           /* the whole */
    const char *start, *end;    /* the field under way */
    enum cs_field field;
    int fields;                 /* of the whole: 5, 6, 7; 1: one by itself */
    struct cs_error *error;     /* may be NULL */
};

#define CS_HINT_QUOTE 24

/* At most 23 bytes of the text, made printable ASCII. Returns `quote`. */
const char *cs_hint_quote(char quote[CS_HINT_QUOTE], const char *at,
                          const char *end);

/* The fault is `at` to `end`. Returns `status`. */
enum cs_status cs_hint_at(const struct cs_expr_place *place,
                          enum cs_status status, const char *at,
                          const char *end);

/* A number outside its field. `at` to `end` are its digits. */
enum cs_status cs_hint_value(const struct cs_expr_place *place,
                             const char *at, const char *end);

/* A range whose first end is above its second. `at` to `end` is all of it,
 * `middle` its dash. */
enum cs_status cs_hint_backwards(const struct cs_expr_place *place,
                                 const char *at, const char *middle,
                                 const char *end);

/* A step without a star or a range before it (`at` to `slash`). */
enum cs_status cs_hint_lone_step(const struct cs_expr_place *place,
                                 const char *at, const char *slash,
                                 const char *end);

/* A step that is 0 or beyond every field. `at` to `end` are its digits. */
enum cs_status cs_hint_step(const struct cs_expr_place *place,
                            const char *at, const char *end);

/* The n of L-n or D#n is outside low..high. */
enum cs_status cs_hint_suffix(const struct cs_expr_place *place,
                              const char *at, const char *end,
                              const char *use);

/* H that cannot be resolved: `text` says why. */
enum cs_status cs_hint_hash(const struct cs_expr_place *place,
                            const char *at, const char *end,
                            const char *text, const char *hint);

/* Anything else that should not stand at `at` (which may be the field's
 * end). In expr_stray.c. */
enum cs_status cs_hint_stray(const struct cs_expr_place *place,
                             const char *at);

/* Fields that are neither 5, 6 nor 7. `end` is the text's end. */
enum cs_status cs_hint_count(const struct cs_expr_place *place,
                             const char *end);

/* A text that starts with @ and is not a nickname. `start` to `end`. */
enum cs_status cs_hint_nickname(const struct cs_expr_place *place);

#endif
