/* When a call is next due. A scheduled time S is due at S + offset; offsets
 * have milliseconds, scheduled times whole seconds, so each question here is
 * turned into one about whole seconds without losing a nanosecond, and
 * `next` answers it.
 */
#include "core/sched/agenda_parts.h"

#include "core/cron/next.h"

/* A first due time comes from floating-point seconds; this much rounding is
 * forgiven when its scheduled second is derived. */
#define ROUNDING_NS CS_NS_PER_MS

/* Missed runs are counted up to here. */
#define COUNT_MOST 100000
#define COUNT_SAMPLE 64

static int64_t floor_seconds(int64_t ns)
{
    return cs_wall_seconds((struct cs_wall){ns});
}

static int64_t ceil_seconds(int64_t ns)
{
    return floor_seconds(ns) + (ns % CS_NS_PER_S != 0);
}

static int64_t offset_ns(const struct cs_call *call)
{
    return call->offset_ms * CS_NS_PER_MS;
}

static int64_t next_or_never(const struct cs_job *job, int64_t after_s)
{
    int64_t at_s;

    return cs_next_after(&job->expr, job->zone, after_s, &at_s) == CS_OK
           ? at_s : INT64_MAX;
}

static int64_t last_or_never(const struct cs_job *job, int64_t before_s)
{
    int64_t at_s;

    return cs_next_before(&job->expr, job->zone, before_s, &at_s) == CS_OK
           ? at_s : INT64_MIN;
}

struct cs_wall cs_plan_due(const struct cs_call *call, int64_t scheduled_s)
{
    return cs_wall_of(scheduled_s, call->offset_ms);
}

int64_t cs_plan_scheduled(const struct cs_call *call)
{
    return floor_seconds(call->node.key - offset_ns(call) + ROUNDING_NS);
}

void cs_plan_leave(struct cs_agenda *agenda, struct cs_call *call)
{
    int64_t due_ns = call->node.key;

    if (!(call->flags & CALL_PLANNED))
        return;
    cs_heap_remove(&agenda->calls, &call->node);
    call->node.key = due_ns;   /* the heap promises nothing about it */
    call->flags &= (uint8_t)~CALL_PLANNED;
}

void cs_plan_at(struct cs_agenda *agenda, struct cs_call *call,
                struct cs_wall due)
{
    cs_plan_leave(agenda, call);
    cs_heap_push(&agenda->calls, &call->node, due.ns);
    call->flags |= CALL_PLANNED;
}

void cs_plan_set(struct cs_agenda *agenda, struct cs_call *call,
                 int64_t scheduled_s)
{
    if (scheduled_s == INT64_MAX)
        cs_plan_leave(agenda, call);
    else
        cs_plan_at(agenda, call, cs_plan_due(call, scheduled_s));
}

int64_t cs_plan_next(const struct cs_call *call, int64_t after_s)
{
    return next_or_never(call->job, after_s);
}

int64_t cs_plan_next_from(const struct cs_call *call, struct cs_wall now,
                          int64_t after_s)
{
    int64_t before_s = ceil_seconds(now.ns - offset_ns(call)) - 1;

    return next_or_never(call->job, before_s > after_s ? before_s : after_s);
}

/* The first due time of a call, if it is to be used: one that somebody gave,
 * or for @reboot this very second. */
static bool has_first(struct cs_call *call, struct cs_wall now,
                      bool was_anothers)
{
    if (call->job->expr.flags & CS_EXPR_REBOOT) {
        call->node.key = cs_plan_due(call, cs_wall_seconds(now)).ns;
        call->flags |= CALL_FIRST | CALL_AGED;
        return true;
    }
    if (!(call->flags & CALL_FIRST))
        return false;
    call->flags &= (uint8_t)~CALL_AGED;
    if (call->node.key >= now.ns)
        return true;
    call->flags |= CALL_AGED;
    return !was_anothers;
}

void cs_plan_start(struct cs_agenda *agenda, struct cs_call *call,
                   struct cs_wall now, bool was_anothers)
{
    if (call->flags & CALL_DONE)
        return;
    if (has_first(call, now, was_anothers)) {
        cs_plan_at(agenda, call, (struct cs_wall){call->node.key});
        return;
    }
    call->flags &= (uint8_t)~(CALL_FIRST | CALL_AGED);
    cs_plan_set(agenda, call, cs_plan_next_from(call, now, INT64_MIN));
}

int64_t cs_plan_last_due(const struct cs_call *call, struct cs_wall now)
{
    return last_or_never(call->job,
                         floor_seconds(now.ns - offset_ns(call)) + 1);
}

int64_t cs_plan_last_before(const struct cs_call *call,
                            struct cs_wall before)
{
    return last_or_never(call->job,
                         ceil_seconds(before.ns - offset_ns(call)));
}

struct cs_wall cs_plan_deadline(const struct cs_call *call, int64_t after_s,
                                struct cs_wall now)
{
    int64_t next_s = floor_seconds(now.ns - offset_ns(call));

    if (call->flags & (CALL_DONE | CALL_REMOVED))
        return (struct cs_wall){INT64_MAX};
    if ((call->flags & CALL_PLANNED) && call->node.key > now.ns
        && cs_plan_scheduled(call) > after_s)
        return (struct cs_wall){call->node.key};
    next_s = next_or_never(call->job, next_s > after_s ? next_s : after_s);
    return next_s == INT64_MAX ? (struct cs_wall){INT64_MAX}
                               : cs_plan_due(call, next_s);
}

/* The window in which what was due then was dealt with; NULL for none. */
static const struct cs_window *window_of(const struct cs_agenda *agenda,
                                         struct cs_wall due)
{
    int i;

    for (i = 0; i < agenda->windows; i++)
        if (agenda->closed[i].from.ns <= due.ns
            && due.ns <= agenda->closed[i].until.ns)
            return &agenda->closed[i];
    return NULL;
}

bool cs_plan_ran(const struct cs_agenda *agenda, const struct cs_call *call,
                 int64_t scheduled_s)
{
    if (!agenda->windows || scheduled_s >= call->made_s)
        return agenda->windows && scheduled_s == call->made_s;
    return window_of(agenda, cs_plan_due(call, scheduled_s)) != NULL;
}

int64_t cs_plan_last_to_run(const struct cs_agenda *agenda,
                            const struct cs_call *call, struct cs_wall now)
{
    int64_t last_s = cs_plan_last_due(call, now);

    /* Each window is left once, to before it began. */
    while (last_s != INT64_MIN && cs_plan_ran(agenda, call, last_s)) {
        struct cs_wall due = cs_plan_due(call, last_s);
        const struct cs_window *window = window_of(agenda, due);

        last_s = cs_plan_last_before(call, window ? window->from : due);
    }
    return last_s;
}

/* Would counting go on beyond COUNT_MOST, at the pace of its first steps? */
static bool is_hopeless(int64_t first_s, int64_t at_s, int64_t last_s)
{
    return (last_s - first_s) / COUNT_MOST > (at_s - first_s) / COUNT_SAMPLE;
}

static int64_t count(const struct cs_job *job, int64_t first_s,
                     int64_t last_s, long *budget)
{
    int64_t at_s = first_s;
    long steps;

    for (steps = 1; steps <= COUNT_MOST; steps++, --*budget) {
        if (at_s >= last_s)
            return steps;
        if (steps == COUNT_SAMPLE && is_hopeless(first_s, at_s, last_s))
            return -1;
        at_s = next_or_never(job, at_s);
    }
    return -1;
}

int64_t cs_plan_count(struct cs_job *job, int64_t first_s, int64_t last_s,
                      long *budget)
{
    if (job->memo.count && job->memo.first_s == first_s
        && job->memo.last_s == last_s)
        return job->memo.count;
    job->memo.first_s = first_s;
    job->memo.last_s = last_s;
    job->memo.count = count(job, first_s, last_s, budget);
    return job->memo.count;
}
