/* Which application ids are ours: a seat for each, taken by the lease. Losers
 * stay on standby and try again four times a second; when one seat is won,
 * an owner has died, and all others are tried at once.
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
    bool owned;
    bool tried;                 /* it was ours or another's before */
};

struct cs_owner {
    char *directory;            /* Owned; NULL: every seat is ours. */
    struct cs_seat *seats;      /* Owned. */
    size_t count, capacity;
    size_t owned;
    size_t tried;               /* the seats from here on are new */
    size_t cursor;              /* whose turn it is */
    size_t sweep;               /* seats still to try without a pause */
    struct cs_mono next_try, next_check;
    struct cs_mono not_before;  /* after trouble with the lease */
    struct cs_lease lease;
};

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

/* Take what is new and what has become free; notice when the lease was lost
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
