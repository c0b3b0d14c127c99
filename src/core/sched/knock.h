/* The knock: an armed process finds the listening sockets among its own
 * descriptors and sends itself a signed request that starts nothing but the
 * scheduler. Whoever answers it serves.
 *
 * One thread of its own, which never touches Python; while it runs nothing
 * else of ours need exist in the process: no lock, no file. It is stopped for
 * a fork as the scheduler's is, and ends at once whatever it waits for. It
 * looks four times a second for ten seconds, then each two; each look that
 * finds an owner of the application id, or that this process has started it,
 * ends there.
 *
 * A knock is POST <address>/- with an empty body, signed by Standard Webhooks
 * 1.0 over "id.timestamp.url": webhook-id is "knock_" + 32 hex digits (a fresh
 * nonce), the URL is in Cronsched-Address. The good answer is 204 with
 *
 *   Cronsched-Knock: <pid> <base64 HMAC-SHA-256 of "answer.id.pid">
 *
 * by the same key, and Cronsched-Outcome: off if it is not to start anything.
 * So TLS need not be verified. Every function is for any
 * thread, unless it says otherwise; those that can wait are called without
 * the GIL.
 */
#ifndef CS_KNOCK_H
#define CS_KNOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_KNOCK_KEY_SIZE 32
#define CS_KNOCK_URL_SIZE 640
#define CS_KNOCK_ADDRESS_SIZE 384   /* a unix socket's path, encoded */

struct cs_knock;

/* Who is looked for. Copied. */
struct cs_knock_spec {
    const char *application_id;
    const uint8_t *key;             /* CS_KNOCK_KEY_SIZE bytes */
    const char *lease_directory;    /* where its owner holds a lock */
    const char *const *paths;       /* to try in turn, "/cronjobs/-"; ASCII,
                                       NULL-terminated, at least one */
    const char *const *headers;     /* "Name: value" besides ours, or NULL */
    const char *const *addresses;   /* to knock at instead of the sockets of
                                       this process; NULL or empty for these */
};

enum cs_knock_kind {
    CS_KNOCK_ASK,        /* a socket listens here: may it be knocked at? */
    CS_KNOCK_REFUSED,    /* an HTTP answer, and not ours */
    CS_KNOCK_SILENT,     /* connected, and no answer in 10 s; still waiting */
    CS_KNOCK_CLOSED,     /* no HTTP, with or without TLS: left alone */
    CS_KNOCK_UNREACHED,  /* nobody accepted a connection for 30 s */
    CS_KNOCK_ANSWERED    /* the first good answer of a door */
};

struct cs_knock_news {
    uint64_t target;
    enum cs_knock_kind kind;
    int status;                      /* of REFUSED */
    char url[CS_KNOCK_URL_SIZE];     /* what was called; "" of ASK */
    char location[192], outcome[24]; /* of REFUSED, or "" */
};

/* `tell` (may be NULL) is called by the thread, with no lock held, when there
 * is news to be taken. CS_NOMEM, and what cs_http_init says. */
enum cs_status cs_knock_new(void (*tell)(void *context), void *context,
                            struct cs_knock **knock, struct cs_error *error);

/* Stops first. In a forked child nothing is freed. NULL is allowed. */
void cs_knock_free(struct cs_knock *knock);

/* CS_NOMEM; CS_RANGE for no path or one that is too long. */
enum cs_status cs_knock_arm(struct cs_knock *knock,
                            const struct cs_knock_spec *spec,
                            uint64_t *target, struct cs_error *error);

/* This process has started it. From now on it knocks only to have somebody
 * stand by: after 5 s, then twice as long each time, until another process
 * has answered. CS_UNKNOWN. */
enum cs_status cs_knock_started(struct cs_knock *knock, uint64_t target);

/* Knock no more. CS_UNKNOWN. */
enum cs_status cs_knock_disarm(struct cs_knock *knock, uint64_t target);

/* Whether sockets may be knocked at; before that they are asked about. */
void cs_knock_permit(struct cs_knock *knock, bool permitted);

/* Start the thread, and end it within about `timeout_ms`, whatever it does;
 * what was in flight is broken off. Both do nothing when there is nothing to
 * do. CS_STATE in a forked child; CS_BUSY when it did not end in time. */
enum cs_status cs_knock_start(struct cs_knock *knock, struct cs_error *error);
enum cs_status cs_knock_stop(struct cs_knock *knock, int32_t timeout_ms);

/* The next piece of news; CS_NONE. What nobody takes is forgotten when there
 * is too much of it, the oldest first. */
enum cs_status cs_knock_take(struct cs_knock *knock,
                             struct cs_knock_news *news);

/* The sockets that listen in this process, TCP before Unix, each once, as
 * this process reaches them: "http://127.0.0.1:8000". Returns how many, at
 * most `most`. */
size_t cs_knock_listening(char (*found)[CS_KNOCK_ADDRESS_SIZE], size_t most);

#endif
