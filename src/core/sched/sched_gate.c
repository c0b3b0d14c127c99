/* What every file of the scheduler stands on: the gate, the events that go
 * through it, and waking the thread.
 */
#include "core/sched/sched_parts.h"

#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"

#define TELL_STEP_NS CS_NS_PER_S
#define ABSENT_NS (30 * CS_NS_PER_S)   /* a reader that is not waited for */

bool cs_sched_is_ours(const struct cs_sched *sched)
{
    return sched->pid == getpid();
}

enum cs_status cs_sched_refuse(struct cs_error *error)
{
    return cs_error_set(error, CS_STATE,
                        "this scheduler belongs to the parent process");
}

void cs_sched_enter(struct cs_sched *sched)
{
    cs_gate_enter(&sched->gate);
}

void cs_sched_leave(struct cs_sched *sched)
{
    if (sched->has_events)
        cs_gate_signal(&sched->gate);
    sched->has_events = false;
    cs_gate_leave(&sched->gate);
}

/* What gives way when the reader is behind: the log only. */
static bool is_passing(enum cs_event_kind kind)
{
    return kind == CS_EVENT_STARTED || kind == CS_EVENT_RETRY
           || kind == CS_EVENT_HELD || kind == CS_EVENT_CLOCK;
}

/* Who has gone for long is not waited for, nor is memory spent on him. */
static bool is_absent(const struct cs_sched *sched, struct cs_mono now)
{
    return now.ns - sched->last_read.ns > ABSENT_NS;
}

/* The last quarter is for the ends of what is under way. */
static size_t free_quarters(const struct cs_sched *sched)
{
    size_t most = sched->ring.capacity - sched->ring.capacity / 4;

    return sched->ring.count < most ? most - sched->ring.count : 0;
}

size_t cs_sched_room(const struct cs_sched *sched, struct cs_mono now)
{
    return is_absent(sched, now) ? SIZE_MAX : free_quarters(sched);
}

static enum cs_status push(struct cs_sched *sched, struct cs_event *event)
{
    if (is_passing(event->kind) && !free_quarters(sched)) {
        sched->ring.dropped++;
        return CS_NONE;
    }
    if (sched->ring.count == sched->ring.capacity
        && !is_absent(sched, cs_sched_mono(sched)))
        (void)cs_ring_grow(&sched->ring);   /* or the push is refused */
    return cs_ring_push(&sched->ring, event);
}

void cs_sched_emit(void *context, struct cs_event *event)
{
    struct cs_sched *sched = context;

    if (event->kind == CS_EVENT_OWNED || event->kind == CS_EVENT_DISOWNED)
        sched->has_events = true;   /* it is state, the reader looks there */
    else if (push(sched, event) == CS_OK)
        sched->has_events = true;
    else
        cs_event_fini(event);   /* the ring has counted it */
}

void cs_sched_fault(struct cs_sched *sched, const char *text)
{
    struct cs_event event = {
        .kind = CS_EVENT_FAULT, .at = cs_sched_wall(sched),
        .detail = cs_mem_copy(text, strlen(text)),
    };

    cs_sched_emit(sched, &event);
}

void cs_sched_step(struct cs_sched *sched, int64_t step_ns,
                   struct cs_wall now, struct cs_mono mono)
{
    struct cs_event event = {
        .kind = CS_EVENT_CLOCK, .at = now, .step_ns = step_ns,
    };

    cs_agenda_step(sched->agenda, step_ns, now, mono);
    if (step_ns > TELL_STEP_NS || step_ns < -TELL_STEP_NS)
        cs_sched_emit(sched, &event);
}

/* End the thread's sleep, once. One write to a pipe; the pointer is good only
 * in here. */
void cs_sched_wake(struct cs_sched *sched)
{
    if (!sched->woken && sched->http)
        cs_http_wake(sched->http);
    sched->woken = true;
}
