/* Jobs, application ids and calls: who is there, and what may be asked of
 * them. See agenda_parts.h for how the four files divide the work.
 */
#include "core/sched/agenda.h"

#include <string.h>

#include "core/sched/agenda_parts.h"
#include "core/base/mem.h"
#include "core/cron/next.h"

#define BUCKETS_FIRST 64
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
    cs_heap_init(&agenda->ready);
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

/* -- application ids ------------------------------------------------------ */

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
    return hash;
}

static struct cs_app **bucket_of(const struct cs_agenda *agenda,
                                 const char *id)
{
    return &agenda->buckets[hash_of(id) & (agenda->bucket_count - 1)];
}

static struct cs_app *find_app(const struct cs_agenda *agenda,
                               const char *id)
{
    struct cs_app *app = agenda->bucket_count ? *bucket_of(agenda, id) : NULL;

    while (app && strcmp(app->id, id) != 0)
        app = app->bucket_next;
    return app;
}

/* Keep at least as many buckets as application ids. */
static enum cs_status grow_buckets(struct cs_agenda *agenda)
{
    size_t count = agenda->bucket_count ? agenda->bucket_count * 2
                                        : BUCKETS_FIRST;
    struct cs_app **buckets, *app;
    size_t cursor = 0;

    if (agenda->apps.count < agenda->bucket_count)
        return CS_OK;
    buckets = cs_mem_zalloc(count, sizeof(struct cs_app *));
    if (!buckets)
        return CS_NOMEM;
    cs_mem_free(agenda->buckets);
    agenda->buckets = buckets;
    agenda->bucket_count = count;
    while ((app = cs_table_next(&agenda->apps, &cursor))) {
        struct cs_app **bucket = bucket_of(agenda, app->id);

        app->bucket_next = *bucket;
        *bucket = app;
    }
    return CS_OK;
}

static struct cs_app *new_app(struct cs_agenda *agenda, const char *id,
                              const uint8_t *key)
{
    size_t size = strlen(id) + 1;
    struct cs_app *app = cs_mem_zalloc(1, sizeof(*app) + size), **bucket;

    if (!app || grow_buckets(agenda) != CS_OK
        || cs_table_add(&agenda->apps, app, &app->handle) != CS_OK) {
        cs_mem_free(app);
        return NULL;
    }
    memcpy(app->id, id, size);
    app->has_key = key != NULL;
    if (key)
        memcpy(app->key, key, CS_KEY_SIZE);
    bucket = bucket_of(agenda, id);
    app->bucket_next = *bucket;
    *bucket = app;
    return app;
}

enum cs_status cs_agenda_open(struct cs_agenda *agenda,
                              const char *application_id, const uint8_t *key,
                              uint64_t *handle, struct cs_error *error)
{
    struct cs_app *app = find_app(agenda, application_id);

    if (app) {
        *handle = app->handle;
        return cs_error_set(error, CS_EXISTS,
                            "the application id is open already");
    }
    app = new_app(agenda, application_id, key);
    if (!app)
        return no_memory(error);
    *handle = app->handle;
    return CS_OK;
}

static void tell_owner(struct cs_agenda *agenda, const struct cs_app *app,
                       struct cs_wall now)
{
    struct cs_event event = {
        .kind = app->owned ? CS_EVENT_OWNED : CS_EVENT_DISOWNED,
        .app = app->handle, .at = now,
    };

    agenda->emit(agenda->context, &event);
}

enum cs_status cs_agenda_own(struct cs_agenda *agenda, uint64_t handle,
                             bool was_anothers, struct cs_wall now)
{
    struct cs_app *app = cs_table_get(&agenda->apps, handle);
    struct cs_call *call;

    if (!app)
        return CS_UNKNOWN;
    if (app->owned)
        return CS_OK;
    app->owned = true;
    agenda->stats.owned++;
    tell_owner(agenda, app, now);
    for (call = app->calls; call; call = call->app_next)
        if (!(call->flags & CALL_REMOVED))
            cs_plan_start(agenda, call, now, was_anothers);
    return CS_OK;
}

enum cs_status cs_agenda_disown(struct cs_agenda *agenda, uint64_t handle,
                                struct cs_wall now)
{
    struct cs_app *app = cs_table_get(&agenda->apps, handle);
    struct cs_call *call;

    if (!app)
        return CS_UNKNOWN;
    if (!app->owned)
        return CS_OK;
    app->owned = false;
    agenda->stats.owned--;
    for (call = app->calls; call; call = call->app_next) {
        cs_plan_leave(agenda, call);
        call->flags &= (uint8_t)~CALL_BLOCKED;
        cs_run_drop(agenda, call, now);
    }
    tell_owner(agenda, app, now);
    return CS_OK;
}

bool cs_agenda_each_app(const struct cs_agenda *agenda, size_t *cursor,
                        struct cs_app_view *view)
{
    const struct cs_app *app = cs_table_next(&agenda->apps, cursor);

    if (!app)
        return false;
    *view = (struct cs_app_view){app->handle, app->id, app->owned};
    return true;
}

/* -- calls ---------------------------------------------------------------- */

static void link_call(struct cs_call *call)
{
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
    struct cs_app *app = cs_table_get(&agenda->apps, spec->app);
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

enum cs_status cs_agenda_remove(struct cs_agenda *agenda, uint64_t handle,
                                struct cs_wall now)
{
    struct cs_call *call = cs_table_remove(&agenda->calls_by_handle, handle);

    if (!call)
        return CS_UNKNOWN;
    cs_plan_leave(agenda, call);
    unlink_from_job(call);
    call->flags = CALL_REMOVED;
    cs_run_drop(agenda, call, now);
    cs_run_free_removed(call);
    return CS_OK;
}

enum cs_status cs_agenda_fire(struct cs_agenda *agenda, uint64_t handle,
                              int64_t scheduled_s, struct cs_wall now)
{
    struct cs_call *call = cs_table_get(&agenda->calls_by_handle, handle);
    const struct cs_run *run;
    struct cs_run_spec spec = {
        .scheduled_s = scheduled_s, .due = now, .backlog = true,
    };

    if (!call)
        return CS_UNKNOWN;
    if (!is_in_range(scheduled_s))
        return CS_RANGE;
    if (!call->app->owned)
        return CS_STATE;
    for (run = call->runs; run; run = run->sibling)
        if (run->scheduled_s == scheduled_s)
            return CS_OK;
    if (cs_plan_due(call, scheduled_s).ns < now.ns)
        spec.due = cs_plan_due(call, scheduled_s);
    spec.blocked = call->runs
                  && !(call->job->policy.overlap == CS_OVERLAP_ALLOW
                       && call->job->policy.coalesce);
    return cs_run_new(agenda, call, &spec);
}

/* -- all of them ---------------------------------------------------------- */

void cs_agenda_step(struct cs_agenda *agenda, int64_t step_ns,
                    struct cs_wall now)
{
    struct cs_call *call;
    size_t cursor = 0;

    if (step_ns >= -ROLLBACK_NS)
        return;
    while ((call = cs_table_next(&agenda->calls_by_handle, &cursor)))
        if (call->app->owned && !(call->flags & (CALL_FIRST | CALL_DONE))) {
            call->flags &= (uint8_t)~CALL_BLOCKED;   /* its key is ahead */
            cs_plan_set(agenda, call,
                        cs_plan_next_from(call, now, INT64_MIN));
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
        struct cs_call *call, *call_next;

        for (call = app->calls; call; call = call_next) {
            struct cs_run *run, *run_next;

            call_next = call->app_next;
            for (run = call->runs; run; run = run_next) {
                run_next = run->sibling;
                if (run->state == RUN_IN_FLIGHT)
                    cs_agenda_finish(agenda, run, &cut, now, mono);
            }
        }
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
