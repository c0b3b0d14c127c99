/* Where people write a time zone into the expression: at its end, or at its
 * beginning as robfig/cron reads it. Ours stands beside it.
 */
#include "core/cron/expr_zone.h"

#include <stdbool.h>
#include <string.h>

#define LONGEST 40   /* bytes; the longest name of IANA has 32 */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool may_be_in_name(char c)
{
    return is_upper(c) || is_lower(c) || (c >= '0' && c <= '9')
        || (c && strchr("_+-/", c));
}

static bool is(const char *start, const char *end, const char *word)
{
    size_t size = strlen(word);

    return (size_t)(end - start) == size && memcmp(start, word, size) == 0;
}

/* Area/City: no field has a small letter before a slash. */
static bool is_place(const char *start, const char *end)
{
    const char *slash = memchr(start, '/', (size_t)(end - start));

    if (!slash || slash - start < 2 || end - slash < 3 || !is_upper(*start)
        || !is_upper(slash[1]))
        return false;
    for (const char *at = start + 1; at < slash; at++)
        if (!is_lower(*at))
            return is(start, slash, "US");
    return true;
}

static bool is_zone(const char *start, const char *end)
{
    if (end - start > LONGEST)
        return false;
    for (const char *at = start; at < end; at++)
        if (!may_be_in_name(*at))
            return false;
    return is(start, end, "UTC") || is(start, end, "GMT")
        || is_place(start, end);
}

/* Past the = of CRON_TZ= or TZ= at the beginning; else NULL. */
static const char *after_setting(const char *text, const char *end)
{
    static const char *const settings[] = {"CRON_TZ=", "TZ="};

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        size_t size = strlen(settings[i]);

        if ((size_t)(end - text) > size && !memcmp(text, settings[i], size))
            return text + size;
    }
    return NULL;
}

static int say(const char *text, const char *start, const char *end,
               struct cs_error *error)
{
    (void)cs_error_set(error, CS_SYNTAX,
                       "a time zone is not part of the expression");
    cs_error_hint(error, "write it beside it: timezone='%.*s', or --tz %.*s",
                  (int)(end - start), start, (int)(end - start), start);
    cs_error_at(error, CS_FIELD_NONE, (int)(start - text),
                (int)(end - start));
    return 1;
}

int cs_expr_zone_hint(const char *text, const char *end,
                      struct cs_error *error)
{
    const char *start = text, *last = end, *set, *stop;

    while (start < end && is_blank(*start))
        start++;
    while (last > start && is_blank(last[-1]))
        last--;
    set = after_setting(start, last);
    if (set) {
        stop = set;
        while (stop < last && may_be_in_name(*stop) && stop - set < LONGEST)
            stop++;
        return say(text, set, stop, error);
    }
    stop = last;
    while (last > start && !is_blank(last[-1]))
        last--;
    return last > start && is_zone(last, stop) ? say(text, last, stop, error)
                                               : 0;
}
