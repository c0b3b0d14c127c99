/* Any bytes as a POSIX TZ rule: either a fault with a position inside them,
 * or a rule whose changes come once a year, about where it says. */
#include <stdbool.h>
#include <stdlib.h>

#include "core/zone/tzrule.h"

#define DAY_S INT64_C(86400)

static void hold(bool is_true)
{
    if (!is_true)
        abort();
}

static void hold_fault(enum cs_status status, const struct cs_error *error,
                       size_t size)
{
    hold(status == CS_SYNTAX || status == CS_RANGE);
    hold(error->status == status && error->text[0] != '\0');
    hold(error->position >= -1 && error->position <= (int)size);
}

static void hold_offsets(const struct cs_tzrule *rule)
{
    hold(rule->standard_s > -25 * 3600 && rule->standard_s < 25 * 3600);
    hold(rule->daylight_s > -25 * 3600 && rule->daylight_s < 26 * 3600);
}

static void hold_changes(const struct cs_tzrule *rule)
{
    int64_t start_s, end_s, last_start_s, last_end_s;

    cs_tzrule_year(rule, 1967, &last_start_s, &last_end_s);
    for (int year = 1968; year <= 2201; year++) {
        int64_t about_s = (int64_t)((year - 1970) * 365.2425 * DAY_S);

        cs_tzrule_year(rule, year, &start_s, &end_s);
        hold(start_s > about_s - 12 * DAY_S);
        hold(start_s < about_s + 380 * DAY_S);
        hold(end_s > about_s - 12 * DAY_S && end_s < about_s + 380 * DAY_S);
        hold(start_s > last_start_s && end_s > last_end_s);
        last_start_s = start_s;
        last_end_s = end_s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cs_tzrule rule = {0};
    struct cs_error error;
    enum cs_status status = cs_tzrule_parse((const char *)bytes, size, &rule,
                                            &error);

    if (status != CS_OK) {
        hold_fault(status, &error, size);
        return 0;
    }
    hold_offsets(&rule);
    if (rule.has_daylight)
        hold_changes(&rule);
    return 0;
}
