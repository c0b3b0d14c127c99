/* The functions are declared here as libpq's documentation gives them; its
 * ABI has been one, libpq.so.5, since 2006.
 */
#include "core/pq/pq.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/base/mem.h"

#define TUPLES_OK 2            /* ExecStatusType, PGRES_TUPLES_OK */

typedef void notice_receiver(void *context, const void *result);

struct cs_pq_calls {
    int (*send)(void *connection, const char *statement, int count,
                const unsigned int *types, const char *const *values,
                const int *lengths, const int *formats, int result_format);
    int (*flush)(void *connection);
    int (*consume)(void *connection);
    int (*is_busy)(void *connection);
    void *(*get_result)(void *connection);
    int (*status)(const void *result);
    int (*rows)(const void *result);
    int (*columns)(const void *result);
    int (*is_null)(const void *result, int row, int column);
    char *(*value)(const void *result, int row, int column);
    char *(*result_error)(const void *result);
    void (*clear)(void *result);
    int (*socket)(const void *connection);
    char *(*error)(const void *connection);
    notice_receiver *(*on_notice)(void *connection,
                                  notice_receiver *receiver, void *context);
};

/* In the order of the fields. */
static const char *const names[] = {
    "PQsendQueryParams", "PQflush", "PQconsumeInput", "PQisBusy",
    "PQgetResult", "PQresultStatus", "PQntuples", "PQnfields",
    "PQgetisnull", "PQgetvalue", "PQresultErrorMessage", "PQclear",
    "PQsocket", "PQerrorMessage", "PQsetNoticeReceiver",
};
#define CALLS (sizeof(names) / sizeof(*names))
_Static_assert(sizeof(struct cs_pq_calls) == CALLS * sizeof(void *),
               "a name for each function");

static void ignore_notice(void *context, const void *result)
{
    (void)context;
    (void)result;
}

/* A function is a pointer like any other where there is dlsym (POSIX). */
static enum cs_status find_calls(void *library, struct cs_pq_calls *calls)
{
    void *found[CALLS];

    for (size_t i = 0; i < CALLS; i++) {
        found[i] = dlsym(library, names[i]);
        if (!found[i])
            return CS_UNKNOWN;
    }
    memcpy(calls, found, sizeof(found));
    return CS_OK;
}

enum cs_status cs_pq_open(struct cs_pq *pq, const char *library,
                          void *connection, struct cs_error *error)
{
    struct cs_pq_calls *calls = cs_mem_alloc(sizeof(*calls));
    enum cs_status status;
    void *handle;

    *pq = (struct cs_pq){0};
    if (!calls)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    /* What is loaded and nothing else: another libpq knows nothing of the
     * connection. A module's own libraries are looked through with it. */
    handle = dlopen(library, library ? RTLD_LAZY | RTLD_NOLOAD : RTLD_LAZY);
    status = handle ? find_calls(handle, calls) : CS_UNKNOWN;
    if (status != CS_OK) {
        cs_mem_free(calls);
        if (handle)
            (void)dlclose(handle);   /* one reference less */
        return cs_error_set(error, status, "libpq is not found");
    }
    (void)calls->on_notice(connection, ignore_notice, NULL);
    *pq = (struct cs_pq){handle, connection, calls, NULL};
    return CS_OK;
}

static void forget_result(struct cs_pq *pq)
{
    if (pq->result)
        pq->calls->clear(pq->result);
    pq->result = NULL;
}

void cs_pq_close(struct cs_pq *pq)
{
    forget_result(pq);
    if (pq->library)
        (void)dlclose(pq->library);   /* one reference less */
    cs_mem_free((void *)pq->calls);
    *pq = (struct cs_pq){0};
}

/* libpq's messages have several lines, each with its end. */
static enum cs_status fail(struct cs_error *error, const char *message)
{
    int length = (int)strcspn(message, "\n");

    if (!length)
        return cs_error_set(error, CS_SYSTEM, "the connection is lost");
    return cs_error_set(error, CS_SYSTEM, "%.*s", length, message);
}

static enum cs_status broken(const struct cs_pq *pq, struct cs_error *error)
{
    return fail(error, pq->calls->error(pq->connection));
}

enum cs_status cs_pq_send(struct cs_pq *pq, const char *statement,
                          const char *const *values, int count,
                          struct cs_error *error)
{
    if (!pq->calls->send(pq->connection, statement, count, NULL, values, NULL,
                         NULL, 0))
        return broken(pq, error);
    return CS_OK;
}

/* Take what has come, the end of the answer included. False when some of it
 * is still to come: asked for now, it would be waited for. */
static bool collect(struct cs_pq *pq)
{
    void *result;

    while (!pq->calls->is_busy(pq->connection)) {
        result = pq->calls->get_result(pq->connection);
        if (!result)
            return true;
        if (pq->result)
            pq->calls->clear(result);
        else
            pq->result = result;
    }
    return false;
}

/* What is there is taken before it is waited for: of what TLS has read and not
 * given yet, as an answer may end in the middle of its record, no poll tells. */
enum cs_status cs_pq_wait(struct cs_pq *pq, int timeout_ms,
                          struct cs_error *error)
{
    int left = pq->calls->flush(pq->connection);
    struct pollfd waited = {
        .fd = pq->calls->socket(pq->connection),
        .events = (short)(left > 0 ? POLLIN | POLLOUT : POLLIN),
    };

    if (left < 0 || waited.fd < 0 || !pq->calls->consume(pq->connection))
        return broken(pq, error);
    if (left == 0 && collect(pq))
        return CS_OK;
    if (poll(&waited, 1, timeout_ms) < 0 && errno != EINTR)
        return cs_error_system(error, errno, "poll");
    return CS_NONE;
}

static enum cs_status copy_row(const struct cs_pq *pq, const void *result,
                               char **columns, int count,
                               struct cs_error *error)
{
    const struct cs_pq_calls *calls = pq->calls;

    if (calls->status(result) != TUPLES_OK)
        return fail(error, calls->result_error(result));
    if (calls->rows(result) != 1 || calls->columns(result) != count)
        return cs_error_set(error, CS_SYSTEM, "the answer is not one row");
    for (int i = 0; i < count; i++) {
        const char *value = calls->value(result, 0, i);

        if (calls->is_null(result, 0, i))
            continue;
        columns[i] = cs_mem_copy(value, strlen(value));
        if (!columns[i])
            return cs_error_set(error, CS_NOMEM, "out of memory");
    }
    return CS_OK;
}

enum cs_status cs_pq_read(struct cs_pq *pq, char **columns, int count,
                          struct cs_error *error)
{
    enum cs_status status;

    memset(columns, 0, (size_t)count * sizeof(*columns));
    status = pq->result ? copy_row(pq, pq->result, columns, count, error)
                        : broken(pq, error);
    forget_result(pq);
    for (int i = 0; status != CS_OK && i < count; i++) {
        cs_mem_free(columns[i]);
        columns[i] = NULL;
    }
    return status;
}
