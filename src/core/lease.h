/* Who fires the calls of an application id on this machine: a lock that the
 * kernel gives back when its holder dies.
 *
 * One file per directory, one byte of it per application id (at a position
 * taken from the id's SHA-512, so `a/b` and `a-b` differ), locked with an
 * open-file-description lock: a process with a thousand application ids holds
 * one descriptor, not a thousand (a select()-based server dies above 1,024).
 * Like flock, and unlike POSIX record locks, such a lock survives other
 * closes in the process; a forked child must only close. Not locked itself:
 * one thread.
 */
#ifndef CS_LEASE_H
#define CS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct cs_lease {
    char *path;        /* Owned. */
    int fd;            /* Owned; -1 when closed. */
    uint64_t device, inode;
};

/* `directory` exists, is ours, no symbolic link, and nobody else can write to
 * it: checked (CS_STATE says what is wrong). Opens or makes
 * `directory`/lease with O_NOFOLLOW | O_CLOEXEC, 0600, no truncation; one
 * that others can open is refused (CS_STATE), for they could lock it.
 * CS_SYSTEM, CS_NOMEM. Writes `lease` only on success. */
enum cs_status cs_lease_open(struct cs_lease *lease, const char *directory,
                             struct cs_error *error);

/* Gives every byte back. Safe on a zeroed lease with fd -1, and twice. In a
 * forked child this only drops the child's descriptor, never the parent's
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

/* Is the file at the path still the one that we hold? False when it was
 * unlinked or replaced: then every position is lost, and the caller opens
 * again. */
bool cs_lease_is_current(const struct cs_lease *lease);

#endif
