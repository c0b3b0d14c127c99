/* Two locks: `control` is held by who starts and ends the thread, also while
 * it is joined; `gate`, for a few lines, by whoever touches what is marked so.
 * The connection is the thread's while there is one.
 */
#include "core/sched/heartbeat.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/thread.h"
#include "core/pq/pq.h"

#define SLICE_MS 50            /* until it looks whether it is to end */
#define COLUMNS 2

struct cs_heartbeat {
    struct cs_heartbeat_options options;
    pid_t pid;                 /* of the process that has it */
    struct cs_gate control, gate;
    struct cs_thread thread;
    bool running;              /* the thread is to be joined; under control */

    /* Of the thread; of who has control while there is none. */
    struct cs_pq pq;
    char *statement;           /* Owned. */
    size_t count;
    bool sent;                 /* and not answered */
    struct cs_mono began, next;
    struct cs_wall wall;

    /* Under the gate. */
    bool connected, paused, ending;
    bool resigned;             /* it is to beat no more */
    char **values;             /* Owned, and each. */
    struct cs_mono taken;      /* when somebody last came */
    struct cs_heartbeat_answer answer;
    bool fresh;                /* that one was not taken */
    struct cs_error error;     /* of a broken connection; else CS_OK */
};

static struct cs_mono now_of(void)
{
    return cs_clock_system.mono(cs_clock_system.context);
}

static bool is_ours(const struct cs_heartbeat *heartbeat)
{
    return heartbeat->pid == getpid();
}

/* -- the thread ------------------------------------------------------------ */

static bool is_over(const struct cs_heartbeat *heartbeat)
{
    return heartbeat->ending || heartbeat->resigned
           || heartbeat->error.status != CS_OK;
}

/* Inside the gate, as that has the values. */
static void send_beat(struct cs_heartbeat *heartbeat, struct cs_mono now)
{
    heartbeat->began = now;
    heartbeat->wall = cs_clock_system.wall(cs_clock_system.context);
    heartbeat->sent = cs_pq_send(&heartbeat->pq, heartbeat->statement,
                                 (const char *const *)heartbeat->values,
                                 (int)heartbeat->count,
                                 &heartbeat->error) == CS_OK;
    cs_gate_signal(&heartbeat->gate);   /* who takes is told of an error */
}

/* Inside the gate: wait until the next beat is due, or send it. */
static void rest(struct cs_heartbeat *heartbeat)
{
    struct cs_mono now = now_of();
    int64_t wait_ns = heartbeat->next.ns - now.ns;

    if (now.ns - heartbeat->taken.ns > heartbeat->options.silence_ns)
        wait_ns = CS_NS_PER_S;   /* or until somebody comes */
    if (wait_ns > 0)
        cs_gate_wait(&heartbeat->gate,
                     cs_gate_deadline((int32_t)(wait_ns / CS_NS_PER_MS + 1)));
    else
        send_beat(heartbeat, now);
}

/* Outside the gate: CS_NONE while there is no answer. */
static enum cs_status wait_for(struct cs_heartbeat *heartbeat, char **columns,
                               struct cs_error *error)
{
    enum cs_status status = cs_pq_wait(&heartbeat->pq, SLICE_MS, error);

    if (status == CS_OK)
        return cs_pq_read(&heartbeat->pq, columns, COLUMNS, error);
    if (status == CS_NONE
        && now_of().ns - heartbeat->began.ns > heartbeat->options.patience_ns)
        status = cs_error_set(error, CS_SYSTEM, "the server does not answer");
    return status;
}

static void keep_answer(struct cs_heartbeat *heartbeat, char *text)
{
    struct cs_mono now = now_of();

    cs_mem_free(heartbeat->answer.text);
    heartbeat->answer = (struct cs_heartbeat_answer){
        heartbeat->began, now, heartbeat->wall, text};
    heartbeat->fresh = true;
    heartbeat->sent = false;
    heartbeat->next.ns = heartbeat->began.ns + heartbeat->options.period_ns;
}

/* Inside the gate, which it leaves meanwhile. */
static void hear(struct cs_heartbeat *heartbeat)
{
    char *columns[COLUMNS] = {NULL};
    struct cs_error error = {0};
    enum cs_status status;

    cs_gate_leave(&heartbeat->gate);
    status = wait_for(heartbeat, columns, &error);
    if (columns[0] && strcmp(columns[0], "t") == 0)
        heartbeat->options.valid(
            heartbeat->options.context,
            (struct cs_mono){heartbeat->began.ns
                             + heartbeat->options.hold_ns});
    cs_gate_enter(&heartbeat->gate);
    if (status == CS_OK) {
        keep_answer(heartbeat, columns[1]);
        heartbeat->resigned = !columns[0];
        cs_mem_free(columns[0]);
    } else if (status != CS_NONE) {
        heartbeat->error = error;
    }
    if (status != CS_NONE)
        cs_gate_signal(&heartbeat->gate);
}

static void beat(void *context)
{
    struct cs_heartbeat *heartbeat = context;

    cs_gate_enter(&heartbeat->gate);
    while (!is_over(heartbeat)) {
        if (heartbeat->sent)
            hear(heartbeat);
        else
            rest(heartbeat);
    }
    cs_gate_leave(&heartbeat->gate);
}

/* Under control. */
static enum cs_status begin(struct cs_heartbeat *heartbeat,
                            struct cs_error *error)
{
    enum cs_status status;

    cs_gate_enter(&heartbeat->gate);
    heartbeat->ending = false;
    heartbeat->taken = now_of();
    cs_gate_leave(&heartbeat->gate);
    status = cs_thread_start(&heartbeat->thread, beat, heartbeat, error);
    heartbeat->running = status == CS_OK;
    return status;
}

/* Under control. */
static void end(struct cs_heartbeat *heartbeat)
{
    cs_gate_enter(&heartbeat->gate);
    heartbeat->ending = true;
    cs_gate_signal(&heartbeat->gate);
    cs_gate_leave(&heartbeat->gate);
    if (heartbeat->running)
        cs_thread_join(&heartbeat->thread);
    heartbeat->running = false;
}

/* -- what it beats over ---------------------------------------------------- */

static void free_values(char **values, size_t count)
{
    for (size_t i = 0; values && i < count; i++)
        cs_mem_free(values[i]);
    cs_mem_free(values);
}

static char **copy_values(const char *const *values, size_t count)
{
    char **copies = cs_mem_zalloc(count + 1, sizeof(*copies));

    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = cs_mem_copy(values[i], strlen(values[i]));
        if (!copies[i]) {
            free_values(copies, count);
            return NULL;
        }
    }
    return copies;
}

/* There is no thread. */
static void disconnect(struct cs_heartbeat *heartbeat)
{
    cs_pq_close(&heartbeat->pq);
    cs_mem_free(heartbeat->statement);
    cs_gate_enter(&heartbeat->gate);
    free_values(heartbeat->values, heartbeat->count);
    cs_mem_free(heartbeat->answer.text);
    heartbeat->statement = NULL;
    heartbeat->values = NULL;
    heartbeat->answer.text = NULL;
    heartbeat->connected = heartbeat->fresh = heartbeat->resigned = false;
    heartbeat->error.status = CS_OK;
    cs_gate_signal(&heartbeat->gate);
    cs_gate_leave(&heartbeat->gate);
}

/* There is no thread, and no connection yet. */
static enum cs_status connect(struct cs_heartbeat *heartbeat,
                              const char *library, void *connection,
                              const char *statement,
                              const char *const *values, size_t count,
                              struct cs_error *error)
{
    enum cs_status status = cs_pq_open(&heartbeat->pq, library, connection,
                                       error);

    if (status != CS_OK)
        return status;
    heartbeat->statement = cs_mem_copy(statement, strlen(statement));
    heartbeat->values = copy_values(values, count);
    heartbeat->count = count;
    if (!heartbeat->statement || !heartbeat->values)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    heartbeat->sent = false;
    heartbeat->next = now_of();
    cs_gate_enter(&heartbeat->gate);
    heartbeat->connected = true;
    cs_gate_leave(&heartbeat->gate);
    return CS_OK;
}

enum cs_status cs_heartbeat_start(struct cs_heartbeat *heartbeat,
                                  const char *library, void *connection,
                                  const char *statement,
                                  const char *const *values, size_t count,
                                  struct cs_error *error)
{
    enum cs_status status;

    if (!is_ours(heartbeat))
        return cs_error_set(error, CS_STATE, "it is the parent's");
    cs_gate_enter(&heartbeat->control);
    if (heartbeat->connected) {
        status = cs_error_set(error, CS_STATE, "it beats already");
    } else {
        status = connect(heartbeat, library, connection, statement, values,
                         count, error);
        if (status == CS_OK && !heartbeat->paused)
            status = begin(heartbeat, error);
        if (status != CS_OK)
            disconnect(heartbeat);
    }
    cs_gate_leave(&heartbeat->control);
    return status;
}

/* Under control. */
static enum cs_status change_values(struct cs_heartbeat *heartbeat,
                                    const char *const *values, size_t count)
{
    char **copies;

    if (!heartbeat->connected)
        return CS_STATE;
    if (count != heartbeat->count)
        return CS_RANGE;
    copies = copy_values(values, count);
    if (!copies)
        return CS_NOMEM;
    cs_gate_enter(&heartbeat->gate);
    free_values(heartbeat->values, count);
    heartbeat->values = copies;
    cs_gate_leave(&heartbeat->gate);
    return CS_OK;
}

enum cs_status cs_heartbeat_values(struct cs_heartbeat *heartbeat,
                                   const char *const *values, size_t count)
{
    enum cs_status status;

    if (!is_ours(heartbeat))
        return CS_STATE;
    cs_gate_enter(&heartbeat->control);
    status = change_values(heartbeat, values, count);
    cs_gate_leave(&heartbeat->control);
    return status;
}

void cs_heartbeat_stop(struct cs_heartbeat *heartbeat)
{
    if (!is_ours(heartbeat))
        return;
    cs_gate_enter(&heartbeat->control);
    end(heartbeat);
    disconnect(heartbeat);
    cs_gate_leave(&heartbeat->control);
}

/* -- over a fork ----------------------------------------------------------- */

void cs_heartbeat_pause(struct cs_heartbeat *heartbeat)
{
    if (!is_ours(heartbeat))
        return;
    cs_gate_enter(&heartbeat->control);
    cs_gate_enter(&heartbeat->gate);
    heartbeat->paused = true;
    cs_gate_leave(&heartbeat->gate);
    end(heartbeat);
    cs_gate_leave(&heartbeat->control);
}

void cs_heartbeat_resume(struct cs_heartbeat *heartbeat)
{
    struct cs_error error;

    if (!is_ours(heartbeat))
        return;
    cs_gate_enter(&heartbeat->control);
    cs_gate_enter(&heartbeat->gate);
    heartbeat->paused = false;
    cs_gate_leave(&heartbeat->gate);
    if (heartbeat->connected && !heartbeat->running
        && begin(heartbeat, &error) != CS_OK) {
        cs_gate_enter(&heartbeat->gate);
        heartbeat->error = error;
        cs_gate_leave(&heartbeat->gate);
    }
    cs_gate_leave(&heartbeat->control);
}

/* -- what came ------------------------------------------------------------- */

/* Inside the gate. */
static bool is_something_to_take(const struct cs_heartbeat *heartbeat)
{
    return heartbeat->fresh || heartbeat->error.status != CS_OK
           || heartbeat->paused || !heartbeat->connected;
}

/* Inside the gate. */
static enum cs_status take(struct cs_heartbeat *heartbeat,
                           struct cs_heartbeat_answer *answer,
                           struct cs_error *error)
{
    if (heartbeat->paused)
        return CS_NONE;
    if (heartbeat->fresh) {
        *answer = heartbeat->answer;
        heartbeat->answer.text = NULL;
        heartbeat->fresh = false;
        return CS_OK;
    }
    if (heartbeat->error.status == CS_OK)
        return CS_NONE;
    if (error)
        *error = heartbeat->error;
    return heartbeat->error.status;
}

enum cs_status cs_heartbeat_take(struct cs_heartbeat *heartbeat,
                                 int32_t timeout_ms,
                                 struct cs_heartbeat_answer *answer,
                                 struct cs_error *error)
{
    int64_t deadline = cs_gate_deadline(timeout_ms);
    enum cs_status status;

    if (!is_ours(heartbeat))
        return CS_NONE;
    cs_gate_enter(&heartbeat->gate);
    heartbeat->taken = now_of();
    cs_gate_signal(&heartbeat->gate);   /* it may wait for somebody to come */
    while (!is_something_to_take(heartbeat)
           && cs_gate_wait(&heartbeat->gate, deadline))
        ;
    heartbeat->taken = now_of();
    status = take(heartbeat, answer, error);
    cs_gate_leave(&heartbeat->gate);
    return status;
}

/* -- its life -------------------------------------------------------------- */

enum cs_status cs_heartbeat_new(const struct cs_heartbeat_options *options,
                                struct cs_heartbeat **heartbeat,
                                struct cs_error *error)
{
    struct cs_heartbeat *made = cs_mem_zalloc(1, sizeof(*made));

    *heartbeat = NULL;
    if (!made)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    made->options = *options;
    made->pid = getpid();
    if (cs_gate_init(&made->control) != CS_OK) {
        cs_mem_free(made);
        return cs_error_set(error, CS_NOMEM, "out of memory");
    }
    if (cs_gate_init(&made->gate) != CS_OK) {
        cs_gate_fini(&made->control);
        cs_mem_free(made);
        return cs_error_set(error, CS_NOMEM, "out of memory");
    }
    *heartbeat = made;
    return CS_OK;
}

void cs_heartbeat_free(struct cs_heartbeat *heartbeat)
{
    if (!heartbeat || !is_ours(heartbeat))
        return;
    cs_heartbeat_stop(heartbeat);
    cs_gate_fini(&heartbeat->gate);
    cs_gate_fini(&heartbeat->control);
    cs_mem_free(heartbeat);
}
