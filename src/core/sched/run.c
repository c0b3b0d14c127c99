/* Where a run is: blocked -> queued -> in flight -> ended, or backing off and
 * queued again. Each place keeps its counters here and nowhere else, so that
 * no question about the runs of a call costs more the more there are.
 */
#include "core/sched/agenda_parts.h"

#include "core/base/mem.h"

/* -- the queue of an application id --------------------------------------- */

/* The newest comes first; one that still has older runs goes behind all. */
static void list_ready(struct cs_agenda *agenda, struct cs_app *app)
{
    bool first = !agenda->newest
                 || app->oldest.key >= agenda->newest->oldest.key;

    app->newer = first ? NULL : agenda->last;
    app->older = first ? agenda->newest : NULL;
    *(app->older ? &app->older->newer : &agenda->last) = app;
    *(app->newer ? &app->newer->older : &agenda->newest) = app;
}

static void unlist_ready(struct cs_agenda *agenda, struct cs_app *app)
{
    *(app->newer ? &app->newer->older : &agenda->newest) = app->older;
    *(app->older ? &app->older->newer : &agenda->last) = app->newer;
}

/* Put the application among the ready ones, take it out, or move it there:
 * called after each change of what it has waiting or in flight. */
static void refresh(struct cs_agenda *agenda, struct cs_app *app)
{
    const struct cs_heap_node *first = cs_heap_first(&app->queue);
    bool ready = first && app->in_flight < agenda->limits.per_application;

    if (app->ready && ready && app->oldest.key == first->key)
        return;
    if (app->ready) {
        cs_heap_remove(&agenda->oldest, &app->oldest);
        unlist_ready(agenda, app);
    }
    if (ready) {
        cs_heap_push(&agenda->oldest, &app->oldest, first->key);
        list_ready(agenda, app);
    }
    app->ready = ready;
}

/* -- places --------------------------------------------------------------- */

static void activate(struct cs_run *run)
{
    run->call->active++;
}

void cs_run_queue(struct cs_agenda *agenda, struct cs_run *run)
{
    struct cs_app *app = run->call->app;

    run->state = RUN_QUEUED;
    activate(run);
    agenda->stats.waiting++;
    cs_heap_push(&app->queue, &run->node, run->turn.ns);
    refresh(agenda, app);
}

static void block(struct cs_agenda *agenda, struct cs_run *run)
{
    run->state = RUN_BLOCKED;
    run->call->blocked++;
    agenda->stats.waiting++;
}

void cs_run_back_off(struct cs_agenda *agenda, struct cs_run *run,
                     struct cs_mono until)
{
    run->state = RUN_BACKING_OFF;
    if (!run->appointed)
        activate(run);
    agenda->stats.backing_off++;
    cs_heap_push(&agenda->backing_off, &run->node, until.ns);
}

static void join_flights(struct cs_agenda *agenda, struct cs_run *run)
{
    run->counts = true;
    run->sent_before = agenda->sent_last;
    run->sent_after = NULL;
    *(agenda->sent_last ? &agenda->sent_last->sent_after
                        : &agenda->sent_first) = run;
    agenda->sent_last = run;
    agenda->counted++;
}

static void leave_flights(struct cs_agenda *agenda, struct cs_run *run)
{
    *(run->sent_before ? &run->sent_before->sent_after
                       : &agenda->sent_first) = run->sent_after;
    *(run->sent_after ? &run->sent_after->sent_before
                      : &agenda->sent_last) = run->sent_before;
    agenda->counted--;
    run->counts = false;
}

void cs_run_fly(struct cs_agenda *agenda, struct cs_run *run, bool counts)
{
    cs_heap_remove(&run->call->app->queue, &run->node);
    run->state = RUN_IN_FLIGHT;
    agenda->stats.waiting--;
    agenda->stats.in_flight++;
    run->call->app->in_flight++;
    if (counts)
        join_flights(agenda, run);
    else
        agenda->stats.lingering++;
    refresh(agenda, run->call->app);
}

void cs_run_linger(struct cs_agenda *agenda, struct cs_run *run)
{
    leave_flights(agenda, run);
    agenda->stats.lingering++;
}

static void land(struct cs_agenda *agenda, struct cs_run *run)
{
    agenda->stats.in_flight--;
    run->call->app->in_flight--;
    if (run->counts)
        leave_flights(agenda, run);
    else
        agenda->stats.lingering--;
    refresh(agenda, run->call->app);
}

void cs_run_leave(struct cs_agenda *agenda, struct cs_run *run)
{
    struct cs_call *call = run->call;
    bool active = true;

    switch ((enum cs_run_state)run->state) {
    case RUN_BLOCKED:
        active = false;
        call->blocked--;
        agenda->stats.waiting--;
        break;
    case RUN_QUEUED:
        agenda->stats.waiting--;
        cs_heap_remove(&call->app->queue, &run->node);
        refresh(agenda, call->app);
        break;
    case RUN_IN_FLIGHT:
        land(agenda, run);
        break;
    case RUN_BACKING_OFF:
        active = !run->appointed;
        run->appointed = false;
        agenda->stats.backing_off--;
        cs_heap_remove(&agenda->backing_off, &run->node);
        break;
    }
    call->active -= active;
}

/* -- the runs of a call --------------------------------------------------- */

/* Runs are made in the order of their times, or nearly. */
static void link_run(struct cs_call *call, struct cs_run *run)
{
    struct cs_run *after = call->last_run;

    while (after && after->scheduled_s > run->scheduled_s)
        after = after->previous;
    run->previous = after;
    run->next = after ? after->next : call->runs;
    *(after ? &after->next : &call->runs) = run;
    *(run->next ? &run->next->previous : &call->last_run) = run;
    call->run_count++;
    call->backlog += run->backlog;
}

static void unlink_run(struct cs_run *run)
{
    struct cs_call *call = run->call;

    *(run->previous ? &run->previous->next : &call->runs) = run->next;
    *(run->next ? &run->next->previous : &call->last_run) = run->previous;
    call->run_count--;
    call->backlog -= run->backlog;
}

struct cs_run *cs_run_find(const struct cs_call *call, int64_t scheduled_s)
{
    struct cs_run *run = call->last_run;

    while (run && run->scheduled_s > scheduled_s)
        run = run->previous;
    return run && run->scheduled_s == scheduled_s ? run : NULL;
}

enum cs_status cs_run_new(struct cs_agenda *agenda, struct cs_call *call,
                          const struct cs_run_spec *spec)
{
    struct cs_run *run = cs_mem_zalloc(1, sizeof(*run));

    if (!run)
        return CS_NOMEM;
    run->call = call;
    run->scheduled_s = spec->scheduled_s;
    run->due = spec->due;
    run->punctual.ns = spec->mono.ns - spec->late_ns;
    run->turn = call->flags & CALL_DELAYED ? spec->mono : run->punctual;
    run->backlog = spec->backlog;
    run->fired = spec->fired;
    run->appointed = spec->appointed;
    run->attempt = spec->attempt;
    run->deliveries = 1;
    link_run(call, run);
    if (spec->appointed)
        cs_run_back_off(agenda, run, spec->at);
    else if (spec->blocked)
        block(agenda, run);
    else
        cs_run_queue(agenda, run);
    return CS_OK;
}

void cs_run_discard(struct cs_run *run)
{
    unlink_run(run);
    cs_mem_free(run);
}

/* An attempt whose time has come waits for the other runs of its call, as it
 * would if it had been fired now. */
static bool must_wait(const struct cs_call *call)
{
    const struct cs_policy *policy = &call->job->policy;

    return call->active && !(policy->overlap == CS_OVERLAP_ALLOW
                             && policy->coalesce);
}

size_t cs_run_wake(struct cs_agenda *agenda, struct cs_mono mono, size_t most)
{
    struct cs_heap_node *node;
    size_t woken = 0;

    while (woken < most && (node = cs_heap_first(&agenda->backing_off))
           && node->key <= mono.ns) {
        struct cs_run *run = CS_HEAP_OWNER(node, struct cs_run, node);
        bool appointed = run->appointed;

        cs_run_leave(agenda, run);
        if (appointed) {
            run->punctual = run->turn = mono;
            run->backlog = true;
            run->call->backlog++;
        }
        if (appointed && must_wait(run->call))
            block(agenda, run);
        else
            cs_run_queue(agenda, run);
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

struct cs_event cs_run_event_of(enum cs_event_kind kind,
                                const struct cs_run *run, struct cs_wall now)
{
    struct cs_event event = cs_run_event(kind, run->call, run->scheduled_s,
                                         now);

    event.due = run->due;
    event.attempt = run->attempt;
    return event;
}

/* -- the end -------------------------------------------------------------- */

void cs_run_free_call(struct cs_call *call)
{
    while (call->runs) {
        struct cs_run *run = call->runs;

        call->runs = run->next;
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

/* Those before it are appointed for later: few. */
static struct cs_run *first_blocked(const struct cs_call *call)
{
    struct cs_run *run = call->runs;

    while (run && run->state != RUN_BLOCKED)
        run = run->next;
    return run;
}

void cs_run_follow(struct cs_agenda *agenda, struct cs_call *call,
                   struct cs_mono mono)
{
    struct cs_run *blocked;

    if (call->active)
        return;
    blocked = call->blocked ? first_blocked(call) : NULL;
    if (blocked) {
        cs_run_leave(agenda, blocked);
        blocked->punctual = blocked->turn = mono;
        cs_run_queue(agenda, blocked);
    } else if (call->flags & CALL_BLOCKED) {
        call->flags &= (uint8_t)~CALL_BLOCKED;
        call->flags |= CALL_DELAYED;
        cs_plan_at(agenda, call, (struct cs_wall){call->node.key});
    }
    cs_run_free_removed(call);
}

/* By its schedule: not what was fired, nor a first run at another time. */
static bool is_found_again(const struct cs_run *run)
{
    return !run->fired && cs_plan_next(run->call, run->scheduled_s - 1)
                          == run->scheduled_s;
}

bool cs_run_take_back(struct cs_agenda *agenda, struct cs_call *call,
                      struct cs_wall now)
{
    struct cs_run *run;
    bool any = false;

    while ((run = call->last_run) && run->due.ns > now.ns && !run->started
           && is_found_again(run)) {
        cs_run_leave(agenda, run);
        call->made_s = run->scheduled_s - 1;
        cs_run_discard(run);
        any = true;
    }
    return any;
}

void cs_run_drop(struct cs_agenda *agenda, struct cs_call *call,
                 struct cs_wall now)
{
    struct cs_run *run, *next;

    for (run = call->runs; run; run = next) {
        next = run->next;
        if (run->state == RUN_IN_FLIGHT)
            continue;
        cs_run_leave(agenda, run);
        if (run->outcome != CS_OUTCOME_NONE) {
            struct cs_event event = cs_run_event_of(CS_EVENT_ENDED, run, now);

            event.outcome = (enum cs_outcome)run->outcome;
            event.status = run->status;
            agenda->stats.ended++;
            agenda->emit(agenda->context, &event);
        }
        cs_run_discard(run);
    }
}
