/* The next and the previous instant of an expression in a zone: the only
 * place with a rule about daylight saving time. Pure, and safe from any
 * thread.
 *
 * Spring gap: a fixed time in it runs once, at the first instant after the
 * gap (several in one gap: one run); an interval-based expression has no
 * match there. Autumn overlap: a fixed time runs once, at the first of its
 * two instants; an interval-based one runs in both passes.
 */
#ifndef CS_NEXT_H
#define CS_NEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cron/expr.h"
#include "core/zone/zone.h"

/* The first instant strictly after `after_utc_s`, whole UTC seconds, within
 * [1970-01-01, 2200-01-01). CS_OK or CS_NONE (also for @reboot). */
enum cs_status cs_next_after(const struct cs_expr *expr,
                             const struct cs_zone *zone, int64_t after_utc_s,
                             int64_t *at_utc_s);

/* The last instant strictly before `before_utc_s`. */
enum cs_status cs_next_before(const struct cs_expr *expr,
                              const struct cs_zone *zone,
                              int64_t before_utc_s, int64_t *at_utc_s);

/* Is `at_utc_s` one of them? */
bool cs_next_matches(const struct cs_expr *expr, const struct cs_zone *zone,
                     int64_t at_utc_s);

#endif
