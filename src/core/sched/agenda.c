/* Jobs, application ids and calls: who is there, and what may be asked of
 * them. See agenda_parts.h for how the four files divide the work.
 */
#include "core/sched/agenda.h"

#include <string.h>

#include "core/sched/agenda_parts.h"
#include "core/base/mem.h"
#include "core/cron/next.h"

#define ROLLBACK_NS (INT64_C(3) * 3600 * CS_NS_PER_S)

static enum cs_status no_memory(struct cs_error *error)
{
    return cs_error_set(error, CS_NOMEM, "out of memory");
}

static enum cs_status unknown(struct cs_error *error, const char *what)
{
    return cs_error_set(error, CS_UNKNOWN, "there is no such %s", what);
}

void cs_policy_default(struct cs_policy *policy)
{
    *policy = (struct cs_policy){
        .timeout_ms = 3600000, .connect_timeout_ms = 10000,
        .backoff_ms = 1000, .catch_up_s = 600, .overlap = CS_OVERLAP_SKIP,
        .coalesce = true, .post = true, .claims = true,
    };
}

void cs_event_fini(struct cs_event *event)
{
    cs_mem_free(event->detail);
    event->detail = NULL;
}

/* -- the agenda ----------------------------------------------------------- */

enum cs_status cs_agenda_new(const struct cs_limits *limits,
                             void (*emit)(void *context,
                                          struct cs_event *event),
                             void *context, struct cs_agenda **made)
{
    struct cs_agenda *agenda = cs_mem_zalloc(1, sizeof(*agenda));

    if (!agenda)
        return CS_NOMEM;
    agenda->limits = *limits;
    agenda->emit = emit;
    agenda->context = context;
    cs_table_init(&agenda->jobs);
    cs_table_init(&agenda->apps);
    cs_table_init(&agenda->calls_by_handle);
    cs_heap_init(&agenda->calls);
    cs_heap_init(&agenda->backing_off);
    cs_heap_init(&agenda->oldest);
    *made = agenda;
    return CS_OK;
}

static void free_app(struct cs_app *app)
{
    while (app->calls) {
        struct cs_call *call = app->calls;

        app->calls = call->app_next;
        cs_run_free_call(call);
    }
    cs_mem_free(app->headers);
    cs_mem_free(app);
}

static void free_job(struct cs_job *job)
{
    cs_zone_unref(job->zone);
    cs_mem_free(job);
}

void cs_agenda_free(struct cs_agenda *agenda)
{
    size_t cursor = 0;
    void *item;

    if (!agenda)
        return;
    while ((item = cs_table_next(&agenda->apps, &cursor)))
        free_app(item);
    cursor = 0;
    while ((item = cs_table_next(&agenda->jobs, &cursor)))
        free_job(item);
    cs_table_fini(&agenda->jobs);
    cs_table_fini(&agenda->apps);
    cs_table_fini(&agenda->calls_by_handle);
    cs_mem_free(agenda->buckets);
    cs_mem_free(agenda);
}

/* -- jobs ----------------------------------------------------------------- */

enum cs_status cs_agenda_define(struct cs_agenda *agenda, const char *name,
                                const struct cs_expr *expr,
                                struct cs_zone *zone,
                                const struct cs_policy *policy,
                                uint64_t *handle, struct cs_error *error)
{
    size_t size = strlen(name) + 1;
    struct cs_job *job = cs_mem_zalloc(1, sizeof(*job) + size);

    if (!job)
        return no_memory(error);
    if (cs_table_add(&agenda->jobs, job, &job->handle) != CS_OK) {
        cs_mem_free(job);
        return no_memory(error);
    }
    job->expr = *expr;
    job->zone = cs_zone_ref(zone);
    job->policy = *policy;
    memcpy(job->name, name, size);
    *handle = job->handle;
    return CS_OK;
}

/* A call of a job whose schedule changed. What is due, or comes back after a
 * run, is not touched; nor does a scheduled time that ran (`ran_s` or before)
 * run again. */
static void replan(struct cs_agenda *agenda, struct cs_call *call,
                   int64_t ran_s, struct cs_wall now)
{
    if (!call->app->owned
        || (call->flags & (CALL_FIRST | CALL_BLOCKED | CALL_DONE))
        || ((call->flags & CALL_PLANNED) && call->node.key <= now.ns))
        return;
    cs_plan_set(agenda, call, cs_plan_next_from(call, now, ran_s));
}

enum cs_status cs_agenda_redefine(struct cs_agenda *agenda, uint64_t handle,
                                  const struct cs_expr *expr,
                                  struct cs_zone *zone, struct cs_wall now)
{
    struct cs_job *job = cs_table_get(&agenda->jobs, handle);
    struct cs_expr old_expr;
    struct cs_zone *old_zone;
    struct cs_call *call;

    if (!job)
        return CS_UNKNOWN;
    old_expr = job->expr;
    old_zone = job->zone;
    job->expr = *expr;
    job->zone = cs_zone_ref(zone);
    job->memo.count = 0;
    for (call = job->calls; call; call = call->job_next) {
        int64_t ran_s = INT64_MIN;

        if (call->flags & CALL_PLANNED
            && cs_next_before(&old_expr, old_zone, cs_plan_scheduled(call),
                              &ran_s) != CS_OK)
            ran_s = INT64_MIN;
        replan(agenda, call, ran_s, now);
    }
    cs_zone_unref(old_zone);
    return CS_OK;
}

/* -- calls ---------------------------------------------------------------- */

static void link_call(struct cs_call *call)
{
    call->app->called++;
    call->app_next = call->app->calls;
    if (call->app_next)
        call->app_next->app_previous = call;
    call->app->calls = call;
    call->job_next = call->job->calls;
    if (call->job_next)
        call->job_next->job_previous = call;
    call->job->calls = call;
}

static void unlink_from_job(struct cs_call *call)
{
    if (call->job_next)
        call->job_next->job_previous = call->job_previous;
    if (call->job_previous)
        call->job_previous->job_next = call->job_next;
    else
        call->job->calls = call->job_next;
}

static struct cs_call *new_call(struct cs_agenda *agenda,
                                const struct cs_call_spec *spec)
{
    size_t size = strlen(spec->url) + 1;
    struct cs_call *call = cs_mem_alloc(sizeof(*call) + size);

    if (!call)
        return NULL;
    memset(call, 0, sizeof(*call));
    if (cs_table_add(&agenda->calls_by_handle, call, &call->handle)
        != CS_OK) {
        cs_mem_free(call);
        return NULL;
    }
    memcpy(call->url, spec->url, size);
    call->made_s = INT64_MIN;
    call->offset_ms = spec->offset_ms;
    if (spec->due.ns >= 0) {
        call->flags = CALL_FIRST;
        call->node.key = spec->due.ns;
    }
    return call;
}

/* 1970 to 2199: with what is added to it, an instant in ns. */
static bool is_in_range(int64_t at_utc_s)
{
    return at_utc_s >= CS_ZONE_FIRST_S && at_utc_s < CS_ZONE_END_S;
}

enum cs_status cs_agenda_add(struct cs_agenda *agenda,
                             const struct cs_call_spec *spec,
                             struct cs_wall now, uint64_t *handle,
                             struct cs_error *error)
{
    struct cs_app *app = cs_apps_get(agenda, spec->app);
    struct cs_job *job = cs_table_get(&agenda->jobs, spec->job);
    struct cs_call *call;

    if (!app || !job)
        return unknown(error, app ? "job" : "application id");
    if (!spec->url || !*spec->url)
        return cs_error_set(error, CS_SYNTAX, "the URL is empty");
    if (!is_in_range(cs_wall_seconds(spec->due)) && spec->due.ns >= 0)
        return cs_error_set(error, CS_RANGE, "the due time is after 2199");
    call = new_call(agenda, spec);
    if (!call)
        return no_memory(error);
    call->app = app;
    call->job = job;
    link_call(call);
    if (app->owned)
        cs_plan_start(agenda, call, now, false);
    *handle = call->handle;
    return CS_OK;
}

size_t cs_agenda_called(const struct cs_agenda *agenda, uint64_t handle)
{
    const struct cs_app *app = cs_apps_get(agenda, handle);

    return app ? app->called : 0;
}

uint64_t cs_agenda_app_of(const struct cs_agenda *agenda, uint64_t handle)
{
    const struct cs_call *call = cs_table_get(&agenda->calls_by_handle,
                                              handle);

    return call ? call->app->handle : 0;
}

enum cs_status cs_agenda_offset(const struct cs_agenda *agenda,
                                uint64_t handle, int32_t *offset_ms)
{
    const struct cs_call *call = cs_table_get(&agenda->calls_by_handle,
                                              handle);

    if (!call)
        return CS_UNKNOWN;
    *offset_ms = call->offset_ms;
    return CS_OK;
}

enum cs_status cs_agenda_remove(struct cs_agenda *agenda, uint64_t handle,
                                struct cs_wall now)
{
    struct cs_call *call = cs_table_remove(&agenda->calls_by_handle, handle);

    if (!call)
        return CS_UNKNOWN;
    cs_plan_leave(agenda, call);
    unlink_from_job(call);
    call->app->called--;
    call->flags = CALL_REMOVED;
    cs_run_drop(agenda, call, now);
    cs_run_free_removed(call);
    return CS_OK;
}

/* It is under way already. One that only waits for its time may go sooner. */
static void hurry(struct cs_agenda *agenda, struct cs_run *run,
                  const struct cs_run_spec *spec)
{
    struct cs_mono at = spec->appointed ? spec->at : spec->mono;

    if (!run->appointed || at.ns >= run->node.key)
        return;
    cs_heap_remove(&agenda->backing_off, &run->node);
    cs_heap_push(&agenda->backing_off, &run->node, at.ns);
}

static enum cs_status fire(struct cs_agenda *agenda, struct cs_call *call,
                           const struct cs_run_spec *spec)
{
    struct cs_run *run = cs_run_find(call, spec->scheduled_s);

    if (run) {
        hurry(agenda, run, spec);
        return CS_OK;
    }
    if (call->run_count >= CS_FIRED_MOST)
        return CS_BUSY;
    return cs_run_new(agenda, call, spec);
}

enum cs_status cs_agenda_fire(struct cs_agenda *agenda,
                              const struct cs_fire_spec *fired,
                              struct cs_wall now, struct cs_mono mono)
{
    struct cs_call *call = cs_table_get(&agenda->calls_by_handle,
                                        fired->call);
    struct cs_run_spec spec = {
        .scheduled_s = fired->scheduled_s, .due = now, .mono = mono,
        .attempt = fired->attempt, .fired = true,
        .appointed = fired->at.ns > now.ns,
    };

    if (!call)
        return CS_UNKNOWN;
    if (!is_in_range(fired->scheduled_s) || fired->attempt < 1
        || (fired->at.ns && !is_in_range(cs_wall_seconds(fired->at))))
        return CS_RANGE;
    if (!call->app->owned)
        return CS_STATE;
    if (cs_plan_due(call, fired->scheduled_s).ns < now.ns)
        spec.due = cs_plan_due(call, fired->scheduled_s);
    spec.at.ns = mono.ns + (fired->at.ns - now.ns);
    spec.backlog = !spec.appointed;
    spec.blocked = call->active
                  && !(call->job->policy.overlap == CS_OVERLAP_ALLOW
                       && call->job->policy.coalesce);
    return fire(agenda, call, &spec);
}

/* -- all of them ---------------------------------------------------------- */

/* The clock was set back, so the call is due sooner than it thought. */
static void plan_anew(struct cs_agenda *agenda, struct cs_call *call,
                      struct cs_wall now, struct cs_mono mono)
{
    int64_t next_s = cs_plan_next_from(call, now, INT64_MIN);

    if (cs_run_take_back(agenda, call, now))
        cs_run_follow(agenda, call, mono);
    if ((call->flags & CALL_BLOCKED) && next_s != INT64_MAX) {
        call->node.key = cs_plan_due(call, next_s).ns;
        return;
    }
    call->flags &= (uint8_t)~CALL_BLOCKED;
    cs_plan_set(agenda, call, next_s);
}

static void close_window(struct cs_agenda *agenda, struct cs_wall now)
{
    if (agenda->windows == CS_WINDOWS) {
        memmove(agenda->closed, agenda->closed + 1,
                (CS_WINDOWS - 1) * sizeof(agenda->window));
        agenda->windows--;
    }
    agenda->closed[agenda->windows++] = agenda->window;
    agenda->window = (struct cs_window){now, {now.ns - 1}};
}

void cs_agenda_step(struct cs_agenda *agenda, int64_t step_ns,
                    struct cs_wall now, struct cs_mono mono)
{
    bool forget = step_ns < -ROLLBACK_NS;
    struct cs_call *call;
    size_t cursor = 0;

    close_window(agenda, now);
    if (forget)
        agenda->windows = 0;
    if (step_ns >= 0)
        return;
    while ((call = cs_table_next(&agenda->calls_by_handle, &cursor))) {
        if (forget)
            call->made_s = INT64_MIN;
        if (call->app->owned && !(call->flags & (CALL_FIRST | CALL_DONE)))
            plan_anew(agenda, call, now, mono);
    }
}

void cs_agenda_stats(const struct cs_agenda *agenda,
                     struct cs_agenda_stats *stats)
{
    *stats = agenda->stats;
    stats->jobs = agenda->jobs.count;
    stats->apps = agenda->apps.count;
    stats->calls = agenda->calls_by_handle.count;
}
