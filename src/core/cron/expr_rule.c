/* The tables behind expr_rule.h. Names are compared as three lower-case
 * letters packed into one number: setting bit 5 lowers a letter and turns
 * nothing else into one.
 */
#include "core/cron/expr_rule.h"

#include <stdint.h>

#include "core/cron/expr.h"

static const char *const month_words[CS_EXPR_MONTHS] = {
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST",
    "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"
};
static const char *const weekday_words[CS_EXPR_WEEKDAYS] = {
    "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY",
    "SATURDAY"
};

#define WHOLE(low, high) \
    ((~UINT64_C(0) << (low)) & (~UINT64_C(0) >> (63 - (high))))

const struct cs_expr_rule cs_expr_rules[7] = {
    {"second", 0, 59, 59, WHOLE(0, 59), CS_EXPR_INTERVAL, 0, 0, 0, NULL},
    {"minute", 0, 59, 59, WHOLE(0, 59), CS_EXPR_INTERVAL, 0, 0, 0, NULL},
    {"hour", 0, 23, 23, WHOLE(0, 23), CS_EXPR_INTERVAL, 0, 0, 0, NULL},
    {"day", 1, 31, 31, WHOLE(1, 31), 0, CS_EXPR_DAY_ANY, 0, 0, NULL},
    {"month", 1, 12, 12, WHOLE(1, 12), 0, 0, CS_EXPR_MONTHS, 1, month_words},
    {"weekday", 0, 7, 6, WHOLE(0, 6), 0, CS_EXPR_WEEKDAY_ANY,
     CS_EXPR_WEEKDAYS, 0, weekday_words},
    {"year", CS_EXPR_FIRST_YEAR, CS_EXPR_LAST_YEAR, CS_EXPR_LAST_YEAR, 0, 0,
     0, 0, 0, NULL},
};

#define PACK(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (c))

static const uint32_t packed_months[CS_EXPR_MONTHS] = {
    PACK('j', 'a', 'n'), PACK('f', 'e', 'b'), PACK('m', 'a', 'r'),
    PACK('a', 'p', 'r'), PACK('m', 'a', 'y'), PACK('j', 'u', 'n'),
    PACK('j', 'u', 'l'), PACK('a', 'u', 'g'), PACK('s', 'e', 'p'),
    PACK('o', 'c', 't'), PACK('n', 'o', 'v'), PACK('d', 'e', 'c')
};
static const uint32_t packed_weekdays[CS_EXPR_WEEKDAYS] = {
    PACK('s', 'u', 'n'), PACK('m', 'o', 'n'), PACK('t', 'u', 'e'),
    PACK('w', 'e', 'd'), PACK('t', 'h', 'u'), PACK('f', 'r', 'i'),
    PACK('s', 'a', 't')
};

int cs_expr_name_value(enum cs_field field, const char *letters)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[field];
    const uint32_t *packed =
        field == CS_FIELD_MONTH ? packed_months : packed_weekdays;
    uint32_t wanted = PACK((unsigned char)letters[0] | 32,
                           (unsigned char)letters[1] | 32,
                           (unsigned char)letters[2] | 32);

    for (int i = 0; i < rule->names; i++)
        if (packed[i] == wanted)
            return rule->first_name + i;
    return -1;
}

const char *cs_expr_field_name(enum cs_field field)
{
    return field < CS_FIELD_NONE ? cs_expr_rules[field].name : "expression";
}
