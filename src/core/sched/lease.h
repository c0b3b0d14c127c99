/* Who fires the calls of an application id on this machine: a lock that the
 * kernel gives back when its holder dies.
 *
 * One byte per application id (at a position taken from the id's SHA-512, so
 * `a/b` and `a-b` differ), locked with an open-file-description lock: a
 * process with a thousand application ids holds 17 descriptors, not a
 * thousand (a select()-based server dies above 1,024). 16 files, because the
 * kernel keeps the locks of a file in a list and looks at all of it: with
 * 10,000 in one, taking them costs seconds. Like flock, and unlike POSIX
 * record locks, such a lock survives other closes in the process; a forked
 * child must only close. Not locked itself: one thread.
 */
#ifndef CS_LEASE_H
#define CS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_LEASE_FILES 16
#define CS_LEASE_PRESENCE 16   /* one more file: who is there */

struct cs_lease_file {
    int fd;            /* Owned. */
    uint64_t device, inode;
};

struct cs_lease {
    char *path;        /* Owned: of the first file. */
    int fd;            /* Owned: the directory; -1 when closed, and then
                          `files` means nothing. */
    struct cs_lease_file files[CS_LEASE_FILES + 1];
    int64_t presence;  /* our byte in the last file; -1 for none */
};

/* `directory` is made, with its parents, 0700, where it is missing: what
 * removes it (the end of a login) may do so any time. It is ours, no symbolic
 * link, and nobody else can write to it: checked (CS_STATE says what is
 * wrong). Opens or makes in it lease.0 to lease.f with O_NOFOLLOW | O_CLOEXEC,
 * 0600, no truncation, and lease.p; one that others can open is refused (CS_STATE), for
 * they could lock it. CS_SYSTEM, CS_NOMEM. Writes `lease` only on success. No
 * other function but cs_lease_close opens or closes a descriptor. */
enum cs_status cs_lease_open(struct cs_lease *lease, const char *directory,
                             struct cs_error *error);

/* Gives every byte back. Safe on a zeroed lease with fd -1, and twice. In a
 * forked child this only drops the child's descriptors, never the parent's
 * locks. A child that neither closes nor execs keeps them beyond the parent's
 * death: it must close. */
void cs_lease_close(struct cs_lease *lease);

/* Which byte stands for `application_id`. CS_NOMEM. */
enum cs_status cs_lease_position(const char *application_id, size_t size,
                                 int64_t *position);

/* CS_OK: held by us now (also when it was before). CS_BUSY: another holds it.
 * CS_STATE: the file is no longer current, open again. CS_SYSTEM. Never
 * waits. */
enum cs_status cs_lease_take(struct cs_lease *lease, int64_t position,
                             struct cs_error *error);

void cs_lease_release(struct cs_lease *lease, int64_t position);

/* Each process that opened a lease holds one byte of lease.p, at a position of
 * chance. When it dies the byte is gone, and when it releases something it
 * takes another: so a look at one short list tells whether anything may have
 * become free. announce: take another byte. others: a number that changes when
 * the bytes of others do. */
void cs_lease_announce(struct cs_lease *lease);
uint64_t cs_lease_others(const struct cs_lease *lease);

/* Are the files at their paths still those that we hold? False when one was
 * unlinked or replaced: then its positions are lost, and the caller opens
 * again. */
bool cs_lease_is_current(const struct cs_lease *lease);

/* Does anybody hold `position` in the files of `directory`, this process
 * included? Nothing is made, and nobody's lock is touched. False where the
 * system cannot say. */
bool cs_lease_is_held(const char *directory, int64_t position);

#endif
