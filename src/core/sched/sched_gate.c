/* What every file of the scheduler stands on: the gate, the events that go
 * through it, and waking the thread.
 */
#include "core/sched/sched_parts.h"

#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"

#define TELL_STEP_NS CS_NS_PER_S

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

void cs_sched_emit(void *context, struct cs_event *event)
{
    struct cs_sched *sched = context;

    if (cs_ring_push(&sched->ring, event) == CS_OK)
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
                   struct cs_wall now)
{
    struct cs_event event = {
        .kind = CS_EVENT_CLOCK, .at = now, .step_ns = step_ns,
    };

    cs_agenda_step(sched->agenda, step_ns, now);
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
