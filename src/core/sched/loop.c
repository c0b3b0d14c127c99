/* The thread of a scheduler. One turn: what came back and what is due is
 * settled inside the gate, what is to be sent is signed and sent outside, then
 * the one sleep. Each turn is bounded, and what is left over makes the sleep
 * one of no length.
 */
#include "core/sched/loop.h"

#include "core/sched/sched_parts.h"

#include <string.h>

#define COLLECT_MOST 1024                         /* calls in one turn */
#define STEP_LEAST_NS (500 * CS_NS_PER_MS)   /* less is slewing */
#define SAMPLE_MOST_NS (5 * CS_NS_PER_MS)
#define SLEEP_MOST_MS 60000
#define BLIND_SLEEP_MOST_MS 1000                  /* without an alarm */
#define SHORT_OF_MEMORY_MS 10

/* -- the clocks ----------------------------------------------------------- */

struct instant {
    struct cs_wall wall;
    struct cs_mono mono;
};

/* Both clocks at one instant: read again when we were held up in between. */
static struct instant look(const struct cs_sched *sched)
{
    const struct cs_clock *clock = &sched->clock;
    struct instant now = {.mono = clock->mono(clock->context)};
    int tries;

    for (tries = 0; tries < 3; tries++) {
        struct cs_mono before = now.mono;

        now.wall = clock->wall(clock->context);
        now.mono = clock->mono(clock->context);
        if (now.mono.ns - before.ns < SAMPLE_MOST_NS)
            break;
    }
    return now;
}

/* By how much the wall clock was set since the last turn. A clock that is
 * slewed gains or loses up to a thousandth; that is not a step. */
static int64_t measure_step(struct cs_loop *loop, struct instant now)
{
    int64_t difference_ns = now.wall.ns - now.mono.ns;
    int64_t step_ns = difference_ns - loop->wall_minus_mono_ns;
    int64_t slewed_ns = (now.mono.ns - loop->last_turn.ns) / 1000;

    loop->wall_minus_mono_ns = difference_ns;
    loop->last_turn = now.mono;
    return (step_ns < 0 ? -step_ns : step_ns)
           > STEP_LEAST_NS + slewed_ns ? step_ns : 0;
}

static void notice_step(struct cs_sched *sched, struct instant now)
{
    int64_t step_ns = measure_step(&sched->loop, now);

    if (cs_alarm_ack(&sched->loop.alarm))
        sched->loop.armed.ns = INT64_MIN;
    if (step_ns)
        cs_sched_step(sched, step_ns, now.wall, now.mono);
}

/* -- what came back ------------------------------------------------------- */

static enum cs_delivery delivery_of(const struct cs_http_answer *answer)
{
    switch (answer->error) {
    case CS_HTTP_DONE:
        return CS_ANSWERED;
    case CS_HTTP_TIMED_OUT:
        return CS_TIMED_OUT;
    case CS_HTTP_NOT_CONNECTED:
        return CS_NOT_CONNECTED;
    case CS_HTTP_BROKEN:
        break;
    }
    return CS_BROKEN;
}

static void finish(struct cs_sched *sched,
                   const struct cs_http_answer *answer, struct instant now)
{
    char body[CS_HTTP_BODY_KEPT + 1];
    struct cs_result result = {
        .delivery = delivery_of(answer), .status = answer->status,
        .retry_after_s = answer->retry_after_s, .outcome = answer->outcome,
        .detail = answer->reason, .took_ns = answer->took_ns,
    };

    if (result.delivery == CS_ANSWERED) {
        memcpy(body, answer->body, answer->body_size);
        body[answer->body_size] = '\0';
        result.detail = body;
    }
    cs_agenda_finish(sched->agenda, answer->tag, &result, now.wall, now.mono);
}

static void finish_all(struct cs_sched *sched, struct instant now)
{
    size_t i;

    for (i = 0; i < sched->loop.answered; i++)
        finish(sched, &sched->loop.answers[i], now);
}

static void reap(struct cs_sched *sched)
{
    struct cs_loop *loop = &sched->loop;

    loop->answered = 0;
    while (loop->answered < CS_BATCH
           && cs_http_reap(sched->http, &loop->answers[loop->answered])
              == CS_OK)
        loop->answered++;
}

/* -- what is to be sent --------------------------------------------------- */

static enum cs_status submit(struct cs_sched *sched,
                             const struct cs_attempt *attempt,
                             struct cs_error *error)
{
    struct cs_sign_headers headers;
    const char *list[CS_HEADERS];
    struct cs_http_request request = {
        .url = attempt->url, .headers = list, .post = attempt->policy->post,
        .reuse = attempt->policy->claims,
        .timeout_ms = attempt->policy->timeout_ms,
        .connect_timeout_ms = attempt->policy->connect_timeout_ms,
        .tag = attempt->run,
    };

    if (cs_sched_sign(sched, attempt, &headers, list) != CS_OK)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    return cs_http_submit(sched->http, &request, error);
}

/* The request was not sent: as if there were no server, or a final failure. */
static void fail(struct cs_sched *sched, const struct cs_attempt *attempt,
                 const struct cs_error *error)
{
    struct cs_result result = {
        .delivery = error->status == CS_SYNTAX ? CS_UNSENDABLE
                                               : CS_NOT_CONNECTED,
        .retry_after_s = -1, .outcome = "", .detail = error->text,
    };
    struct instant now;

    cs_sched_enter(sched);
    now = look(sched);
    cs_agenda_finish(sched->agenda, attempt->run, &result, now.wall,
                     now.mono);
    cs_sched_leave(sched);
}

/* False when one of them failed: what follows of that is not in the plan of
 * the sleep. */
static bool submit_all(struct cs_sched *sched)
{
    struct cs_error error;
    bool all = true;
    size_t i;

    for (i = 0; i < sched->loop.taken; i++)
        if (submit(sched, &sched->loop.attempts[i], &error) != CS_OK) {
            fail(sched, &sched->loop.attempts[i], &error);
            all = false;
        }
    return all;
}

/* Make runs of what is due, and take what may be sent. True when more is
 * due. Nothing new is begun while the reader of events is behind, or what
 * several machines share is held; who ends that wakes the thread. */
static bool collect(struct cs_sched *sched, struct instant now)
{
    struct cs_loop *loop = &sched->loop;
    size_t room = cs_sched_room(sched, now.mono);
    bool more;

    loop->taken = 0;
    if (!room || cs_owner_holds(&sched->owner, now.mono))
        return false;
    more = cs_agenda_collect(sched->agenda, now.wall, now.mono,
                             room < COLLECT_MOST ? room : COLLECT_MOST);
    while (loop->taken < CS_BATCH
           && cs_agenda_take(sched->agenda, now.wall, now.mono,
                             &loop->attempts[loop->taken]) == CS_OK)
        loop->taken++;
    return more;
}

/* -- the sleep ------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds until `ns`, rounded up, at most `most`. */
static int ms_until(int64_t ns, int64_t now_ns, int most)
{
    if (ns <= now_ns)
        return 0;
    if (ns == INT64_MAX || (ns - now_ns) / CS_NS_PER_MS >= most)
        return most;
    return (int)((ns - now_ns + CS_NS_PER_MS - 1) / CS_NS_PER_MS);
}

/* Inside the gate, at the end of a turn: until when may the thread sleep? How
 * long, in ms, apart from what the alarm is for. */
static int plan_sleep(struct cs_sched *sched, struct instant now, bool more)
{
    const struct cs_loop *loop = &sched->loop;
    bool blind = loop->alarm.fd < 0;
    int most = blind ? BLIND_SLEEP_MOST_MS : SLEEP_MOST_MS;
    int64_t mono_ns;
    int sleep_ms;

    if (cs_owner_holds(&sched->owner, now.mono))
        sched->asleep_wall.ns = sched->asleep_mono.ns = INT64_MAX;
    else
        cs_agenda_sleep(sched->agenda, &sched->asleep_wall,
                        &sched->asleep_mono);
    sched->woken = false;
    if (more || loop->taken == CS_BATCH || loop->answered == CS_BATCH)
        return 0;
    if (sched->asleep_wall.ns <= now.wall.ns
        || sched->asleep_mono.ns <= now.mono.ns)
        return SHORT_OF_MEMORY_MS;
    mono_ns = least(sched->asleep_mono.ns, cs_owner_next(&sched->owner).ns);
    sleep_ms = ms_until(mono_ns, now.mono.ns, most);
    if (blind)
        sleep_ms = ms_until(sched->asleep_wall.ns, now.wall.ns, sleep_ms);
    return sleep_ms;
}

static void set_alarm(struct cs_loop *loop, struct cs_wall at)
{
    if (at.ns == loop->armed.ns)
        return;
    loop->armed = at;
    cs_alarm_set(&loop->alarm, at);
}

/* The sleep failed: rest, so that whatever is short can come back. */
static void rest(struct cs_sched *sched)
{
    cs_sched_enter(sched);
    (void)cs_gate_wait(&sched->gate, cs_gate_deadline(SHORT_OF_MEMORY_MS));
    cs_sched_leave(sched);
}

/* -- a turn --------------------------------------------------------------- */

static void keep_seats(struct cs_sched *sched, struct instant now)
{
    struct cs_error error;

    if (cs_owner_next(&sched->owner).ns > now.mono.ns)
        return;
    if (cs_owner_turn(&sched->owner, sched->agenda, now.wall, now.mono,
                      &error) == CS_OK)
        sched->faulted = false;
    else if (!sched->faulted) {
        sched->faulted = true;   /* reported once, not four times a second */
        cs_sched_fault(sched, error.text);
    }
}

/* False when the thread is to end; then nothing was taken. */
static bool turn(struct cs_sched *sched, int *sleep_ms, struct cs_wall *wake)
{
    struct instant now;
    bool more, stays;

    reap(sched);
    cs_sched_enter(sched);
    now = look(sched);
    notice_step(sched, now);
    finish_all(sched, now);
    stays = sched->leaving == CS_STAYING;
    if (stays) {
        keep_seats(sched, now);
        more = collect(sched, now);
        *sleep_ms = plan_sleep(sched, now, more);
        *wake = sched->asleep_wall;
        sched->turns++;
    }
    cs_sched_leave(sched);
    return stays;
}

void cs_loop_run(struct cs_sched *sched)
{
    struct cs_wall wake;
    int sleep_ms;

    while (turn(sched, &sleep_ms, &wake)) {
        if (!submit_all(sched))
            sleep_ms = 0;
        set_alarm(&sched->loop, wake);
        if (cs_http_poll(sched->http, sched->loop.alarm.fd, sleep_ms)
            != CS_OK)
            rest(sched);
    }
}

/* -- what it needs -------------------------------------------------------- */

static void start_clock(struct cs_sched *sched)
{
    struct instant now = look(sched);

    sched->loop.wall_minus_mono_ns = now.wall.ns - now.mono.ns;
    sched->loop.last_turn = now.mono;
    sched->loop.armed.ns = INT64_MIN;
}

/* The pointer is the gate's and the fork guard's. Returns the old one. */
static struct cs_http *change_http(struct cs_sched *sched,
                                   struct cs_http *http)
{
    struct cs_http *old;

    cs_sched_enter(sched);
    cs_fork_enter();
    old = sched->http;
    sched->http = http;
    cs_fork_leave();
    cs_sched_leave(sched);
    return old;
}

static enum cs_status open_alarm(struct cs_alarm *alarm,
                                 struct cs_error *error)
{
    enum cs_status status;

    cs_fork_enter();
    status = cs_alarm_init(alarm, error);
    cs_fork_leave();
    return status;
}

enum cs_status cs_loop_open(struct cs_sched *sched, struct cs_error *error)
{
    struct cs_http *http;
    enum cs_status status = cs_http_new(sched->limits.per_process, &http);

    if (status != CS_OK)
        return cs_error_set(error, status, "out of memory");
    (void)change_http(sched, http);   /* there was none */
    status = open_alarm(&sched->loop.alarm, error);
    if (status == CS_OK) {
        cs_sched_enter(sched);
        status = cs_owner_open(&sched->owner, error);
        cs_sched_leave(sched);
    }
    if (status != CS_OK)
        cs_loop_close(sched);
    else
        start_clock(sched);
    return status;
}

void cs_loop_close(struct cs_sched *sched)
{
    struct instant now = look(sched);

    cs_sched_enter(sched);
    cs_owner_resign(&sched->owner, sched->agenda, now.wall);
    cs_agenda_cut(sched->agenda, now.wall, now.mono);
    cs_sched_leave(sched);
    cs_fork_enter();
    cs_alarm_fini(&sched->loop.alarm);
    cs_fork_leave();
    cs_http_free(change_http(sched, NULL));
}
