/* What the four files of the agenda share, and nobody else includes:
 *
 *   plan.c     when a call is next due (reads expr, zone, next)
 *   run.c      the life of a run: queued, in flight, backing off, ended
 *   collect.c  from calls that are due to runs: catch-up, overlap
 *   agenda.c   jobs, application ids, calls; what agenda.h offers
 *
 * collect uses run and plan, run uses plan.
 *
 * Invariants. A call is in `agenda->calls` exactly while CALL_PLANNED is set;
 * its node's key is then, and while it is BLOCKED or has an unused FIRST, the
 * due time of its next run. A run that is queued is in its application's
 * queue, in due order; one that backs off is in `agenda->backing_off` (key:
 * mono). An application is in `agenda->ready` exactly while READY: it has a
 * queued run and room for it.
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
    struct cs_heap_node node;   /* in agenda->ready */
    struct cs_run *first, *last;   /* Borrowed; the queue. */
    struct cs_app *bucket_next; /* Borrowed. */
    struct cs_call *calls;      /* Owned; linked by `app_next`. */
    uint64_t handle;
    uint32_t in_flight;
    bool owned, ready, has_key;
    uint8_t key[CS_KEY_SIZE];
    char id[];
};

enum {
    CALL_PLANNED = 1 << 0,   /* in the heap */
    CALL_FIRST = 1 << 1,     /* its key is a first due time, not used yet */
    CALL_AGED = 1 << 2,      /* that had passed when it was planned: its run
                                goes whatever its age */
    CALL_BLOCKED = 1 << 3,   /* comes back when its runs have ended */
    CALL_DONE = 1 << 4,      /* `once`, and its run was made */
    CALL_REMOVED = 1 << 5    /* kept only until its runs have ended */
};

/* A million of these must fit: nothing in here that the job can hold. The
 * scheduled time is not stored, it follows from key and offset. */
struct cs_call {
    struct cs_heap_node node;
    struct cs_app *app;         /* Borrowed. */
    struct cs_job *job;         /* Borrowed. */
    struct cs_run *runs;        /* Owned; linked by `sibling`, oldest first. */
    struct cs_call *app_next, *app_previous;   /* Borrowed. */
    struct cs_call *job_next, *job_previous;   /* Borrowed. */
    uint64_t handle;
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
    struct cs_heap_node node;
    struct cs_call *call;       /* Borrowed. */
    struct cs_run *sibling;     /* Borrowed. */
    struct cs_run *previous, *next;   /* Borrowed; in the queue. */
    int64_t scheduled_s;
    struct cs_wall due;
    int32_t attempt;            /* from 1 */
    int32_t status;             /* of the last attempt that counted */
    uint8_t state;              /* enum cs_run_state */
    uint8_t outcome;            /* of the last attempt that counted */
    uint8_t deliveries;         /* of this attempt */
    uint8_t refusals;           /* answers that said "not now" */
    bool backlog;               /* made late: the next waits for its end */
};

struct cs_agenda {
    struct cs_limits limits;
    void (*emit)(void *context, struct cs_event *event);
    void *context;                /* Borrowed. */
    struct cs_table jobs, apps, calls_by_handle;
    struct cs_heap calls;         /* by due, wall */
    struct cs_heap backing_off;       /* runs, mono */
    struct cs_heap ready;         /* apps, by the due of their first run */
    struct cs_app **buckets;      /* Owned; apps by id. */
    size_t bucket_count;          /* 0 or a power of two */
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

/* When the call's next run after those that are due is due; INT64_MAX for
 * never. */
struct cs_wall cs_plan_deadline(const struct cs_call *call,
                                struct cs_wall now);

/* How many scheduled times from `first_s` to `last_s`, both included; -1 for
 * more than anybody wants to know. What it costs is taken off `*budget`. */
int64_t cs_plan_count(struct cs_job *job, int64_t first_s, int64_t last_s,
                      long *budget);

/* -- run.c ---------------------------------------------------------------- */

/* An event about `scheduled_s` of the call: `count` is 1, no outcome. */
struct cs_event cs_run_event(enum cs_event_kind kind,
                             const struct cs_call *call, int64_t scheduled_s,
                             struct cs_wall now);

/* A new run of the call, queued or blocked. CS_NOMEM: nothing happened. */
struct cs_run_spec {
    int64_t scheduled_s;
    struct cs_wall due;
    bool backlog, blocked;
};
enum cs_status cs_run_new(struct cs_agenda *agenda, struct cs_call *call,
                          const struct cs_run_spec *spec);

/* Queue again the runs that have backed off until `mono`; at most `most`. How
 * many. */
size_t cs_run_wake(struct cs_agenda *agenda, struct cs_mono mono,
                   size_t most);

/* Drop the call's runs that are not in flight. Those that failed before end
 * as they failed; of the others nobody hears. */
void cs_run_drop(struct cs_agenda *agenda, struct cs_call *call,
                 struct cs_wall now);

/* Release the call's memory and that of its runs; it is in no list. */
void cs_run_free_call(struct cs_call *call);

/* Unlink from the application id and release a removed call without runs. */
void cs_run_free_removed(struct cs_call *call);

#endif
