/* Reads one field by small recursive descent. Invariant: `at` never passes
 * `place.end`, and what stands before it is part of a valid field.
 * Sources: OCPS 1.0 sections 5 and 6, 1.3 section 4, 1.4 section 4; LW and
 * L-n as in Quartz; H as in Jenkins.
 *
 * Where the specification leaves room, it is read so:
 * - A step beyond its range is valid and keeps the lowest value (1.0, 5.1:
 *   "the lowest value of the range, plus every N-th value after").
 * - SUN stands for 0 or 7 (1.0, 4.2), so FRI-SUN is 5-7.
 * - A day field is unrestricted when its first item is a bare star, and only
 *   then: a star with a step is restricted (1.1, 6.1).
 * - L and # may stand in a list, being items like others (1.0, 5.1); W may
 *   not (1.3, 4.3).
 */
#include "core/cron/expr_field.h"

#include "core/cron/expr_rule.h"

#define TOO_LARGE 100000    /* numbers stop growing here */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Is `c` the next character? Then pass it. */
static bool take(struct cs_expr_reader *reader, char c)
{
    if (reader->at == reader->place.end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static enum cs_status stray(const struct cs_expr_reader *reader)
{
    return cs_hint_stray(&reader->place, reader->at);
}

/* One or more digits. */
static enum cs_status take_number(struct cs_expr_reader *reader, int *number)
{
    const char *at = reader->at;
    int value = 0;

    for (; at < reader->place.end && digit(*at); at++)
        if (value < TOO_LARGE)
            value = value * 10 + (*at - '0');
    if (at == reader->at)
        return stray(reader);
    reader->at = at;
    *number = value;
    return CS_OK;
}

/* The three letters of a name; what follows must not be a letter, but for
 * the L of FRIL. */
static enum cs_status take_name(struct cs_expr_reader *reader, int *value)
{
    const char *at = reader->at;
    bool weekday = reader->place.field == CS_FIELD_WEEKDAY;

    if (reader->place.end - at < 3)
        return stray(reader);
    *value = cs_expr_name_value(reader->place.field, at);
    if (*value < 0)
        return stray(reader);
    at += 3;
    if (at < reader->place.end && letter(*at) && !(weekday && *at == 'L'))
        return stray(reader);
    if (reader->place.end - at > 1 && letter(at[0]) && letter(at[1]))
        return stray(reader);
    reader->at = at;
    return CS_OK;
}

/* A number or a name within the field. */
static enum cs_status take_value(struct cs_expr_reader *reader, int *value)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[reader->place.field];
    const char *at = reader->at;
    enum cs_status status;

    if (rule->names && at < reader->place.end && letter(*at))
        return take_name(reader, value);
    status = take_number(reader, value);
    if (!status && (*value < rule->low || *value > rule->high))
        return cs_hint_value(&reader->place, at, reader->at);
    return status;
}

/* An optional step: 1 when there is none. */
static enum cs_status take_step(struct cs_expr_reader *reader, int *step)
{
    const char *at;
    enum cs_status status;

    *step = 1;
    if (!take(reader, '/'))
        return CS_OK;
    at = reader->at;
    status = take_number(reader, step);
    if (!status && (*step == 0 || *step >= TOO_LARGE))
        return cs_hint_step(&reader->place, at, reader->at);
    return status;
}

/* The bits first to last of one word. */
static uint64_t run(int first, int last)
{
    return (~UINT64_C(0) << first) & (~UINT64_C(0) >> (63 - last));
}

static void add_years(uint64_t year[4], int first, int last, int step)
{
    for (int value = first; value <= last; value += step)
        year[value >> 6] |= UINT64_C(1) << (value & 63);
}

static void add(struct cs_expr_reader *reader, int first, int last, int step)
{
    uint64_t *set = &reader->sets[reader->place.field], bits = 0;

    if (reader->place.field == CS_FIELD_YEAR) {
        add_years(set, first - CS_EXPR_FIRST_YEAR,
                  last - CS_EXPR_FIRST_YEAR, step);
    } else if (step == 1) {
        *set |= run(first, last);
    } else {
        for (int value = first; value <= last; value += step)
            bits |= UINT64_C(1) << value;
        *set |= bits;
    }
}

static void mark_interval(struct cs_expr_reader *reader)
{
    reader->marks.flags |= cs_expr_rules[reader->place.field].interval;
}

/* Is `at` the field's first item? */
static bool leads(const struct cs_expr_reader *reader, const char *at)
{
    const char *start = reader->place.start;

    return at == start || (at == start + 1 && *start == '+');
}

static enum cs_status read_star(struct cs_expr_reader *reader)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[reader->place.field];
    const char *item = reader->at++;
    enum cs_status status;
    int step;

    status = take_step(reader, &step);
    if (status)
        return status;
    if (reader->at == item + 1 && leads(reader, item))
        reader->marks.flags |= rule->any;
    mark_interval(reader);
    add(reader, rule->low, rule->high, step);
    return CS_OK;
}

/* The second end of a range that begins with `first`. SUN, the only name for
 * 0, is 7 there. */
static enum cs_status take_last(struct cs_expr_reader *reader, int first,
                                int *last)
{
    const char *at = reader->at;
    enum cs_status status = take_value(reader, last);

    if (!status && *last == 0 && first > 0 && letter(*at))
        *last = 7;
    return status;
}

/* The rest of `first-last/step`, from the dash on. */
static enum cs_status read_range(struct cs_expr_reader *reader,
                                 const char *item, int first)
{
    const char *middle = reader->at++;
    enum cs_status status;
    int last, step;

    status = take_last(reader, first, &last);
    if (status)
        return status;
    if (first > last)
        return cs_hint_backwards(&reader->place, item, middle, reader->at);
    status = take_step(reader, &step);
    if (status)
        return status;
    mark_interval(reader);
    add(reader, first, last, step);
    return CS_OK;
}

/* L, L-n or LW in the day field. One L form fits a field. */
static enum cs_status read_last_day(struct cs_expr_reader *reader)
{
    const char *item = reader->at++, *at;
    struct cs_expr_marks *marks = &reader->marks;
    enum cs_status status;
    int before = 0;

    if (marks->flags & CS_EXPR_LAST_DAY)
        return cs_hint_stray(&reader->place, item);
    if (take(reader, 'W')) {
        if (item != reader->place.start || reader->at != reader->place.end)
            return cs_hint_stray(&reader->place, reader->at - 1);
        marks->flags |= CS_EXPR_NEAREST;
    } else if (take(reader, '-')) {
        at = reader->at;
        status = take_number(reader, &before);
        if (status)
            return status;
        if (before < 1 || before > 30)
            return cs_hint_suffix(&reader->place, at, reader->at, "L-1 to "
                                  "L-30");
    }
    marks->flags |= CS_EXPR_LAST_DAY;
    marks->last_minus = (uint8_t)before;
    return CS_OK;
}

/* The W of nW: it stands alone in its field. */
static enum cs_status read_nearest(struct cs_expr_reader *reader,
                                   const char *item, int day)
{
    if (item != reader->place.start || reader->at + 1 != reader->place.end)
        return stray(reader);
    reader->at++;
    reader->marks.flags |= CS_EXPR_NEAREST;
    reader->marks.nearest = (uint8_t)day;
    return CS_OK;
}

/* What follows the weekday: L, #L or #n. */
static enum cs_status read_nth(struct cs_expr_reader *reader, int weekday)
{
    uint8_t bit = (uint8_t)(1 << weekday % 7);
    bool hash = take(reader, '#');
    const char *at = reader->at;
    enum cs_status status;
    int nth;

    reader->marks.nth = true;
    if (take(reader, 'L')) {
        reader->marks.weekday_last |= bit;
        return CS_OK;
    }
    if (!hash)
        return stray(reader);
    status = take_number(reader, &nth);
    if (status)
        return status;
    if (nth < 1 || nth > 5)
        return cs_hint_suffix(&reader->place, at, reader->at,
                              "#1 to #5, or #L for the last one");
    reader->marks.weekday_nth[nth - 1] |= bit;
    return CS_OK;
}

/* A number below `bound` from the seed and the field: FNV-1a over the seed's
 * bytes and the field's number, finished by splitmix64's mixer. These
 * constants are part of the interface: changing them moves people's jobs. */
static int hashed(const struct cs_expr_reader *reader, int bound)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < reader->seed_size; i++)
        hash = (hash ^ (unsigned char)reader->seed[i])
               * UINT64_C(0x100000001b3);
    hash = (hash ^ (uint64_t)reader->place.field) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    hash ^= hash >> 31;
    return (int)((hash >> 32) * (uint64_t)bound >> 32);
}

/* The optional bounds of H: (low-high). */
static enum cs_status take_bounds(struct cs_expr_reader *reader, int *low,
                                  int *high)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[reader->place.field];
    const char *at, *middle;
    enum cs_status status;

    *low = rule->low;
    *high = reader->place.field == CS_FIELD_DAY ? 28 : rule->top;
    if (!take(reader, '('))
        return CS_OK;
    at = reader->at;
    status = take_value(reader, low);
    if (status)
        return status;
    middle = reader->at;
    if (!take(reader, '-'))
        return stray(reader);
    status = take_last(reader, *low, high);
    if (status)
        return status;
    if (*low > *high)
        return cs_hint_backwards(&reader->place, at, middle, reader->at);
    return take(reader, ')') ? CS_OK : stray(reader);
}

static enum cs_status read_hash(struct cs_expr_reader *reader)
{
    const char *item = reader->at++, *slash;
    enum cs_status status;
    int low, high, step, first;

    if (!reader->seed)
        return cs_hint_hash(&reader->place, item, reader->at,
                            "H needs a seed", "give the seed,"
                            " or write the value");
    status = take_bounds(reader, &low, &high);
    if (status)
        return status;
    slash = reader->at;
    status = take_step(reader, &step);
    if (status)
        return status;
    if (reader->at == slash) {
        first = low + hashed(reader, high - low + 1);
        add(reader, first, first, 1);
        return CS_OK;
    }
    if (step > high - low + 1)
        return cs_hint_hash(&reader->place, slash + 1, reader->at,
                            "the step of H is longer than its range",
                            "omit the step");
    mark_interval(reader);
    add(reader, low + hashed(reader, step), high, step);
    return CS_OK;
}

/* first~last, either of them optional, from the tilde on: as H(first-last)
 * (cronie, OpenBSD). */
static enum cs_status read_tilde(struct cs_expr_reader *reader,
                                 const char *item, int first)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[reader->place.field];
    const char *middle = reader->at++;
    int last = reader->place.field == CS_FIELD_DAY ? 28 : rule->top;
    enum cs_status status = CS_OK;

    if (!reader->seed)
        return cs_hint_hash(&reader->place, middle, reader->at,
                            "~ needs a seed", "give the seed,"
                            " or write the value");
    if (reader->at < reader->place.end && *reader->at != ',')
        status = take_last(reader, first, &last);
    if (status)
        return status;
    if (first > last)
        return cs_hint_backwards(&reader->place, item, middle, reader->at);
    first += hashed(reader, last - first + 1);
    add(reader, first, first, 1);
    return CS_OK;
}

/* An item that begins with a value. */
static enum cs_status read_plain(struct cs_expr_reader *reader)
{
    const char *item = reader->at;
    enum cs_field field = reader->place.field;
    enum cs_status status;
    int value;

    status = take_value(reader, &value);
    if (status)
        return status;
    if (reader->at < reader->place.end && *reader->at != ',') {
        char next = *reader->at;

        if (next == '-')
            return read_range(reader, item, value);
        if (next == '~' && field != CS_FIELD_YEAR && !reader->plain)
            return read_tilde(reader, item, value);
        if (next == '/')
            return cs_hint_lone_step(&reader->place, item, reader->at,
                                     reader->place.end);
        if (next == 'W' && field == CS_FIELD_DAY && !reader->plain)
            return read_nearest(reader, item, value);
        if (field == CS_FIELD_WEEKDAY && !reader->plain)
            return read_nth(reader, value);
        return stray(reader);
    }
    add(reader, value, value, 1);
    return CS_OK;
}

static enum cs_status read_item(struct cs_expr_reader *reader)
{
    enum cs_field field = reader->place.field;
    char first = 0;

    if (reader->at < reader->place.end)
        first = *reader->at;
    if (first == '*')
        return read_star(reader);
    if (first == '?' && (field == CS_FIELD_DAY || field == CS_FIELD_WEEKDAY))
        return read_star(reader);
    if (first == 'L' && field == CS_FIELD_DAY && !reader->plain)
        return read_last_day(reader);
    if (first == 'H' && field != CS_FIELD_YEAR && !reader->plain)
        return read_hash(reader);
    if (first == '~' && field != CS_FIELD_YEAR && !reader->plain)
        return read_tilde(reader, reader->at, cs_expr_rules[field].low);
    return read_plain(reader);
}

static void empty(struct cs_expr_reader *reader)
{
    uint64_t *set = &reader->sets[reader->place.field];

    *set = 0;
    if (reader->place.field == CS_FIELD_YEAR)
        set[1] = set[2] = set[3] = 0;
}

enum cs_status cs_expr_read_field(struct cs_expr_reader *reader)
{
    enum cs_status status;

    empty(reader);
    reader->at = reader->place.start;
    if (reader->place.field == CS_FIELD_WEEKDAY && !reader->plain
        && take(reader, '+'))
        reader->marks.flags |= CS_EXPR_BOTH_DAYS;
    do {
        status = read_item(reader);
        if (status)
            return status;
    } while (take(reader, ','));
    if (reader->at < reader->place.end)
        return stray(reader);
    return CS_OK;
}
