/* Which run may be sent now.
 *
 * The limit of the process protects the server: that many requests at most
 * wait for an answer. It must not let those who answer nothing keep all others
 * waiting, so what lingers is left out of the count: a server that answers
 * what was sent later has not been too busy for it. A server that answers
 * nothing at all gets no more for ten seconds.
 */
#include "core/sched/agenda_parts.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

#define LINGER_NS CS_NS_PER_S
#define OVERTAKEN_NS (CS_NS_PER_S / 2)
#define LINGER_AT_LAST_NS (10 * CS_NS_PER_S)
#define EXPIRE_MOST 1024   /* in one take */
#define TEXT_SIZE 120

/* -- what lingers --------------------------------------------------------- */

static size_t linger_most(const struct cs_agenda *agenda)
{
    return (size_t)CS_LINGER_FACTOR * agenda->limits.per_process;
}

/* Was something that was sent after it, and not just so, answered? */
static bool is_overtaken(const struct cs_agenda *agenda,
                         const struct cs_run *run)
{
    return agenda->answered_sent.ns >= run->sent.ns + OVERTAKEN_NS;
}

/* When the run no longer counts. */
static int64_t lingers_at(const struct cs_agenda *agenda,
                          const struct cs_run *run)
{
    return run->sent.ns + (is_overtaken(agenda, run) ? LINGER_NS
                                                     : LINGER_AT_LAST_NS);
}

/* Is there room, perhaps because something lingers by now? */
static bool has_room(struct cs_agenda *agenda, struct cs_mono mono)
{
    struct cs_run *run;

    while (agenda->counted >= agenda->limits.per_process) {
        run = agenda->sent_first;
        if (agenda->stats.lingering >= linger_most(agenda)
            || lingers_at(agenda, run) > mono.ns)
            return false;
        run->call->app->slow |= is_overtaken(agenda, run);
        cs_run_linger(agenda, run);
    }
    return true;
}

struct cs_mono cs_room_next(const struct cs_agenda *agenda)
{
    if (!cs_heap_first(&agenda->oldest))
        return (struct cs_mono){INT64_MAX};
    if (agenda->counted < agenda->limits.per_process)
        return (struct cs_mono){0};   /* now */
    if (agenda->stats.lingering >= linger_most(agenda))
        return (struct cs_mono){INT64_MAX};
    return (struct cs_mono){lingers_at(agenda, agenda->sent_first)};
}

void cs_room_answered(struct cs_agenda *agenda, const struct cs_run *run,
                      struct cs_mono mono)
{
    if (mono.ns - run->sent.ns < LINGER_NS)
        run->call->app->slow = false;
    if (run->sent.ns > agenda->answered_sent.ns)
        agenda->answered_sent = run->sent;
}

/* -- what is too late ----------------------------------------------------- */

bool cs_room_is_too_late(const struct cs_run *run, struct cs_mono mono)
{
    int64_t catch_up_s = run->call->job->policy.catch_up_s;

    if (catch_up_s < 0)
        return false;
    return mono.ns - run->punctual.ns
           > (catch_up_s > 1 ? catch_up_s : 1) * CS_NS_PER_S;
}

static char *waited_too_long(const struct cs_run *run, struct cs_mono mono)
{
    char text[TEXT_SIZE];

    (void)snprintf(text, sizeof(text), "waited %lld s for room under "
                   "max_concurrency or max_per_application",
                   (long long)((mono.ns - run->punctual.ns) / CS_NS_PER_S));
    return cs_mem_copy(text, strlen(text));
}

/* It waited for room until it was too late: as it failed before, or missed. */
static void expire(struct cs_agenda *agenda, struct cs_run *run,
                   struct cs_wall now, struct cs_mono mono)
{
    struct cs_call *call = run->call;
    bool was_sent = run->outcome != CS_OUTCOME_NONE;
    struct cs_event event = cs_run_event_of(
        was_sent ? CS_EVENT_ENDED : CS_EVENT_MISSED, run, now);

    cs_run_leave(agenda, run);
    event.outcome = was_sent ? (enum cs_outcome)run->outcome
                             : CS_OUTCOME_MISSED;
    event.status = run->status;
    event.detail = waited_too_long(run, mono);
    *(was_sent ? &agenda->stats.ended : &agenda->stats.missed) += 1;
    agenda->emit(agenda->context, &event);
    cs_run_discard(run);
    cs_run_follow(agenda, call, mono);
}

/* -- taking --------------------------------------------------------------- */

static struct cs_run *first_of(const struct cs_app *app)
{
    return CS_HEAP_OWNER(cs_heap_first(&app->queue), struct cs_run, node);
}

/* The oldest and the newest take turns: what comes due now need not wait for
 * all that came due at once before. */
static struct cs_run *choose(struct cs_agenda *agenda)
{
    struct cs_heap_node *node = cs_heap_first(&agenda->oldest);

    if (!node)
        return NULL;
    return first_of(agenda->newest_next
                    ? agenda->newest
                    : CS_HEAP_OWNER(node, struct cs_app, oldest));
}

static void hand_out(struct cs_agenda *agenda, struct cs_run *run,
                     struct cs_mono mono, struct cs_attempt *attempt)
{
    struct cs_app *app = run->call->app;
    bool counts = !app->slow
                  || agenda->stats.lingering >= linger_most(agenda);

    cs_run_fly(agenda, run, counts);
    run->sent = mono;
    *attempt = (struct cs_attempt){
        .run = run, .app = app->handle, .call = run->call->handle,
        .job = run->call->job->handle, .application_id = app->id,
        .job_name = run->call->job->name, .url = run->call->url,
        .key = app->has_key ? app->key : NULL,
        .headers = (const char *const *)app->headers,
        .policy = &run->call->job->policy, .scheduled_s = run->scheduled_s,
        .due = run->due, .epoch = app->epoch, .attempt = run->attempt,
    };
}

enum cs_status cs_agenda_take(struct cs_agenda *agenda, struct cs_wall now,
                              struct cs_mono mono,
                              struct cs_attempt *attempt)
{
    struct cs_run *run;
    struct cs_event event;
    int expired = 0;

    while ((run = choose(agenda)) && cs_room_is_too_late(run, mono)) {
        if (expired++ == EXPIRE_MOST)
            return CS_NONE;
        expire(agenda, run, now, mono);
    }
    if (!run || !has_room(agenda, mono))
        return CS_NONE;
    agenda->newest_next = !agenda->newest_next;
    agenda->stats.started += !run->started;
    hand_out(agenda, run, mono, attempt);
    if (run->started)
        return CS_OK;
    run->started = true;
    event = cs_run_event_of(CS_EVENT_STARTED, run, now);
    agenda->emit(agenda->context, &event);
    return CS_OK;
}
