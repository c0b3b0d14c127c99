/* What other threads ask of a running scheduler: the agenda's functions,
 * inside the gate, and its events. Whoever makes the next thing due sooner
 * than the thread means to wake, wakes it.
 */
#include "core/sched/sched_parts.h"

#include <string.h>

/* -- calls ---------------------------------------------------------------- */

/* After a change of what is planned: does the thread sleep too long? */
static void wake_if_sooner(struct cs_sched *sched)
{
    struct cs_wall wall;
    struct cs_mono mono;

    cs_agenda_sleep(sched->agenda, &wall, &mono);
    if (wall.ns < sched->asleep_wall.ns || mono.ns < sched->asleep_mono.ns)
        cs_sched_wake(sched);
}

enum cs_status cs_sched_define(struct cs_sched *sched, const char *name,
                               const struct cs_expr *expr,
                               struct cs_zone *zone,
                               const struct cs_policy *policy, uint64_t *job,
                               struct cs_error *error)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return cs_sched_refuse(error);
    cs_sched_enter(sched);
    status = cs_agenda_define(sched->agenda, name, expr, zone, policy, job,
                              error);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_redefine(struct cs_sched *sched, uint64_t job,
                                 const struct cs_expr *expr,
                                 struct cs_zone *zone)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_redefine(sched->agenda, job, expr, zone,
                                cs_sched_wall(sched));
    wake_if_sooner(sched);
    cs_sched_leave(sched);
    return status;
}

/* An application id that has got its first call, or lost its last one. A
 * manual scheduler owns all that has calls, at once. */
static void want(struct cs_sched *sched, uint64_t app)
{
    cs_owner_want(&sched->owner, app,
                  cs_agenda_called(sched->agenda, app) > 0);
    if (sched->owner.changed_first == CS_NO_SEAT)
        return;
    cs_sched_wake(sched);
    if (sched->manual)
        (void)cs_owner_turn(&sched->owner, sched->agenda,
                            cs_sched_wall(sched), cs_sched_mono(sched),
                            NULL);   /* without a lease nothing can fail */
}

enum cs_status cs_sched_open(struct cs_sched *sched,
                             const char *application_id, const uint8_t *key,
                             uint64_t *app, struct cs_error *error)
{
    struct cs_seat seat;
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return cs_sched_refuse(error);
    cs_sched_enter(sched);
    status = cs_owner_reserve(&sched->owner, application_id, &seat);
    if (status != CS_OK)
        (void)cs_error_set(error, status, "out of memory");
    else
        status = cs_agenda_open(sched->agenda, application_id, key, app,
                                error);
    if (status == CS_OK) {
        seat.app = *app;
        cs_owner_seat(&sched->owner, &seat);
    }
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_send_with(struct cs_sched *sched, uint64_t app,
                                  const char *const *headers,
                                  struct cs_error *error)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return cs_sched_refuse(error);
    cs_sched_enter(sched);
    status = cs_agenda_send_with(sched->agenda, app, headers, error);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_add(struct cs_sched *sched,
                            const struct cs_call_spec *spec, uint64_t *call,
                            struct cs_error *error)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return cs_sched_refuse(error);
    cs_sched_enter(sched);
    status = cs_agenda_add(sched->agenda, spec, cs_sched_wall(sched), call,
                           error);
    if (status == CS_OK)
        want(sched, spec->app);
    wake_if_sooner(sched);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_remove(struct cs_sched *sched, uint64_t call)
{
    enum cs_status status;
    uint64_t app;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    app = cs_agenda_app_of(sched->agenda, call);
    status = cs_agenda_remove(sched->agenda, call, cs_sched_wall(sched));
    if (status == CS_OK)
        want(sched, app);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_offset(struct cs_sched *sched, uint64_t call,
                               int32_t *offset_ms)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_offset(sched->agenda, call, offset_ms);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_fire(struct cs_sched *sched,
                             const struct cs_fire_spec *spec)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_fire(sched->agenda, spec, cs_sched_wall(sched),
                            cs_sched_mono(sched));
    cs_sched_wake(sched);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_skip(struct cs_sched *sched, uint64_t call,
                             int64_t scheduled_s)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_skip(sched->agenda, call, scheduled_s,
                            cs_sched_wall(sched));
    wake_if_sooner(sched);
    cs_sched_leave(sched);
    return status;
}

size_t cs_sched_changes(struct cs_sched *sched, uint64_t after,
                        struct cs_ownership *changes, size_t most)
{
    size_t count;

    if (!cs_sched_is_ours(sched))
        return 0;
    cs_sched_enter(sched);
    count = cs_agenda_changes(sched->agenda, after, changes, most);
    cs_sched_leave(sched);
    return count;
}

/* -- what several machines share ------------------------------------------ */

enum cs_status cs_sched_share(struct cs_sched *sched, uint64_t app)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_owner_share(&sched->owner, app);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_grant(struct cs_sched *sched, uint64_t app,
                              uint64_t epoch)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_owner_grant(&sched->owner, sched->agenda, app, epoch,
                            cs_sched_wall(sched));
    wake_if_sooner(sched);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_revoke(struct cs_sched *sched, uint64_t app)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_owner_revoke(&sched->owner, sched->agenda, app,
                             cs_sched_wall(sched));
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_granter(struct cs_sched *sched, size_t *granter)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_owner_granter(&sched->owner, granter);
    cs_sched_leave(sched);
    return status;
}

void cs_sched_valid(struct cs_sched *sched, size_t granter,
                    struct cs_mono until)
{
    if (!cs_sched_is_ours(sched))
        return;
    cs_sched_enter(sched);
    cs_owner_valid(&sched->owner, granter, until);
    wake_if_sooner(sched);   /* while it holds, the thread sleeps for long */
    cs_sched_leave(sched);
}

struct cs_mono cs_sched_now(struct cs_sched *sched)
{
    struct cs_mono now;

    if (!cs_sched_is_ours(sched))
        return (struct cs_mono){0};
    cs_sched_enter(sched);
    now = cs_sched_mono(sched);
    cs_sched_leave(sched);
    return now;
}

size_t cs_sched_leased(struct cs_sched *sched, size_t *cursor,
                       uint64_t *apps, size_t most, uint64_t *number)
{
    size_t count;

    *number = 0;
    if (!cs_sched_is_ours(sched))
        return 0;
    cs_sched_enter(sched);
    *number = sched->owner.leased;
    count = cs_owner_leased(&sched->owner, cursor, apps, most);
    cs_sched_leave(sched);
    return count;
}

void cs_sched_stats(struct cs_sched *sched, struct cs_sched_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    if (!cs_sched_is_ours(sched))
        return;
    cs_sched_enter(sched);
    cs_agenda_stats(sched->agenda, &stats->agenda);
    stats->events_dropped = sched->ring.dropped;
    stats->turns = sched->turns;
    stats->ownership = cs_agenda_newest_change(sched->agenda);
    stats->running = sched->http && !sched->ended;
    cs_sched_leave(sched);
}

/* -- events --------------------------------------------------------------- */

static bool has_news(const struct cs_sched *sched)
{
    return sched->ring.count > 0
           || sched->told < cs_agenda_newest_change(sched->agenda);
}

/* Ownership, from where the reader has it. */
static size_t tell_changes(struct cs_sched *sched, struct cs_event *events,
                           size_t most)
{
    struct cs_ownership changes[CS_BATCH];
    size_t i, count;

    count = cs_agenda_changes(sched->agenda, sched->told, changes,
                              most < CS_BATCH ? most : CS_BATCH);
    for (i = 0; i < count; i++)
        events[i] = (struct cs_event){
            .kind = changes[i].owned ? CS_EVENT_OWNED : CS_EVENT_DISOWNED,
            .app = changes[i].app, .at = changes[i].since,
        };
    if (count)
        sched->told = changes[count - 1].number;
    return count;
}

static size_t read_events(struct cs_sched *sched, struct cs_event *events,
                          size_t most)
{
    bool was_behind = !cs_sched_room(sched, cs_sched_mono(sched));
    size_t told, count = 0;

    while (count < most
           && (told = tell_changes(sched, events + count, most - count)))
        count += told;
    while (count < most
           && cs_ring_pop(&sched->ring, &events[count]) == CS_OK)
        count++;
    sched->last_read = cs_sched_mono(sched);
    if (was_behind)
        cs_sched_wake(sched);
    return count;
}

size_t cs_sched_events(struct cs_sched *sched, struct cs_event *events,
                       size_t most, int32_t timeout_ms)
{
    int64_t deadline;
    size_t count;
    bool is_dead;

    if (!cs_sched_is_ours(sched))
        return 0;
    cs_sched_enter(sched);
    if (timeout_ms > 0) {
        deadline = cs_gate_deadline(timeout_ms);
        while (!has_news(sched) && !sched->interrupted
               && cs_gate_wait(&sched->gate, deadline))
            ;
        sched->interrupted = false;
    }
    count = read_events(sched, events, most);
    is_dead = sched->revive_at.ns <= cs_sched_mono(sched).ns;
    cs_sched_leave(sched);
    if (is_dead)
        cs_sched_revive(sched);
    return count;
}

void cs_sched_interrupt(struct cs_sched *sched)
{
    if (!cs_sched_is_ours(sched))
        return;
    cs_sched_enter(sched);
    sched->interrupted = sched->has_events = true;
    cs_sched_leave(sched);
}
