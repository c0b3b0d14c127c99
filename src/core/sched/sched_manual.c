/* A scheduler without a thread: its clock is moved by hand, and its attempts
 * are taken and completed by the caller.
 */
#include "core/sched/sched_parts.h"

#include <string.h>

#include "core/base/mem.h"

static bool is_manual(const struct cs_sched *sched)
{
    return cs_sched_is_ours(sched) && sched->manual;
}

static bool is_held(const struct cs_sched *sched)
{
    return cs_owner_holds(&sched->owner, cs_sched_mono(sched));
}

/* `at_ns` moved on, if it is then still one that the agenda can add to. */
static bool move(int64_t *at_ns, int64_t by_ns)
{
    int64_t moved_ns;

    if (__builtin_add_overflow(*at_ns, by_ns, &moved_ns) || moved_ns < 0
        || moved_ns >= CS_ZONE_END_S * CS_NS_PER_S)
        return false;
    *at_ns = moved_ns;
    return true;
}

/* Both, or neither. */
static bool move_clock(struct cs_clock_manual *clock, int64_t elapsed_ns,
                       int64_t step_ns)
{
    struct cs_clock_manual moved = *clock;

    if (elapsed_ns < 0 || !move(&moved.mono.ns, elapsed_ns)
        || !move(&moved.wall.ns, elapsed_ns)
        || !move(&moved.wall.ns, step_ns))
        return false;
    *clock = moved;
    return true;
}

enum cs_status cs_sched_advance(struct cs_sched *sched, int64_t elapsed_ns,
                                int64_t step_ns)
{
    if (!is_manual(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    if (!move_clock(&sched->manual_clock, elapsed_ns, step_ns)) {
        cs_sched_leave(sched);
        return CS_RANGE;
    }
    if (step_ns)
        cs_sched_step(sched, step_ns, sched->manual_clock.wall,
                      sched->manual_clock.mono);
    while (!is_held(sched)
           && cs_agenda_collect(sched->agenda, sched->manual_clock.wall,
                                sched->manual_clock.mono, SIZE_MAX))
        ;
    sched->turns++;
    cs_sched_leave(sched);
    return CS_OK;
}

static int64_t until(int64_t at_ns, int64_t now_ns)
{
    if (at_ns == INT64_MAX)
        return INT64_MAX;
    return at_ns > now_ns ? at_ns - now_ns : 0;
}

int64_t cs_sched_idle_ns(struct cs_sched *sched)
{
    struct cs_wall wall;
    struct cs_mono mono;
    int64_t wall_ns, mono_ns;

    if (!is_manual(sched))
        return INT64_MAX;
    cs_sched_enter(sched);
    cs_agenda_sleep(sched->agenda, &wall, &mono);
    wall_ns = until(wall.ns, sched->manual_clock.wall.ns);
    mono_ns = until(mono.ns, sched->manual_clock.mono.ns);
    if (is_held(sched))
        wall_ns = mono_ns = INT64_MAX;
    cs_sched_leave(sched);
    return wall_ns < mono_ns ? wall_ns : mono_ns;
}

/* One block: the list and what it points to. */
struct signed_headers {
    const char *list[CS_HEADERS];
    struct cs_sign_headers headers;
};

enum cs_status cs_sched_take(struct cs_sched *sched,
                             struct cs_delivery_out *delivery)
{
    static const struct cs_result failed = {
        .delivery = CS_NOT_CONNECTED, .retry_after_s = -1, .outcome = "",
        .detail = "out of memory",
    };
    struct signed_headers *block;
    enum cs_status status;

    if (!is_manual(sched))
        return CS_STATE;
    block = cs_mem_alloc(sizeof(*block));
    if (!block)
        return CS_NOMEM;
    cs_sched_enter(sched);
    status = is_held(sched) ? CS_NONE
             : cs_agenda_take(sched->agenda, cs_sched_wall(sched),
                              cs_sched_mono(sched), &delivery->attempt);
    if (status == CS_OK) {
        status = cs_sched_sign(sched, &delivery->attempt, &block->headers,
                               block->list);
        if (status != CS_OK)
            cs_agenda_finish(sched->agenda, delivery->attempt.run, &failed,
                             cs_sched_wall(sched), cs_sched_mono(sched));
    }
    cs_sched_leave(sched);
    if (status == CS_OK)
        delivery->headers = (char **)block->list;
    else
        cs_mem_free(block);
    return status;
}

void cs_sched_delivery_fini(struct cs_delivery_out *delivery)
{
    cs_mem_free(delivery->headers);
    delivery->headers = NULL;
}

enum cs_status cs_sched_complete(struct cs_sched *sched, void *run,
                                 const struct cs_result *result)
{
    if (!is_manual(sched))
        return CS_STATE;
    cs_sched_enter(sched);
    cs_agenda_finish(sched->agenda, run, result, cs_sched_wall(sched),
                     cs_sched_mono(sched));
    cs_sched_leave(sched);
    return CS_OK;
}
