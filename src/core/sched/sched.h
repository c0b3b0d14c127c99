/* The native scheduler: one thread, one mutex, one sleep. It joins the rooms:
 * agenda (what and when), lease (who), http (send), alarm (wake), ring
 * (tell). The thread never touches Python. Every function is for any thread,
 * unless it says otherwise; none may be called with the GIL held if it can
 * wait (sched_events, sched_stop, sched_pause and the mutex of all).
 *
 * A manual scheduler has no thread and no network: its clock is moved by
 * hand, its attempts are taken and completed by the caller, through the same
 * agenda. Tests and the virtual clock use it.
 */
#ifndef CS_SCHED_H
#define CS_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/sched/agenda.h"
#include "core/base/clock.h"
#include "core/base/status.h"

struct cs_sched;

struct cs_sched_options {
    struct cs_limits limits;
    size_t events;                /* capacity of the ring; default 8192, at
                                     least 16 */
    const char *lease_directory;  /* NULL: own every application id that has
                                     calls, at once */
    const char *user_agent;       /* NULL: "cronsched" */
    bool manual;
    struct cs_wall manual_wall;   /* where a manual clock starts */
};

/* CS_NOMEM, CS_RANGE for too many events, CS_SYNTAX for a user agent with a
 * control character. */
enum cs_status cs_sched_new(const struct cs_sched_options *options,
                            struct cs_sched **sched, struct cs_error *error);

/* Stops first. NULL is allowed. */
void cs_sched_free(struct cs_sched *sched);

/* Starts the thread; nothing happens when it runs or is paused. In a forked
 * child (the pid differs) the state is dead: CS_STATE; make a new scheduler.
 * CS_BUSY while a thread that was stopped has not ended. CS_NOMEM, CS_SYSTEM,
 * and what is wrong with the lease directory, as cs_lease_open. */
enum cs_status cs_sched_start(struct cs_sched *sched, struct cs_error *error);

/* Ends the thread within `timeout_ms` (default 2,000 in the binding):
 * transfers in flight are cut, leases are given back. Idempotent. CS_BUSY when
 * the thread did not end in time; it is then left to end by itself. */
enum cs_status cs_sched_stop(struct cs_sched *sched, int32_t timeout_ms);

/* For fork: the thread ends, transfers and leases stay as they are; the resume
 * that matches the first pause starts it again. Both do nothing when there is
 * nothing to do. A thread that does not end within 2 s is left to go on. Where
 * the system refuses a new thread, transfers are cut and leases given back, it
 * is not running, and whoever reads events tries again each second. */
void cs_sched_pause(struct cs_sched *sched);
void cs_sched_resume(struct cs_sched *sched);

/* As in agenda.h; the running thread notices at once. */
enum cs_status cs_sched_define(struct cs_sched *sched, const char *name,
                               const struct cs_expr *expr,
                               struct cs_zone *zone,
                               const struct cs_policy *policy, uint64_t *job,
                               struct cs_error *error);
enum cs_status cs_sched_redefine(struct cs_sched *sched, uint64_t job,
                                 const struct cs_expr *expr,
                                 struct cs_zone *zone);
enum cs_status cs_sched_open(struct cs_sched *sched,
                             const char *application_id, const uint8_t *key,
                             uint64_t *app, struct cs_error *error);
enum cs_status cs_sched_send_with(struct cs_sched *sched, uint64_t app,
                                  const char *const *headers,
                                  struct cs_error *error);
enum cs_status cs_sched_add(struct cs_sched *sched,
                            const struct cs_call_spec *spec, uint64_t *call,
                            struct cs_error *error);
enum cs_status cs_sched_offset(struct cs_sched *sched, uint64_t call,
                               int32_t *offset_ms);
enum cs_status cs_sched_remove(struct cs_sched *sched, uint64_t call);
enum cs_status cs_sched_fire(struct cs_sched *sched,
                             const struct cs_fire_spec *spec);
enum cs_status cs_sched_skip(struct cs_sched *sched, uint64_t call,
                             int64_t scheduled_s);
size_t cs_sched_changes(struct cs_sched *sched, uint64_t after,
                        struct cs_ownership *changes, size_t most);

/* What several machines share, see owner.h. Share before the first call. The
 * thread itself sees to it that nothing is sent past `until`, whatever keeps
 * who grants from saying more. Redelivery waits too; what is in flight goes
 * on. A process that has application ids of both kinds holds all of them. */
enum cs_status cs_sched_share(struct cs_sched *sched, uint64_t app);
enum cs_status cs_sched_grant(struct cs_sched *sched, uint64_t app,
                              uint64_t epoch);
enum cs_status cs_sched_revoke(struct cs_sched *sched, uint64_t app);
enum cs_status cs_sched_granter(struct cs_sched *sched, size_t *granter);
void cs_sched_valid(struct cs_sched *sched, size_t granter,
                    struct cs_mono until);

/* The clock of `until`: runs on while the machine is suspended. */
struct cs_mono cs_sched_now(struct cs_sched *sched);

/* The shared application ids whose lease is ours, as cs_owner_leased. `number`
 * gets the number of their last change, for who asks each second. */
size_t cs_sched_leased(struct cs_sched *sched, size_t *cursor,
                       uint64_t *apps, size_t most, uint64_t *number);

/* Up to `most` events, oldest first; waits up to `timeout_ms` for the first
 * (0: do not wait). Returns how many; 0 also when the scheduler stops or
 * pauses. The events' details are the caller's. One reader at a time.
 *
 * OWNED and DISOWNED come first and are read from what cs_sched_changes tells,
 * the last change of each application id: they cannot be lost. The others wait
 * in a ring. While it is three quarters full nothing new is sent or skipped,
 * for as long as somebody has read in the last 30 s; the last quarter is for
 * how that ends which is under way, and what finds no room even there makes
 * the ring larger. So a reader that comes at least every 30 s hears of every
 * ENDED, SKIPPED, MISSED and FAULT; STARTED, RETRY, HELD and CLOCK give way to
 * them. `events_dropped` counts. */
size_t cs_sched_events(struct cs_sched *sched, struct cs_event *events,
                       size_t most, int32_t timeout_ms);

/* End a wait in cs_sched_events at once. */
void cs_sched_interrupt(struct cs_sched *sched);

struct cs_sched_stats {
    struct cs_agenda_stats agenda;
    uint64_t events_dropped, turns;
    uint64_t ownership;           /* number of the newest change */
    bool running;
};
void cs_sched_stats(struct cs_sched *sched, struct cs_sched_stats *stats);

/* -- manual schedulers only (else CS_STATE) ------------------------------ */

/* Move both clocks on by `elapsed_ns`, and the wall clock by `step_ns` more
 * (somebody set it); then collect. CS_RANGE, and nothing moves, when time
 * would not elapse, or leave the years 1970 to 2199. */
enum cs_status cs_sched_advance(struct cs_sched *sched, int64_t elapsed_ns,
                                int64_t step_ns);

/* How long until something is due by the manual clock, in ns; INT64_MAX for
 * never, 0 for now. */
int64_t cs_sched_idle_ns(struct cs_sched *sched);

/* The next attempt with its headers ("Name: value", NULL-terminated, Owned:
 * cs_sched_delivery_fini). CS_NONE. */
struct cs_delivery_out {
    struct cs_attempt attempt;
    char **headers;
};
enum cs_status cs_sched_take(struct cs_sched *sched,
                             struct cs_delivery_out *delivery);
void cs_sched_delivery_fini(struct cs_delivery_out *delivery);
enum cs_status cs_sched_complete(struct cs_sched *sched, void *run,
                                 const struct cs_result *result);

#endif
