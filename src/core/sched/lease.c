/* Who fires: byte locks in a few files. The invariant: a position is ours as
 * long as its file is open and is still the one at its path. Nothing is ever
 * written to a file.
 *
 * Source: fcntl(2), "Open file description locks" (Linux 3.15, POSIX.1-2024).
 */
#define _FILE_OFFSET_BITS 64   /* positions need all of a 64-bit off_t */
#include "core/sched/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/mem.h"

#define NAME "/lease.0"
#define OTHERS_MOST 1024   /* processes that are looked at */

_Static_assert(sizeof(off_t) == 8, "a position does not fit an off_t");

/* Without open-file-description locks there are those of the process. They
 * exclude other processes just as well, but any close of the file in this
 * process gives all of them back: so it must be opened once only, as here. */
#ifdef F_OFD_SETLK
#define SET_LOCK F_OFD_SETLK
#define GET_LOCK F_OFD_GETLK
#elif defined(__linux__)
#error "Linux has F_OFD_SETLK: define _GNU_SOURCE"
#else
#define SET_LOCK F_SETLK
#define GET_LOCK F_GETLK
#endif

static enum cs_status refuse(struct cs_error *error, const char *what,
                             const char *path)
{
    return cs_error_set(error, CS_STATE, "%s: %.120s", what, path);
}

/* A directory in which no other user can create, remove or rename a file. The
 * sticky bit does not help: it lets others make the file before us. */
static enum cs_status check_directory(int fd, const char *path,
                                      struct cs_error *error)
{
    struct stat found;

    if (fstat(fd, &found))
        return cs_error_system(error, errno, "lease directory %.100s", path);
    if (found.st_uid != geteuid())
        return refuse(error, "lease directory of another user", path);
    if (found.st_mode & (S_IWGRP | S_IWOTH))
        return refuse(error, "lease directory that others can write", path);
    return CS_OK;
}

/* A file of our own. Who can open it, even for reading only, can lock it and
 * so keep us from ever firing. */
static enum cs_status check_file(struct cs_lease_file *file, const char *path,
                                 struct cs_error *error)
{
    struct stat found;

    if (fstat(file->fd, &found))
        return cs_error_system(error, errno, "lease file %.100s", path);
    if (!S_ISREG(found.st_mode))
        return refuse(error, "lease file that is not a plain file", path);
    if (found.st_uid != geteuid())
        return refuse(error, "lease file of another user", path);
    if (found.st_mode & (S_IRWXG | S_IRWXO))
        return refuse(error, "lease file that others can open", path);
    file->device = (uint64_t)found.st_dev;
    file->inode = (uint64_t)found.st_ino;
    return CS_OK;
}

/* Why an open failed. What is said of a symbolic link differs between
 * systems. */
static enum cs_status explain_open(int number, const char *what,
                                   const char *path, struct cs_error *error)
{
    if (number == ENOMEM)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    if (number == ELOOP || number == EMLINK || number == ENOTDIR)
        return refuse(error, "cannot be used for leases, perhaps a link",
                      path);
    return cs_error_system(error, number, "%s %.100s", what, path);
}

/* The path of a file: all have the same but for the last character. Borrowed
 * until the next call. */
static const char *path_of(const struct cs_lease *lease, int index)
{
    lease->path[strlen(lease->path) - 1] = "0123456789abcdefp"[index];
    return lease->path;
}

/* Make the directories of a path that are missing, for us alone. What goes
 * wrong shows when the last one is opened. */
static void make_directories(char *path)
{
    char *at = path;

    if (!*path)
        return;
    do {
        at = strchr(at + 1, '/');
        if (at)
            *at = '\0';
        (void)mkdir(path, 0700);
        if (at)
            *at = '/';
    } while (at);
}

static int open_path(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_directory(const char *directory, size_t size)
{
    char *path = cs_mem_copy(directory, size);
    int fd;

    if (!path) {
        errno = ENOMEM;
        return -1;
    }
    fd = open_path(path);
    if (fd < 0 && errno == ENOENT) {
        make_directories(path);
        fd = open_path(path);
    }
    cs_mem_free(path);
    return fd;
}

static enum cs_status open_file(struct cs_lease *lease, int index,
                                struct cs_error *error)
{
    const char *path = path_of(lease, index);
    struct cs_lease_file *file = &lease->files[index];

    /* O_NONBLOCK: a fifo in its place must not hold us up. */
    file->fd = openat(lease->fd, strrchr(path, '/') + 1, O_RDWR | O_CREAT
                      | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file->fd < 0)
        return explain_open(errno, "lease file", path, error);
    return check_file(file, path, error);
}

/* `lease` is closed, but may own its path. */
static enum cs_status open_all(struct cs_lease *lease, const char *directory,
                               size_t size, struct cs_error *error)
{
    enum cs_status status;

    lease->path = cs_mem_alloc(size + sizeof NAME);
    if (!lease->path)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    memcpy(lease->path, directory, size);
    memcpy(lease->path + size, NAME, sizeof NAME);
    lease->fd = open_directory(directory, size);
    if (lease->fd < 0)
        return explain_open(errno, "lease directory", directory, error);
    status = check_directory(lease->fd, directory, error);
    for (int i = 0; !status && i <= CS_LEASE_FILES; i++)
        status = open_file(lease, i, error);
    return status;
}

enum cs_status cs_lease_open(struct cs_lease *lease, const char *directory,
                             struct cs_error *error)
{
    struct cs_lease made = {.fd = -1, .presence = -1};
    enum cs_status status;
    size_t size = strlen(directory);

    for (int i = 0; i <= CS_LEASE_FILES; i++)
        made.files[i].fd = -1;
    while (size > 1 && directory[size - 1] == '/')
        size--;   /* "link/" would be followed */
    status = open_all(&made, directory, size, error);
    if (status) {
        cs_lease_close(&made);
        return status;
    }
    cs_lease_announce(&made);
    *lease = made;
    return CS_OK;
}

void cs_lease_close(struct cs_lease *lease)
{
    /* Nothing was written: a close that fails loses nothing. */
    for (int i = 0; lease->fd >= 0 && i <= CS_LEASE_FILES; i++)
        if (lease->files[i].fd >= 0)
            (void)close(lease->files[i].fd);
    if (lease->fd >= 0)
        (void)close(lease->fd);
    cs_mem_free(lease->path);
    lease->path = NULL;
    lease->fd = -1;
}

enum cs_status cs_lease_position(const char *application_id, size_t size,
                                 int64_t *position)
{
    uint8_t digest[CS_SHA512_SIZE];
    uint64_t bits = 0;

    if (cs_digest_sha512(application_id, size, digest))
        return CS_NOMEM;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    /* 62 bits: the end of the byte is still an off_t. */
    *position = (int64_t)(bits >> 2);
    return CS_OK;
}

static int index_of(int64_t position)
{
    return (int)(position % CS_LEASE_FILES);
}

/* 0 or an errno. */
static int set_lock_in(const struct cs_lease *lease, int index, short type,
                       int64_t position)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET,
                         .l_start = position, .l_len = 1};

    if (lease->fd < 0)
        return EBADF;
    return fcntl(lease->files[index].fd, SET_LOCK, &lock) ? errno : 0;
}

static int set_lock(const struct cs_lease *lease, short type, int64_t position)
{
    return set_lock_in(lease, index_of(position), type, position);
}

static bool is_file_current(const struct cs_lease *lease, int index)
{
    const struct cs_lease_file *file = &lease->files[index];
    struct stat found;

    return lstat(path_of(lease, index), &found) == 0
        && (uint64_t)found.st_dev == file->device
        && (uint64_t)found.st_ino == file->inode;
}

enum cs_status cs_lease_take(struct cs_lease *lease, int64_t position,
                             struct cs_error *error)
{
    int number = set_lock(lease, F_WRLCK, position);

    if (number == EAGAIN || number == EACCES)
        return cs_error_set(error, CS_BUSY, "another process holds it");
    if (number)
        return cs_error_system(error, number, "lease file");
    if (is_file_current(lease, index_of(position)))
        return CS_OK;
    /* Somebody may hold the same position in the file that is there now. */
    cs_lease_release(lease, position);
    return refuse(error, "lease file was removed or replaced", lease->path);
}

void cs_lease_release(struct cs_lease *lease, int64_t position)
{
    /* Giving back cannot be refused; what was not held stays so. */
    (void)set_lock(lease, F_UNLCK, position);
}

/* -- who is there --------------------------------------------------------- */

void cs_lease_announce(struct cs_lease *lease)
{
    int64_t before = lease->presence;
    uint64_t bits;

    /* Without random bytes no process is notified; each finds what is free. */
    if (getentropy(&bits, sizeof bits))
        return;
    lease->presence = (int64_t)(bits >> 2);
    (void)set_lock_in(lease, CS_LEASE_PRESENCE, F_WRLCK, lease->presence);
    if (before >= 0)
        (void)set_lock_in(lease, CS_LEASE_PRESENCE, F_UNLCK, before);
}

/* The kernel names one lock of others in a range at a time. */
uint64_t cs_lease_others(const struct cs_lease *lease)
{
    struct flock lock = {.l_whence = SEEK_SET};
    uint64_t sum = 0;

    if (lease->fd < 0)
        return 0;
    for (int i = 0; i < OTHERS_MOST; i++) {
        off_t from = lock.l_start + lock.l_len;

        lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET,
                              .l_start = from};
        if (fcntl(lease->files[CS_LEASE_PRESENCE].fd, GET_LOCK, &lock)
            || lock.l_type == F_UNLCK || lock.l_len <= 0)
            break;
        sum += (uint64_t)lock.l_start;
    }
    return sum;
}

bool cs_lease_is_current(const struct cs_lease *lease)
{
    if (lease->fd < 0)
        return false;
    for (int i = 0; i <= CS_LEASE_FILES; i++)
        if (!is_file_current(lease, i))
            return false;
    return true;
}

#ifdef F_OFD_GETLK
bool cs_lease_is_held(const char *directory, int64_t position)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
                         .l_start = position, .l_len = 1};
    char path[PATH_MAX];
    int fd, size = snprintf(path, sizeof path, "%s/lease.%x", directory,
                            (unsigned)index_of(position));
    bool held;

    if (size < 0 || size >= (int)sizeof path)
        return false;
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    (void)close(fd);   /* a lock of the process's own would be lost by this */
    return held;
}
#else
bool cs_lease_is_held(const char *directory, int64_t position)
{
    (void)directory;
    (void)position;
    return false;
}
#endif
