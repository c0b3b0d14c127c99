/* A time zone that stands in the text of an expression. */
#ifndef CS_EXPR_ZONE_H
#define CS_EXPR_ZONE_H

#include "core/base/status.h"

/* Whether the first word of `text` to `end` is CRON_TZ=... or TZ=..., or its
 * last one names a zone (Area/City, UTC, GMT); then `error` (may be NULL)
 * says so. For a text that is no expression: its status is CS_SYNTAX. */
int cs_expr_zone_hint(const char *text, const char *end,
                      struct cs_error *error);

#endif
