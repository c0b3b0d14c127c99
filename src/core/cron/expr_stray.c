/* The messages about a character, or a word, where it cannot stand. */
#include "core/cron/expr_hint.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/cron/expr_guess.h"
#include "core/cron/expr_rule.h"

/* What is at fault, and what is around it. */
struct fault {
    const struct cs_expr_place *place;
    const char *at, *end;   /* the fault itself */
    char before;            /* the character before it in the field, or 0 */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Text and hint of a syntax fault; either is a plain string. */
static enum cs_status say(const struct fault *fault, const char *text,
                          const char *hint)
{
    cs_error_set(fault->place->error, CS_SYNTAX, "%s", text);
    cs_error_hint(fault->place->error, "%s", hint);
    return cs_hint_at(fault->place, CS_SYNTAX, fault->at, fault->end);
}

static const char *name_of(const struct fault *fault)
{
    return cs_expr_rules[fault->place->field].name;
}

static bool in_field(const struct fault *fault, enum cs_field field)
{
    return fault->place->field == field;
}

/* Does an item begin here? */
static bool begins_item(const struct fault *fault)
{
    return !fault->before || fault->before == ',' || fault->before == '+';
}

static enum cs_status say_incomplete(const struct fault *fault)
{
    const struct cs_expr_place *place = fault->place;

    if (place->start == place->end) {
        cs_error_set(place->error, CS_SYNTAX, "the %s field is empty",
                     name_of(fault));
        cs_error_hint(place->error, "write * for every %s", name_of(fault));
        return cs_hint_at(place, CS_SYNTAX, fault->at, fault->end);
    }
    switch (fault->before) {
    case 0:
    case ',':
        cs_error_set(place->error, CS_SYNTAX,
                     "the list in the %s field has an empty item",
                     name_of(fault));
        cs_error_hint(place->error, "remove the comma, or add a value");
        return cs_hint_at(place, CS_SYNTAX, fault->at, fault->end);
    case '-':
        return say(fault, "the range has no second end", "");
    case '/':
        return say(fault, "the step has no number", "write */2, for example");
    case '#':
        return say(fault, "# without a number", "use #1 to #5, or #L");
    case '+':
        return say(fault, "nothing follows the +", "");
    default:
        return say(fault, "H( needs two bounds and a closing bracket",
                   "write H(1-5)");
    }
}

/* The code point at `at`, and its length in bytes; the byte itself when the
 * text is not UTF-8 there. */
static uint32_t code_point(const char *at, const char *end, int *size)
{
    unsigned char lead = (unsigned char)*at;
    uint32_t code;

    *size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (*size == 1 || end - at < *size) {
        *size = 1;
        return lead;
    }
    code = lead & (0x7fU >> *size);
    for (int i = 1; i < *size; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

/* The ASCII character that looks or counts like `code`, or 0. */
static char ascii_for(uint32_t code)
{
    static const struct { uint32_t code; char ascii; } signs[] = {
        {0x00b2, '2'}, {0x00b3, '3'}, {0x00b9, '1'}, {0x2010, '-'},
        {0x2011, '-'}, {0x2012, '-'}, {0x2013, '-'}, {0x2014, '-'},
        {0x2212, '-'}, {0x2217, '*'}, {0x22c6, '*'}, {0xff0a, '*'},
        {0x2044, '/'}, {0x2215, '/'}, {0xff0c, ','}, {0x060c, ','}
    };
    static const uint32_t zeros[] = {
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0e50, 0xff10
    };

    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (signs[i].code == code)
            return signs[i].ascii;
    for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++)
        if (code - zeros[i] < 10)
            return (char)('0' + (code - zeros[i]));
    return 0;
}

static enum cs_status say_foreign(struct fault *fault)
{
    struct cs_error *error = fault->place->error;
    uint32_t code;
    int size;
    char ascii;

    code = code_point(fault->at, fault->place->end, &size);
    fault->end = fault->at + size;
    ascii = ascii_for(code);
    cs_error_set(error, CS_SYNTAX, "U+%04X is not part of an expression",
                 (unsigned)code);
    if (ascii)
        cs_error_hint(error, "write %c", ascii);
    else if (code == 0xa0 || (code >= 0x2000 && code <= 0x200b))
        cs_error_hint(error, "write a plain space");
    else
        cs_error_hint(error, "use ASCII characters only");
    return cs_hint_at(fault->place, CS_SYNTAX, fault->at, fault->end);
}

static enum cs_status say_control(const struct fault *fault)
{
    if (*fault->at == '\n' || *fault->at == '\r')
        return say(fault, "a line break is not part of an expression",
                   "remove it");
    if (*fault->at == ' ' || *fault->at == '\t')
        return say(fault, "a space inside a field", "remove it");
    return say(fault, "a control character is not part of an expression",
               "remove it");
}

/* Quartz's weekday L is Saturday; ours needs a weekday. */
static enum cs_status say_last(const struct fault *fault)
{
    if (in_field(fault, CS_FIELD_DAY))
        return say(fault, fault->before == '-' ? "L is not an end of a range"
                   : "L may appear once in the day field", "");
    if (in_field(fault, CS_FIELD_WEEKDAY) && begins_item(fault))
        return say(fault, "L alone names no weekday", "write FRI#L for the "
                   "last Friday, SAT for Quartz's L");
    if (in_field(fault, CS_FIELD_WEEKDAY))
        return say(fault, "L goes with a single day: no range, no step", "");
    return say(fault, "L belongs to the day and weekday fields", "");
}

static enum cs_status say_closest(const struct fault *fault)
{
    if (in_field(fault, CS_FIELD_DAY))
        return say(fault, "W goes with a single day: no list, no range", "");
    return say(fault, "W belongs to the day field", "write 15W or LW there");
}

/* A capital that is a sign of its own. */
static enum cs_status say_sign(const struct fault *fault, char first)
{
    if (first == 'L' && fault->end - fault->at > 1)
        return say(fault, "LW belongs to the day field", "");
    if (first == 'L')
        return say_last(fault);
    if (first == 'W')
        return say_closest(fault);
    if (in_field(fault, CS_FIELD_YEAR))
        return say(fault, "H is not for years", "");
    return say(fault, "H takes the place of a value, with bounds or a step",
               "write H, H/15 or H(0-29)");
}

/* L, W, H or LW, as written: 1; in small letters: -1; else 0. */
static int sign_case(const struct fault *fault)
{
    ptrdiff_t size = fault->end - fault->at;
    bool small = false;

    if (size == 1 && !strchr("LWHlwh", *fault->at))
        return 0;
    if (size == 2 && ((fault->at[0] | 32) != 'l' || (fault->at[1] | 32)
                      != 'w'))
        return 0;
    for (ptrdiff_t i = 0; i < size; i++)
        small |= fault->at[i] >= 'a';
    return size > 2 ? 0 : small ? -1 : 1;
}

static void hint_name(const struct fault *fault, size_t size)
{
    enum cs_field field = fault->place->field;
    enum cs_field other =
        field == CS_FIELD_MONTH ? CS_FIELD_WEEKDAY : CS_FIELD_MONTH;
    const struct cs_expr_rule *rule = &cs_expr_rules[field];
    struct cs_error *error = fault->place->error;
    int guess = cs_guess_name(field, fault->at, size);

    if (size >= 3 && cs_expr_name_value(other, fault->at) >= 0
        && (guess < 0 || size == 3))
        cs_error_hint(error, "it is a %s: the order is minute hour day month "
                      "weekday", cs_expr_rules[other].name);
    else if (guess >= 0 && (fault->at[size - 1] | 32) == 'l' && size == 4)
        cs_error_hint(error, "write %.3s#L", rule->words[guess]);
    else if (guess >= 0)
        cs_error_hint(error, "did you mean %.3s?", rule->words[guess]);
    else
        cs_error_hint(error, "use %.3s-%.3s", rule->words[0],
                      rule->words[rule->names - 1]);
}

static enum cs_status say_word(struct fault *fault)
{
    const struct cs_expr_place *place = fault->place;
    const struct cs_expr_rule *rule = &cs_expr_rules[place->field];
    char quote[CS_HINT_QUOTE];
    int sign;

    while (fault->end < place->end && is_letter(*fault->end))
        fault->end++;
    sign = sign_case(fault);
    if (sign > 0)
        return say_sign(fault, *fault->at);
    if (sign < 0)
        return say(fault, "L, W and H must be capital letters",
                   "write it in upper case");
    cs_error_set(place->error, CS_SYNTAX, "%s is not %s %s",
                 cs_hint_quote(quote, fault->at, fault->end),
                 strchr("aeiouh", rule->name[0]) ? "an" : "a", rule->name);
    if (rule->names)
        hint_name(fault, (size_t)(fault->end - fault->at));
    else
        cs_error_hint(place->error, "use %d-%d", rule->low, rule->high);
    return cs_hint_at(place, CS_SYNTAX, fault->at, fault->end);
}

static enum cs_status say_question(const struct fault *fault)
{
    if (in_field(fault, CS_FIELD_DAY) || in_field(fault, CS_FIELD_WEEKDAY))
        return say(fault, "? is allowed only where * is", "");
    if (in_field(fault, CS_FIELD_MONTH) && fault->place->fields == 6)
        return say(fault, "? belongs to the day and weekday fields",
                   "five fields and a year? put the second first: 0 0 12 * * "
                   "? 2030");
    return say(fault, "? belongs to the day and weekday fields", "write *");
}

static enum cs_status say_dash(const struct fault *fault)
{
    if (begins_item(fault) || fault->before == '/' || fault->before == '#')
        return say(fault, "a number has no sign", "remove the -");
    if (fault->before == '*' || fault->before == '?')
        return say(fault, "* is not an end of a range", "write both ends");
    if (fault->before == '-')
        return say(fault, "one - between the ends of a range", "");
    if (is_digit(fault->before))
        return say(fault, "a range has two ends", "");
    return say(fault, "a range has two plain ends", "");
}

static enum cs_status say_plus(const struct fault *fault)
{
    if (in_field(fault, CS_FIELD_WEEKDAY))
        return say(fault, "+ may appear once, before the weekday field",
                   "");
    return say(fault, "+ belongs before the weekday field: both days must "
               "match", "a number has no sign");
}

static enum cs_status say_slash(const struct fault *fault)
{
    if (begins_item(fault))
        return say(fault, "a step needs * or a range before it",
                   "write */15, for example");
    if (is_digit(fault->before))
        return say(fault, "one step for one range", "");
    return say(fault, "a step goes with * or a range", "");
}

static enum cs_status say_digit(const struct fault *fault)
{
    if (fault->before == '*')
        return say(fault, "* is followed by a comma or a step",
                   "write */5, for example");
    if (fault->before == 'L')
        return say(fault, "L is followed by a dash", "write L-3, for example");
    return say(fault, "a digit cannot follow here", "is a comma missing?");
}

/* A field by itself has plain values only. */
static bool needs_whole(const struct fault *fault)
{
    const char *next = fault->at + 1;

    if (fault->place->fields != 1 || !strchr("LWH#+", *fault->at))
        return false;
    return !is_letter(*fault->at) || next == fault->place->end
        || !is_letter(*next);
}

static enum cs_status say_needs_whole(const struct fault *fault)
{
    cs_error_set(fault->place->error, CS_SYNTAX,
                 "%c needs a whole expression", *fault->at);
    cs_error_hint(fault->place->error,
                  "write the expression as one text, all fields in it");
    return cs_hint_at(fault->place, CS_SYNTAX, fault->at, fault->end);
}

static enum cs_status say_character(const struct fault *fault)
{
    char c = *fault->at;

    switch (c) {
    case ',':
        return say_incomplete(fault);
    case '-':
        return say_dash(fault);
    case '+':
        return say_plus(fault);
    case '/':
        return say_slash(fault);
    case '?':
        return say_question(fault);
    case '*':
        return say(fault, "* must be alone, or before a step", "");
    case '.':
        return say(fault, "only whole numbers are allowed", "");
    case '@':
        return say(fault, "a nickname takes no other fields", "");
    case '#':
        if (in_field(fault, CS_FIELD_WEEKDAY))
            return say(fault, "# goes with a single weekday",
                       "write MON#1 for the first Monday");
        return say(fault, "# belongs to the weekday field", "");
    default:
        cs_error_set(fault->place->error, CS_SYNTAX,
                     "%c is not part of a %s field", c, name_of(fault));
        return cs_hint_at(fault->place, CS_SYNTAX, fault->at, fault->end);
    }
}

enum cs_status cs_hint_stray(const struct cs_expr_place *place,
                             const char *at)
{
    struct fault fault = {place, at, at, at > place->start ? at[-1] : 0};
    unsigned char c;

    if (at == place->end)
        return say_incomplete(&fault);
    c = (unsigned char)*at;
    fault.end++;
    if (c >= 0x80)
        return say_foreign(&fault);
    if (c <= ' ' || c == 0x7f)
        return say_control(&fault);
    if (needs_whole(&fault))
        return say_needs_whole(&fault);
    if (is_letter(*at))
        return say_word(&fault);
    if (is_digit(*at))
        return say_digit(&fault);
    return say_character(&fault);
}
