/* An expression as its canonical text. Source of the rule that shapes it: a
 * second, minute or hour field may hold a star, a range or a step only in an
 * interval-based expression, and such an expression needs one of them.
 *
 * The longest text: 60 single seconds and minutes (170 bytes each with the
 * blank), 24 hours (62), days (89), months (27), weekdays with every # (183),
 * and years, where a pair of them costs 10 bytes and excludes a third (767):
 * 1468 bytes, below CS_EXPR_TEXT_SIZE.
 */
#include "core/cron/expr.h"

#include <assert.h>
#include <string.h>

#include "core/cron/expr_rule.h"

struct writer {
    char *text;     /* Borrowed, CS_EXPR_TEXT_SIZE bytes. */
    size_t size;
};

/* The values of one field: bit i of `bits` is low + i. */
struct values {
    uint64_t bits[4];
    int low, high;
};

static void put(struct writer *writer, char c)
{
    assert(writer->size + 1 < CS_EXPR_TEXT_SIZE);
    writer->text[writer->size++] = c;
}

static void put_text(struct writer *writer, const char *text)
{
    while (*text)
        put(writer, *text++);
}

static void put_number(struct writer *writer, int number)
{
    if (number >= 10)
        put_number(writer, number / 10);
    put(writer, (char)('0' + number % 10));
}

/* The comma before an item, unless it is the field's first. */
static void begin_item(struct writer *writer)
{
    char last = writer->size ? writer->text[writer->size - 1] : ' ';

    if (last != ' ' && last != '+')
        put(writer, ',');
}

static void put_range(struct writer *writer, int first, int last)
{
    begin_item(writer);
    put_number(writer, first);
    put(writer, '-');
    put_number(writer, last);
}

static void put_value(struct writer *writer, int value)
{
    begin_item(writer);
    put_number(writer, value);
}

static bool has(const struct values *values, int value)
{
    int i = value - values->low;

    return values->bits[i >> 6] >> (i & 63) & 1;
}

/* The first value from `from` on, or high + 1. */
static int next_value(const struct values *values, int from)
{
    while (from <= values->high && !has(values, from))
        from++;
    return from;
}

static bool full(const struct values *values)
{
    for (int value = values->low; value <= values->high; value++)
        if (!has(values, value))
            return false;
    return true;
}

/* The step, 2 or more, that leads through all values, or 0. */
static int find_step(const struct values *values, int *first, int *last)
{
    int second, step;

    *first = next_value(values, values->low);
    second = next_value(values, *first + 1);
    step = second - *first;
    if (second > values->high || step < 2)
        return 0;
    for (*last = second;; *last = second) {
        second = next_value(values, *last + 1);
        if (second > values->high)
            return step;
        if (second - *last != step)
            return 0;
    }
}

/* All values as one stepped item: three or more, or a `pair` like 0,30 that
 * a star can stand for. */
static bool put_stepped(struct writer *writer, const struct values *values,
                        bool pair)
{
    int first, last, step = find_step(values, &first, &last);
    bool star = step && first == values->low && last + step > values->high;

    if (!step || (last - first == step && !(star && pair)))
        return false;
    if (star)
        put(writer, '*');
    else
        put_range(writer, first, last);
    put(writer, '/');
    put_number(writer, step);
    return true;
}

/* Values and, from three on, ranges. */
static void put_runs(struct writer *writer, const struct values *values)
{
    int first = next_value(values, values->low);

    while (first <= values->high) {
        int last = first;

        while (last < values->high && has(values, last + 1))
            last++;
        if (last - first >= 2) {
            put_range(writer, first, last);
        } else {
            put_value(writer, first);
            if (last > first)
                put_value(writer, last);
        }
        first = next_value(values, last + 1);
    }
}

static void put_list(struct writer *writer, const struct values *values)
{
    for (int value = values->low; value <= values->high; value++)
        if (has(values, value))
            put_value(writer, value);
}

/* A step, else ranges and values, but never a bare star. */
static void put_short(struct writer *writer, const struct values *values)
{
    if (!put_stepped(writer, values, false))
        put_runs(writer, values);
}

static struct values one_word(uint64_t bits, enum cs_field field)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[field];

    return (struct values){{bits >> rule->low}, rule->low, rule->top};
}

static void put_time(struct writer *writer, const struct cs_expr *expr,
                     enum cs_field field, uint64_t bits)
{
    struct values values = one_word(bits, field);

    if (!(expr->flags & CS_EXPR_INTERVAL))
        put_list(writer, &values);
    else if (full(&values))
        put(writer, '*');
    else if (!put_stepped(writer, &values, true))
        put_runs(writer, &values);
    put(writer, ' ');
}

/* Nothing so far shows that the expression is interval-based, so its minutes
 * do: a pair is written as a range, of anything else the first value is. */
static void show_interval(struct writer *writer, const struct cs_expr *expr)
{
    struct values values = one_word(expr->minute, CS_FIELD_MINUTE);
    int first = next_value(&values, 0);
    int second = next_value(&values, first + 1);
    bool pair = second <= values.high
                && next_value(&values, second + 1) > values.high;

    put_range(writer, first, pair ? second : first);
    if (pair && second - first > 1) {
        put(writer, '/');
        put_number(writer, second - first);
    }
    values.bits[0] &= values.bits[0] - 1;
    if (!pair)
        put_list(writer, &values);
    put(writer, ' ');
}

static void put_times(struct writer *writer, const struct cs_expr *expr)
{
    bool second = expr->flags & (CS_EXPR_SECONDS | CS_EXPR_YEAR);
    size_t minute;

    if (second)
        put_time(writer, expr, CS_FIELD_SECOND, expr->second);
    minute = writer->size;
    put_time(writer, expr, CS_FIELD_MINUTE, expr->minute);
    put_time(writer, expr, CS_FIELD_HOUR, expr->hour);
    writer->text[writer->size] = 0;
    if (expr->flags & CS_EXPR_INTERVAL && !strpbrk(writer->text, "*-")) {
        writer->size = minute;
        show_interval(writer, expr);
        put_time(writer, expr, CS_FIELD_HOUR, expr->hour);
    }
}

static void put_month(struct writer *writer, const struct cs_expr *expr)
{
    struct values values = one_word(expr->month, CS_FIELD_MONTH);

    if (full(&values))
        put(writer, '*');
    else
        put_short(writer, &values);
    put(writer, ' ');
}

static void put_day(struct writer *writer, const struct cs_expr *expr)
{
    struct values values = one_word(expr->day, CS_FIELD_DAY);

    if (expr->flags & CS_EXPR_DAY_ANY)
        put(writer, '*');
    else
        put_short(writer, &values);
    if (expr->flags & CS_EXPR_LAST_DAY) {
        begin_item(writer);
        put(writer, 'L');
        if (expr->last_minus) {
            put(writer, '-');
            put_number(writer, expr->last_minus);
        }
    }
    if (expr->nearest)
        put_value(writer, expr->nearest);
    if (expr->flags & CS_EXPR_NEAREST)
        put(writer, 'W');
    put(writer, ' ');
}

static void put_nth(struct writer *writer, unsigned weekdays, char nth)
{
    for (int weekday = 0; weekday < CS_EXPR_WEEKDAYS; weekday++)
        if (weekdays >> weekday & 1) {
            put_value(writer, weekday);
            put(writer, '#');
            put(writer, nth);
        }
}

static void put_weekday(struct writer *writer, const struct cs_expr *expr)
{
    struct values values = one_word(expr->weekday, CS_FIELD_WEEKDAY);

    if (expr->flags & CS_EXPR_BOTH_DAYS)
        put(writer, '+');
    if (expr->flags & CS_EXPR_WEEKDAY_ANY)
        put(writer, '*');
    else
        put_short(writer, &values);
    for (int i = 0; i < 5; i++)
        put_nth(writer, expr->weekday_nth[i], (char)('1' + i));
    put_nth(writer, expr->weekday_last, 'L');
}

static void put_year(struct writer *writer, const struct cs_expr *expr)
{
    struct values values = {{0}, CS_EXPR_FIRST_YEAR, CS_EXPR_LAST_YEAR};

    memcpy(values.bits, expr->year, sizeof(values.bits));
    put(writer, ' ');
    put_short(writer, &values);
}

size_t cs_expr_format(const struct cs_expr *expr,
                      char text[CS_EXPR_TEXT_SIZE])
{
    struct writer writer = {text, 0};

    if (expr->flags & CS_EXPR_REBOOT) {
        put_text(&writer, "@reboot");
    } else {
        put_times(&writer, expr);
        put_day(&writer, expr);
        put_month(&writer, expr);
        put_weekday(&writer, expr);
        if (expr->flags & CS_EXPR_YEAR)
            put_year(&writer, expr);
    }
    text[writer.size] = 0;
    return writer.size;
}
