/* The headers of a request: Standard Webhooks 1.0 (webhook-id,
 * webhook-timestamp, webhook-signature: v1,<base64 HMAC-SHA-256 of
 * "id.timestamp.body">), plus Cronsched-Scheduled (RFC 3339, UTC),
 * Cronsched-Attempt and, among several machines, Cronsched-Epoch: which term
 * of office of the sender it is.
 *
 * A run's id is "run_" + the first 32 hex digits of SHA-512 of application id,
 * NUL, job name, NUL, scheduled (decimal UTC seconds). It is the webhook-id of
 * the first attempt; that of a further one has "_" and the attempt behind it,
 * so that the signature covers the attempt. With an epoch both follow, that
 * of attempt 1 too. The body is empty.
 */
#ifndef CS_SIGN_H
#define CS_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_SIGN_KEY_SIZE 32
#define CS_RUN_ID_SIZE 37   /* with the NUL */

/* CS_NOMEM. */
enum cs_status cs_sign_run_id(const char *application_id, const char *job,
                              int64_t scheduled_s, char id[CS_RUN_ID_SIZE]);

struct cs_sign_headers {
    char id[88], timestamp[48], signature[88], scheduled[56], attempt[40];
    char epoch[40];
    const char *list[7];   /* "Name: value" into the above, NULL-terminated;
                              without a key: no timestamp and signature */
};

struct cs_sign_request {
    const char *application_id, *job;
    const uint8_t *key;    /* CS_SIGN_KEY_SIZE bytes, or NULL */
    int64_t scheduled_s, now_s;
    int32_t attempt;
    uint64_t epoch;        /* 0 for none; at most INT64_MAX */
};

/* CS_NOMEM; CS_RANGE when `scheduled_s` is outside the years 1 to 9999.
 * `headers` must not move afterwards (`list` points into it). */
enum cs_status cs_sign(const struct cs_sign_request *request,
                       struct cs_sign_headers *headers);

#endif
