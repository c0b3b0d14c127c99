/* From calls that are due to runs.
 *
 * A call is late when more than one of its scheduled times is due, or one is
 * older than `catch_up_s`. What is too old, and with `coalesce` all but the
 * latest, is missed: told as one range, never sent. Each step below does one
 * thing to a call and leaves it planned at the first time not dealt with, so
 * running out of memory in between loses nothing and tells nothing twice.
 */
#include "core/sched/agenda_parts.h"

#define COUNT_BUDGET 100000   /* steps spent on counting in one collect */

static bool has_backlog(const struct cs_call *call)
{
    const struct cs_run *run;

    for (run = call->runs; run; run = run->sibling)
        if (run->backlog)
            return true;
    return false;
}

static bool has_blocked(const struct cs_call *call)
{
    const struct cs_run *run;

    for (run = call->runs; run; run = run->sibling)
        if (run->state == RUN_BLOCKED)
            return true;
    return false;
}

/* The call comes back, with what it is planned for, when its runs ended. */
static void block(struct cs_agenda *agenda, struct cs_call *call)
{
    cs_plan_leave(agenda, call);
    call->flags |= CALL_BLOCKED;
}

static void skip(struct cs_agenda *agenda, const struct cs_call *call,
                 int64_t scheduled_s, struct cs_wall now)
{
    struct cs_event event = cs_run_event(CS_EVENT_SKIPPED, call, scheduled_s,
                                         now);

    event.outcome = CS_OUTCOME_SKIPPED_OVERLAP;
    agenda->stats.skipped++;
    agenda->emit(agenda->context, &event);
}

/* The run was made, skipped or missed: what is next for the call. */
static void go_on(struct cs_agenda *agenda, struct cs_call *call,
                  int64_t next_s)
{
    call->flags &= (uint8_t)~(CALL_FIRST | CALL_AGED);
    cs_plan_set(agenda, call, next_s);
}

static void go_on_after_run(struct cs_agenda *agenda, struct cs_call *call,
                            int64_t next_s)
{
    if (call->job->policy.once)
        call->flags |= CALL_DONE;
    go_on(agenda, call, call->job->policy.once ? INT64_MAX : next_s);
}

/* Make the run, under the rule of overlap. False when out of memory. */
static bool start(struct cs_agenda *agenda, struct cs_call *call,
                  int64_t next_s, struct cs_wall now)
{
    const struct cs_policy *policy = &call->job->policy;
    struct cs_run_spec spec = {
        .scheduled_s = cs_plan_scheduled(call), .due = {call->node.key},
    };

    if (call->runs && !policy->coalesce && has_backlog(call)) {
        block(agenda, call);
        return true;
    }
    if (call->runs && (policy->overlap == CS_OVERLAP_SKIP
                       || (policy->overlap == CS_OVERLAP_QUEUE
                           && has_blocked(call)))) {
        skip(agenda, call, spec.scheduled_s, now);
        go_on(agenda, call, next_s);
        return true;
    }
    spec.blocked = call->runs && policy->overlap == CS_OVERLAP_QUEUE;
    if (cs_run_new(agenda, call, &spec) != CS_OK)
        return false;
    go_on_after_run(agenda, call, next_s);
    return true;
}

/* Make the run of the oldest of several that are all to be sent; the call
 * comes back when it has ended. False when out of memory. */
static bool start_backlog(struct cs_agenda *agenda, struct cs_call *call,
                          int64_t next_s)
{
    struct cs_run_spec spec = {
        .scheduled_s = cs_plan_scheduled(call), .due = {call->node.key},
        .backlog = true,
    };

    if (!call->runs) {
        if (cs_run_new(agenda, call, &spec) != CS_OK)
            return false;
        go_on_after_run(agenda, call, next_s);
    }
    if (!(call->flags & CALL_DONE))
        block(agenda, call);
    return true;
}

static void miss(struct cs_agenda *agenda, struct cs_call *call,
                 int64_t last_s, struct cs_wall now, long *budget)
{
    int64_t first_s = cs_plan_scheduled(call);
    struct cs_event event = cs_run_event(CS_EVENT_MISSED, call, first_s, now);

    event.outcome = CS_OUTCOME_MISSED;
    event.until_s = last_s;
    event.count = cs_plan_count(call->job, first_s, last_s, budget);
    if (event.count > 0)
        agenda->stats.missed += (uint64_t)event.count;
    agenda->emit(agenda->context, &event);
    go_on(agenda, call, cs_plan_next(call, last_s));
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
static int64_t last_missed(const struct cs_call *call, struct cs_wall now)
{
    struct cs_wall before = latest_too_late(call, now);
    int64_t last_s = before.ns == INT64_MIN
                     ? INT64_MIN : cs_plan_last_before(call, before);
    int64_t latest_s = cs_plan_last_due(call, now);

    if (call->job->policy.coalesce && last_s < latest_s)
        last_s = cs_plan_last_before(call, cs_plan_due(call, latest_s));
    return last_s >= cs_plan_scheduled(call) ? last_s : INT64_MIN;
}

/* One step with a call that is due. False when out of memory. */
static bool collect_call(struct cs_agenda *agenda, struct cs_call *call,
                         struct cs_wall now, long *budget)
{
    int64_t scheduled_s = cs_plan_scheduled(call);
    int64_t next_s = cs_plan_next(call, scheduled_s), missed_s = INT64_MIN;
    bool several = next_s != INT64_MAX
                   && cs_plan_due(call, next_s).ns <= now.ns;

    if (call->flags & CALL_AGED)
        return start(agenda, call, several
                     ? cs_plan_next_from(call, now, scheduled_s) : next_s,
                     now);
    if (several)
        missed_s = last_missed(call, now);
    else if (call->node.key < latest_too_late(call, now).ns)
        missed_s = scheduled_s;
    if (missed_s != INT64_MIN) {
        miss(agenda, call, missed_s, now, budget);
        return true;
    }
    return several ? start_backlog(agenda, call, next_s)
                   : start(agenda, call, next_s, now);
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
                          now, &budget))
            return false;
    }
    rest = cs_heap_first(&agenda->backing_off);
    return rest && rest->key <= mono.ns;
}

void cs_agenda_sleep(const struct cs_agenda *agenda, struct cs_wall *wall,
                     struct cs_mono *mono)
{
    const struct cs_heap_node *call = cs_heap_first(&agenda->calls);
    const struct cs_heap_node *rest = cs_heap_first(&agenda->backing_off);

    wall->ns = call ? call->key : INT64_MAX;
    mono->ns = rest ? rest->key : INT64_MAX;
}
