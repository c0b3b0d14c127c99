/* Threads, locks and forks: the only room that knows pthreads.
 *
 * A gate is a mutex with a condition: enter, look, wait for a change, leave.
 * The fork guard is one lock of the process that fork() takes too: what is
 * changed only under it is whole in a forked child.
 */
#ifndef CS_THREAD_H
#define CS_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>   /* pthread_t and its like */

#include "core/base/status.h"

struct cs_gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* CS_NOMEM, CS_SYSTEM. */
enum cs_status cs_gate_init(struct cs_gate *gate);
void cs_gate_fini(struct cs_gate *gate);   /* nobody is inside */

void cs_gate_enter(struct cs_gate *gate);
void cs_gate_leave(struct cs_gate *gate);

/* Wake everybody who waits inside. */
void cs_gate_signal(struct cs_gate *gate);

/* An instant to wait for, `timeout_ms` from now. */
int64_t cs_gate_deadline(int32_t timeout_ms);

/* From inside: let others in until there is a signal (sometimes without one)
 * or the deadline has passed; then false. */
bool cs_gate_wait(struct cs_gate *gate, int64_t deadline);

struct cs_thread {
    pthread_t thread;
    void (*body)(void *context);
    void *context;   /* Borrowed. */
};

/* A thread named "cronsched" that runs `body(context)`, with a stack of 512
 * KiB and all signals blocked. `thread` must not move while it runs.
 * CS_SYSTEM. */
enum cs_status cs_thread_start(struct cs_thread *thread,
                               void (*body)(void *context), void *context,
                               struct cs_error *error);

/* Each thread is joined or detached, once. */
void cs_thread_join(struct cs_thread *thread);
void cs_thread_detach(struct cs_thread *thread);

/* Call `init` once a process, however many threads ask at once; it has
 * returned when this returns. One `init` a process. */
void cs_thread_once(void (*init)(void));

/* Inside the guard only a few lines are spent, and nothing is waited for. */
void cs_fork_enter(void);
void cs_fork_leave(void);

/* Call `in_child`, which may only do what a signal handler may, in every
 * child forked from now on, under the guard. For each function the first call
 * counts; there is room for four of them. CS_NOMEM, CS_RANGE. */
enum cs_status cs_fork_watch(void (*in_child)(void));

#endif
