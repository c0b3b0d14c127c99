/* From calls that are due to runs.
 *
 * A call is late when more than one of its scheduled times is due, or one is
 * older than `catch_up_s`. What is too old, and with `coalesce` all but the
 * latest, is missed: reported as one range, never sent. Each step below does
 * one thing to a call and leaves it planned at the first time not dealt with,
 * so running out of memory in between loses nothing and reports nothing twice.
 */
#include "core/sched/agenda_parts.h"

#include <string.h>

#include "core/base/mem.h"

#define COUNT_BUDGET 100000   /* steps spent on counting in one collect */

/* The call comes back, with what it is planned for, when its runs ended. */
static void block(struct cs_agenda *agenda, struct cs_call *call)
{
    cs_plan_leave(agenda, call);
    call->flags |= CALL_BLOCKED;
}

static void skip(struct cs_agenda *agenda, const struct cs_call *call,
                 const char *why, struct cs_wall now)
{
    struct cs_event event = cs_run_event(CS_EVENT_SKIPPED, call,
                                         cs_plan_scheduled(call), now);

    event.outcome = CS_OUTCOME_SKIPPED_OVERLAP;
    event.detail = cs_mem_copy(why, strlen(why));
    agenda->stats.skipped++;
    agenda->emit(agenda->context, &event);
}

/* What the call's runs that are not blocked are doing. */
static const char *why_active(const struct cs_call *call)
{
    bool waits = false;
    const struct cs_run *run;

    for (run = call->runs; run; run = run->next) {
        if (run->state == RUN_IN_FLIGHT)
            return "its last run has not been answered yet";
        waits |= run->state == RUN_QUEUED;
    }
    return waits ? "its last run still waits for room under max_concurrency "
                   "or max_per_application"
                 : "its last run is going to be tried again";
}

static bool is_in_flight(const struct cs_call *call)
{
    const struct cs_run *run = call->runs;

    while (run && run->state != RUN_IN_FLIGHT)
        run = run->next;
    return run != NULL;
}

/* The previous run was sent; whether it executes is not known here. */
static void hold(struct cs_agenda *agenda, struct cs_call *call,
                 struct cs_wall now)
{
    struct cs_event event = cs_run_event(CS_EVENT_HELD, call,
                                         cs_plan_scheduled(call), now);

    block(agenda, call);
    if (is_in_flight(call))
        agenda->emit(agenda->context, &event);
}

/* The run was made, skipped or missed: what is next for the call. */
static void go_on(struct cs_agenda *agenda, struct cs_call *call,
                  int64_t next_s)
{
    call->flags &= (uint8_t)~(CALL_FIRST | CALL_AGED | CALL_DELAYED);
    cs_plan_set(agenda, call, next_s);
}

static void note_made(struct cs_call *call)
{
    int64_t scheduled_s = cs_plan_scheduled(call);

    if (scheduled_s > call->made_s)
        call->made_s = scheduled_s;
}

static void go_on_after_run(struct cs_agenda *agenda, struct cs_call *call,
                            int64_t next_s)
{
    note_made(call);
    if (call->job->policy.once)
        call->flags |= CALL_DONE;
    go_on(agenda, call, call->job->policy.once ? INT64_MAX : next_s);
}

static void go_on_after_skip(struct cs_agenda *agenda, struct cs_call *call,
                             int64_t next_s)
{
    note_made(call);
    go_on(agenda, call, next_s);
}

/* What is due goes on waiting, or is skipped, for the call's runs. True when
 * that was decided. */
static bool give_way(struct cs_agenda *agenda, struct cs_call *call,
                     int64_t next_s, struct cs_wall now)
{
    const struct cs_policy *policy = &call->job->policy;
    const char *why = NULL;

    if (!policy->coalesce && call->backlog) {
        block(agenda, call);
        return true;
    }
    if (call->active && policy->overlap == CS_OVERLAP_SKIP) {
        if (policy->claims) {
            hold(agenda, call, now);
            return true;
        }
        why = why_active(call);
    } else if (call->blocked && policy->overlap == CS_OVERLAP_QUEUE)
        why = "another run already waits for the end of the last one";
    else if (call->run_count >= CS_ALLOWED_MOST
             && policy->overlap == CS_OVERLAP_ALLOW)
        why = "too many of its runs are under way";
    if (!why)
        return false;
    skip(agenda, call, why, now);
    go_on_after_skip(agenda, call, next_s);
    return true;
}

static int64_t lateness(const struct cs_call *call, struct cs_wall now)
{
    return call->flags & CALL_AGED || now.ns < call->node.key
           ? 0 : now.ns - call->node.key;
}

/* Make the run, under the rule of overlap. False when out of memory. */
static bool start(struct cs_agenda *agenda, struct cs_call *call,
                  int64_t next_s, struct cs_wall now, struct cs_mono mono)
{
    struct cs_run_spec spec = {
        .scheduled_s = cs_plan_scheduled(call), .due = {call->node.key},
        .late_ns = lateness(call, now), .mono = mono, .attempt = 1,
        .backlog = call->flags & CALL_DELAYED,
        .blocked = call->active
                   && call->job->policy.overlap == CS_OVERLAP_QUEUE,
    };

    if (give_way(agenda, call, next_s, now))
        return true;
    if (cs_run_new(agenda, call, &spec) != CS_OK)
        return false;
    go_on_after_run(agenda, call, next_s);
    return true;
}

/* Make the run of the oldest of several that are all to be sent; the call
 * comes back when it has ended. False when out of memory. */
static bool start_backlog(struct cs_agenda *agenda, struct cs_call *call,
                          int64_t next_s, struct cs_wall now,
                          struct cs_mono mono)
{
    struct cs_run_spec spec = {
        .scheduled_s = cs_plan_scheduled(call), .due = {call->node.key},
        .late_ns = lateness(call, now), .mono = mono, .attempt = 1,
        .backlog = true,
    };

    if (!call->active) {
        if (cs_run_new(agenda, call, &spec) != CS_OK)
            return false;
        go_on_after_run(agenda, call, next_s);
    }
    if (!(call->flags & CALL_DONE))
        block(agenda, call);
    return true;
}

/* The time that is sent instead of those up to `last_s`; 0 for none. */
static int64_t instead_of(const struct cs_call *call, int64_t last_s,
                          struct cs_wall now)
{
    int64_t next_s = cs_plan_next(call, last_s);

    return next_s != INT64_MAX && cs_plan_due(call, next_s).ns <= now.ns
           ? next_s : 0;
}

static const char *why_missed(const struct cs_call *call, int64_t instead_s)
{
    if (call->flags & CALL_DELAYED)
        return "the run before had not ended";
    return instead_s ? "several were due at once" : "nothing was sent in time";
}

static void miss(struct cs_agenda *agenda, struct cs_call *call,
                 int64_t last_s, struct cs_wall now, long *budget)
{
    int64_t first_s = cs_plan_scheduled(call);
    struct cs_event event = cs_run_event(CS_EVENT_MISSED, call, first_s, now);
    const char *why;
    uint8_t delayed;

    event.outcome = CS_OUTCOME_MISSED;
    event.instead_s = instead_of(call, last_s, now);
    why = why_missed(call, event.instead_s);
    event.detail = cs_mem_copy(why, strlen(why));
    event.until_s = last_s;
    event.count = cs_plan_count(call->job, first_s, last_s, budget);
    if (event.count > 0)
        agenda->stats.missed += (uint64_t)event.count;
    agenda->emit(agenda->context, &event);
    delayed = call->flags & CALL_DELAYED;
    go_on(agenda, call, cs_plan_next(call, last_s));
    call->flags |= delayed;   /* the next is still one that had to wait */
}

/* Due before this, and not sent yet, is too late; INT64_MIN: nothing is. */
static struct cs_wall latest_too_late(const struct cs_call *call,
                                      struct cs_wall now)
{
    int32_t catch_up_s = call->job->policy.catch_up_s;

    if (catch_up_s < 0)
        return (struct cs_wall){INT64_MIN};
    return (struct cs_wall){
        now.ns - (catch_up_s > 1 ? catch_up_s : 1) * CS_NS_PER_S};
}

/* Several are due: the last of them that is not to be sent, or INT64_MIN. */
static int64_t last_missed(const struct cs_agenda *agenda,
                           const struct cs_call *call, struct cs_wall now)
{
    struct cs_wall before = latest_too_late(call, now);
    int64_t last_s = before.ns == INT64_MIN
                     ? INT64_MIN : cs_plan_last_before(call, before);
    int64_t latest_s = cs_plan_last_to_run(agenda, call, now);

    if (call->job->policy.coalesce && last_s < latest_s)
        last_s = cs_plan_last_before(call, cs_plan_due(call, latest_s));
    return last_s >= cs_plan_scheduled(call) ? last_s : INT64_MIN;
}

/* One step with a call that is due. False when out of memory. */
static bool collect_call(struct cs_agenda *agenda, struct cs_call *call,
                         struct cs_wall now, struct cs_mono mono,
                         long *budget)
{
    int64_t scheduled_s = cs_plan_scheduled(call);
    int64_t next_s = cs_plan_next(call, scheduled_s), missed_s = INT64_MIN;
    bool several = next_s != INT64_MAX
                   && cs_plan_due(call, next_s).ns <= now.ns;

    if (call->flags & CALL_AGED)
        return start(agenda, call, several
                     ? cs_plan_next_from(call, now, scheduled_s) : next_s,
                     now, mono);
    if (cs_plan_ran(agenda, call, scheduled_s)) {
        go_on(agenda, call, next_s);
        return true;
    }
    if (several)
        missed_s = last_missed(agenda, call, now);
    else if (call->node.key < latest_too_late(call, now).ns)
        missed_s = scheduled_s;
    if (missed_s != INT64_MIN) {
        miss(agenda, call, missed_s, now, budget);
        return true;
    }
    return several ? start_backlog(agenda, call, next_s, now, mono)
                   : start(agenda, call, next_s, now, mono);
}

bool cs_agenda_collect(struct cs_agenda *agenda, struct cs_wall now,
                       struct cs_mono mono, size_t most)
{
    size_t done = cs_run_wake(agenda, mono, most);
    long budget = COUNT_BUDGET;
    const struct cs_heap_node *rest;
    struct cs_heap_node *node;

    while ((node = cs_heap_first(&agenda->calls)) && node->key <= now.ns) {
        if (done++ >= most || budget <= 0)
            return true;
        if (!collect_call(agenda, CS_HEAP_OWNER(node, struct cs_call, node),
                          now, mono, &budget))
            return false;
    }
    agenda->window.until = now;
    rest = cs_heap_first(&agenda->backing_off);
    return rest && rest->key <= mono.ns;
}

enum cs_status cs_agenda_skip(struct cs_agenda *agenda, uint64_t handle,
                              int64_t scheduled_s, struct cs_wall now)
{
    struct cs_call *call = cs_table_get(&agenda->calls_by_handle, handle);

    if (!call)
        return CS_UNKNOWN;
    if (!(call->flags & CALL_BLOCKED) || !is_in_flight(call)
        || cs_plan_scheduled(call) != scheduled_s)
        return CS_NONE;
    call->flags &= (uint8_t)~CALL_BLOCKED;
    skip(agenda, call, "its last run still executes", now);
    go_on_after_skip(agenda, call, cs_plan_next(call, scheduled_s));
    return CS_OK;
}

void cs_agenda_sleep(const struct cs_agenda *agenda, struct cs_wall *wall,
                     struct cs_mono *mono)
{
    const struct cs_heap_node *call = cs_heap_first(&agenda->calls);
    const struct cs_heap_node *rest = cs_heap_first(&agenda->backing_off);
    struct cs_mono room = cs_room_next(agenda);

    wall->ns = call ? call->key : INT64_MAX;
    mono->ns = rest && rest->key < room.ns ? rest->key : room.ns;
}
