/* What other threads may ask of a scheduler. sched_parts.h says which lock
 * guards what; the thread itself is in loop.c.
 *
 * A forked child has neither the thread nor a lock it could trust. The
 * handler below closes what the child inherited, and every entry compares the
 * pid, so that in a child nothing is ever touched, waited for or freed.
 */
#include "core/sched/sched_parts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/sched/loop.h"

#define PER_PROCESS 32
#define PER_APPLICATION 4
#define EVENTS 8192
#define EVENTS_LEAST 16
#define FREE_TIMEOUT_MS 2000
#define PAUSE_TIMEOUT_MS 2000
#define EXIT_TIMEOUT_MS 10000   /* many TLS handshakes in one poll */
#define EXIT_LOOK_MS 5
#define REVIVE_EVERY_NS CS_NS_PER_S

/* What there is once a process. */
static struct {
    struct cs_sched *first;   /* Borrowed; both under the fork guard. */
    bool exit_watched;
} process;

/* -- fork ----------------------------------------------------------------- */

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);   /* the parent has it open */
    *fd = -1;
}

/* cs_lease_close would free memory, which a forked child should not. */
static void abandon_lease(struct cs_lease *lease)
{
    int i;

    for (i = 0; lease->fd >= 0 && i <= CS_LEASE_FILES; i++)
        close_descriptor(&lease->files[i].fd);
    close_descriptor(&lease->fd);
}

static void abandon(struct cs_sched *sched)
{
    cs_http_abandon(sched->http);
    sched->http = NULL;
    abandon_lease(&sched->owner.lease);
    close_descriptor(&sched->loop.alarm.fd);
}

static void abandon_all(void)
{
    struct cs_sched *sched;

    for (sched = process.first; sched; sched = sched->next)
        abandon(sched);
    process.first = NULL;
}

static void enlist(struct cs_sched *sched)
{
    cs_fork_enter();
    sched->next = process.first;
    if (sched->next)
        sched->next->previous = sched;
    process.first = sched;
    cs_fork_leave();
}

static void delist(struct cs_sched *sched)
{
    cs_fork_enter();
    if (sched->next)
        sched->next->previous = sched->previous;
    if (sched->previous)
        sched->previous->next = sched->next;
    else if (process.first == sched)
        process.first = sched->next;
    cs_fork_leave();
}

/* Ask the thread to end, and wait. False when it has not in time. */
static bool ask_to_end(struct cs_sched *sched, enum cs_leaving leaving,
                       int32_t timeout_ms)
{
    int64_t deadline = cs_gate_deadline(timeout_ms);
    bool ended;

    cs_sched_enter(sched);
    sched->leaving = (uint8_t)leaving;
    sched->interrupted = sched->has_events = true;
    cs_gate_signal(&sched->gate);
    if (leaving == CS_STOPPING && sched->http)
        cs_http_quit(sched->http);
    cs_sched_wake(sched);
    while (!sched->ended && cs_gate_wait(&sched->gate, deadline))
        ;
    ended = sched->ended;
    if (!ended && leaving == CS_PAUSING)
        sched->leaving = CS_STAYING;   /* it will go on as if not asked */
    cs_sched_leave(sched);
    return ended;
}

/* Is there one that was left to its thread, and has not ended? */
static bool has_detached(void)
{
    const struct cs_sched *sched;

    cs_fork_enter();
    sched = process.first;
    while (sched && !sched->detached)
        sched = sched->next;
    cs_fork_leave();
    return sched != NULL;
}

/* The next one behind `after` (NULL: the first) whose thread may be ended. It
 * stays: nobody frees one any more, but a detached thread its own. */
static struct cs_sched *next_alive(const struct cs_sched *after)
{
    struct cs_sched *sched;

    cs_fork_enter();
    sched = after ? after->next : process.first;
    while (sched && (!sched->alive || sched->detached))
        sched = sched->next;
    cs_fork_leave();
    return sched;
}

/* At exit, OpenSSL and others take themselves apart under a thread that still
 * runs. This is registered after they were, so it comes before. */
static void end_at_exit(void)
{
    int64_t deadline = cs_gate_deadline(EXIT_TIMEOUT_MS);
    struct cs_gate gate;   /* to sleep in */
    struct cs_sched *sched;

    for (sched = next_alive(NULL); sched; sched = next_alive(sched))
        (void)ask_to_end(sched, CS_STOPPING, EXIT_TIMEOUT_MS);
    if (cs_gate_init(&gate) != CS_OK)
        return;
    cs_gate_enter(&gate);
    while (has_detached() && cs_gate_deadline(0) < deadline)
        (void)cs_gate_wait(&gate, cs_gate_deadline(EXIT_LOOK_MS));
    cs_gate_leave(&gate);
    cs_gate_fini(&gate);
}

/* Once a process, when libcurl and what it is made of have started. */
static enum cs_status watch_exit(struct cs_error *error)
{
    bool watched;

    cs_fork_enter();
    watched = process.exit_watched || atexit(end_at_exit) == 0;
    process.exit_watched = watched;
    cs_fork_leave();
    return watched ? CS_OK : cs_error_set(error, CS_NOMEM, "out of memory");
}

/* -- new and free --------------------------------------------------------- */

/* A header line. A control character would begin another one. */
static enum cs_status make_user_agent(const char *name, char **line)
{
    static const char header[] = "User-Agent: ";
    size_t size = strlen(name) + sizeof(header);
    const char *at;

    for (at = name; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return CS_SYNTAX;
    *line = cs_mem_alloc(size);
    if (!*line)
        return CS_NOMEM;
    (void)snprintf(*line, size, "%s%s", header, name);   /* it fits */
    return CS_OK;
}

/* Release everything. Nobody uses it any more. */
static void destroy(struct cs_sched *sched)
{
    struct cs_event event;

    delist(sched);
    cs_agenda_free(sched->agenda);
    while (sched->ring.items && cs_ring_pop(&sched->ring, &event) == CS_OK)
        cs_event_fini(&event);
    cs_ring_fini(&sched->ring);
    cs_owner_fini(&sched->owner);
    cs_mem_free(sched->user_agent);
    cs_gate_fini(&sched->life);
    cs_gate_fini(&sched->gate);
    cs_mem_free(sched);
}

static enum cs_status fill(struct cs_sched *sched,
                           const struct cs_sched_options *options)
{
    size_t events = !options->events ? EVENTS
                    : options->events < EVENTS_LEAST ? EVENTS_LEAST
                    : options->events;
    enum cs_status status = cs_owner_init(
        &sched->owner, options->manual ? NULL : options->lease_directory);

    if (status == CS_OK)
        status = make_user_agent(options->user_agent ? options->user_agent
                                                     : "cronsched",
                                 &sched->user_agent);
    if (status == CS_OK)
        status = cs_ring_init(&sched->ring, sizeof(struct cs_event), events);
    if (status == CS_OK)
        status = cs_agenda_new(&sched->limits, cs_sched_emit, sched,
                               &sched->agenda);
    return status;
}

/* Both gates, or none. */
static enum cs_status init_gates(struct cs_sched *sched)
{
    if (cs_gate_init(&sched->gate) != CS_OK)
        return CS_NOMEM;
    if (cs_gate_init(&sched->life) == CS_OK)
        return CS_OK;
    cs_gate_fini(&sched->gate);
    return CS_NOMEM;
}

static void set_options(struct cs_sched *sched,
                        const struct cs_sched_options *options)
{
    sched->pid = getpid();
    sched->manual = options->manual;
    sched->limits = options->limits;
    if (!sched->limits.per_process)
        sched->limits.per_process = PER_PROCESS;
    if (!sched->limits.per_application)
        sched->limits.per_application = PER_APPLICATION;
    sched->manual_clock.wall = options->manual_wall;
    sched->clock = options->manual ? cs_clock_of_manual(&sched->manual_clock)
                                   : cs_clock_system;
    sched->owner.lease.fd = sched->loop.alarm.fd = -1;
    sched->revive_at.ns = INT64_MAX;
}

enum cs_status cs_sched_new(const struct cs_sched_options *options,
                            struct cs_sched **made, struct cs_error *error)
{
    struct cs_sched *sched = cs_mem_zalloc(1, sizeof(*sched));
    enum cs_status status;

    if (!sched || cs_fork_watch(abandon_all) != CS_OK
        || init_gates(sched) != CS_OK) {
        cs_mem_free(sched);
        return cs_error_set(error, CS_NOMEM, "out of memory");
    }
    set_options(sched, options);
    status = fill(sched, options);
    if (status == CS_OK)
        enlist(sched);   /* whole, for a child may be forked any time */
    else {
        destroy(sched);
        return cs_error_set(error, status, "%s", status == CS_RANGE
                            ? "too many events to keep"
                            : status == CS_SYNTAX
                            ? "a user agent with a control character"
                            : "out of memory");
    }
    *made = sched;
    return CS_OK;
}

/* Detach the thread: no caller waits for it any more; it frees everything at
 * its end. False when it has ended before. */
static bool leave_to_thread(struct cs_sched *sched)
{
    bool left;

    cs_sched_enter(sched);
    left = sched->alive && !sched->ended;
    sched->detached = left;
    if (left)
        cs_thread_detach(&sched->thread);
    cs_sched_leave(sched);
    return left;
}

void cs_sched_free(struct cs_sched *sched)
{
    if (!sched)
        return;
    if (!cs_sched_is_ours(sched)) {
        abandon(sched);   /* its memory was caught in the middle of a change */
        return;
    }
    if (cs_sched_stop(sched, FREE_TIMEOUT_MS) != CS_OK
        && leave_to_thread(sched))
        return;
    if (sched->alive)
        cs_thread_join(&sched->thread);
    destroy(sched);
}

/* -- the life of the thread ----------------------------------------------- */

/* The loop has ended: is the thread really to end? A pause that took too long
 * was given up in the meantime. */
static bool is_over(struct cs_sched *sched)
{
    bool is_stop, is_pause;

    cs_sched_enter(sched);
    is_stop = sched->leaving == CS_STOPPING;
    is_pause = sched->leaving == CS_PAUSING;
    sched->ended = is_pause;
    cs_sched_leave(sched);
    if (is_stop)
        cs_loop_close(sched);
    return is_stop || is_pause;
}

static void live(void *context)
{
    struct cs_sched *sched = context;
    bool detached;

    do
        cs_loop_run(sched);
    while (!is_over(sched));
    cs_sched_enter(sched);
    sched->ended = sched->has_events = true;
    detached = sched->detached;
    cs_sched_leave(sched);
    if (detached)
        destroy(sched);
}

/* In `life`. */
static enum cs_status spawn(struct cs_sched *sched, struct cs_error *error)
{
    enum cs_status status;

    cs_sched_enter(sched);
    sched->leaving = CS_STAYING;
    sched->ended = sched->woken = false;
    sched->last_read = cs_sched_mono(sched);
    cs_sched_leave(sched);
    status = cs_thread_start(&sched->thread, live, sched, error);
    sched->alive = status == CS_OK;
    return status;
}

/* In `life`: end the thread. False when it has not ended in time. */
static bool end_thread(struct cs_sched *sched, enum cs_leaving leaving,
                       int32_t timeout_ms)
{
    if (!sched->alive)
        return true;
    if (!ask_to_end(sched, leaving, timeout_ms))
        return false;
    cs_thread_join(&sched->thread);
    sched->alive = false;
    return true;
}

static void set_revival(struct cs_sched *sched, int64_t at_ns)
{
    cs_sched_enter(sched);
    sched->revive_at.ns = at_ns;
    cs_sched_leave(sched);
}

static enum cs_status start(struct cs_sched *sched, struct cs_error *error)
{
    enum cs_status status;

    if (sched->state != CS_STOPPED)
        return CS_OK;
    if (!end_thread(sched, CS_STOPPING, 0))
        return cs_error_set(error, CS_BUSY, "the last thread has not ended");
    status = cs_http_init(error);
    if (status == CS_OK)
        status = watch_exit(error);
    if (status == CS_OK)
        status = cs_loop_open(sched, error);
    if (status != CS_OK)
        return status;
    status = spawn(sched, error);
    if (status == CS_OK) {
        sched->state = CS_RUNNING;
        set_revival(sched, INT64_MAX);
    } else
        cs_loop_close(sched);
    return status;
}

/* In `life`: the pause is over. Where no thread can be started the leases go
 * back, for others to have them, and it is tried again as if stopped. */
static void go_on(struct cs_sched *sched)
{
    struct cs_error error;

    if (spawn(sched, &error) == CS_OK) {
        sched->state = CS_RUNNING;
        return;
    }
    cs_loop_close(sched);
    sched->state = CS_STOPPED;
    set_revival(sched, cs_sched_mono(sched).ns + REVIVE_EVERY_NS);
    cs_sched_enter(sched);
    cs_sched_fault(sched, error.text);
    cs_sched_leave(sched);
}

void cs_sched_revive(struct cs_sched *sched)
{
    struct cs_error error;

    cs_gate_enter(&sched->life);
    if (sched->state == CS_STOPPED && sched->pauses == 0
        && start(sched, &error) != CS_OK)
        set_revival(sched, cs_sched_mono(sched).ns + REVIVE_EVERY_NS);
    cs_gate_leave(&sched->life);
}

enum cs_status cs_sched_start(struct cs_sched *sched, struct cs_error *error)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return cs_sched_refuse(error);
    if (sched->manual)
        return cs_error_set(error, CS_STATE,
                            "a manual scheduler has no thread");
    cs_gate_enter(&sched->life);
    status = start(sched, error);
    cs_gate_leave(&sched->life);
    return status;
}

enum cs_status cs_sched_stop(struct cs_sched *sched, int32_t timeout_ms)
{
    bool ended;

    if (!cs_sched_is_ours(sched) || sched->manual)
        return CS_OK;
    cs_gate_enter(&sched->life);
    ended = end_thread(sched, CS_STOPPING, timeout_ms);
    if (sched->state == CS_PAUSED)
        cs_loop_close(sched);
    sched->state = CS_STOPPED;
    set_revival(sched, INT64_MAX);
    cs_gate_leave(&sched->life);
    return ended ? CS_OK : CS_BUSY;
}

void cs_sched_pause(struct cs_sched *sched)
{
    if (!cs_sched_is_ours(sched) || sched->manual)
        return;
    cs_gate_enter(&sched->life);
    sched->pauses++;
    if (sched->state == CS_RUNNING
        && end_thread(sched, CS_PAUSING, PAUSE_TIMEOUT_MS))
        sched->state = CS_PAUSED;
    cs_gate_leave(&sched->life);
}

void cs_sched_resume(struct cs_sched *sched)
{
    if (!cs_sched_is_ours(sched) || sched->manual)
        return;
    cs_gate_enter(&sched->life);
    if (sched->pauses > 0)
        sched->pauses--;
    if (sched->state == CS_PAUSED && sched->pauses == 0)
        go_on(sched);
    cs_gate_leave(&sched->life);
}
