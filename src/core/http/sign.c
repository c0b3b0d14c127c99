/* Source: Standard Webhooks 1.0, "Webhook metadata" and "Signature scheme".
 * The body is empty, so what is signed is "id.timestamp." Texts are put
 * together by hand: it happens for each request, at the moment it is due.
 */
#include "core/http/sign.h"

#include <string.h>

#include "core/zone/civil.h"
#include "core/base/digest.h"
#include "core/base/mem.h"

#define MESSAGE_ID_SIZE (CS_RUN_ID_SIZE + 2 * (1 + NUMBER_SIZE))
#define NUMBER_SIZE 21      /* the longest int64_t, with its sign and a NUL */
#define NAMES_ON_STACK 256
#define RUN_ID_DIGITS 32
#define FIRST_SECOND INT64_C(-62135596800)   /* 0001-01-01T00:00:00Z */
#define LAST_SECOND INT64_C(253402300799)    /* 9999-12-31T23:59:59Z */

/* Both put what they name, and a NUL, at `at`; they return where the NUL
 * is. A number has at least `width` digits. */
static char *put_text(char *at, const char *text)
{
    size_t size = strlen(text);

    memcpy(at, text, size + 1);
    return at + size;
}

static char *put_number(char *at, int64_t value, int width)
{
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char digits[NUMBER_SIZE], *first = digits + sizeof(digits) - 1;

    *first = '\0';
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 || digits + sizeof(digits) - 1 - first < width);
    if (value < 0)
        *--first = '-';
    return put_text(at, first);
}

static char *put_time(char *at, int64_t at_utc_s)
{
    int32_t second;
    struct cs_date date = cs_civil_date(cs_civil_split(at_utc_s, &second));

    at = put_text(put_number(at, date.year, 4), "-");
    at = put_text(put_number(at, date.month, 2), "-");
    at = put_text(put_number(at, date.day, 2), "T");
    at = put_text(put_number(at, second / 3600, 2), ":");
    at = put_text(put_number(at, second / 60 % 60, 2), ":");
    return put_text(put_number(at, second % 60, 2), "Z");
}

static void put_run_id(const uint8_t *digest, char id[CS_RUN_ID_SIZE])
{
    char *at = put_text(id, "run_");
    int i;

    for (i = 0; i < RUN_ID_DIGITS; i++)
        *at++ = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    *at = '\0';
}

enum cs_status cs_sign_run_id(const char *application_id, const char *job,
                              int64_t scheduled_s, char id[CS_RUN_ID_SIZE])
{
    size_t size = strlen(application_id) + strlen(job) + 2 + NUMBER_SIZE;
    char on_stack[NAMES_ON_STACK], *names = on_stack, *end;
    char *block = NULL;   /* Owned. */
    uint8_t digest[CS_SHA512_SIZE];
    enum cs_status status;

    if (size > sizeof(on_stack)) {
        block = cs_mem_alloc(size);
        if (!block)
            return CS_NOMEM;
        names = block;
    }
    end = put_text(names, application_id) + 1;   /* the NUL between */
    end = put_text(end, job) + 1;
    end = put_number(end, scheduled_s, 1);
    status = cs_digest_sha512(names, (size_t)(end - names), digest);
    if (status == CS_OK)
        put_run_id(digest, id);
    cs_mem_free(block);
    return status;
}

/* The headers that need a key: `id` is the message's. */
static enum cs_status put_signature(const struct cs_sign_request *request,
                                    const char *id,
                                    struct cs_sign_headers *headers)
{
    char content[MESSAGE_ID_SIZE + 1 + NUMBER_SIZE], *end;
    uint8_t mac[CS_HMAC_SIZE];
    enum cs_status status;

    end = put_text(put_text(content, id), ".");
    end = put_text(put_number(end, request->now_s, 1), ".");
    status = cs_digest_hmac_sha256(request->key, CS_SIGN_KEY_SIZE, content,
                                   (size_t)(end - content), mac);
    if (status != CS_OK)
        return status;
    (void)put_number(put_text(headers->timestamp, "webhook-timestamp: "),
                     request->now_s, 1);
    cs_digest_base64(mac, sizeof(mac),
                     put_text(headers->signature, "webhook-signature: v1,"));
    return CS_OK;
}

/* Behind the run's id: which attempt, of whom. */
static void put_attempt(char *at, const struct cs_sign_request *request)
{
    if (request->attempt > 1 || request->epoch)
        at = put_number(put_text(at, "_"), request->attempt, 1);
    if (request->epoch)
        (void)put_number(put_text(at, "_"), (int64_t)request->epoch, 1);
}

static void list_headers(struct cs_sign_headers *headers,
                         const struct cs_sign_request *request)
{
    const char **list = headers->list;

    *list++ = headers->id;
    *list++ = headers->scheduled;
    *list++ = headers->attempt;
    if (request->epoch)
        *list++ = headers->epoch;
    if (request->key) {
        *list++ = headers->timestamp;
        *list++ = headers->signature;
    }
    *list = NULL;
}

enum cs_status cs_sign(const struct cs_sign_request *request,
                       struct cs_sign_headers *headers)
{
    enum cs_status status;
    char *id;

    if (request->scheduled_s < FIRST_SECOND
        || request->scheduled_s > LAST_SECOND)
        return CS_RANGE;
    id = put_text(headers->id, "webhook-id: ");
    status = cs_sign_run_id(request->application_id, request->job,
                            request->scheduled_s, id);
    if (status == CS_OK)
        put_attempt(id + CS_RUN_ID_SIZE - 1, request);
    if (status == CS_OK && request->key)
        status = put_signature(request, id, headers);
    if (status != CS_OK)
        return status;
    (void)put_time(put_text(headers->scheduled, "Cronsched-Scheduled: "),
                   request->scheduled_s);
    (void)put_number(put_text(headers->attempt, "Cronsched-Attempt: "),
                     request->attempt, 1);
    (void)put_number(put_text(headers->epoch, "Cronsched-Epoch: "),
                     (int64_t)request->epoch, 1);
    list_headers(headers, request);
    return CS_OK;
}
