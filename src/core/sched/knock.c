/* What other threads may ask of the knock; knock_parts.h says which lock
 * guards what. A forked child has neither the thread nor a lock it could
 * trust: the handler below closes the sockets it inherited, and every entry
 * compares the pid.
 */
#include "core/sched/knock_parts.h"

#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/sched/lease.h"

#define FREE_TIMEOUT_MS 2000
#define CONNECTIONS 4

/* Those of the process; under the fork guard. */
static struct {
    struct cs_knock *first;   /* Borrowed. */
} process;

/* -- fork ----------------------------------------------------------------- */

static void abandon_all(void)
{
    for (struct cs_knock *knock = process.first; knock;
         knock = knock->next_knock)
        cs_http_abandon(knock->http);
    process.first = NULL;
}

static void enlist(struct cs_knock *knock)
{
    cs_fork_enter();
    knock->next_knock = process.first;
    if (knock->next_knock)
        knock->next_knock->previous = knock;
    process.first = knock;
    cs_fork_leave();
}

static void delist(struct cs_knock *knock)
{
    cs_fork_enter();
    if (knock->next_knock)
        knock->next_knock->previous = knock->previous;
    if (knock->previous)
        knock->previous->next_knock = knock->next_knock;
    else if (process.first == knock)
        process.first = knock->next_knock;
    cs_fork_leave();
}

static struct cs_http *change_http(struct cs_knock *knock,
                                   struct cs_http *http)
{
    struct cs_http *old;

    cs_fork_enter();
    old = knock->http;
    knock->http = http;
    cs_fork_leave();
    return old;
}

static bool is_ours(const struct cs_knock *knock)
{
    return knock->pid == getpid();
}

/* -- texts ---------------------------------------------------------------- */

static void free_texts(char **texts)
{
    for (char **at = texts; at && *at; at++)
        cs_mem_free(*at);
    cs_mem_free(texts);
}

/* A copy of a NULL-terminated list; NULL is an empty one. NULL when out of
 * memory. */
static char **copy_texts(const char *const *texts)
{
    size_t count = 0;
    char **copy;

    while (texts && texts[count])
        count++;
    copy = cs_mem_zalloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = cs_mem_copy(texts[i], strlen(texts[i]));
        if (!copy[i]) {
            free_texts(copy);
            return NULL;
        }
    }
    return copy;
}

/* -- targets -------------------------------------------------------------- */

static void free_target(struct cs_knock_target *target)
{
    if (!target)
        return;
    free_texts(target->paths);
    free_texts(target->headers);
    free_texts(target->addresses);
    cs_mem_free(target->application_id);
    cs_mem_free(target->lease_directory);
    cs_mem_free(target);
}

static bool are_paths(const char *const *paths)
{
    if (!paths || !*paths)
        return false;
    for (; *paths; paths++)
        if (**paths != '/' || strlen(*paths) >= CS_KNOCK_URL_SIZE
                                                - CS_KNOCK_ADDRESS_SIZE)
            return false;
    return true;
}

static struct cs_knock_target *make_target(const struct cs_knock_spec *spec)
{
    struct cs_knock_target *target = cs_mem_zalloc(1, sizeof *target);
    const char *id = spec->application_id;

    if (!target)
        return NULL;
    target->application_id = cs_mem_copy(id, strlen(id));
    target->lease_directory = cs_mem_copy(spec->lease_directory,
                                          strlen(spec->lease_directory));
    target->paths = copy_texts(spec->paths);
    target->headers = copy_texts(spec->headers);
    target->addresses = copy_texts(spec->addresses);
    if (!target->application_id || !target->lease_directory || !target->paths
        || !target->headers || !target->addresses
        || cs_lease_position(id, strlen(id), &target->position) != CS_OK) {
        free_target(target);
        return NULL;
    }
    while (target->paths[target->path_count])
        target->path_count++;
    memcpy(target->key, spec->key, sizeof target->key);
    target->armed = cs_clock_system.mono(NULL);
    target->next_look.ns = target->armed.ns + 250 * CS_NS_PER_MS;
    return target;
}

/* Inside the gate: the thread looks again. */
static void wake(struct cs_knock *knock)
{
    struct cs_http *http;

    cs_fork_enter();
    http = knock->http;
    if (http)
        cs_http_wake(http);
    cs_fork_leave();
    cs_gate_signal(&knock->gate);
}

enum cs_status cs_knock_arm(struct cs_knock *knock,
                            const struct cs_knock_spec *spec,
                            uint64_t *id, struct cs_error *error)
{
    struct cs_knock_target *target;

    if (!is_ours(knock))
        return cs_error_set(error, CS_STATE, "made before a fork");
    if (!are_paths(spec->paths))
        return cs_error_set(error, CS_RANGE,
                            "a path to knock at begins with / and has fewer "
                            "than %d bytes",
                            CS_KNOCK_URL_SIZE - CS_KNOCK_ADDRESS_SIZE);
    target = make_target(spec);
    if (!target)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    cs_gate_enter(&knock->gate);
    *id = target->id = ++knock->last_id;
    target->next = knock->targets;
    knock->targets = target;
    wake(knock);
    cs_gate_leave(&knock->gate);
    return CS_OK;
}

/* Inside the gate. */
static struct cs_knock_target *find(struct cs_knock *knock, uint64_t id)
{
    struct cs_knock_target *target = knock->targets;

    while (target && target->id != id)
        target = target->next;
    return target;
}

/* Mark a target as started, or as gone. */
static enum cs_status mark(struct cs_knock *knock, uint64_t id, bool gone)
{
    struct cs_knock_target *target;

    if (!is_ours(knock))
        return CS_STATE;
    cs_gate_enter(&knock->gate);
    target = find(knock, id);
    if (target && gone)
        target->gone = true;
    else if (target)
        target->started = true;
    if (target)
        wake(knock);
    cs_gate_leave(&knock->gate);
    return target ? CS_OK : CS_UNKNOWN;
}

enum cs_status cs_knock_started(struct cs_knock *knock, uint64_t target)
{
    return mark(knock, target, false);
}

enum cs_status cs_knock_disarm(struct cs_knock *knock, uint64_t target)
{
    return mark(knock, target, true);
}

void cs_knock_permit(struct cs_knock *knock, bool permitted)
{
    if (!is_ours(knock))
        return;
    cs_gate_enter(&knock->gate);
    knock->permitted = permitted;
    knock->asked = false;
    if (permitted)
        wake(knock);
    cs_gate_leave(&knock->gate);
}

enum cs_status cs_knock_take(struct cs_knock *knock,
                             struct cs_knock_news *news)
{
    enum cs_status status = CS_NONE;

    if (!is_ours(knock))
        return CS_NONE;
    cs_gate_enter(&knock->gate);
    if (knock->news_count) {
        *news = knock->news[knock->news_first];
        knock->news_first = (knock->news_first + 1) % CS_KNOCK_NEWS;
        knock->news_count--;
        status = CS_OK;
    }
    cs_gate_leave(&knock->gate);
    return status;
}

/* -- the life of the thread ----------------------------------------------- */

static void live(void *context)
{
    struct cs_knock *knock = context;

    cs_knock_run(knock);
    cs_gate_enter(&knock->gate);
    knock->ended = true;
    cs_gate_signal(&knock->gate);
    cs_gate_leave(&knock->gate);
}

/* In `life`: wait until the thread, which was told, has ended. */
static bool await_end(struct cs_knock *knock, int32_t timeout_ms)
{
    int64_t deadline = cs_gate_deadline(timeout_ms);
    bool ended;

    cs_gate_enter(&knock->gate);
    knock->leaving = true;
    wake(knock);
    while (!knock->ended && cs_gate_wait(&knock->gate, deadline))
        ;
    ended = knock->ended;
    cs_gate_leave(&knock->gate);
    return ended;
}

static enum cs_status spawn(struct cs_knock *knock, struct cs_error *error)
{
    struct cs_http *http;
    enum cs_status status = cs_http_new(CONNECTIONS, &http);

    if (status != CS_OK)
        return cs_error_set(error, status, "out of memory");
    (void)change_http(knock, http);   /* there was none */
    cs_gate_enter(&knock->gate);
    knock->leaving = knock->ended = knock->asked = false;
    cs_gate_leave(&knock->gate);
    status = cs_thread_start(&knock->thread, live, knock, error);
    if (status == CS_OK)
        knock->alive = true;
    else
        cs_http_free(change_http(knock, NULL));
    return status;
}

enum cs_status cs_knock_start(struct cs_knock *knock, struct cs_error *error)
{
    enum cs_status status = CS_OK;

    if (!is_ours(knock))
        return cs_error_set(error, CS_STATE, "made before a fork");
    cs_gate_enter(&knock->life);
    if (!knock->alive)
        status = spawn(knock, error);
    cs_gate_leave(&knock->life);
    return status;
}

enum cs_status cs_knock_stop(struct cs_knock *knock, int32_t timeout_ms)
{
    bool ended = true;

    if (!is_ours(knock))
        return CS_OK;
    cs_gate_enter(&knock->life);
    if (knock->alive && (ended = await_end(knock, timeout_ms))) {
        cs_thread_join(&knock->thread);
        knock->alive = false;
        cs_http_free(change_http(knock, NULL));
    }
    cs_gate_leave(&knock->life);
    return ended ? CS_OK : CS_BUSY;
}

/* -- new and free --------------------------------------------------------- */

static enum cs_status init_gates(struct cs_knock *knock)
{
    enum cs_status status = cs_gate_init(&knock->gate);

    if (status != CS_OK)
        return status;
    status = cs_gate_init(&knock->life);
    if (status != CS_OK)
        cs_gate_fini(&knock->gate);
    return status;
}

enum cs_status cs_knock_new(void (*tell)(void *context), void *context,
                            struct cs_knock **made, struct cs_error *error)
{
    enum cs_status status = cs_http_init(error);
    struct cs_knock *knock;

    if (status != CS_OK)
        return status;
    knock = cs_mem_zalloc(1, sizeof *knock);
    if (!knock)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    status = init_gates(knock);
    if (status != CS_OK || (status = cs_fork_watch(abandon_all)) != CS_OK) {
        cs_mem_free(knock);
        return cs_error_set(error, status, "out of memory");
    }
    knock->pid = getpid();
    knock->tell = tell;
    knock->context = context;
    enlist(knock);
    *made = knock;
    return CS_OK;
}

void cs_knock_free(struct cs_knock *knock)
{
    struct cs_knock_target *target;

    if (!knock || !is_ours(knock)
        || cs_knock_stop(knock, FREE_TIMEOUT_MS) != CS_OK)
        return;   /* a thread that hangs still uses it */
    delist(knock);
    while ((target = knock->targets)) {
        knock->targets = target->next;
        free_target(target);
    }
    cs_gate_fini(&knock->life);
    cs_gate_fini(&knock->gate);
    cs_mem_free(knock);
}
