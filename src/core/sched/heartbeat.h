/* Heartbeats: a thread that says again and again, to the database that the
 * machines share, that this process lives, and so for how long it may fire.
 *
 * It needs no GIL: neither busy threads nor a long call of C make the other
 * machines take this process for dead. What the answers say is Python's to
 * read, when it can; one that has read nothing for `silence` is taken for hung,
 * and no more is sent until it reads.
 *
 * Every function is for any thread, without the GIL.
 */
#ifndef CS_HEARTBEAT_H
#define CS_HEARTBEAT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/status.h"

struct cs_heartbeat;

struct cs_heartbeat_options {
    int64_t period_ns;      /* from one to the next */
    int64_t hold_ns;        /* for how long one is good, from when it is sent */
    int64_t patience_ns;    /* unanswered for so long: broken */
    int64_t silence_ns;
    /* Called by the thread, with no lock held: all that was granted is good
     * until then. */
    void (*valid)(void *context, struct cs_mono until);
    void *context;          /* Borrowed. */
};

/* CS_NOMEM. */
enum cs_status cs_heartbeat_new(const struct cs_heartbeat_options *options,
                                struct cs_heartbeat **heartbeat,
                                struct cs_error *error);

/* Stops first. In a forked child nothing is freed. NULL is allowed. */
void cs_heartbeat_free(struct cs_heartbeat *heartbeat);

/* Beat over a connection, see pq.h: it is nobody else's until stop has
 * returned. `statement` takes the `count` values and gives one row of two
 * columns: "t" where what was granted is good, "f" where it is not now, null
 * to beat no more; and a text, for who takes it. All is copied. CS_STATE when
 * it has a connection, and in a forked child; CS_UNKNOWN for a connection that
 * cannot be used so; CS_NOMEM, CS_SYSTEM. */
enum cs_status cs_heartbeat_start(struct cs_heartbeat *heartbeat,
                                  const char *library, void *connection,
                                  const char *statement,
                                  const char *const *values, size_t count,
                                  struct cs_error *error);

/* Other values from the next beat on. CS_STATE without a connection, CS_RANGE
 * if they are not as many, CS_NOMEM. */
enum cs_status cs_heartbeat_values(struct cs_heartbeat *heartbeat,
                                   const char *const *values, size_t count);

/* The thread has ended, and the connection is forgotten: a statement may be
 * under way in it. Who takes gets nothing. Idempotent. */
void cs_heartbeat_stop(struct cs_heartbeat *heartbeat);

/* For a fork: the thread ends, and whoever takes gets nothing, until it is
 * resumed and goes on where it was; start only begins then. Where the system
 * refuses a new thread, what is taken next says so. */
void cs_heartbeat_pause(struct cs_heartbeat *heartbeat);
void cs_heartbeat_resume(struct cs_heartbeat *heartbeat);

struct cs_heartbeat_answer {
    struct cs_mono began, ended;
    struct cs_wall sent;    /* when it began, by the wall clock */
    char *text;             /* Owned: cs_mem_free. NULL for null */
};

/* The newest answer, once; waits up to `timeout_ms` for one. CS_NONE when
 * there is none, when it is paused or has no connection; CS_SYSTEM when the
 * connection is broken, with what is known of it: stop, and start anew. */
enum cs_status cs_heartbeat_take(struct cs_heartbeat *heartbeat,
                                 int32_t timeout_ms,
                                 struct cs_heartbeat_answer *answer,
                                 struct cs_error *error);

#endif
