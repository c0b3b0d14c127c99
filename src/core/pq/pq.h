/* One statement at a time over a connection to PostgreSQL that a driver in
 * Python has made: it knows how to find the server, to log in and to do TLS.
 * The statement goes through the same libpq as the driver's, which is found
 * among what is loaded; nothing is linked, and no header of libpq is needed
 * (PostgreSQL documentation, "libpq - C Library", 34.4 and 34.13).
 *
 * Of one thread. Meanwhile nobody else uses the connection, or closes it.
 */
#ifndef CS_PQ_H
#define CS_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

struct cs_pq {
    void *library;                 /* Owned. */
    void *connection;              /* Borrowed: a PGconn. */
    const struct cs_pq_calls *calls;   /* Owned. */
    void *result;                  /* Owned: a PGresult, what came first */
};

/* `library` is the file of a module that is loaded and uses libpq, or libpq
 * itself; NULL is the program. From now on the server's notices go nowhere, as
 * the driver would take the GIL for them. CS_UNKNOWN when there is no such
 * libpq; CS_NOMEM. */
enum cs_status cs_pq_open(struct cs_pq *pq, const char *library,
                          void *connection, struct cs_error *error);

/* The connection stays open. Safe twice. */
void cs_pq_close(struct cs_pq *pq);

/* Send a statement with `count` values as texts. CS_SYSTEM when
 * the connection is broken. */
enum cs_status cs_pq_send(struct cs_pq *pq, const char *statement,
                          const char *const *values, int count,
                          struct cs_error *error);

/* CS_OK when the whole answer is there. Else waits for more of it, up to
 * `timeout_ms`: CS_NONE, to be called again, whether more has come or not;
 * CS_SYSTEM when the connection is broken. */
enum cs_status cs_pq_wait(struct cs_pq *pq, int timeout_ms,
                          struct cs_error *error);

/* The answer: one row of `count` columns, as texts (Owned: cs_mem_free), NULL
 * for null. CS_SYSTEM, with what the server says, when it is anything else;
 * CS_NOMEM. The connection is ready for another statement, or broken. */
enum cs_status cs_pq_read(struct cs_pq *pq, char **columns, int count,
                          struct cs_error *error);

#endif
