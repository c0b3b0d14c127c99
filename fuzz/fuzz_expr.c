/* Any bytes as an expression: either a fault with its place inside them and
 * words about it, or an expression whose canonical text means the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/cron/expr.h"

static void insist(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_message(const char *text)
{
    for (; *text; text++)
        insist(*text >= ' ' && *text <= '~');
}

static void check_fault(enum cs_status status, const struct cs_error *error,
                        size_t size)
{
    insist(status == CS_SYNTAX || status == CS_RANGE);
    insist(error->status == status && error->text[0]);
    insist(error->position >= 0 && error->length >= 0);
    insist((size_t)error->position + (size_t)error->length <= size
           || size >= CS_EXPR_TEXT_SIZE);
    check_message(error->text);
    check_message(error->hint);
}

static void check_expr(const struct cs_expr *expr)
{
    struct cs_expr again = {0};
    char text[CS_EXPR_TEXT_SIZE], second[CS_EXPR_TEXT_SIZE];
    size_t size = cs_expr_format(expr, text);

    insist(cs_expr_parse(text, size, NULL, 0, &again, NULL) == CS_OK);
    insist(cs_expr_equal(expr, &again));
    insist(cs_expr_format(&again, second) == size);
    insist(memcmp(text, second, size + 1) == 0);
}

/* Each field holds only what it can, and something, unless days are named
 * another way. */
static void check_sets(const struct cs_expr *expr)
{
    uint8_t named = expr->weekday | expr->weekday_last;

    for (int i = 0; i < 5; i++)
        named |= expr->weekday_nth[i];
    insist(expr->second && !(expr->second >> 60));
    insist(expr->minute && !(expr->minute >> 60));
    insist(expr->hour && !(expr->hour >> 24) && !(expr->day & 1));
    insist(expr->day
           || expr->flags & (CS_EXPR_LAST_DAY | CS_EXPR_NEAREST));
    insist(expr->month && !(expr->month & 1) && !(expr->month >> 13));
    insist(named && !(named >> 7));
    insist(expr->year[0] | expr->year[1] | expr->year[2] | expr->year[3]);
    insist(!(expr->year[3] >> (CS_EXPR_YEARS - 192)));
}

static void check_field(const char *text, size_t size, enum cs_field field)
{
    struct cs_error error = {0};
    uint64_t set;
    enum cs_status status =
        cs_expr_parse_field(text, size, field, &set, &error);

    if (status)
        check_fault(status, &error, size);
    else
        insist(set != 0);
}

/* The first byte chooses the seed's length and the field to try. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    struct cs_error error = {0};
    struct cs_expr expr = {0};
    enum cs_status status;

    if (!size)
        return 0;
    size--;
    status = cs_expr_parse(text, size, *data & 1 ? text : NULL, size, &expr,
                           &error);
    if (status) {
        check_fault(status, &error, size);
    } else {
        if (!(expr.flags & CS_EXPR_REBOOT))
            check_sets(&expr);
        check_expr(&expr);
    }
    check_field(text, size, (enum cs_field)(*data / 2 % CS_FIELD_YEAR));
    return 0;
}
