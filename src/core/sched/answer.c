/* What an answer means, and the end of a run. agenda.h, "Sender and ledger",
 * says who makes which attempt.
 *
 * The same attempt comes again, and counts as none, after an answer that says
 * "not now" (429 and 503 with Retry-After; "waiting"), and, where the receiver
 * claims its runs, after no answer at all. Everything else that may be tried
 * again is a further attempt.
 */
#include "core/sched/agenda_parts.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

#define DELIVERIES_MOST 5
#define REDELIVERY_MS 250
#define REFUSED_MOST_MS 5000
#define ANNOUNCE_NS (10 * CS_NS_PER_S)
#define REFUSALS_MOST 10
#define WAITED_ENOUGH_MS 10000
#define REFUSAL_MOST_S 3600
#define BACKOFF_MOST_MS 600000
#define DETAIL_SIZE 192
#define WAITING "waiting"

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

static bool claims(const struct cs_run *run)
{
    return run->call->job->policy.claims;
}

/* -- the outcome ---------------------------------------------------------- */

/* An unknown outcome, or none, proves nothing: where runs are claimed
 * it was not our receiver that answered. */
static enum cs_outcome named_outcome(const char *name, bool is_claimed)
{
    static const uint8_t accepted[] = {
        CS_OUTCOME_OK, CS_OUTCOME_DUPLICATE, CS_OUTCOME_LOST,
        CS_OUTCOME_FAILED, CS_OUTCOME_SKIPPED_OVERLAP,
        CS_OUTCOME_SKIPPED_PAUSED,
    };
    size_t i;

    for (i = 0; name && i < sizeof(accepted); i++)
        if (strcmp(name, names[accepted[i]]) == 0)
            return (enum cs_outcome)accepted[i];
    return is_claimed ? CS_OUTCOME_FAILED : CS_OUTCOME_OK;
}

static enum cs_outcome outcome_of(const struct cs_run *run,
                                  const struct cs_result *result)
{
    switch (result->delivery) {
    case CS_TIMED_OUT:
        return CS_OUTCOME_TIMED_OUT;
    case CS_NOT_CONNECTED:
    case CS_BROKEN:
    case CS_UNSENDABLE:
        return CS_OUTCOME_UNREACHABLE;
    case CS_ANSWERED:
        break;
    }
    return result->status / 100 == 2
           ? named_outcome(result->outcome, claims(run))
           : CS_OUTCOME_FAILED;
}

/* -- what there is to say ------------------------------------------------- */

static char *copy_detail(const char *text)
{
    return text && *text ? cs_mem_copy(text, strlen(text)) : NULL;
}

/* How much of the URL names the server: its path is never shown. */
static int origin_size(const char *url)
{
    const char *host = strstr(url, "://");
    size_t size = host ? (size_t)(host + 3 - url) : 0;

    size += strcspn(url + size, "/?#");
    return size > 100 ? 100 : (int)size;
}

static char *not_ours(const struct cs_run *run,
                      const struct cs_result *result)
{
    const char *url = run->call->url;
    char text[DETAIL_SIZE];

    if (result->outcome && result->outcome[0])
        (void)snprintf(text, sizeof(text), "'%.24s' is not an outcome",
                       result->outcome);
    else
        (void)snprintf(text, sizeof(text), "something else answers at %.*s: "
                       "status %d without Cronsched-Outcome; correct the "
                       "base URL", origin_size(url), url,
                       (int)result->status);
    return copy_detail(text);
}

/* What there is to say about an answer. Out of memory, nothing is. */
static char *detail_of(const struct cs_run *run,
                       const struct cs_result *result,
                       enum cs_outcome outcome)
{
    char text[DETAIL_SIZE];

    if (outcome == CS_OUTCOME_OK || outcome == CS_OUTCOME_DUPLICATE)
        return NULL;
    if (result->delivery != CS_ANSWERED)
        return copy_detail(result->detail);
    if (result->status / 100 == 2 && outcome == CS_OUTCOME_FAILED
        && strcmp(result->outcome, names[CS_OUTCOME_FAILED]) != 0)
        return not_ours(run, result);
    if (result->status / 100 != 3)
        return copy_detail(result->detail);
    (void)snprintf(text, sizeof(text), "the redirect (%d) was not followed: "
                   "set the base URL to where it leads",
                   (int)result->status);
    return copy_detail(text);
}

/* -- once more ------------------------------------------------------------ */

static bool says_when(const struct cs_result *result)
{
    return result->delivery == CS_ANSWERED && result->retry_after_s >= 0
           && (result->status == 429 || result->status == 503);
}

/* Our receiver, which cannot claim the run yet. */
static bool is_waiting(const struct cs_run *run,
                       const struct cs_result *result)
{
    return claims(run) && result->delivery == CS_ANSWERED
           && strcmp(result->outcome, WAITING) == 0;
}

/* Worth another attempt? 3xx and 4xx would only be the same again, unless it
 * says when to come. */
static bool is_passing(const struct cs_result *result,
                       enum cs_outcome outcome)
{
    switch (outcome) {
    case CS_OUTCOME_UNREACHABLE:
        return result->delivery != CS_UNSENDABLE;
    case CS_OUTCOME_TIMED_OUT:
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
    struct cs_wall deadline = cs_plan_deadline(run->call, run->scheduled_s,
                                               now);

    return deadline.ns - now.ns > wait_ms * CS_NS_PER_MS;
}

/* Since when it has been told to come again, or nobody listens. */
static int64_t refused_for_ms(struct cs_run *run, struct cs_mono mono)
{
    if (!run->refused.ns)
        run->refused = mono;
    return (mono.ns - run->refused.ns) / CS_NS_PER_MS;
}

static int64_t between(int64_t least, int64_t value, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Nobody listens: perhaps not yet. The longer it lasts, the rarer. */
static int64_t refused_ms(struct cs_run *run, struct cs_mono mono)
{
    int64_t wait_ms = with_jitter(run, between(
        REDELIVERY_MS, refused_for_ms(run, mono) / 4, REFUSED_MOST_MS));
    struct cs_mono then = {mono.ns + wait_ms * CS_NS_PER_MS};

    return cs_room_is_too_late(run, then) ? -1 : wait_ms;
}

/* The receiver's ledger is away, and all that is due meanwhile waits for it:
 * the longer, the rarer, but never before it says. */
static int64_t waiting_ms(struct cs_run *run, const struct cs_result *result,
                          struct cs_mono mono)
{
    int64_t asked = asked_ms(result);

    return with_jitter(run, between(
        asked, refused_for_ms(run, mono),
        asked > REFUSED_MOST_MS ? asked : REFUSED_MOST_MS));
}

static int64_t broken_ms(struct cs_run *run, struct cs_wall now)
{
    int64_t wait_ms;

    if (run->deliveries >= DELIVERIES_MOST)
        return -1;
    wait_ms = (int64_t)REDELIVERY_MS << (run->deliveries - 1);
    if (run->deliveries > 1 && !fits(run, wait_ms, now))
        return -1;
    run->deliveries++;
    return wait_ms;
}

/* The same attempt once more: after how many ms, or -1. */
static int64_t redelivery_ms(struct cs_run *run,
                             const struct cs_result *result,
                             struct cs_wall now, struct cs_mono mono)
{
    if (is_waiting(run, result)) {
        /* When it may wait no longer, it has waited long enough. */
        if (refused_for_ms(run, mono) >= WAITED_ENOUGH_MS)
            run->refusals = REFUSALS_MOST;
        return waiting_ms(run, result, mono);
    }
    if (is_refusal(result)) {
        if (run->refusals >= REFUSALS_MOST
            || !fits(run, asked_ms(result), now))
            return -1;
        run->refusals++;
        return asked_ms(result);
    }
    if (claims(run) && result->delivery == CS_NOT_CONNECTED)
        return refused_ms(run, mono);
    if (claims(run) && result->delivery == CS_BROKEN)
        return broken_ms(run, now);
    return -1;
}

/* One attempt more: after how many ms, or -1. Somebody who said when to come
 * again is not asked sooner. */
static int64_t retry_ms(const struct cs_run *run,
                        const struct cs_result *result, struct cs_wall now)
{
    int64_t wait_ms = backoff_ms(run);

    if (says_when(result) && asked_ms(result) > wait_ms)
        wait_ms = asked_ms(result);
    if (!is_passing(result, (enum cs_outcome)run->outcome)
        || (is_refusal(result) && run->refusals < REFUSALS_MOST)
        || run->attempt > run->call->job->policy.retries
        || !fits(run, wait_ms, now))
        return -1;
    return wait_ms;
}

/* -- telling -------------------------------------------------------------- */

/* Emit RETRY or ENDED: what came back of the attempt just flown. */
static void tell(struct cs_agenda *agenda, const struct cs_run *run,
                 struct cs_event *event, const struct cs_result *result)
{
    event->outcome = outcome_of(run, result);
    event->status = result->status;
    event->took_ns = result->took_ns;
    event->detail = detail_of(run, result, event->outcome);
    if (event->kind == CS_EVENT_ENDED)
        agenda->stats.ended++;
    agenda->emit(agenda->context, event);
}

/* Of an application id that is not ours any more: the new owner sends what
 * nobody claimed, so nothing is said of a run that got no answer. */
static bool is_left_to_others(const struct cs_run *run,
                              const struct cs_result *result)
{
    return !run->call->app->owned && claims(run)
           && (is_waiting(run, result)
               || (result->delivery != CS_ANSWERED
                   && result->delivery != CS_TIMED_OUT));
}

/* That nobody listens is normal while a server starts; later it is said,
 * once. What is waited for, the receiver tells. */
static bool is_quiet(struct cs_run *run, const struct cs_result *result,
                     struct cs_mono mono)
{
    if (is_waiting(run, result))
        return true;
    if (!claims(run) || result->delivery != CS_NOT_CONNECTED)
        return false;
    if (run->announced || mono.ns - run->refused.ns < ANNOUNCE_NS)
        return true;
    run->announced = true;
    return false;
}

/* -- the end -------------------------------------------------------------- */

/* `wait_ms` from now. Who was asked to come then is not late before. */
static void redeliver(struct cs_agenda *agenda, struct cs_run *run,
                      const struct cs_result *result, struct cs_event *event,
                      struct cs_mono then)
{
    event->kind = CS_EVENT_RETRY;
    if (result->delivery == CS_ANSWERED)
        run->punctual = then;
    if (!is_quiet(run, result, then))
        tell(agenda, run, event, result);
    cs_run_back_off(agenda, run, then);
}

/* The next attempt, in memory. */
static void retry(struct cs_agenda *agenda, struct cs_run *run,
                  const struct cs_result *result, struct cs_event *event,
                  struct cs_mono then)
{
    event->kind = CS_EVENT_RETRY;
    tell(agenda, run, event, result);
    cs_run_back_off(agenda, run, then);
    run->attempt++;
    run->deliveries = 1;
    run->started = run->announced = false;
    run->refused.ns = 0;
    run->punctual = then;
}

static struct cs_mono after(struct cs_mono mono, int64_t wait_ms)
{
    return (struct cs_mono){mono.ns + wait_ms * CS_NS_PER_MS};
}

static void end(struct cs_agenda *agenda, struct cs_run *run,
                const struct cs_result *result, struct cs_event *event,
                struct cs_mono mono)
{
    struct cs_call *call = run->call;

    if (!is_left_to_others(run, result))
        tell(agenda, run, event, result);
    cs_run_discard(run);
    cs_run_follow(agenda, call, mono);
}

void cs_agenda_finish(struct cs_agenda *agenda, void *flown,
                      const struct cs_result *result, struct cs_wall now,
                      struct cs_mono mono)
{
    struct cs_run *run = flown;
    struct cs_event event = cs_run_event_of(CS_EVENT_ENDED, run, now);
    bool goes_on = run->call->app->owned
                   && !(run->call->flags & CALL_REMOVED);
    int64_t wait_ms;

    if (result->delivery == CS_ANSWERED)
        cs_room_answered(agenda, run, mono);
    cs_run_leave(agenda, run);
    wait_ms = goes_on ? redelivery_ms(run, result, now, mono) : -1;
    if (wait_ms >= 0) {
        redeliver(agenda, run, result, &event, after(mono, wait_ms));
        return;
    }
    run->outcome = (uint8_t)outcome_of(run, result);
    run->status = result->status;
    wait_ms = goes_on ? retry_ms(run, result, now) : -1;
    if (wait_ms >= 0 && !claims(run)) {
        retry(agenda, run, result, &event, after(mono, wait_ms));
        return;
    }
    if (wait_ms >= 0)
        event.retry_at.ns = now.ns + wait_ms * CS_NS_PER_MS;
    end(agenda, run, result, &event, mono);
}

/* -- the scheduler stops ---------------------------------------------- */

static void cut_call(struct cs_agenda *agenda, struct cs_call *call,
                     const struct cs_result *cut, struct cs_wall now,
                     struct cs_mono mono)
{
    struct cs_run *run, *next;

    for (run = call->runs; run; run = next) {
        next = run->next;
        if (run->state == RUN_IN_FLIGHT)
            cs_agenda_finish(agenda, run, cut, now, mono);
    }
}

void cs_agenda_cut(struct cs_agenda *agenda, struct cs_wall now,
                   struct cs_mono mono)
{
    static const struct cs_result cut = {
        .delivery = CS_BROKEN, .retry_after_s = -1, .outcome = "",
        .detail = "the scheduler was stopped before an answer came",
    };
    struct cs_app *app;
    size_t cursor = 0;

    while ((app = cs_table_next(&agenda->apps, &cursor))) {
        struct cs_call *call, *next;

        for (call = app->calls; call; call = next) {
            next = call->app_next;
            cut_call(agenda, call, &cut, now, mono);
        }
    }
}
