/* libFuzzer: eight bytes of an instant, then an expression and a POSIX rule,
 * each ended by a newline. Whatever the two mean, the way forward and the
 * way back must be one way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/c/test_zones.h"
#include "core/cron/next.h"

#define LINE_SIZE 120

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition)
{
    if (!condition)
        abort();
}

/* Take a line off the input, NUL-terminated; false if it is too long. */
static bool take_line(const uint8_t **data, size_t *size,
                      char line[LINE_SIZE])
{
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t length = end ? (size_t)(end - *data) : *size;

    if (length >= LINE_SIZE)
        return false;
    memcpy(line, *data, length);
    line[length] = '\0';
    *data += length + (end != NULL);
    *size -= length + (end != NULL);
    return true;
}

static struct cs_zone *zone_of_rule(const char *rule)
{
    const struct test_zone written = {.rule = rule};
    struct cs_zone *zone = NULL;
    uint8_t bytes[512];

    if (cs_zone_load(bytes, write_tzif(&written, bytes), &zone, NULL)
        != CS_OK)
        return NULL;
    return zone;
}

static void check_none(const struct cs_expr *expr,
                       const struct cs_zone *zone, int64_t after)
{
    int64_t last;

    if (cs_next_before(expr, zone, INT64_MAX, &last) == CS_OK)
        insist(last <= after);
}

static void check_run(const struct cs_expr *expr, const struct cs_zone *zone,
                      int64_t after, int64_t at)
{
    int64_t other;

    insist(at > after && at >= CS_ZONE_FIRST_S && at < CS_ZONE_END_S);
    insist(cs_next_matches(expr, zone, at));
    insist(after != at - 1 ? !cs_next_matches(expr, zone, after + 1) : true);
    insist(cs_next_before(expr, zone, at + 1, &other) == CS_OK
           && other == at);
    if (cs_next_before(expr, zone, at, &other) != CS_OK)
        return;
    insist(other <= after && cs_next_matches(expr, zone, other));
    insist(cs_next_after(expr, zone, other, &other) == CS_OK && other == at);
}

static void check(const struct cs_expr *expr, const struct cs_zone *zone,
                  int64_t after)
{
    int64_t at;

    for (int i = 0; i < 4; i++) {
        if (cs_next_after(expr, zone, after, &at) != CS_OK) {
            check_none(expr, zone, after);
            return;
        }
        check_run(expr, zone, after, at);
        after = at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[LINE_SIZE], rule[LINE_SIZE];
    struct cs_expr expr;
    struct cs_zone *zone;
    int64_t after;

    if (size < sizeof(after))
        return 0;
    memcpy(&after, data, sizeof(after));
    data += sizeof(after);
    size -= sizeof(after);
    /* Half of the inputs ask where something happens. */
    if (after & 1)
        after = (int64_t)((uint64_t)after % CS_ZONE_END_S);
    if (!take_line(&data, &size, text) || !take_line(&data, &size, rule))
        return 0;
    if (cs_expr_parse(text, strlen(text), NULL, 0, &expr, NULL) != CS_OK)
        return 0;
    zone = zone_of_rule(rule);
    if (zone)
        check(&expr, zone, after);
    cs_zone_unref(zone);
    return 0;
}
