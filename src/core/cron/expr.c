/* A whole expression: its fields apart, nicknames, and what holds between
 * fields. Sources: OCPS 1.1 section 7 (nicknames), 1.2 section 4 (five, six
 * and seven fields).
 */
#include "core/cron/expr.h"

#include <string.h>

#include "core/cron/expr_field.h"
#include "core/cron/expr_rule.h"
#include "core/cron/expr_zone.h"

#define FIELDS 7
#define ALL_DAYS 0xfffffffeU

static const uint64_t all_years[4] = {
    ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0),
    (UINT64_C(1) << (CS_EXPR_YEARS - 192)) - 1
};

struct span {
    const char *start, *end;
};

/* Most characters need one comparison. */
static bool blank(char c)
{
    return c <= ' ' && (c == ' ' || c == '\t');
}

/* The words of a text; the first seven are kept, all are counted. */
static int split(const char *at, const char *end, struct span spans[FIELDS])
{
    int count = 0;

    for (;;) {
        const char *start;

        while (at < end && blank(*at))
            at++;
        if (at == end)
            return count;
        start = at;
        while (at < end && !blank(*at))
            at++;
        if (count < FIELDS) {
            spans[count].start = start;
            spans[count].end = at;
        }
        count++;
    }
}

/* Do the years lack one? */
static bool some_years(const uint64_t year[4])
{
    for (int i = 0; i < 4; i++)
        if (year[i] != all_years[i])
            return true;
    return false;
}

/* The last or n-th of a weekday that is meant anyway. */
static void drop_covered(struct cs_expr *expr)
{
    uint8_t others = (uint8_t)~expr->weekday;

    expr->weekday_last &= others;
    for (int i = 0; i < 5; i++)
        expr->weekday_nth[i] &= others;
}

/* The expression that was read, in one form for each meaning: what adds
 * nothing is dropped. */
static void settle(const struct cs_expr_reader *reader, struct cs_expr *expr)
{
    const struct cs_expr_marks *marks = &reader->marks;
    const uint64_t *sets = reader->sets;
    uint64_t weekday = sets[CS_FIELD_WEEKDAY];

    expr->second = sets[CS_FIELD_SECOND];
    expr->minute = sets[CS_FIELD_MINUTE];
    expr->hour = (uint32_t)sets[CS_FIELD_HOUR];
    expr->day = (uint32_t)sets[CS_FIELD_DAY];
    expr->month = (uint16_t)sets[CS_FIELD_MONTH];
    expr->weekday = (uint8_t)((weekday | weekday >> 7) & 0x7f);
    memcpy(expr->year, sets + CS_FIELD_YEAR, sizeof(expr->year));
    expr->weekday_last = marks->weekday_last;
    memcpy(expr->weekday_nth, marks->weekday_nth, sizeof(expr->weekday_nth));
    expr->last_minus = marks->last_minus;
    expr->nearest = marks->nearest;
    expr->flags = marks->flags;
    if (expr->second != 1)
        expr->flags |= CS_EXPR_SECONDS;
    if (marks->nth)
        drop_covered(expr);
    if (expr->day == ALL_DAYS) {
        expr->flags &= (uint16_t)~CS_EXPR_LAST_DAY;
        expr->last_minus = 0;
    }
}

/* The commonest field, `*` or `?`, without ado: is it one? */
static bool read_lone_star(struct cs_expr_reader *reader, int field,
                           const struct span *span)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[field];

    if (span->end - span->start != 1 || !rule->whole
        || !(*span->start == '*' || (*span->start == '?' && rule->any)))
        return false;
    reader->sets[field] = rule->whole;
    reader->marks.flags |= rule->interval | rule->any;
    return true;
}

static enum cs_status read_fields(struct cs_expr_reader *reader,
                                  const struct span *spans, int count)
{
    int field = count == 5 ? CS_FIELD_MINUTE : CS_FIELD_SECOND;
    uint64_t *sets = reader->sets;

    if (count == 5)
        sets[CS_FIELD_SECOND] = 1;
    if (count < FIELDS)
        memcpy(sets + CS_FIELD_YEAR, all_years, sizeof(all_years));
    for (int i = 0; i < count; i++, field++) {
        enum cs_status status;

        if (read_lone_star(reader, field, &spans[i]))
            continue;
        reader->place.field = (enum cs_field)field;
        reader->place.start = spans[i].start;
        reader->place.end = spans[i].end;
        status = cs_expr_read_field(reader);
        if (status)
            return status;
    }
    if (count == FIELDS && some_years(sets + CS_FIELD_YEAR))
        reader->marks.flags |= CS_EXPR_YEAR;
    return CS_OK;
}

struct nickname {
    const char *name, *means;
};

static const struct nickname nicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"}, {"@reboot", NULL},
};

/* The nickname from `start` to `end`, or NULL. */
static const struct nickname *find_nickname(const char *start,
                                            const char *end)
{
    size_t size = (size_t)(end - start);

    for (size_t i = 0; i < sizeof(nicknames) / sizeof(*nicknames); i++)
        if (strlen(nicknames[i].name) == size
            && memcmp(nicknames[i].name, start, size) == 0)
            return &nicknames[i];
    return NULL;
}

static enum cs_status read_nickname(struct cs_expr_reader *reader,
                                    const struct span *words, int count)
{
    const struct nickname *found;
    struct span spans[FIELDS];

    reader->place.field = CS_FIELD_NONE;
    reader->place.start = words->start;
    reader->place.end = words->end;
    reader->place.fields = count;
    found = find_nickname(words->start, words->end);
    if (!found || count > 1)
        return cs_hint_nickname(&reader->place);
    if (!found->means) {
        reader->marks.flags = CS_EXPR_REBOOT;
        return CS_OK;
    }
    count = split(found->means, found->means + strlen(found->means), spans);
    return read_fields(reader, spans, count);
}

static enum cs_status read_words(struct cs_expr_reader *reader,
                                 const char *end)
{
    struct span words[FIELDS];
    int count = split(reader->place.text, end, words);

    reader->place.fields = count;
    if (count && *words->start == '@')
        return read_nickname(reader, words, count);
    if (count < 5 || count > FIELDS) {
        reader->place.field = CS_FIELD_NONE;
        reader->place.start = reader->place.text;
        reader->place.end = count ? words->end : end;
        return cs_hint_count(&reader->place, end);
    }
    return read_fields(reader, words, count);
}

static enum cs_status refuse_long(size_t size, struct cs_error *error)
{
    cs_error_set(error, CS_SYNTAX, "the expression is too long: %zu bytes",
                 size);
    cs_error_at(error, CS_FIELD_NONE, CS_EXPR_TEXT_SIZE - 1, 1);
    cs_error_hint(error, "at most %d bytes", CS_EXPR_TEXT_SIZE - 1);
    return CS_SYNTAX;
}

enum cs_status cs_expr_parse(const char *text, size_t size, const char *seed,
                             size_t seed_size, struct cs_expr *expr,
                             struct cs_error *error)
{
    struct cs_expr_reader reader;
    enum cs_status status;

    if (size >= CS_EXPR_TEXT_SIZE)
        return refuse_long(size, error);
    reader.place.text = text;
    reader.place.error = error;
    reader.seed = seed;
    reader.seed_size = seed_size;
    reader.plain = false;
    reader.marks = (struct cs_expr_marks){0};
    status = read_words(&reader, text + size);
    if (status && cs_expr_zone_hint(text, text + size, error))
        return CS_SYNTAX;
    if (status)
        return status;
    if (reader.marks.flags & CS_EXPR_REBOOT)
        *expr = (struct cs_expr){.flags = CS_EXPR_REBOOT};
    else
        settle(&reader, expr);
    return CS_OK;
}

enum cs_status cs_expr_parse_field(const char *text, size_t size,
                                   enum cs_field field, uint64_t *set,
                                   struct cs_error *error)
{
    struct cs_expr_reader reader = {.plain = true};
    enum cs_status status;

    if (field >= CS_FIELD_YEAR)
        return cs_error_set(error, CS_RANGE, "%s has no set of 64 bits",
                            cs_expr_field_name(field));
    if (size >= CS_EXPR_TEXT_SIZE)
        return refuse_long(size, error);
    reader.place = (struct cs_expr_place){
        .text = text, .start = text, .end = text + size, .field = field,
        .fields = 1, .error = error};
    while (reader.place.start < reader.place.end
           && blank(*reader.place.start))
        reader.place.start++;
    while (reader.place.end > reader.place.start
           && blank(reader.place.end[-1]))
        reader.place.end--;
    status = cs_expr_read_field(&reader);
    if (status)
        return status;
    *set = reader.sets[field];
    if (field == CS_FIELD_WEEKDAY)
        *set = (*set | *set >> 7) & 0x7f;
    return CS_OK;
}

bool cs_expr_equal(const struct cs_expr *one, const struct cs_expr *other)
{
    return one->second == other->second && one->minute == other->minute
        && one->hour == other->hour && one->day == other->day
        && one->month == other->month && one->weekday == other->weekday
        && one->weekday_last == other->weekday_last
        && one->last_minus == other->last_minus
        && one->nearest == other->nearest && one->flags == other->flags
        && memcmp(one->year, other->year, sizeof(one->year)) == 0
        && memcmp(one->weekday_nth, other->weekday_nth,
                  sizeof(one->weekday_nth)) == 0;
}
