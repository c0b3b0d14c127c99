/* POSIX TZ rules, such as CET-1CEST,M3.5.0,M10.5.0/3.
 *
 * A recursive descent over the text, one function per word of the grammar.
 * Each function that reads starts at the cursor, moves it past what it has
 * read and says whether that was what it expected; when not, the error is set
 * and nothing reads on. Source: POSIX.1-2024 section 8.3 and RFC 9636 section
 * 3.3; a rule that names daylight time without saying when is left to the
 * implementation by POSIX, so a file cannot mean anything by it: refused.
 */
#include "core/zone/tzrule.h"

#include "core/zone/civil.h"

#define HOUR_S 3600
#define DAY_S 86400
#define NAME_LEAST 3        /* characters in the name of a time type */
#define TEXT_MOST 1024      /* bytes; real rules have fewer than 60 */

struct cursor {
    const char *text;       /* Borrowed. */
    int size, at;
    struct cs_error *error; /* Borrowed; may be NULL. */
    enum cs_status status;
};

static bool fail(struct cursor *in, enum cs_status status, const char *what)
{
    in->status = cs_error_set(in->error, status, "%s", what);
    cs_error_at(in->error, CS_FIELD_NONE, in->at, in->at < in->size);
    return false;
}

/* NUL at the end, and for a NUL in the text: no word accepts it. */
static char peek(const struct cursor *in)
{
    return in->at < in->size ? in->text[in->at] : '\0';
}

static bool skip(struct cursor *in, char wanted)
{
    if (in->at == in->size || in->text[in->at] != wanted)
        return false;
    in->at++;
    return true;
}

static bool expect(struct cursor *in, char wanted, const char *what)
{
    return skip(in, wanted) || fail(in, CS_SYNTAX, what);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool read_number(struct cursor *in, int least, int most, int *number)
{
    int value = 0;

    if (!is_digit(peek(in)))
        return fail(in, CS_SYNTAX, "a number is missing");
    for (; is_digit(peek(in)); in->at++) {
        value = value * 10 + (peek(in) - '0');
        if (value > most)
            return fail(in, CS_RANGE, "a number is too large");
    }
    if (value < least)
        return fail(in, CS_RANGE, "a number is too small");
    *number = value;
    return true;
}

/* [+-]hours[:minutes[:seconds]] */
static bool read_time(struct cursor *in, int hours_most, int32_t *time_s)
{
    bool is_negative = skip(in, '-');
    int hours = 0, minutes = 0, seconds = 0;
    int32_t total_s;

    if (!is_negative)
        (void)skip(in, '+');   /* optional, and changes nothing */
    if (!read_number(in, 0, hours_most, &hours))
        return false;
    if (skip(in, ':')) {
        if (!read_number(in, 0, 59, &minutes))
            return false;
        if (skip(in, ':') && !read_number(in, 0, 59, &seconds))
            return false;
    }
    total_s = hours * HOUR_S + minutes * 60 + seconds;
    *time_s = is_negative ? -total_s : total_s;
    return true;
}

/* Letters, or letters, digits and signs in angle brackets. What the name is
 * does not matter here. */
static bool skip_name(struct cursor *in)
{
    bool is_quoted = skip(in, '<');
    int start = in->at;

    while (is_letter(peek(in))
           || (is_quoted && (is_digit(peek(in)) || peek(in) == '+'
                             || peek(in) == '-')))
        in->at++;
    if (in->at - start < NAME_LEAST)
        return fail(in, CS_SYNTAX, "a name of three letters is missing");
    return !is_quoted || expect(in, '>', "a > is missing");
}

/* POSIX counts hours west of Greenwich, we count seconds east. */
static bool read_offset(struct cursor *in, int32_t *offset_s)
{
    int32_t west_s = 0;

    if (!read_time(in, 24, &west_s))
        return false;
    *offset_s = -west_s;
    return true;
}

/* Mm.w.d, after the M. */
static bool read_month_week_day(struct cursor *in,
                                struct cs_tzrule_change *change)
{
    int month = 0, week = 0, day = 0;

    if (!read_number(in, 1, 12, &month) || !expect(in, '.', "a . is missing")
        || !read_number(in, 1, 5, &week) || !expect(in, '.', "a . is missing")
        || !read_number(in, 0, 6, &day))
        return false;
    change->form = 'M';
    change->month = (int16_t)month;
    change->week = (int16_t)week;
    change->day = (int16_t)day;
    return true;
}

static bool read_day_of_year(struct cursor *in,
                             struct cs_tzrule_change *change)
{
    bool is_julian = skip(in, 'J');
    int day = 0;

    if (!read_number(in, is_julian, 365, &day))
        return false;
    change->form = is_julian ? 'J' : '0';
    change->month = change->week = 0;
    change->day = (int16_t)day;
    return true;
}

/* ,date[/time] */
static bool read_change(struct cursor *in, struct cs_tzrule_change *change)
{
    if (!expect(in, ',', "the date of a change is missing"))
        return false;
    if (skip(in, 'M') ? !read_month_week_day(in, change)
                      : !read_day_of_year(in, change))
        return false;
    change->time_s = 2 * HOUR_S;
    return !skip(in, '/') || read_time(in, 167, &change->time_s);
}

/* name[offset],start,end */
static bool read_daylight(struct cursor *in, struct cs_tzrule *rule)
{
    rule->has_daylight = true;
    rule->daylight_s = rule->standard_s + HOUR_S;
    if (!skip_name(in))
        return false;
    if (in->at < in->size && peek(in) != ','
        && !read_offset(in, &rule->daylight_s))
        return false;
    return read_change(in, &rule->start) && read_change(in, &rule->end);
}

enum cs_status cs_tzrule_parse(const char *text, size_t size,
                               struct cs_tzrule *rule,
                               struct cs_error *error)
{
    struct cursor in = {text, 0, 0, error, CS_OK};
    struct cs_tzrule read = {0};

    if (size > TEXT_MOST)
        return cs_error_set(error, CS_RANGE, "the rule is too long");
    in.size = (int)size;
    if (!skip_name(&in) || !read_offset(&in, &read.standard_s))
        return in.status;
    if (in.at < in.size && !read_daylight(&in, &read))
        return in.status;
    if (in.at < in.size && !fail(&in, CS_SYNTAX, "the rule should end here"))
        return in.status;
    *rule = read;
    return CS_OK;
}

/* Local seconds of a change in a year, by the clock before the change. */
static int64_t change_local_s(const struct cs_tzrule_change *change, int year)
{
    int32_t first = cs_civil_days(year, 1, 1), days;

    if (change->form == 'M') {
        int length = cs_civil_month_length(year, change->month);
        int day;

        first = cs_civil_days(year, change->month, 1);
        day = (change->day - cs_civil_weekday(first) + 7) % 7
              + 7 * (change->week - 1);
        days = first + (day < length ? day : day - 7);
    } else if (change->form == 'J') {
        int is_after_leap_day = change->day >= 60
                                && cs_civil_month_length(year, 2) == 29;

        days = first + change->day - 1 + is_after_leap_day;
    } else {
        days = first + change->day;
    }
    return (int64_t)days * DAY_S + change->time_s;
}

void cs_tzrule_year(const struct cs_tzrule *rule, int year, int64_t *start_s,
                    int64_t *end_s)
{
    *start_s = change_local_s(&rule->start, year) - rule->standard_s;
    *end_s = change_local_s(&rule->end, year) - rule->daylight_s;
}
