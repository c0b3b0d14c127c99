/* Application ids: found by their text, and owned or not. Which of them are is
 * state that can be asked for: a list by the number of the last change, each
 * application id in it once.
 */
#include "core/sched/agenda_parts.h"

#include <string.h>

#include "core/base/mem.h"

#define BUCKETS_FIRST 64

struct cs_app *cs_apps_get(const struct cs_agenda *agenda, uint64_t handle)
{
    return cs_table_get(&agenda->apps, handle);
}

static enum cs_status no_memory(struct cs_error *error)
{
    return cs_error_set(error, CS_NOMEM, "out of memory");
}

/* -- by their text -------------------------------------------------------- */

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
    cs_heap_init(&app->queue);
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

/* A control character would begin another header. */
static bool is_header(const char *line)
{
    const char *colon = strchr(line, ':');

    for (const char *at = line; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    return colon && colon > line;
}

/* The list and its texts in one block. NULL when out of memory. */
static char **copy_lines(const char *const *lines, size_t count)
{
    size_t size = (count + 1) * sizeof(char *);
    char **copy, *text;

    for (size_t i = 0; i < count; i++)
        size += strlen(lines[i]) + 1;
    copy = cs_mem_alloc(size);
    if (!copy)
        return NULL;
    text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = text;
        size = strlen(lines[i]) + 1;
        memcpy(text, lines[i], size);
        text += size;
    }
    copy[count] = NULL;
    return copy;
}

enum cs_status cs_agenda_send_with(struct cs_agenda *agenda, uint64_t handle,
                                   const char *const *headers,
                                   struct cs_error *error)
{
    struct cs_app *app = cs_table_get(&agenda->apps, handle);
    size_t count = 0;

    if (!app)
        return cs_error_set(error, CS_UNKNOWN, "no such application id");
    if (app->headers || app->calls)
        return cs_error_set(error, CS_STATE,
                            "too late: it has calls or headers already");
    for (; headers[count]; count++)
        if (!is_header(headers[count]))
            return cs_error_set(error, CS_SYNTAX, "not a header: %.60s",
                                headers[count]);
    if (count > CS_APP_HEADERS)
        return cs_error_set(error, CS_RANGE, "at most %d headers",
                            CS_APP_HEADERS);
    app->headers = copy_lines(headers, count);
    return app->headers ? CS_OK : no_memory(error);
}

/* -- who owns what -------------------------------------------------------- */

/* Out of the list of changes, if it is in. */
static void forget_change(struct cs_agenda *agenda, struct cs_app *app)
{
    if (!app->change)
        return;
    *(app->changed_before ? &app->changed_before->changed_after
                          : &agenda->changed_first) = app->changed_after;
    *(app->changed_after ? &app->changed_after->changed_before
                         : &agenda->changed_last) = app->changed_before;
}

static void note_change(struct cs_agenda *agenda, struct cs_app *app)
{
    forget_change(agenda, app);
    app->change = ++agenda->change;
    app->changed_before = agenda->changed_last;
    app->changed_after = NULL;
    *(agenda->changed_last ? &agenda->changed_last->changed_after
                           : &agenda->changed_first) = app;
    agenda->changed_last = app;
}

static void change_owner(struct cs_agenda *agenda, struct cs_app *app,
                         bool owned, struct cs_wall now)
{
    struct cs_event event = {
        .kind = owned ? CS_EVENT_OWNED : CS_EVENT_DISOWNED,
        .app = app->handle, .at = now,
    };

    app->owned = owned;
    app->since = now;
    agenda->stats.owned += owned ? 1 : (size_t)-1;
    note_change(agenda, app);
    agenda->emit(agenda->context, &event);
}

uint64_t cs_agenda_newest_change(const struct cs_agenda *agenda)
{
    return agenda->change;
}

size_t cs_agenda_changes(const struct cs_agenda *agenda, uint64_t after,
                         struct cs_ownership *changes, size_t most)
{
    const struct cs_app *app = agenda->changed_last, *first = NULL;
    size_t count = 0;

    for (; app && app->change > after; app = app->changed_before)
        first = app;
    for (app = first; app && count < most; app = app->changed_after)
        changes[count++] = (struct cs_ownership){
            app->change, app->handle, app->owned, app->since};
    return count;
}

enum cs_status cs_agenda_own(struct cs_agenda *agenda, uint64_t handle,
                             bool was_anothers, struct cs_wall now)
{
    struct cs_app *app = cs_apps_get(agenda, handle);
    struct cs_call *call;

    if (!app)
        return CS_UNKNOWN;
    if (app->owned)
        return CS_OK;
    if (!agenda->window.from.ns)
        agenda->window.from = now;
    change_owner(agenda, app, true, now);
    for (call = app->calls; call; call = call->app_next)
        if (!(call->flags & CALL_REMOVED))
            cs_plan_start(agenda, call, now, was_anothers);
    return CS_OK;
}

enum cs_status cs_agenda_disown(struct cs_agenda *agenda, uint64_t handle,
                                struct cs_wall now)
{
    struct cs_app *app = cs_apps_get(agenda, handle);
    struct cs_call *call;

    if (!app)
        return CS_UNKNOWN;
    if (!app->owned)
        return CS_OK;
    app->owned = false;   /* what is dropped is not tried again */
    for (call = app->calls; call; call = call->app_next) {
        cs_plan_leave(agenda, call);
        call->flags &= (uint8_t)~(CALL_BLOCKED | CALL_DELAYED);
        cs_run_drop(agenda, call, now);
    }
    change_owner(agenda, app, false, now);
    return CS_OK;
}

void cs_agenda_set_epoch(struct cs_agenda *agenda, uint64_t handle,
                         uint64_t epoch)
{
    struct cs_app *app = cs_apps_get(agenda, handle);

    if (app)
        app->epoch = epoch;
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

