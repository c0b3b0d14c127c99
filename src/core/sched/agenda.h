/* What is to be done, and when: the calls of every application id, the runs
 * that came of them, and all rules about a run (catch-up, overlap, limits,
 * retries). It knows no thread, no socket and no clock: time is an argument,
 * and what it decides is handed out, so that the real thread and a test's
 * virtual clock drive the very same code. Not locked: the caller serialises.
 *
 * Life of a run: collect() makes it from a call that is due -> it waits for
 * room under the limits -> take() hands it out to be sent -> finish() says
 * what came back -> it ends (an event), or backs off and waits again.
 *
 * Sender and ledger. Where the receiver claims its runs (`claims`), it and its
 * ledger decide what may execute; the sender here only sends.
 *
 *   - An attempt of which nothing arrived is the same attempt, and is
 *     delivered again, each time with a new signature: a refused connection,
 *     or one that timed out before anything was sent, as long as the run is
 *     not later than `catch_up_s`; one that broke, up to 5 times.
 *   - An attempt that failed, timed out or was lost ends its run here: ENDED.
 *     `retry_at` in it is when the next attempt would be due by the job's
 *     policy, 0 when there is to be none. The sender does not make it. The
 *     ledger keeps it, and whoever owns the application id fires it:
 *     cs_agenda_fire with attempt + 1 and `at`. Without claims there is no
 *     ledger, and the sender keeps further attempts in memory: RETRY.
 *   - The receiver answers with Cronsched-Outcome. A 2xx without that is not
 *     ours: FAILED, "something else answers at ...". "waiting" (with
 *     Retry-After, in seconds) means: its ledger is away, and it cannot claim;
 *     the same attempt comes again, as often as the receiver says so: after
 *     1, 2, 4, 8 and then every 5 s, each wait up to an eighth longer.
 *   - A run that was sent and not answered may execute or wait in a queue of
 *     the server; only the ledger knows. When the next time of its call comes
 *     due meanwhile, that one waits, and HELD says so. If the ledger finds
 *     that the run executes and the job is to skip, cs_agenda_skip ends the
 *     time that waits (SKIPPED). Otherwise it goes when the run has ended; of
 *     several that wait then, with `coalesce` only the latest (MISSED, with
 *     the one sent instead in `instead_s`).
 *
 * Bounds. A run takes less than 256 bytes. A call has at most one run waiting
 * beside the one that is sent; with CS_OVERLAP_ALLOW at most CS_ALLOWED_MOST
 * under way, what comes due beyond that is skipped and told so; cs_agenda_fire
 * adds to them up to CS_FIRED_MOST. All of it costs near-linear time, in turns
 * that are bounded. Of what waits, the oldest and the newest take turns, so a
 * burst does not keep waiting what comes due after it; and a call that has
 * many runs to make up for takes turns with the others.
 *
 * Room. `per_process` limits the attempts in flight. One that has waited for
 * its answer for more than a second, while one sent half a second later was
 * answered, does not count any more, nor do those that its application id
 * sends next, until one of them is answered in time; after ten seconds none
 * counts. Never more than CS_LINGER_FACTOR * `per_process` are left out so.
 * `per_application` counts all, so a view that hangs costs its own application
 * id alone.
 *
 * Handles are those of `table`. 0 is never a handle.
 */
#ifndef CS_AGENDA_H
#define CS_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/cron/expr.h"
#include "core/base/status.h"
#include "core/zone/zone.h"

#define CS_KEY_SIZE 32
#define CS_ALLOWED_MOST 100
#define CS_FIRED_MOST 50000       /* a month of minutes */
#define CS_LINGER_FACTOR 16

enum cs_overlap { CS_OVERLAP_SKIP, CS_OVERLAP_QUEUE, CS_OVERLAP_ALLOW };

/* How the runs of a job are treated. */
struct cs_policy {
    int32_t timeout_ms;          /* of one attempt; > 0; default 3,600,000 */
    int32_t connect_timeout_ms;  /* > 0; default 10,000 */
    int32_t backoff_ms;          /* before the 2nd attempt; doubles each time,
                                    at most 10 minutes; default 1,000 */
    int32_t catch_up_s;          /* a run later than this is missed (0 is as 1:
                                    nobody is punctual); -1: never too late;
                                    default 600 */
    uint16_t retries;            /* attempts after the first; default 0 */
    uint8_t overlap;             /* enum cs_overlap */
    bool coalesce;               /* of several late runs only the latest; else
                                    each, in order, one at a time whatever
                                    `overlap` says; default true */
    bool once;                   /* one run, then the call is finished */
    bool post;                   /* POST, else GET */
    bool claims;                 /* the receiver claims runs, see above;
                                    connections are reused */
};

void cs_policy_default(struct cs_policy *policy);

enum cs_outcome {
    CS_OUTCOME_NONE,             /* not ended */
    CS_OUTCOME_OK, CS_OUTCOME_FAILED, CS_OUTCOME_TIMED_OUT,
    CS_OUTCOME_UNREACHABLE, CS_OUTCOME_SKIPPED_OVERLAP,
    CS_OUTCOME_SKIPPED_PAUSED, CS_OUTCOME_MISSED, CS_OUTCOME_LOST,
    CS_OUTCOME_DUPLICATE         /* the receiver had it already: it knows the
                                    outcome, we do not */
};

/* "ok", "failed", ... "duplicate"; "" for NONE. */
const char *cs_outcome_name(enum cs_outcome outcome);

enum cs_event_kind {
    CS_EVENT_OWNED,      /* we fire this application id's calls from now on;
                            `at` is the boundary: what was due before it is
                            the catch-up's, what is due after it is ours */
    CS_EVENT_DISOWNED,   /* no longer */
    CS_EVENT_STARTED,    /* an attempt is being sent */
    CS_EVENT_RETRY,      /* an attempt failed, another follows; as ENDED */
    CS_EVENT_ENDED,      /* the run has its outcome; `retry_at` */
    CS_EVENT_SKIPPED,    /* never sent: outcome SKIPPED_OVERLAP, `detail` */
    CS_EVENT_MISSED,     /* never sent: scheduled_s to until_s, `count` of
                            them (all recurrences of the call in between);
                            -1 for more than 100,000; `instead_s`, `detail` */
    CS_EVENT_HELD,       /* due, and waits: the run before was sent and has
                            no answer yet; see cs_agenda_skip */
    CS_EVENT_CLOCK,      /* the wall clock was set; `step_ns` */
    CS_EVENT_FAULT       /* the scheduler itself has trouble: `detail` */
};

struct cs_event {
    enum cs_event_kind kind;
    enum cs_outcome outcome;
    uint64_t app, call, job;     /* handles; 0 where none */
    int64_t scheduled_s, until_s, count;
    int64_t instead_s;           /* the time that was sent for the missed
                                    ones, 0 for none */
    int64_t step_ns;
    struct cs_wall due, at;      /* `at`: when it happened */
    struct cs_wall retry_at;     /* 0: no further attempt is due */
    int64_t took_ns;             /* of the attempt */
    int32_t attempt;             /* from 1 */
    int32_t status;              /* HTTP, or 0 */
    char *detail;                /* Owned by whoever holds the event; the first
                                    KiB of a failed answer or libcurl's words;
                                    NULL when there is nothing to say */
};

void cs_event_fini(struct cs_event *event);   /* frees `detail` */

struct cs_agenda;

struct cs_limits {
    uint32_t per_process;       /* attempts in flight; default 32 */
    uint32_t per_application;   /* default 4 */
};

/* `emit` receives every event (and its `detail`) at once, on the calling
 * thread, in order. CS_NOMEM. */
enum cs_status cs_agenda_new(const struct cs_limits *limits,
                             void (*emit)(void *context,
                                          struct cs_event *event),
                             void *context, struct cs_agenda **agenda);
void cs_agenda_free(struct cs_agenda *agenda);   /* NULL is allowed */

/* -- jobs, applications, calls ---------------------------------------- */

/* What to run. `name`, `expr` are copied, `zone` is referenced. */
enum cs_status cs_agenda_define(struct cs_agenda *agenda, const char *name,
                                const struct cs_expr *expr,
                                struct cs_zone *zone,
                                const struct cs_policy *policy, uint64_t *job,
                                struct cs_error *error);

/* New expression or zone for a job (its zone's rules changed): all its calls
 * are planned anew from `now`. CS_UNKNOWN. */
enum cs_status cs_agenda_redefine(struct cs_agenda *agenda, uint64_t job,
                                  const struct cs_expr *expr,
                                  struct cs_zone *zone, struct cs_wall now);

/* An application id, not owned yet. `key` (CS_KEY_SIZE bytes, or NULL for
 * unsigned requests) signs. CS_EXISTS (then `*app` is the one there is). */
enum cs_status cs_agenda_open(struct cs_agenda *agenda,
                              const char *application_id, const uint8_t *key,
                              uint64_t *app, struct cs_error *error);

/* What goes with each request of an application id besides what signs it:
 * "Name: value", NULL-terminated, at most CS_APP_HEADERS; copied. Once, before
 * its first call: a request may be being made of them later. CS_UNKNOWN,
 * CS_NOMEM, CS_STATE for too late or twice, CS_RANGE for too many, CS_SYNTAX
 * for what is not a header. */
#define CS_APP_HEADERS 8
enum cs_status cs_agenda_send_with(struct cs_agenda *agenda, uint64_t app,
                                   const char *const *headers,
                                   struct cs_error *error);

/* Bind a job to an application id. `due`: the first due time, taken as it is
 * even if it has passed (then it is due now); a negative `ns` means "from the
 * schedule, after now". `offset_ms` is kept for every later run. CS_UNKNOWN
 * for a bad handle; CS_SYNTAX for an empty URL; CS_RANGE for a first due time
 * after 2199. */
struct cs_call_spec {
    uint64_t app, job;
    const char *url;
    int32_t offset_ms;
    struct cs_wall due;
};
enum cs_status cs_agenda_add(struct cs_agenda *agenda,
                             const struct cs_call_spec *spec,
                             struct cs_wall now, uint64_t *call,
                             struct cs_error *error);

/* The offset that a call was added with. CS_UNKNOWN. */
enum cs_status cs_agenda_offset(const struct cs_agenda *agenda, uint64_t call,
                                int32_t *offset_ms);

/* Its runs that wait are dropped; one in flight ends normally. CS_UNKNOWN. */
enum cs_status cs_agenda_remove(struct cs_agenda *agenda, uint64_t call,
                                struct cs_wall now);

/* Fire `scheduled_s` of a call: catch-up, "run now", a further attempt.
 * `attempt` is from 1; `at` is when, 0 or an instant that has passed is now.
 * While another run of the call is under way it waits for its end, whatever
 * `overlap` says (unless that is ALLOW and the job coalesces); several that
 * wait go in the order of their scheduled times. Until `at` it keeps no other
 * from going. One that is under way already is not fired twice; if it waits
 * for a later `at`, it goes at this one. CS_UNKNOWN, CS_NOMEM, CS_STATE when
 * the application id is not owned here, CS_RANGE for a time before 1970 or
 * after 2199 or an attempt that is none, CS_BUSY when CS_FIRED_MOST wait. */
struct cs_fire_spec {
    uint64_t call;
    int64_t scheduled_s;
    int32_t attempt;
    struct cs_wall at;
};
enum cs_status cs_agenda_fire(struct cs_agenda *agenda,
                              const struct cs_fire_spec *spec,
                              struct cs_wall now, struct cs_mono mono);

/* The scheduled time of a call that is HELD is not to be sent, for the run
 * before it still executes: SKIPPED follows. CS_UNKNOWN; CS_NONE when this
 * time does not wait (any more). */
enum cs_status cs_agenda_skip(struct cs_agenda *agenda, uint64_t call,
                              int64_t scheduled_s, struct cs_wall now);

/* We are / are no longer the owner: its calls join / leave the heap. A call
 * whose first due time was not used yet starts there (at once when it has
 * passed, unless somebody else was, or may have been, the owner since), others
 * at the first scheduled time that is not due before `now`. */
enum cs_status cs_agenda_own(struct cs_agenda *agenda, uint64_t app,
                             bool was_anothers, struct cs_wall now);
enum cs_status cs_agenda_disown(struct cs_agenda *agenda, uint64_t app,
                                struct cs_wall now);

/* Which term of office of the application id's owner this is, among several
 * machines: signed with what is sent from now on. 0, as at first: there is
 * one machine. Nothing for an unknown one. */
void cs_agenda_set_epoch(struct cs_agenda *agenda, uint64_t app,
                         uint64_t epoch);

/* Visit the application ids: start with *cursor 0. False at the end. */
struct cs_app_view {
    uint64_t app;
    const char *application_id;   /* Borrowed until the next call. */
    bool owned;
};
bool cs_agenda_each_app(const struct cs_agenda *agenda, size_t *cursor,
                        struct cs_app_view *view);

/* How many calls the application id has; whose `call` is (0: nobody's). */
size_t cs_agenda_called(const struct cs_agenda *agenda, uint64_t app);
uint64_t cs_agenda_app_of(const struct cs_agenda *agenda, uint64_t call);

/* Who owns what is state: each application id has the number of its last
 * change, and the newest number is the agenda's. The changes after number
 * `after` (0: all there are), oldest first, at most `most`; one for each
 * application id, so none is ever lost. Returns how many. */
struct cs_ownership {
    uint64_t number, app;
    bool owned;
    struct cs_wall since;   /* as `at` of OWNED and DISOWNED */
};
size_t cs_agenda_changes(const struct cs_agenda *agenda, uint64_t after,
                         struct cs_ownership *changes, size_t most);
uint64_t cs_agenda_newest_change(const struct cs_agenda *agenda);

/* -- the turn ------------------------------------------------------------ */

/* Make runs of everything that is due. Never early. Bounded: at most `most`
 * calls are looked at (the rest follows at the next turn); true when more is
 * due. False although cs_agenda_sleep names a time that has passed: out of
 * memory, nothing is lost, try again in a while. */
bool cs_agenda_collect(struct cs_agenda *agenda, struct cs_wall now,
                       struct cs_mono mono, size_t most);

/* When there will be something to collect or take: `*wall` for calls, `*mono`
 * for back-offs and for room that time makes; INT64_MAX for never. */
void cs_agenda_sleep(const struct cs_agenda *agenda, struct cs_wall *wall,
                     struct cs_mono *mono);

/* One attempt, handed out. The strings stay valid until finish. */
struct cs_attempt {
    void *run;                     /* for finish */
    uint64_t app, call, job;
    const char *application_id, *job_name, *url;
    const uint8_t *key;            /* or NULL */
    const char *const *headers;    /* more of them, or NULL */
    const struct cs_policy *policy;
    int64_t scheduled_s;
    struct cs_wall due;
    uint64_t epoch;                /* of our ownership; 0 for none */
    int32_t attempt;
};

/* The next attempt that may be sent now; CS_NONE when nothing waits or the
 * limits are reached. Emits STARTED for the first delivery of an attempt, and
 * MISSED for a run that has waited for room until it was too late. */
enum cs_status cs_agenda_take(struct cs_agenda *agenda, struct cs_wall now,
                              struct cs_mono mono,
                              struct cs_attempt *attempt);

/* What came back. */
enum cs_delivery {
    CS_ANSWERED,
    CS_TIMED_OUT,                  /* the request was sent */
    CS_NOT_CONNECTED,              /* nothing was sent */
    CS_BROKEN,
    CS_UNSENDABLE                  /* nothing ever can be, to this URL */
};

struct cs_result {
    enum cs_delivery delivery;
    int32_t status;                /* HTTP, when answered */
    int32_t retry_after_s;         /* or -1 */
    const char *outcome;           /* Cronsched-Outcome, "" when none */
    const char *detail;            /* Borrowed; "" when none */
    int64_t took_ns;
};

/* Ends the attempt; the run ends too (ENDED), or will be tried again (RETRY).
 * `run` is then no longer the caller's. */
void cs_agenda_finish(struct cs_agenda *agenda, void *run,
                      const struct cs_result *result, struct cs_wall now,
                      struct cs_mono mono);

/* The wall clock was set by `step_ns` (+ forward). Forward, collect() applies
 * the catch-up rule. Back, every call is planned anew from `now`: up to 3 h
 * back, what ran does not run again, and what never ran does; further back
 * everything runs. What waits to be sent, and is still to come, is due then. */
void cs_agenda_step(struct cs_agenda *agenda, int64_t step_ns,
                    struct cs_wall now, struct cs_mono mono);

struct cs_agenda_stats {
    size_t jobs, apps, owned, calls, waiting, in_flight, backing_off;
    size_t lingering;           /* of those in flight: they count no more */
    uint64_t started, ended, skipped, missed;   /* since new */
};
/* Nobody will answer any more (the transfers were cut): every attempt in
 * flight ends as one whose connection broke. */
void cs_agenda_cut(struct cs_agenda *agenda, struct cs_wall now,
                   struct cs_mono mono);

void cs_agenda_stats(const struct cs_agenda *agenda,
                     struct cs_agenda_stats *stats);

#endif
