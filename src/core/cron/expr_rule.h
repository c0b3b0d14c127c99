/* The vocabulary of expressions: what each field is called, which numbers it
 * holds and which names stand for them. Nothing here reads a text.
 * Source: OCPS 1.0 section 4.2, OCPS 1.2 section 4.3.
 */
#ifndef CS_EXPR_RULE_H
#define CS_EXPR_RULE_H

#include <stdint.h>

#include "core/base/status.h"

#define CS_EXPR_MONTHS 12
#define CS_EXPR_WEEKDAYS 7

struct cs_expr_rule {
    const char *name;
    int low, high;          /* weekday: 0-7, both ends Sunday */
    int top;                /* high, but the weekday's is 6 */
    uint64_t whole;         /* low to top as a set; 0: too many */
    uint16_t interval;      /* CS_EXPR_INTERVAL for the time fields, or 0 */
    uint16_t any;           /* the flag that a bare star sets, or 0 */
    int names;              /* how many; 0: the field has no names */
    int first_name;         /* the value of the first one */
    const char *const *words;   /* in full: "JANUARY", ...; static */
};

/* By `enum cs_field`, CS_FIELD_SECOND to CS_FIELD_YEAR. */
extern const struct cs_expr_rule cs_expr_rules[7];

/* The value that the three letters at `letters` name in `field`, in either
 * case, or -1. Reads three bytes. */
int cs_expr_name_value(enum cs_field field, const char *letters);

#endif
