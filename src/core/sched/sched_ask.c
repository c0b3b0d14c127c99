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

/* A manual scheduler owns all there is, at once. */
static void own_manually(struct cs_sched *sched)
{
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
        own_manually(sched);
        cs_sched_wake(sched);
    }
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
    wake_if_sooner(sched);
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_remove(struct cs_sched *sched, uint64_t call)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_remove(sched->agenda, call, cs_sched_wall(sched));
    cs_sched_leave(sched);
    return status;
}

enum cs_status cs_sched_fire(struct cs_sched *sched, uint64_t call,
                             int64_t scheduled_s)
{
    enum cs_status status;

    if (!cs_sched_is_ours(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    status = cs_agenda_fire(sched->agenda, call, scheduled_s,
                            cs_sched_wall(sched));
    cs_sched_wake(sched);
    cs_sched_leave(sched);
    return status;
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
    stats->running = sched->http && !sched->ended;
    cs_sched_leave(sched);
}

/* -- events --------------------------------------------------------------- */

size_t cs_sched_events(struct cs_sched *sched, struct cs_event *events,
                       size_t most, int32_t timeout_ms)
{
    int64_t deadline;
    size_t count = 0;

    if (!cs_sched_is_ours(sched))
        return 0;
    cs_sched_enter(sched);
    if (timeout_ms > 0) {
        deadline = cs_gate_deadline(timeout_ms);
        while (!sched->ring.count && !sched->interrupted
               && cs_gate_wait(&sched->gate, deadline))
            ;
        sched->interrupted = false;
    }
    while (count < most
           && cs_ring_pop(&sched->ring, &events[count]) == CS_OK)
        count++;
    cs_sched_leave(sched);
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
