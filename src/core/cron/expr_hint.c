/* The messages about numbers, counts and nicknames; expr_stray.c has those
 * about single characters. A guess is made only when one answer is obvious:
 * a hint that is wrong is worse than none.
 */
#include "core/cron/expr_hint.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cron/expr_guess.h"
#include "core/cron/expr_rule.h"

static const char *const nicknames[] = {
    "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight",
    "@hourly", "@reboot"
};
#define NICKNAMES ((int)(sizeof(nicknames) / sizeof(*nicknames)))

static const struct cs_expr_rule *rule_of(const struct cs_expr_place *place)
{
    return &cs_expr_rules[place->field];
}

static bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

const char *cs_hint_quote(char quote[CS_HINT_QUOTE], const char *at,
                          const char *end)
{
    int size = 0;

    for (; at < end && size < CS_HINT_QUOTE - 1; at++)
        quote[size++] = (char)(*at > ' ' && *at <= '~' ? *at : '?');
    quote[size] = 0;
    return quote;
}

enum cs_status cs_hint_at(const struct cs_expr_place *place,
                          enum cs_status status, const char *at,
                          const char *end)
{
    cs_error_at(place->error, place->field, (int)(at - place->text),
                (int)(end - at));
    return status;
}

/* Between a first and a last value, as `style` (numbers or names) has it. */
static void write_end(char text[CS_HINT_QUOTE],
                      const struct cs_expr_rule *rule, char style, bool high)
{
    int number = high ? rule->top : rule->low;

    if (rule->names && is_letter(style))
        (void)snprintf(text, CS_HINT_QUOTE, "%.3s",
                       rule->words[high ? rule->names - 1 : 0]);
    else
        (void)snprintf(text, CS_HINT_QUOTE, "%d", number);
}

static void hint_value(const struct cs_expr_place *place, long number)
{
    const struct cs_expr_rule *rule = rule_of(place);

    if (place->field == CS_FIELD_HOUR && number == 24)
        cs_error_hint(place->error, "0 is midnight: use 0-23");
    else if (place->field == CS_FIELD_WEEKDAY && place->fields == 6
             && number >= 1970 && number <= 2199)
        cs_error_hint(place->error, "the year is the seventh field: put the "
                      "second first");
    else if (rule->names)
        cs_error_hint(place->error, "use %d-%d or %.3s-%.3s", rule->low,
                      rule->high, rule->words[0],
                      rule->words[rule->names - 1]);
    else
        cs_error_hint(place->error, "use %d-%d", rule->low, rule->high);
}

enum cs_status cs_hint_value(const struct cs_expr_place *place,
                             const char *at, const char *end)
{
    char digits[CS_HINT_QUOTE];

    cs_error_set(place->error, CS_RANGE, "%s %s is out of range",
                 rule_of(place)->name, cs_hint_quote(digits, at, end));
    hint_value(place, strtol(digits, NULL, 10));
    return cs_hint_at(place, CS_RANGE, at, end);
}

/* `first-last`, or one of them if they are the same. */
static void write_range(char text[2 * CS_HINT_QUOTE], const char *first,
                        const char *last)
{
    if (strcmp(first, last) == 0)
        (void)snprintf(text, 2 * CS_HINT_QUOTE, "%s", first);
    else
        (void)snprintf(text, 2 * CS_HINT_QUOTE, "%s-%s", first, last);
}

static void hint_backwards(const struct cs_expr_place *place,
                           const char *first, const char *second, bool swap)
{
    char low[CS_HINT_QUOTE], high[CS_HINT_QUOTE];
    char late[2 * CS_HINT_QUOTE], early[2 * CS_HINT_QUOTE];

    if (place->field == CS_FIELD_WEEKDAY && strcmp(second, "0") == 0) {
        cs_error_hint(place->error, "write %s-7", first);
        return;
    }
    if (place->field == CS_FIELD_YEAR || swap) {
        cs_error_hint(place->error, "write %s-%s", second, first);
        return;
    }
    write_end(high, rule_of(place), *first, true);
    write_end(low, rule_of(place), *second, false);
    write_range(late, first, high);
    write_range(early, low, second);
    cs_error_hint(place->error, "write %s-%s, or %s,%s", second, first, late,
                  early);
}

enum cs_status cs_hint_backwards(const struct cs_expr_place *place,
                                 const char *at, const char *middle,
                                 const char *end)
{
    char first[CS_HINT_QUOTE], second[CS_HINT_QUOTE];
    bool bounds = at > place->start && at[-1] == '(';

    cs_hint_quote(first, at, middle);
    cs_hint_quote(second, middle + 1, end);
    cs_error_set(place->error, CS_RANGE, "the %s range %s-%s runs backwards",
                 rule_of(place)->name, first, second);
    hint_backwards(place, first, second, bounds);
    return cs_hint_at(place, CS_RANGE, at, end);
}

enum cs_status cs_hint_lone_step(const struct cs_expr_place *place,
                                 const char *at, const char *slash,
                                 const char *end)
{
    const struct cs_expr_rule *rule = rule_of(place);
    const char *stop = slash + 1;
    char first[CS_HINT_QUOTE], step[CS_HINT_QUOTE], low[CS_HINT_QUOTE];
    char high[CS_HINT_QUOTE];

    while (stop < end && *stop >= '0' && *stop <= '9')
        stop++;
    cs_hint_quote(first, at, slash);
    cs_hint_quote(step, slash + 1, stop);
    write_end(high, rule, *at, true);
    write_end(low, rule, *at, false);
    cs_error_set(place->error, CS_SYNTAX,
                 "a step needs * or a range before it, not just %s", first);
    if (!*step)
        cs_error_hint(place->error, "write %s, or %s-%s/2", first, first,
                      high);
    else if (strcmp(first, low) == 0)
        cs_error_hint(place->error, "write */%s or %s-%s/%s", step, first,
                      high, step);
    else
        cs_error_hint(place->error, "write %s-%s/%s", first, high, step);
    return cs_hint_at(place, CS_SYNTAX, at, stop);
}

enum cs_status cs_hint_step(const struct cs_expr_place *place,
                            const char *at, const char *end)
{
    char digits[CS_HINT_QUOTE];
    bool zero = end[-1] == '0' && strtol(cs_hint_quote(digits, at, end), NULL,
                                         10) == 0;

    if (zero) {
        cs_error_set(place->error, CS_RANGE, "a step cannot be 0");
        cs_error_hint(place->error, "use 1 or more; * alone is every %s",
                      rule_of(place)->name);
    } else {
        cs_error_set(place->error, CS_RANGE, "the step %s is out of range",
                     cs_hint_quote(digits, at, end));
        cs_error_hint(place->error, "use 1-%d",
                      rule_of(place)->top);
    }
    return cs_hint_at(place, CS_RANGE, at, end);
}

enum cs_status cs_hint_suffix(const struct cs_expr_place *place,
                              const char *at, const char *end,
                              const char *use)
{
    char quote[CS_HINT_QUOTE];

    cs_error_set(place->error, CS_RANGE, "%s%s is out of range",
                 at[-1] == '#' ? "#" : "L-", cs_hint_quote(quote, at, end));
    cs_error_hint(place->error, "use %s", use);
    return cs_hint_at(place, CS_RANGE, at, end);
}

enum cs_status cs_hint_hash(const struct cs_expr_place *place,
                            const char *at, const char *end,
                            const char *text, const char *hint)
{
    cs_error_set(place->error, CS_RANGE, "%s", text);
    cs_error_hint(place->error, "%s", hint);
    return cs_hint_at(place, CS_RANGE, at, end);
}

/* The expression for "every 5 minutes" and its like, with room for the number;
 * `most` is the highest number that it can be written with. */
static const struct interval {
    const char *unit;
    int most;
    const char *one;
    const char *many;
} intervals[] = {
    {"second", 59, "* * * * * *", "*/%d * * * * *"},
    {"minute", 59, "* * * * *", "*/%d * * * *"},
    {"hour", 23, "0 * * * *", "0 */%d * * *"},
    {"day", 28, "0 0 * * *", "0 0 */%d * *"},
};

/* The words after "every" up to `end`: "5 minutes", "hour". False when they
 * are something else. */
static bool hint_every(struct cs_error *error, const char *at, const char *end)
{
    int number = 1;
    int size = 0;
    char unit[8] = "";
    char text[32] = "";

    if ((size_t)(end - at) >= sizeof(text))
        return false;
    memcpy(text, at, (size_t)(end - at));
    if (sscanf(text, "%2d %7[a-z]%n", &number, unit, &size) != 2)
        (void)sscanf(text, " %7[a-z]%n", unit, &size);
    if (text[size] != '\0')
        return false;
    for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
        const struct interval *found = &intervals[i];
        size_t length = strlen(found->unit);

        if (strncmp(unit, found->unit, length) != 0
            || (unit[length] != '\0' && strcmp(unit + length, "s") != 0)
            || number < 1 || number > found->most)
            continue;
        (void)snprintf(text, sizeof(text), number == 1 ? found->one
                       : found->many, number);
        cs_error_hint(error, "write %s", text);
        return true;
    }
    return false;
}

static void hint_fields(const struct cs_expr_place *place, const char *end)
{
    if (end - place->text > 6 && strncmp(place->text, "every ", 6) == 0) {
        if (!hint_every(place->error, place->text + 6, end))
            cs_error_hint(place->error, "write fields: */5 * * * * is every "
                          "five minutes, 0 9 * * * every day at nine");
        return;
    }
    cs_error_hint(place->error, place->fields < 5
                  ? "write minute hour day month weekday"
                  : "at most second minute hour day month weekday year");
}

enum cs_status cs_hint_count(const struct cs_expr_place *place,
                             const char *end)
{
    if (place->fields == 0) {
        cs_error_set(place->error, CS_SYNTAX, "the expression is empty");
        cs_error_hint(place->error, "write minute hour day month weekday, as "
                      "in 0 9 * * MON-FRI");
    } else {
        cs_error_set(place->error, CS_SYNTAX, "%d field%s, not 5, 6 or 7",
                     place->fields, place->fields == 1 ? "" : "s");
        hint_fields(place, end);
    }
    return cs_hint_at(place, CS_SYNTAX, place->text, end);
}

static void hint_nickname(const struct cs_expr_place *place, size_t size)
{
    const char *word = place->start;
    int same = cs_guess_word(word, size, nicknames, NICKNAMES, 0, 0);
    int near = cs_guess_word(word, size, nicknames, NICKNAMES, 0, 2);

    if (same >= 0)
        cs_error_hint(place->error, "write %s", nicknames[same]);
    else if (near >= 0)
        cs_error_hint(place->error, "did you mean %s?", nicknames[near]);
    else if (size == 6 && memcmp(word, "@every", 6) == 0)
        cs_error_hint(place->error, "write a step: */5 * * * * is every five "
                      "minutes");
    else
        cs_error_hint(place->error, "there are @yearly @annually @monthly "
                      "@weekly @daily @midnight @hourly @reboot");
}

enum cs_status cs_hint_nickname(const struct cs_expr_place *place)
{
    size_t size = (size_t)(place->end - place->start);
    char quote[CS_HINT_QUOTE];

    cs_hint_quote(quote, place->start, place->end);
    for (int i = 0; i < NICKNAMES; i++)
        if (strcmp(nicknames[i], quote) == 0) {
            cs_error_set(place->error, CS_SYNTAX,
                         "%s takes no other fields", quote);
            cs_error_hint(place->error, "remove what follows it");
            return cs_hint_at(place, CS_SYNTAX, place->start, place->end);
        }
    cs_error_set(place->error, CS_SYNTAX, "%s is not a nickname", quote);
    hint_nickname(place, size);
    return cs_hint_at(place, CS_SYNTAX, place->start, place->end);
}
