/* The fork guard is taken by pthread_atfork's prepare handler, which runs for
 * plain fork(2) as well (a server may fork below Python), and given back on
 * both sides. Nobody takes another lock inside it, so no fork waits long and
 * none deadlocks. Every other lock may be held by a thread that the child does
 * not have: the child must not touch them.
 */
#include "core/base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "core/base/clock.h"

#define STACK_SIZE (512 * 1024)
#define SLACK_NS 1
#define SLICE_NS 100000

/* -- gates ---------------------------------------------------------------- */

static int init_condition(pthread_cond_t *condition)
{
#ifdef __APPLE__
    return pthread_cond_init(condition, NULL);   /* waits are relative */
#else
    pthread_condattr_t attributes;
    int number = pthread_condattr_init(&attributes);

    if (number)
        return number;
    number = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!number)
        number = pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);   /* it is initialised */
    return number;
#endif
}

enum cs_status cs_gate_init(struct cs_gate *gate)
{
    if (pthread_mutex_init(&gate->mutex, NULL))
        return CS_NOMEM;
    if (init_condition(&gate->changed)) {
        (void)pthread_mutex_destroy(&gate->mutex);   /* nobody has it */
        return CS_NOMEM;
    }
    return CS_OK;
}

void cs_gate_fini(struct cs_gate *gate)
{
    (void)pthread_cond_destroy(&gate->changed);   /* nobody waits */
    (void)pthread_mutex_destroy(&gate->mutex);    /* nobody has it */
}

void cs_gate_enter(struct cs_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);   /* it is initialised */
}

void cs_gate_leave(struct cs_gate *gate)
{
    (void)pthread_mutex_unlock(&gate->mutex);   /* it is ours */
}

void cs_gate_signal(struct cs_gate *gate)
{
    (void)pthread_cond_broadcast(&gate->changed);   /* it is initialised */
}

static int64_t monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);   /* cannot fail */
    return now.tv_sec * CS_NS_PER_S + now.tv_nsec;
}

int64_t cs_gate_deadline(int32_t timeout_ms)
{
    return monotonic_ns() + timeout_ms * CS_NS_PER_MS;
}

bool cs_gate_wait(struct cs_gate *gate, int64_t deadline)
{
#ifdef __APPLE__
    int64_t ns = deadline - monotonic_ns();
#else
    int64_t ns = deadline;
#endif
    struct timespec until = {
        .tv_sec = (time_t)(ns / CS_NS_PER_S),
        .tv_nsec = (long)(ns % CS_NS_PER_S),
    };

    if (deadline <= monotonic_ns())
        return false;
#ifdef __APPLE__
    return pthread_cond_timedwait_relative_np(&gate->changed, &gate->mutex,
                                              &until) != ETIMEDOUT;
#else
    return pthread_cond_timedwait(&gate->changed, &gate->mutex, &until)
           != ETIMEDOUT;
#endif
}

/* -- threads -------------------------------------------------------------- */

#if defined(__linux__) && defined(SYS_sched_setattr)
/* Ask for short slices (Linux 6.12, ignored before): the same share of the
 * processor in smaller pieces, so that a thread that wakes for a few
 * microseconds need not wait for the end of another's three milliseconds. Not
 * another scheduling class, and no right is needed. */
static void ask_for_short_slices(void)
{
    struct {   /* sched_setattr(2); no header has had it for long */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes;
    long tid = 0;   /* this thread */

    if (syscall(SYS_sched_getattr, tid, &attributes, sizeof(attributes), 0)
        || attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = SLICE_NS;
    (void)syscall(SYS_sched_setattr, tid, &attributes, 0);   /* or not */
}
#else
static void ask_for_short_slices(void)
{
}
#endif

/* Linux adds 50 microseconds to each sleep unless told otherwise; a name is
 * for those who look. None of it is needed for anything. */
static void settle_in(void)
{
#if defined(__linux__)
    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "cronsched", 0, 0, 0);
#elif defined(__APPLE__)
    (void)pthread_setname_np("cronsched");
#endif
    ask_for_short_slices();
}

static void *live(void *context)
{
    const struct cs_thread *thread = context;

    settle_in();
    thread->body(thread->context);
    return NULL;
}

static int create(struct cs_thread *thread)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int number = pthread_attr_init(&attributes);

    if (number)
        return number;
    /* A size that is refused leaves the default. */
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
    (void)sigfillset(&all);                               /* cannot fail */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);    /* cannot fail */
    number = pthread_create(&thread->thread, &attributes, live, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);    /* cannot fail */
    (void)pthread_attr_destroy(&attributes);              /* cannot fail */
    return number;
}

enum cs_status cs_thread_start(struct cs_thread *thread,
                               void (*body)(void *context), void *context,
                               struct cs_error *error)
{
    int number;

    thread->body = body;
    thread->context = context;
    number = create(thread);
    return number ? cs_error_system(error, number, "no thread can be started")
                  : CS_OK;
}

void cs_thread_join(struct cs_thread *thread)
{
    (void)pthread_join(thread->thread, NULL);   /* it is joinable */
}

void cs_thread_detach(struct cs_thread *thread)
{
    (void)pthread_detach(thread->thread);   /* it is joinable */
}

void cs_thread_once(void (*init)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, init);   /* it is initialised */
}

/* -- forks ---------------------------------------------------------------- */

#define WATCHERS 4

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static void (*watchers[WATCHERS])(void);   /* Under the guard. */

void cs_fork_enter(void)
{
    (void)pthread_mutex_lock(&guard);   /* it is initialised */
}

void cs_fork_leave(void)
{
    (void)pthread_mutex_unlock(&guard);   /* it is ours */
}

static void leave_in_child(void)
{
    for (int i = 0; i < WATCHERS && watchers[i]; i++)
        watchers[i]();
    cs_fork_leave();
}

/* Under the guard: is the place `*i` found where `in_child` is, or may be? */
static bool find_watcher(void (*in_child)(void), int *i)
{
    for (*i = 0; *i < WATCHERS; (*i)++)
        if (!watchers[*i] || watchers[*i] == in_child)
            return true;
    return false;
}

enum cs_status cs_fork_watch(void (*in_child)(void))
{
    enum cs_status status = CS_OK;
    int i;

    cs_fork_enter();
    if (!find_watcher(in_child, &i))
        status = CS_RANGE;
    else if (!watchers[0]
             && pthread_atfork(cs_fork_enter, cs_fork_leave, leave_in_child))
        status = CS_NOMEM;
    else
        watchers[i] = in_child;
    cs_fork_leave();
    return status;
}
