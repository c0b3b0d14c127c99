/* Which days an expression means: its day, month, weekday and year fields
 * put on the calendar. No time of day, no zone. Source: OCPS 1.3 and 1.4;
 * LW and L-3 as in Quartz.
 *
 * Days are counted since 1970-01-01. The local date at the edge of the
 * supported instants may lie in 1969 or 2200: only an expression without a
 * year field matches there.
 */
#ifndef CS_DAYS_H
#define CS_DAYS_H

#include <stdint.h>

#include "core/cron/expr.h"

#define CS_DAYS_NONE INT32_MIN

/* Bit d (1-31) is set if the day fields mean the d-th of that month; month
 * and year fields are not looked at. A day that the month does not have is
 * never set: L-30 or 31W of a short month are no day at all. */
uint32_t cs_days_of_month(const struct cs_expr *expr, int year, int month);

/* The first matching day that is not before `day`, or CS_DAYS_NONE. */
int32_t cs_days_from(const struct cs_expr *expr, int32_t day);

/* The last matching day that is not after `day`, or CS_DAYS_NONE. */
int32_t cs_days_until(const struct cs_expr *expr, int32_t day);

#endif
