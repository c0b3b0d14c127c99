/* What the files of the scheduler share, and nobody else includes:
 *
 *   sched.c         new, start, stop, fork
 *   sched_ask.c     what other threads ask of it
 *   sched_manual.c  the scheduler without a thread
 *   loop.c          what the thread does
 *   sched_sign.c    the headers of a request
 *   sched_gate.c    the gate, events, waking the thread
 *
 * An arrow goes down this list, or from sched.c to loop.c; sched_ask.c calls
 * cs_sched_revive.
 *
 * Who may touch what:
 *   read only      pid, manual, limits, user_agent, clock (its functions)
 *   `gate`         agenda, ring, manual_clock, owner, http (the pointer),
 *                  asleep_*, woken, leaving, ended, detached, interrupted,
 *                  has_events, turns, faulted, told, last_read,
 *                  revive_at. Held for a few lines, never
 *                  while sending.
 *   `life`         thread, state, pauses: held while the thread is started
 *                  or ended, and never taken by it.
 *   the thread     what is in `loop`, *http, owner.lease (inside the gate);
 *                  without a thread, whoever is in `life`.
 *   fork guard     owner.lease, loop.alarm.fd, http (the pointer), previous,
 *                  next: changed only inside it, too, so that a forked child,
 *                  which can take no other lock, finds them whole.
 * Locks are taken in this order: life, gate, fork guard.
 */
#ifndef CS_SCHED_PARTS_H
#define CS_SCHED_PARTS_H

#include "core/sched/agenda.h"
#include "core/base/alarm.h"
#include "core/base/clock.h"
#include "core/http/http.h"
#include "core/sched/owner.h"
#include "core/base/ring.h"
#include "core/sched/sched.h"
#include "core/http/sign.h"
#include "core/base/thread.h"

#define CS_BATCH 64   /* attempts and answers in one turn */

/* Why the thread is to end. */
enum cs_leaving { CS_STAYING, CS_PAUSING, CS_STOPPING };

enum cs_sched_state { CS_STOPPED, CS_RUNNING, CS_PAUSED };

/* What only the thread knows. */
struct cs_loop {
    struct cs_alarm alarm;
    struct cs_wall armed;          /* what the alarm is set to */
    int64_t wall_minus_mono_ns;    /* at the last turn */
    struct cs_mono last_turn;
    size_t answered, taken;
    struct cs_http_answer answers[CS_BATCH];
    struct cs_attempt attempts[CS_BATCH];
};

struct cs_sched {
    pid_t pid;
    bool manual;
    struct cs_limits limits;
    char *user_agent;              /* Owned; a whole header line. */
    struct cs_clock clock;

    struct cs_gate gate;
    struct cs_agenda *agenda;      /* Owned. */
    struct cs_ring ring;           /* of struct cs_event, details owned */
    struct cs_clock_manual manual_clock;  /* of a manual clock */
    struct cs_owner owner;
    struct cs_http *http;          /* Owned; NULL while stopped. */
    struct cs_wall asleep_wall;    /* until when the thread means to sleep */
    struct cs_mono asleep_mono;
    bool woken;                   /* it was woken, and has not looked yet */
    bool ended;                    /* the thread has nothing more to do here */
    bool detached;                   /* whoever ends last frees it all */
    bool interrupted, has_events, faulted;
    uint8_t leaving;               /* enum cs_leaving */
    uint64_t turns;
    uint64_t told;                 /* the newest change of ownership that the
                                      reader has heard of */
    struct cs_mono last_read;      /* when the reader came last */
    struct cs_mono revive_at;      /* the thread could not be started again:
                                      when to try; else never */

    struct cs_gate life;
    struct cs_thread thread;
    bool alive;                    /* `thread` is to be joined */
    uint8_t state;                 /* enum cs_sched_state */
    int pauses;

    struct cs_loop loop;
    struct cs_sched *previous, *next;   /* Borrowed; those of the process. */
};

/* -- sched_gate.c --------------------------------------------------------- */

/* Are we in the process that made it? If not, nothing may be touched: the
 * error says so. */
bool cs_sched_is_ours(const struct cs_sched *sched);
enum cs_status cs_sched_refuse(struct cs_error *error);

void cs_sched_enter(struct cs_sched *sched);
void cs_sched_leave(struct cs_sched *sched);   /* wakes the reader */

static inline struct cs_wall cs_sched_wall(const struct cs_sched *sched)
{
    return sched->clock.wall(sched->clock.context);
}

static inline struct cs_mono cs_sched_mono(const struct cs_sched *sched)
{
    return sched->clock.mono(sched->clock.context);
}

/* Inside the gate: end the thread's sleep, if that was not done before. */
void cs_sched_wake(struct cs_sched *sched);

/* Inside the gate: into the ring, or counted. The scheduler has trouble. */
void cs_sched_emit(void *sched, struct cs_event *event);
void cs_sched_fault(struct cs_sched *sched, const char *text);

/* Inside the gate: how many events may still be made by what is new; 0 while
 * the reader has to catch up. */
size_t cs_sched_room(const struct cs_sched *sched, struct cs_mono now);

/* Inside the gate: the wall clock was set. */
void cs_sched_step(struct cs_sched *sched, int64_t step_ns,
                   struct cs_wall now, struct cs_mono mono);

/* -- sched.c -------------------------------------------------------------- */

/* Start again what could not be started after a pause; or later. */
void cs_sched_revive(struct cs_sched *sched);

/* -- sched_sign.c --------------------------------------------------------- */

/* The headers of a request, into `headers` (it must not move afterwards) and
 * as a list of at most CS_HEADERS with the NULL. CS_NOMEM. A manual clock is
 * read inside the gate. */
#define CS_HEADERS (9 + CS_APP_HEADERS)
enum cs_status cs_sched_sign(const struct cs_sched *sched,
                             const struct cs_attempt *attempt,
                             struct cs_sign_headers *headers,
                             const char *list[CS_HEADERS]);

#endif
