/* What the files of the agenda share, and nobody else includes:
 *
 *   plan.c     when a call is next due (reads expr, zone, next)
 *   run.c      where a run is: blocked, queued, in flight, backing off
 *   room.c     which run may be sent now: the limits, and what lingers
 *   answer.c   what an answer means, and the end of a run
 *   collect.c  from calls that are due to runs: catch-up, overlap
 *   apps.c     application ids, and which of them are owned
 *   agenda.c   jobs, calls; all of them
 *
 * An arrow goes up this list.
 *
 * Invariants. A call is in `agenda->calls` exactly while CALL_PLANNED is set;
 * its node's key is then, and while it is BLOCKED or has an unused FIRST, the
 * due time of its next run. Its runs are in the order of their scheduled
 * times. A run that is queued is in its application's queue, by turn; one that
 * backs off is in `agenda->backing_off` (key: mono). An application is in the
 * heap and the list of ready ones exactly while READY: it has a queued run and
 * room for it. What is in flight and counts is in the list of flights, the one
 * that was sent first at its head.
 */
#ifndef CS_AGENDA_PARTS_H
#define CS_AGENDA_PARTS_H

#include "core/sched/agenda.h"
#include "core/base/heap.h"
#include "core/base/table.h"

struct cs_job {
    uint64_t handle;
    struct cs_expr expr;
    struct cs_zone *zone;       /* Owned: a reference. */
    struct cs_policy policy;
    struct cs_call *calls;      /* Borrowed; linked by `job_next`. */
    struct {                    /* The last answer of cs_plan_count: calls of
                                   one job mostly ask the same. */
        int64_t first_s, last_s, count;
    } memo;
    char name[];
};

struct cs_app {
    struct cs_heap_node oldest; /* in agenda->oldest */
    struct cs_app *newer, *older;   /* Borrowed; ready ones. */
    struct cs_heap queue;       /* runs, by turn */
    struct cs_app *bucket_next; /* Borrowed. */
    struct cs_app *changed_before, *changed_after;   /* Borrowed. */
    struct cs_call *calls;      /* Owned; linked by `app_next`. */
    uint64_t handle;
    uint64_t epoch;             /* of our ownership; 0 for none */
    uint64_t change;            /* number of the last change; 0: none yet */
    struct cs_wall since;       /* when `owned` changed */
    uint32_t in_flight;
    uint32_t called;            /* calls that were not removed */
    bool owned, ready, has_key;
    bool slow;                  /* its answers are late while others' are not:
                                   what it sends counts for itself alone */
    uint8_t key[CS_KEY_SIZE];
    char **headers;             /* Owned: one block; or NULL */
    char id[];
};

enum {
    CALL_PLANNED = 1 << 0,   /* in the heap */
    CALL_FIRST = 1 << 1,     /* its key is a first due time, not used yet */
    CALL_AGED = 1 << 2,      /* that had passed when it was planned: its run
                                goes whatever its age */
    CALL_BLOCKED = 1 << 3,   /* comes back when its runs have ended */
    CALL_DONE = 1 << 4,      /* `once`, and its run was made */
    CALL_REMOVED = 1 << 5,   /* kept only until its runs have ended */
    CALL_DELAYED = 1 << 6    /* it was blocked: its next run is backlog */
};

/* A million of these must fit: nothing in here that the job can hold. The
 * scheduled time is not stored, it follows from key and offset. */
struct cs_call {
    struct cs_heap_node node;
    struct cs_app *app;         /* Borrowed. */
    struct cs_job *job;         /* Borrowed. */
    struct cs_run *runs, *last_run;   /* Owned; by scheduled time. */
    uint32_t run_count;
    uint32_t active;            /* runs that keep the next one waiting: all but
                                   the blocked, and those that are only due at
                                   a later `at` */
    uint32_t blocked, backlog;  /* runs that are; of those not BACKING_OFF */
    struct cs_call *app_next, *app_previous;   /* Borrowed. */
    struct cs_call *job_next, *job_previous;   /* Borrowed. */
    uint64_t handle;
    int64_t made_s;             /* the latest scheduled time that was sent or
                                   skipped; INT64_MIN for none */
    int32_t offset_ms;
    uint8_t flags;
    char url[];
};

enum cs_run_state {
    RUN_BLOCKED,    /* until the other runs of its call have ended */
    RUN_QUEUED,   /* for room under the limits */
    RUN_IN_FLIGHT,    /* handed out */
    RUN_BACKING_OFF    /* until it is tried again */
};

struct cs_run {
    struct cs_heap_node node;   /* in a queue or in agenda->backing_off */
    struct cs_call *call;       /* Borrowed. */
    struct cs_run *previous, *next;   /* Borrowed; runs of the call. */
    struct cs_run *sent_before, *sent_after;   /* Borrowed; flights. */
    int64_t scheduled_s;
    struct cs_wall due;
    struct cs_mono punctual;    /* when it would have been in time */
    struct cs_mono turn;        /* its place in the queue: that, or when the
                                   runs of its call before it had ended, so
                                   that a call with many to make up for takes
                                   turns with the others */
    struct cs_mono sent;        /* when it was handed out */
    struct cs_mono refused;     /* when it was first; 0: was not */
    int32_t attempt;            /* from 1 */
    int32_t status;             /* of the last attempt that counted */
    uint8_t state;              /* enum cs_run_state */
    uint8_t outcome;            /* of the last attempt that counted */
    uint8_t deliveries;         /* of this attempt that broke, and one */
    uint8_t refusals;           /* answers that said "not now" */
    bool backlog;               /* made late: the next waits for its end */
    bool fired;                 /* by cs_agenda_fire */
    bool appointed;             /* backs off until `at`: holds up nobody */
    bool started;               /* STARTED was said of this attempt */
    bool announced;             /* that it is refused was said */
    bool counts;                /* in flight: it is in the list of flights */
};

/* A stretch of wall time, between two steps of the clock, in which everything
 * due was dealt with. */
struct cs_window { struct cs_wall from, until; };
#define CS_WINDOWS 8

struct cs_agenda {
    struct cs_limits limits;
    void (*emit)(void *context, struct cs_event *event);
    void *context;                /* Borrowed. */
    struct cs_table jobs, apps, calls_by_handle;
    struct cs_heap calls;         /* by due, wall */
    struct cs_heap backing_off;   /* runs, mono */
    struct cs_heap oldest;        /* ready apps, by the turn of their
                                     first run */
    struct cs_app *newest, *last;   /* Borrowed; the same, the one whose run
                                       has the last turn first, or nearly */
    bool newest_next;             /* whose turn it is */
    struct cs_run *sent_first, *sent_last;   /* Borrowed; the flights. */
    size_t counted;               /* how many those are */
    struct cs_mono answered_sent; /* of what was answered, the newest `sent` */
    struct cs_app **buckets;      /* Owned; apps by id. */
    size_t bucket_count;          /* 0 or a power of two */
    struct cs_app *changed_first, *changed_last;   /* Borrowed. */
    uint64_t change;              /* number of the newest change */
    struct cs_window window;      /* the one that is open, as far as it got */
    struct cs_window closed[CS_WINDOWS];
    int windows;                  /* how many are closed */
    struct cs_agenda_stats stats; /* jobs, apps, calls: filled when asked */
};

/* -- plan.c --------------------------------------------------------------- */

/* The due time of `scheduled_s` of this call. */
struct cs_wall cs_plan_due(const struct cs_call *call, int64_t scheduled_s);

/* The scheduled time that the call's key stands for. */
int64_t cs_plan_scheduled(const struct cs_call *call);

/* Put the call into the heap, or move it there. / Take it out, if it is in. */
void cs_plan_at(struct cs_agenda *agenda, struct cs_call *call,
                struct cs_wall due);
void cs_plan_leave(struct cs_agenda *agenda, struct cs_call *call);

/* Plan this scheduled time; for INT64_MAX (never) the call leaves the heap. */
void cs_plan_set(struct cs_agenda *agenda, struct cs_call *call,
                 int64_t scheduled_s);

/* The first scheduled time after `after_s` / that is also not due before
 * `now`; INT64_MAX when there is none. */
int64_t cs_plan_next(const struct cs_call *call, int64_t after_s);
int64_t cs_plan_next_from(const struct cs_call *call, struct cs_wall now,
                          int64_t after_s);

/* Plan the first time of a call whose application id is ours from `now`; if
 * it was another's before, a first due time that has passed was, too. */
void cs_plan_start(struct cs_agenda *agenda, struct cs_call *call,
                   struct cs_wall now, bool was_anothers);

/* The last scheduled time due at or before `now` / due before `before`;
 * INT64_MIN when there is none. */
int64_t cs_plan_last_due(const struct cs_call *call, struct cs_wall now);
int64_t cs_plan_last_before(const struct cs_call *call,
                            struct cs_wall before);

/* When the call's next run after `after_s`, and after those that are due, is
 * due; INT64_MAX for never. */
struct cs_wall cs_plan_deadline(const struct cs_call *call, int64_t after_s,
                                struct cs_wall now);

/* How many scheduled times from `first_s` to `last_s`, both included; -1 for
 * more than anybody wants to know. What it costs is taken off `*budget`. */
int64_t cs_plan_count(struct cs_job *job, int64_t first_s, int64_t last_s,
                      long *budget);

/* Was this scheduled time dealt with before the clock was set back? */
bool cs_plan_ran(const struct cs_agenda *agenda, const struct cs_call *call,
                 int64_t scheduled_s);

/* The last scheduled time that is due at `now` and was not; INT64_MIN when
 * there is none. */
int64_t cs_plan_last_to_run(const struct cs_agenda *agenda,
                            const struct cs_call *call, struct cs_wall now);

/* -- run.c ---------------------------------------------------------------- */

/* An event about `scheduled_s` of the call: `count` is 1, no outcome. */
struct cs_event cs_run_event(enum cs_event_kind kind,
                             const struct cs_call *call, int64_t scheduled_s,
                             struct cs_wall now);
/* The same of a run: its due time and its attempt. */
struct cs_event cs_run_event_of(enum cs_event_kind kind,
                                const struct cs_run *run, struct cs_wall now);

/* A new run of the call: blocked, appointed (from `at` on), else queued.
 * `late_ns`: by how much it is late already. CS_NOMEM: nothing happened. */
struct cs_run_spec {
    int64_t scheduled_s, late_ns;
    struct cs_wall due;
    struct cs_mono mono, at;
    int32_t attempt;
    bool backlog, blocked, fired, appointed;
};
enum cs_status cs_run_new(struct cs_agenda *agenda, struct cs_call *call,
                          const struct cs_run_spec *spec);

/* From nowhere to a place, and out of the place it is in. */
void cs_run_queue(struct cs_agenda *agenda, struct cs_run *run);
void cs_run_back_off(struct cs_agenda *agenda, struct cs_run *run,
                     struct cs_mono until);
void cs_run_fly(struct cs_agenda *agenda, struct cs_run *run, bool counts);
                                            /* from its queue */
void cs_run_leave(struct cs_agenda *agenda, struct cs_run *run);

/* In flight, it counts no more. */
void cs_run_linger(struct cs_agenda *agenda, struct cs_run *run);

/* Its run of that scheduled time, or NULL. */
struct cs_run *cs_run_find(const struct cs_call *call, int64_t scheduled_s);

/* Unlink and free a run that has left its place. */
void cs_run_discard(struct cs_run *run);

/* A run of the call has ended: the first of the blocked ones may go, or, with
 * none left, the call itself comes back. It may be gone afterwards. */
void cs_run_follow(struct cs_agenda *agenda, struct cs_call *call,
                   struct cs_mono mono);

/* Queue again the runs that have backed off until `mono`; at most `most`. How
 * many. */
size_t cs_run_wake(struct cs_agenda *agenda, struct cs_mono mono,
                   size_t most);

/* Drop the call's runs that are not in flight. Those that failed before end
 * as they failed; of the others nobody hears. */
void cs_run_drop(struct cs_agenda *agenda, struct cs_call *call,
                 struct cs_wall now);

/* The clock was set back: take the call's latest runs back that were not sent
 * and are still to come. They are made again when they are due. Returns
 * whether there were any. */
bool cs_run_take_back(struct cs_agenda *agenda, struct cs_call *call,
                      struct cs_wall now);

/* Release the call's memory and that of its runs; it is in no list. */
void cs_run_free_call(struct cs_call *call);

/* Unlink from the application id and release a removed call without runs. */
void cs_run_free_removed(struct cs_call *call);

/* -- room.c --------------------------------------------------------------- */

/* An answer has come, whatever it is, to a run that has not left yet. */
void cs_room_answered(struct cs_agenda *agenda, const struct cs_run *run,
                      struct cs_mono mono);

/* When time alone makes room for what waits; INT64_MAX for never. */
struct cs_mono cs_room_next(const struct cs_agenda *agenda);

/* Later than its job allows? */
bool cs_room_is_too_late(const struct cs_run *run, struct cs_mono mono);

/* -- apps.c --------------------------------------------------------------- */

struct cs_app *cs_apps_get(const struct cs_agenda *agenda, uint64_t app);

#endif
