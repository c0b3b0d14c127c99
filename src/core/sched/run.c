/* The life of a run: blocked -> queued -> in flight -> ended, or backing off
 * and queued again. All limits, and what an answer means, are here.
 *
 * Two things bring the same attempt again and count as none: an answer that
 * says "not now" (429 and 503 with Retry-After), and, where the receiver
 * claims its runs, no answer at all. Everything else that may be tried again
 * is a retry.
 */
#include "core/sched/agenda_parts.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

#define DELIVERIES_MOST 5
#define REDELIVERY_MS 250
#define REFUSALS_MOST 10
#define REFUSAL_MOST_S 3600
#define BACKOFF_MOST_MS 600000
#define DETAIL_SIZE 192

static const char *const names[] = {
    [CS_OUTCOME_NONE] = "", [CS_OUTCOME_OK] = "ok",
    [CS_OUTCOME_FAILED] = "failed", [CS_OUTCOME_TIMED_OUT] = "timed_out",
    [CS_OUTCOME_UNREACHABLE] = "unreachable",
    [CS_OUTCOME_SKIPPED_OVERLAP] = "skipped_overlap",
    [CS_OUTCOME_SKIPPED_PAUSED] = "skipped_paused",
    [CS_OUTCOME_MISSED] = "missed", [CS_OUTCOME_LOST] = "lost",
    [CS_OUTCOME_DUPLICATE] = "duplicate",
};

const char *cs_outcome_name(enum cs_outcome outcome)
{
    return names[outcome];
}

/* -- where a run waits ---------------------------------------------------- */

/* Put the application into `ready`, take it out, or move it there: called
 * after each change of what it has waiting or in flight. */
static void refresh(struct cs_agenda *agenda, struct cs_app *app)
{
    bool ready = app->first
                 && app->in_flight < agenda->limits.per_application;

    if (app->ready)
        cs_heap_remove(&agenda->ready, &app->node);
    if (ready)
        cs_heap_push(&agenda->ready, &app->node, app->first->due.ns);
    app->ready = ready;
}

/* Runs are made in due order, so nearly all go to the end of the queue; one
 * that was tried before belongs near its head. */
static void enqueue(struct cs_app *app, struct cs_run *run)
{
    struct cs_run *next = NULL;

    if (app->last && app->last->due.ns > run->due.ns)
        for (next = app->first; next->due.ns <= run->due.ns;)
            next = next->next;
    run->next = next;
    run->previous = next ? next->previous : app->last;
    *(run->previous ? &run->previous->next : &app->first) = run;
    *(next ? &next->previous : &app->last) = run;
}

static void dequeue(struct cs_app *app, struct cs_run *run)
{
    *(run->previous ? &run->previous->next : &app->first) = run->next;
    *(run->next ? &run->next->previous : &app->last) = run->previous;
}

static void queue_run(struct cs_agenda *agenda, struct cs_run *run)
{
    struct cs_app *app = run->call->app;

    run->state = RUN_QUEUED;
    agenda->stats.waiting++;
    enqueue(app, run);
    refresh(agenda, app);
}

static void block(struct cs_agenda *agenda, struct cs_run *run)
{
    run->state = RUN_BLOCKED;
    agenda->stats.waiting++;
}

static void back_off(struct cs_agenda *agenda, struct cs_run *run,
                     struct cs_mono until)
{
    run->state = RUN_BACKING_OFF;
    agenda->stats.backing_off++;
    cs_heap_push(&agenda->backing_off, &run->node, until.ns);
}

/* Out of the queue, the flight or the back-off it is in. */
static void leave(struct cs_agenda *agenda, struct cs_run *run)
{
    struct cs_app *app = run->call->app;

    switch ((enum cs_run_state)run->state) {
    case RUN_BLOCKED:
        agenda->stats.waiting--;
        break;
    case RUN_QUEUED:
        agenda->stats.waiting--;
        dequeue(app, run);
        refresh(agenda, app);
        break;
    case RUN_IN_FLIGHT:
        agenda->stats.in_flight--;
        app->in_flight--;
        refresh(agenda, app);
        break;
    case RUN_BACKING_OFF:
        agenda->stats.backing_off--;
        cs_heap_remove(&agenda->backing_off, &run->node);
        break;
    }
}

enum cs_status cs_run_new(struct cs_agenda *agenda, struct cs_call *call,
                          const struct cs_run_spec *spec)
{
    struct cs_run *run = cs_mem_zalloc(1, sizeof(*run));
    struct cs_run **link = &call->runs;

    if (!run)
        return CS_NOMEM;
    while (*link)
        link = &(*link)->sibling;
    *link = run;
    run->call = call;
    run->scheduled_s = spec->scheduled_s;
    run->due = spec->due;
    run->backlog = spec->backlog;
    run->attempt = run->deliveries = 1;
    if (spec->blocked)
        block(agenda, run);
    else
        queue_run(agenda, run);
    return CS_OK;
}

size_t cs_run_wake(struct cs_agenda *agenda, struct cs_mono mono, size_t most)
{
    struct cs_heap_node *node;
    size_t woken = 0;

    while (woken < most && (node = cs_heap_first(&agenda->backing_off))
           && node->key <= mono.ns) {
        struct cs_run *run = CS_HEAP_OWNER(node, struct cs_run, node);

        leave(agenda, run);
        queue_run(agenda, run);
        woken++;
    }
    return woken;
}

/* -- telling -------------------------------------------------------------- */

struct cs_event cs_run_event(enum cs_event_kind kind,
                             const struct cs_call *call, int64_t scheduled_s,
                             struct cs_wall now)
{
    return (struct cs_event){
        .kind = kind, .app = call->app->handle, .call = call->handle,
        .job = call->job->handle, .scheduled_s = scheduled_s,
        .until_s = scheduled_s, .count = 1,
        .due = cs_plan_due(call, scheduled_s), .at = now,
    };
}

static struct cs_event event_of(enum cs_event_kind kind,
                                const struct cs_run *run, struct cs_wall now)
{
    struct cs_event event = cs_run_event(kind, run->call, run->scheduled_s,
                                         now);

    event.due = run->due;
    event.attempt = run->attempt;
    return event;
}

static char *copy_detail(const char *text)
{
    return text && *text ? cs_mem_copy(text, strlen(text)) : NULL;
}

/* What there is to say about an answer. Out of memory, nothing is. */
static char *detail_of(const struct cs_result *result,
                       enum cs_outcome outcome)
{
    char text[DETAIL_SIZE];

    if (outcome == CS_OUTCOME_OK || outcome == CS_OUTCOME_DUPLICATE)
        return NULL;
    if (result->delivery != CS_ANSWERED || result->status / 100 != 3)
        return copy_detail(result->detail);
    (void)snprintf(text, sizeof(text), "the redirect (%d) was not followed: "
                   "set the base URL to where it leads",
                   (int)result->status);
    return copy_detail(text);
}

/* -- the end -------------------------------------------------------------- */

void cs_run_free_call(struct cs_call *call)
{
    while (call->runs) {
        struct cs_run *run = call->runs;

        call->runs = run->sibling;
        cs_mem_free(run);
    }
    cs_mem_free(call);
}

void cs_run_free_removed(struct cs_call *call)
{
    if (!(call->flags & CALL_REMOVED) || call->runs)
        return;
    if (call->app_next)
        call->app_next->app_previous = call->app_previous;
    if (call->app_previous)
        call->app_previous->app_next = call->app_next;
    else
        call->app->calls = call->app_next;
    cs_run_free_call(call);
}

/* Unlink and free a run that has left its place. */
static void discard(struct cs_run *run)
{
    struct cs_run **link = &run->call->runs;

    while (*link != run)
        link = &(*link)->sibling;
    *link = run->sibling;
    cs_mem_free(run);
}

/* A run of the call has ended: the first of the blocked ones may go, or, with
 * none left, the call itself comes back. It may be gone afterwards. */
static void follow(struct cs_agenda *agenda, struct cs_call *call)
{
    struct cs_run *run, *blocked = NULL;

    for (run = call->runs; run; run = run->sibling) {
        if (run->state != RUN_BLOCKED)
            return;
        if (!blocked)
            blocked = run;
    }
    if (blocked) {
        agenda->stats.waiting--;
        queue_run(agenda, blocked);
    } else if (call->flags & CALL_BLOCKED) {
        call->flags &= (uint8_t)~CALL_BLOCKED;
        cs_plan_at(agenda, call, (struct cs_wall){call->node.key});
    }
    cs_run_free_removed(call);
}

void cs_run_drop(struct cs_agenda *agenda, struct cs_call *call,
                 struct cs_wall now)
{
    struct cs_run *run, *next;

    for (run = call->runs; run; run = next) {
        next = run->sibling;
        if (run->state == RUN_IN_FLIGHT)
            continue;
        leave(agenda, run);
        if (run->outcome != CS_OUTCOME_NONE) {
            struct cs_event event = event_of(CS_EVENT_ENDED, run, now);

            event.outcome = (enum cs_outcome)run->outcome;
            event.status = run->status;
            agenda->stats.ended++;
            agenda->emit(agenda->context, &event);
        }
        discard(run);
    }
}

/* -- what an answer means ------------------------------------------------- */

static enum cs_outcome named_outcome(const char *name)
{
    static const uint8_t accepted[] = {
        CS_OUTCOME_DUPLICATE, CS_OUTCOME_LOST, CS_OUTCOME_FAILED,
        CS_OUTCOME_SKIPPED_OVERLAP, CS_OUTCOME_SKIPPED_PAUSED,
    };
    size_t i;

    for (i = 0; name && i < sizeof(accepted); i++)
        if (strcmp(name, names[accepted[i]]) == 0)
            return (enum cs_outcome)accepted[i];
    return CS_OUTCOME_OK;
}

static enum cs_outcome outcome_of(const struct cs_result *result)
{
    switch (result->delivery) {
    case CS_TIMED_OUT:
        return CS_OUTCOME_TIMED_OUT;
    case CS_NOT_CONNECTED:
    case CS_BROKEN:
        return CS_OUTCOME_UNREACHABLE;
    case CS_ANSWERED:
        break;
    }
    return result->status / 100 == 2 ? named_outcome(result->outcome)
                                     : CS_OUTCOME_FAILED;
}

static bool says_when(const struct cs_result *result)
{
    return result->delivery == CS_ANSWERED && result->retry_after_s >= 0
           && (result->status == 429 || result->status == 503);
}

/* Worth another attempt? 3xx and 4xx would only be the same again, unless it
 * says when to come. */
static bool is_passing(const struct cs_result *result,
                       enum cs_outcome outcome)
{
    switch (outcome) {
    case CS_OUTCOME_TIMED_OUT:
    case CS_OUTCOME_UNREACHABLE:
    case CS_OUTCOME_LOST:
        return true;
    case CS_OUTCOME_FAILED:
        return (result->status / 100 != 3 && result->status / 100 != 4)
               || says_when(result);
    default:
        return false;
    }
}

/* "Not now", from somebody before the view. If the view itself says so it has
 * tried, and its claim is spent: that attempt counts. */
static bool is_refusal(const struct cs_result *result)
{
    return says_when(result) && !result->outcome[0];
}

static int64_t asked_ms(const struct cs_result *result)
{
    int32_t wait_s = result->retry_after_s;

    return INT64_C(1000) * (wait_s < 1 ? 1
                            : wait_s > REFUSAL_MOST_S ? REFUSAL_MOST_S
                            : wait_s);
}

/* Up to an eighth more, different for each run, the same each time. */
static int64_t with_jitter(const struct cs_run *run, int64_t wait_ms)
{
    uint64_t mixed = (run->call->handle ^ (uint64_t)run->scheduled_s)
                     * UINT64_C(0x9E3779B97F4A7C15);

    return wait_ms + (int64_t)((mixed >> 33) % (uint64_t)(wait_ms / 8 + 1));
}

static int64_t backoff_ms(const struct cs_run *run)
{
    int64_t wait_ms = run->call->job->policy.backoff_ms;
    int32_t attempt;

    for (attempt = 1; attempt < run->attempt && wait_ms < BACKOFF_MOST_MS;
         attempt++)
        wait_ms *= 2;
    if (wait_ms > BACKOFF_MOST_MS)
        wait_ms = BACKOFF_MOST_MS;
    return with_jitter(run, wait_ms);
}

static bool fits(const struct cs_run *run, int64_t wait_ms,
                 struct cs_wall now)
{
    struct cs_wall deadline = cs_plan_deadline(run->call, now);

    return deadline.ns - now.ns > wait_ms * CS_NS_PER_MS;
}

/* The same attempt once more: after how many ms, or -1. */
static int64_t redelivery_ms(struct cs_run *run,
                             const struct cs_result *result,
                             struct cs_wall now)
{
    int64_t wait_ms;

    if (is_refusal(result)) {
        wait_ms = asked_ms(result);
        if (run->refusals >= REFUSALS_MOST || !fits(run, wait_ms, now))
            return -1;
        run->refusals++;
        return wait_ms;
    }
    if (!run->call->job->policy.claims
        || (result->delivery != CS_BROKEN
            && result->delivery != CS_NOT_CONNECTED)
        || run->deliveries >= DELIVERIES_MOST)
        return -1;
    wait_ms = (int64_t)REDELIVERY_MS << (run->deliveries - 1);
    if (run->deliveries > 1 && !fits(run, wait_ms, now))
        return -1;
    run->deliveries++;
    return wait_ms;
}

/* One attempt more: after how many ms, or -1. Somebody who said when to come
 * again is not asked sooner. */
static int64_t retry_ms(struct cs_run *run, const struct cs_result *result,
                        struct cs_wall now)
{
    int64_t wait_ms = backoff_ms(run);

    if (says_when(result) && asked_ms(result) > wait_ms)
        wait_ms = asked_ms(result);
    if (!is_passing(result, (enum cs_outcome)run->outcome)
        || (is_refusal(result) && run->refusals < REFUSALS_MOST)
        || run->attempt > run->call->job->policy.retries
        || !fits(run, wait_ms, now))
        return -1;
    run->attempt++;
    run->deliveries = 1;
    return wait_ms;
}

/* -- handed out, and back ------------------------------------------------- */

enum cs_status cs_agenda_take(struct cs_agenda *agenda, struct cs_wall now,
                              struct cs_attempt *attempt)
{
    struct cs_heap_node *first = cs_heap_first(&agenda->ready);
    struct cs_app *app;
    struct cs_run *run;
    struct cs_event event;

    if (!first || agenda->stats.in_flight >= agenda->limits.per_process)
        return CS_NONE;
    app = CS_HEAP_OWNER(first, struct cs_app, node);
    run = app->first;
    agenda->stats.waiting--;
    agenda->stats.in_flight++;
    agenda->stats.started++;
    dequeue(app, run);
    app->in_flight++;
    refresh(agenda, app);
    run->state = RUN_IN_FLIGHT;
    *attempt = (struct cs_attempt){
        .run = run, .app = app->handle, .call = run->call->handle,
        .job = run->call->job->handle, .application_id = app->id,
        .job_name = run->call->job->name, .url = run->call->url,
        .key = app->has_key ? app->key : NULL,
        .policy = &run->call->job->policy, .scheduled_s = run->scheduled_s,
        .due = run->due, .attempt = run->attempt,
    };
    event = event_of(CS_EVENT_STARTED, run, now);
    agenda->emit(agenda->context, &event);
    return CS_OK;
}

/* Emit RETRY or ENDED: what came back of the attempt just flown. */
static void tell(struct cs_agenda *agenda, struct cs_event *event,
                 enum cs_event_kind kind, const struct cs_result *result)
{
    event->kind = kind;
    event->outcome = outcome_of(result);
    event->status = result->status;
    event->took_ns = result->took_ns;
    event->detail = detail_of(result, event->outcome);
    if (kind == CS_EVENT_ENDED)
        agenda->stats.ended++;
    agenda->emit(agenda->context, event);
}

/* Of an application id that is not ours any more: the new owner sends what
 * nobody claimed, so nothing is said of a run that got no answer. */
static bool is_left_to_others(const struct cs_run *run,
                              const struct cs_result *result)
{
    return !run->call->app->owned && run->call->job->policy.claims
           && result->delivery != CS_ANSWERED
           && result->delivery != CS_TIMED_OUT;
}

void cs_agenda_finish(struct cs_agenda *agenda, void *flown,
                      const struct cs_result *result, struct cs_wall now,
                      struct cs_mono mono)
{
    struct cs_run *run = flown;
    struct cs_call *call = run->call;
    struct cs_event event = event_of(CS_EVENT_ENDED, run, now);
    int64_t wait_ms = -1;

    leave(agenda, run);
    if (call->app->owned && !(call->flags & CALL_REMOVED)) {
        wait_ms = redelivery_ms(run, result, now);
        if (wait_ms < 0) {
            run->outcome = (uint8_t)outcome_of(result);
            run->status = result->status;
            wait_ms = retry_ms(run, result, now);
        }
    }
    if (wait_ms >= 0) {
        tell(agenda, &event, CS_EVENT_RETRY, result);
        back_off(agenda, run,
                 (struct cs_mono){mono.ns + wait_ms * CS_NS_PER_MS});
        return;
    }
    if (!is_left_to_others(run, result))
        tell(agenda, &event, CS_EVENT_ENDED, result);
    discard(run);
    follow(agenda, call);
}
