/* Many requests at once: libcurl's multi interface behind submit, poll and
 * reap. The only file that knows curl. Everything but cs_http_wake belongs to
 * one thread.
 *
 * Each request: no proxy, http and https only, no redirects, no netrc, no
 * cookies, connect and total timeout, no signals; of the answer the first KiB
 * is kept, up to 64 KiB are read and dropped, then the transfer is ended (the
 * answer's status counts).
 *
 * The thread that uses this room, or frees it, has SIGPIPE blocked or the
 * process ignores it: libcurl is told to touch no signal.
 */
#ifndef CS_HTTP_H
#define CS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/status.h"

#define CS_HTTP_BODY_KEPT 1024
#define CS_HTTP_BODY_READ (64 * 1024)

struct cs_http;

/* What to send. Borrowed during cs_http_submit only, but for `tag`. */
struct cs_http_request {
    const char *url;            /* http://, https:// or http+unix://%2Frun%2F
                                   app.sock/path (socket path percent-encoded
                                   as the host) */
    const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
    bool post;                  /* POST with an empty body, else GET */
    bool unverified;            /* https, whoever's certificate it is: the
                                   answer proves itself otherwise */
    bool reuse;                 /* a kept connection may be used; libcurl may
                                   then send the request twice */
    int32_t timeout_ms;         /* total; > 0 */
    int32_t connect_timeout_ms; /* > 0 */
    void *tag;                  /* comes back in the answer */
};

enum cs_http_error {
    CS_HTTP_DONE,          /* an answer came; look at `status` */
    CS_HTTP_TIMED_OUT,     /* after sending */
    CS_HTTP_NOT_CONNECTED, /* refused, unresolved, TLS, or no connection in
                              time: nothing was sent */
    CS_HTTP_BROKEN         /* the connection ended without a whole answer */
};

struct cs_http_answer {
    void *tag;
    enum cs_http_error error;
    int status;                /* HTTP status, or 0 if none arrived */
    int32_t retry_after_s;     /* Retry-After in seconds (RFC 9110 section
                                  10.2.3; a date is made relative to now by
                                  the wall clock), or -1 */
    char outcome[24];          /* Cronsched-Outcome of the answer, or "" */
    char knock[96];            /* Cronsched-Knock of the answer, or "" */
    char location[192];        /* Location of the answer, or "" */
    int64_t took_ns;           /* from submit to end */
    size_t body_size;          /* bytes kept */
    char body[CS_HTTP_BODY_KEPT];
    char reason[256];          /* why error is not DONE, for people; "" else */
};

/* Before any other call, from any thread, as often as one likes. CS_SYSTEM
 * when the libcurl found at run time cannot serve (older than 7.68, no
 * threads). */
enum cs_status cs_http_init(struct cs_error *error);

/* What was loaded, for a person to read: "libcurl/8.14.1 OpenSSL/3.5.7". Any
 * time and thread: the same bytes in libcurl's own memory. */
const char *cs_http_libraries(void);

/* `connections` is how many requests the caller will have in flight, and
 * bounds the connections kept for reuse. More requests than that are sent
 * too, at once: none ever waits in here for another. CS_NOMEM. */
enum cs_status cs_http_new(size_t connections, struct cs_http **http);

/* Ends what is in flight without an answer. NULL is allowed. */
void cs_http_free(struct cs_http *http);

/* After a fork, in the child: forget `http`. Its sockets are closed, which
 * the other side does not notice while the parent lives; libcurl's handles,
 * which are not fork-safe, are not touched, but leaked on purpose.
 * Async-signal-safe. NULL is allowed. */
void cs_http_abandon(struct cs_http *http);

/* CS_OK, CS_NOMEM, CS_SYNTAX for a URL that libcurl cannot read. Sends
 * nothing yet: the next poll does. Never waits. */
enum cs_status cs_http_submit(struct cs_http *http,
                              const struct cs_http_request *request,
                              struct cs_error *error);

/* End a request that was submitted with `tag`, without an answer (also one
 * whose answer was not reaped yet). CS_UNKNOWN if there is none. */
enum cs_status cs_http_cancel(struct cs_http *http, const void *tag);

/* The one sleep: until something happens on a connection, `extra_fd` (or -1)
 * is readable, cs_http_wake is called, or `timeout_ms` is over; not at all
 * while an answer waits to be reaped. Moves the transfers on. CS_NOMEM,
 * CS_SYSTEM: it may not have slept, so the caller must. */
enum cs_status cs_http_poll(struct cs_http *http, int extra_fd,
                            int timeout_ms);

/* Any thread: end the current or the next poll at once. */
void cs_http_wake(struct cs_http *http);

/* Any thread: open no more connections; what is to be sent fails. So that a
 * poll which is busy with many of them comes to an end. */
void cs_http_quit(struct cs_http *http);

/* The next answer that is ready; CS_NONE when there is none. */
enum cs_status cs_http_reap(struct cs_http *http,
                            struct cs_http_answer *answer);

/* Requests in flight. */
size_t cs_http_count(const struct cs_http *http);

#endif
