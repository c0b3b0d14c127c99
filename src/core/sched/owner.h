/* Which application ids are ours: a seat for each, taken by the lease. Losers
 * stay on standby: four times a second they look whether another process has
 * died or given something back, and then try all seats at once; some of them
 * are tried each time in any case. A seat is wanted as
 * long as its application id has calls; one that is not is given back, so that
 * somebody who has calls for it may fire them.
 *
 * Several machines share a seat that is `shared`: the lease decides which
 * process of this machine may have it, and whoever knows the other machines
 * grants it. It is ours with both. What is shared is fired only while what was
 * granted is good (cs_owner_valid): past that it is held, not disowned, and
 * goes on as if nothing had been when it is good again.
 *
 * It tells the agenda to own and to disown; everything here runs under the
 * scheduler's mutex, the lease on the loop thread alone.
 */
#ifndef CS_OWNER_H
#define CS_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/sched/agenda.h"
#include "core/base/clock.h"
#include "core/sched/lease.h"
#include "core/base/status.h"

struct cs_seat {
    uint64_t app;
    int64_t position;           /* of its byte in the lease */
    size_t next;                /* in the list of changed ones */
    uint64_t epoch;             /* of what was granted */
    bool wanted, owned;         /* owned: its byte of the lease is ours */
    bool shared, granted;
    bool tried;                 /* it was ours or another's before */
    bool changed;               /* it is in that list */
};

struct cs_owner {
    char *directory;            /* Owned; NULL: every seat is ours. */
    struct cs_seat *seats;      /* Owned; in the order of their handles. */
    size_t count, capacity;
    size_t wanted, owned;
    size_t shared;              /* of the shared ones: fired by us */
    uint64_t leased;            /* changes of `owned` of shared ones */
    struct cs_mono *valid_until;   /* Owned; of each who grants */
    size_t granters;
    size_t changed_first, changed_last;   /* CS_NO_SEAT for none */
    size_t cursor;              /* whose turn it is */
    size_t sweep;               /* seats still to try without a pause */
    bool gave_back;             /* and has not said so */
    uint64_t others;            /* cs_lease_others, when last looked */
    struct cs_mono next_try, next_check;
    struct cs_mono not_before;  /* after trouble with the lease */
    struct cs_lease lease;
};
#define CS_NO_SEAT SIZE_MAX

/* `directory` may be NULL. CS_NOMEM. */
enum cs_status cs_owner_init(struct cs_owner *owner, const char *directory);
void cs_owner_fini(struct cs_owner *owner);

/* Open the lease, if there is one to open and it is not. As cs_lease_open. */
enum cs_status cs_owner_open(struct cs_owner *owner, struct cs_error *error);

/* A seat for an application id: its place is made first, so that seating it
 * cannot fail once the agenda knows it. CS_NOMEM. */
enum cs_status cs_owner_reserve(struct cs_owner *owner,
                                const char *application_id,
                                struct cs_seat *seat);
void cs_owner_seat(struct cs_owner *owner, const struct cs_seat *seat);

/* The application id has calls, or has none any more: acted on by the next
 * turn. */
void cs_owner_want(struct cs_owner *owner, uint64_t app, bool wanted);

/* Several machines share it from now on. CS_UNKNOWN; CS_STATE when it is ours
 * already. */
enum cs_status cs_owner_share(struct cs_owner *owner, uint64_t app);

/* Of this machine's processes, the one that holds the lease may fire what is
 * shared: granted from `epoch` (> 0) on. Another epoch than before is another
 * office: what was due between is the catch-up's. CS_UNKNOWN; CS_STATE when it
 * is not shared. */
enum cs_status cs_owner_grant(struct cs_owner *owner,
                              struct cs_agenda *agenda, uint64_t app,
                              uint64_t epoch, struct cs_wall now);
enum cs_status cs_owner_revoke(struct cs_owner *owner,
                               struct cs_agenda *agenda, uint64_t app,
                               struct cs_wall now);

/* One more who grants, for good; nothing is good before it says so.
 * CS_NOMEM. */
enum cs_status cs_owner_granter(struct cs_owner *owner, size_t *granter);

/* Until when all that one has granted is good: said again and again, it may
 * also be taken back; INT64_MAX when nothing is granted any more. */
void cs_owner_valid(struct cs_owner *owner, size_t granter,
                    struct cs_mono until);

/* Must everything wait, as something shared is ours and one who grants does
 * not say, or nobody, that it is good? */
bool cs_owner_holds(const struct cs_owner *owner, struct cs_mono mono);

/* The shared ones whose lease is ours, at most `most`: start with *cursor 0.
 * How many. `owner->leased` tells whether that has changed. */
size_t cs_owner_leased(const struct cs_owner *owner, size_t *cursor,
                       uint64_t *apps, size_t most);

/* Take what is newly wanted and what has become free, give back what is not
 * wanted; notice when the lease was lost
 * (all is disowned, and tried again). Bounded. An error says why the lease
 * does not work; it is tried again later. */
enum cs_status cs_owner_turn(struct cs_owner *owner,
                             struct cs_agenda *agenda, struct cs_wall now,
                             struct cs_mono mono, struct cs_error *error);

/* When cs_owner_turn has something to do; INT64_MAX for never. */
struct cs_mono cs_owner_next(const struct cs_owner *owner);

/* Disown all and give the lease back. */
void cs_owner_resign(struct cs_owner *owner, struct cs_agenda *agenda,
                     struct cs_wall now);

#endif
