/* Standby is cheap: while every seat is ours, nothing is tried, else a few;
 * and once a second one look tells whether the lease files are still those
 * that we hold. The descriptors change only inside the fork guard, for a
 * forked child must find them whole to close them.
 */
#include "core/sched/owner.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/thread.h"

#define TRY_EVERY_NS (250 * CS_NS_PER_MS)
#define CHECK_EVERY_NS CS_NS_PER_S
#define TRIES_MOST 256       /* in one turn */
#define SEATS_FIRST 16

enum cs_status cs_owner_init(struct cs_owner *owner, const char *directory)
{
    memset(owner, 0, sizeof(*owner));
    owner->lease.fd = -1;
    owner->changed_first = owner->changed_last = CS_NO_SEAT;
    if (!directory)
        return CS_OK;
    owner->directory = cs_mem_copy(directory, strlen(directory));
    return owner->directory ? CS_OK : CS_NOMEM;
}

static void close_lease(struct cs_owner *owner)
{
    cs_fork_enter();
    cs_lease_close(&owner->lease);
    cs_fork_leave();
}

void cs_owner_fini(struct cs_owner *owner)
{
    close_lease(owner);
    cs_mem_free(owner->seats);
    cs_mem_free(owner->valid_until);
    cs_mem_free(owner->directory);
    memset(owner, 0, sizeof(*owner));
    owner->lease.fd = -1;
}

enum cs_status cs_owner_open(struct cs_owner *owner, struct cs_error *error)
{
    enum cs_status status;

    if (!owner->directory || owner->lease.fd >= 0)
        return CS_OK;
    cs_fork_enter();
    status = cs_lease_open(&owner->lease, owner->directory, error);
    cs_fork_leave();
    return status;
}

enum cs_status cs_owner_reserve(struct cs_owner *owner,
                                const char *application_id,
                                struct cs_seat *seat)
{
    memset(seat, 0, sizeof(*seat));
    if (owner->count == owner->capacity) {
        size_t capacity = owner->capacity ? owner->capacity * 2 : SEATS_FIRST;
        struct cs_seat *seats;

        if (capacity > SIZE_MAX / sizeof(*seats))
            return CS_NOMEM;
        seats = cs_mem_realloc(owner->seats, capacity * sizeof(*seats));
        if (!seats)
            return CS_NOMEM;
        owner->seats = seats;
        owner->capacity = capacity;
    }
    if (!owner->directory)
        return CS_OK;
    return cs_lease_position(application_id, strlen(application_id),
                             &seat->position);
}

void cs_owner_seat(struct cs_owner *owner, const struct cs_seat *seat)
{
    owner->seats[owner->count++] = *seat;
}

/* -- what has changed ----------------------------------------------------- */

static void list_changed(struct cs_owner *owner, size_t index)
{
    struct cs_seat *seat = &owner->seats[index];

    if (seat->changed)
        return;
    seat->changed = true;
    seat->next = CS_NO_SEAT;
    *(owner->changed_first == CS_NO_SEAT
      ? &owner->changed_first
      : &owner->seats[owner->changed_last].next) = index;
    owner->changed_last = index;
}

static void unlist_first(struct cs_owner *owner)
{
    struct cs_seat *seat = &owner->seats[owner->changed_first];

    seat->changed = false;
    owner->changed_first = seat->next;
}

/* Application ids are never closed, so their handles count up. */
static size_t seat_of(const struct cs_owner *owner, uint64_t app)
{
    size_t index = (size_t)(app & UINT32_MAX);

    while (index > 0 && (index >= owner->count
                         || owner->seats[index].app != app))
        index--;
    return owner->count && owner->seats[index].app == app ? index
                                                          : CS_NO_SEAT;
}

void cs_owner_want(struct cs_owner *owner, uint64_t app, bool wanted)
{
    size_t index = seat_of(owner, app);

    if (index == CS_NO_SEAT || owner->seats[index].wanted == wanted)
        return;
    owner->seats[index].wanted = wanted;
    owner->wanted += wanted ? 1 : (size_t)-1;
    list_changed(owner, index);
}

/* -- what several machines share ------------------------------------------ */

static bool is_ours(const struct cs_seat *seat)
{
    return seat->owned && (!seat->shared || seat->granted);
}

/* It is ours in every respect from now on. */
static void begin(struct cs_owner *owner, const struct cs_seat *seat,
                  struct cs_agenda *agenda, struct cs_wall now)
{
    bool was_anothers = seat->tried || seat->epoch > 1;

    cs_agenda_set_epoch(agenda, seat->app, seat->epoch);
    (void)cs_agenda_own(agenda, seat->app, was_anothers,
                        now);   /* it knows every seat */
    owner->shared += seat->shared;
}

static void end(struct cs_owner *owner, const struct cs_seat *seat,
                struct cs_agenda *agenda, struct cs_wall now)
{
    (void)cs_agenda_disown(agenda, seat->app, now);   /* it is known */
    owner->shared -= seat->shared;
}

/* The byte of a seat is ours, or no longer. */
static void change_lease(struct cs_owner *owner, struct cs_seat *seat,
                         bool owned)
{
    seat->owned = owned;
    owner->owned += owned ? 1 : (size_t)-1;
    owner->leased += seat->shared;
}

enum cs_status cs_owner_share(struct cs_owner *owner, uint64_t app)
{
    size_t index = seat_of(owner, app);

    if (index == CS_NO_SEAT)
        return CS_UNKNOWN;
    if (owner->seats[index].owned && !owner->seats[index].shared)
        return CS_STATE;
    owner->seats[index].shared = true;
    return CS_OK;
}

enum cs_status cs_owner_grant(struct cs_owner *owner,
                              struct cs_agenda *agenda, uint64_t app,
                              uint64_t epoch, struct cs_wall now)
{
    size_t index = seat_of(owner, app);
    struct cs_seat *seat;

    if (index == CS_NO_SEAT)
        return CS_UNKNOWN;
    seat = &owner->seats[index];
    if (!seat->shared)
        return CS_STATE;
    if (seat->granted && seat->epoch == epoch)
        return CS_OK;
    if (is_ours(seat))
        end(owner, seat, agenda, now);
    seat->granted = true;
    seat->epoch = epoch;
    if (is_ours(seat))
        begin(owner, seat, agenda, now);
    return CS_OK;
}

enum cs_status cs_owner_revoke(struct cs_owner *owner,
                               struct cs_agenda *agenda, uint64_t app,
                               struct cs_wall now)
{
    size_t index = seat_of(owner, app);

    if (index == CS_NO_SEAT)
        return CS_UNKNOWN;
    if (is_ours(&owner->seats[index]) && owner->seats[index].shared)
        end(owner, &owner->seats[index], agenda, now);
    owner->seats[index].granted = false;
    return CS_OK;
}

enum cs_status cs_owner_granter(struct cs_owner *owner, size_t *granter)
{
    size_t size = (owner->granters + 1) * sizeof(*owner->valid_until);
    struct cs_mono *until = cs_mem_realloc(owner->valid_until, size);

    if (!until)
        return CS_NOMEM;
    owner->valid_until = until;
    *granter = owner->granters++;
    until[*granter].ns = 0;
    return CS_OK;
}

void cs_owner_valid(struct cs_owner *owner, size_t granter,
                    struct cs_mono until)
{
    if (granter < owner->granters)
        owner->valid_until[granter] = until;
}

bool cs_owner_holds(const struct cs_owner *owner, struct cs_mono mono)
{
    if (!owner->shared)
        return false;
    for (size_t i = 0; i < owner->granters; i++)
        if (mono.ns >= owner->valid_until[i].ns)
            return true;
    return !owner->granters;
}

size_t cs_owner_leased(const struct cs_owner *owner, size_t *cursor,
                       uint64_t *apps, size_t most)
{
    size_t count = 0;

    for (; *cursor < owner->count && count < most; ++*cursor)
        if (owner->seats[*cursor].owned && owner->seats[*cursor].shared)
            apps[count++] = owner->seats[*cursor].app;
    return count;
}

/* -- taking --------------------------------------------------------------- */

/* CS_OK when the seat is ours now; CS_BUSY when another has it. */
static enum cs_status take(struct cs_owner *owner, struct cs_seat *seat,
                           struct cs_agenda *agenda, struct cs_wall now,
                           struct cs_error *error)
{
    enum cs_status status = CS_OK;

    if (owner->directory)
        status = cs_lease_take(&owner->lease, seat->position, error);
    if (status == CS_OK) {
        change_lease(owner, seat, true);
        if (is_ours(seat))
            begin(owner, seat, agenda, now);
    }
    if (status == CS_OK || status == CS_BUSY)
        seat->tried = true;
    return status;
}

static void give_back(struct cs_owner *owner, struct cs_seat *seat,
                      struct cs_agenda *agenda, struct cs_wall now)
{
    if (is_ours(seat))
        end(owner, seat, agenda, now);
    if (owner->directory) {
        cs_lease_release(&owner->lease, seat->position);
        owner->gave_back = true;
    }
    change_lease(owner, seat, false);
}

/* What was given back is told once, for all of it. */
static void announce(struct cs_owner *owner)
{
    if (owner->gave_back)
        cs_lease_announce(&owner->lease);
    owner->gave_back = false;
}

/* Seats that were not wanted before, or are not any more. */
static enum cs_status take_changed(struct cs_owner *owner,
                                   struct cs_agenda *agenda,
                                   struct cs_wall now, struct cs_error *error)
{
    int tries = 0;

    while (owner->changed_first != CS_NO_SEAT && tries++ < TRIES_MOST) {
        struct cs_seat *seat = &owner->seats[owner->changed_first];
        enum cs_status status = CS_OK;

        if (seat->owned && !seat->wanted)
            give_back(owner, seat, agenda, now);
        else if (!seat->owned && seat->wanted)
            status = take(owner, seat, agenda, now, error);
        if (status != CS_OK && status != CS_BUSY)
            return status;
        unlist_first(owner);
    }
    announce(owner);
    return CS_OK;
}

/* Go round the seats on standby, from where the last turn ended. */
static enum cs_status take_free(struct cs_owner *owner,
                                struct cs_agenda *agenda,
                                struct cs_wall now, struct cs_error *error)
{
    size_t tries = 0;

    while (owner->sweep > 0 && tries < TRIES_MOST) {
        struct cs_seat *seat;
        enum cs_status status;

        owner->cursor = owner->cursor < owner->count ? owner->cursor : 0;
        seat = &owner->seats[owner->cursor++];
        owner->sweep--;
        if (seat->owned || !seat->wanted)
            continue;
        status = take(owner, seat, agenda, now, error);
        if (status != CS_OK && status != CS_BUSY)
            return status;
        if (status == CS_OK)
            owner->sweep = owner->count;   /* its owner has died */
        tries++;
    }
    return CS_OK;
}

/* -- losing --------------------------------------------------------------- */

static void disown_all(struct cs_owner *owner, struct cs_agenda *agenda,
                       struct cs_wall now)
{
    size_t i;

    for (i = 0; i < owner->count; i++) {
        struct cs_seat *seat = &owner->seats[i];

        if (is_ours(seat))
            end(owner, seat, agenda, now);
        if (seat->owned)
            change_lease(owner, seat, false);
        if (seat->wanted)
            list_changed(owner, i);
    }
    owner->sweep = 0;
}

/* The file at the path is another one: what we hold guards nothing. */
static enum cs_status start_over(struct cs_owner *owner,
                                 struct cs_agenda *agenda,
                                 struct cs_wall now, struct cs_error *error)
{
    if (owner->lease.fd >= 0) {
        disown_all(owner, agenda, now);
        close_lease(owner);
    }
    return cs_owner_open(owner, error);
}

static enum cs_status keep_lease(struct cs_owner *owner,
                                 struct cs_agenda *agenda,
                                 struct cs_wall now, struct cs_mono mono,
                                 struct cs_error *error)
{
    if (!owner->directory)
        return CS_OK;
    if (owner->lease.fd >= 0 && mono.ns < owner->next_check.ns)
        return CS_OK;
    owner->next_check.ns = mono.ns + CHECK_EVERY_NS;
    if (owner->lease.fd >= 0 && cs_lease_is_current(&owner->lease))
        return CS_OK;
    return start_over(owner, agenda, now, error);
}

static bool has_standby(const struct cs_owner *owner)
{
    return owner->owned < owner->wanted;
}

/* How many seats to try now: all when another process has gone or has given
 * something back, else some. */
static size_t to_try(struct cs_owner *owner)
{
    uint64_t others = owner->directory ? cs_lease_others(&owner->lease) : 0;
    bool changed = others != owner->others;

    owner->others = others;
    return changed || owner->count < TRIES_MOST ? owner->count : TRIES_MOST;
}

static enum cs_status take_turn(struct cs_owner *owner,
                                struct cs_agenda *agenda, struct cs_wall now,
                                struct cs_mono mono, struct cs_error *error)
{
    enum cs_status status = take_changed(owner, agenda, now, error);

    if (status != CS_OK || !has_standby(owner)) {
        owner->sweep = 0;
        return status;
    }
    if (!owner->sweep) {
        if (mono.ns < owner->next_try.ns)
            return CS_OK;
        owner->next_try.ns = mono.ns + TRY_EVERY_NS;
        owner->sweep = to_try(owner);
    }
    return take_free(owner, agenda, now, error);
}

enum cs_status cs_owner_turn(struct cs_owner *owner,
                             struct cs_agenda *agenda, struct cs_wall now,
                             struct cs_mono mono, struct cs_error *error)
{
    enum cs_status status;

    if (mono.ns < owner->not_before.ns)
        return CS_OK;
    status = keep_lease(owner, agenda, now, mono, error);
    if (status == CS_OK)
        status = take_turn(owner, agenda, now, mono, error);
    if (status == CS_STATE)   /* lost since the last look */
        status = start_over(owner, agenda, now, error);
    if (status != CS_OK)
        owner->not_before.ns = mono.ns + TRY_EVERY_NS;
    return status;
}

struct cs_mono cs_owner_next(const struct cs_owner *owner)
{
    int64_t next_ns = INT64_MAX;

    if (owner->sweep || owner->changed_first != CS_NO_SEAT)
        next_ns = INT64_MIN;
    else if (has_standby(owner))
        next_ns = owner->next_try.ns;
    if (owner->directory && owner->wanted && owner->next_check.ns < next_ns)
        next_ns = owner->next_check.ns;
    return (struct cs_mono){next_ns < owner->not_before.ns
                            ? owner->not_before.ns : next_ns};
}

void cs_owner_resign(struct cs_owner *owner, struct cs_agenda *agenda,
                     struct cs_wall now)
{
    disown_all(owner, agenda, now);
    close_lease(owner);
}
