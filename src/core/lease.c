/* Who fires: byte locks in one file. The invariant: a position is ours as
 * long as `fd` is open and the file at `path` is the one behind it. Nothing
 * is ever written to the file.
 *
 * Source: fcntl(2), "Open file description locks" (Linux 3.15, POSIX.1-2024).
 */
#define _FILE_OFFSET_BITS 64   /* positions need all of a 64-bit off_t */
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "mem.h"

#define NAME "/lease"

_Static_assert(sizeof(off_t) == 8, "a position does not fit an off_t");

/* Without open-file-description locks there are those of the process. They
 * exclude other processes just as well, but any close of the file in this
 * process gives all of them back: so it must be opened once only, as here. */
#ifdef F_OFD_SETLK
#define SET_LOCK F_OFD_SETLK
#elif defined(__linux__)
#error "Linux has F_OFD_SETLK: define _GNU_SOURCE"
#else
#define SET_LOCK F_SETLK
#endif

static enum cs_status refuse(struct cs_error *error, const char *what,
                             const char *path)
{
    return cs_error_set(error, CS_STATE, "%s: %.120s", what, path);
}

/* A directory in which nobody but us can put, remove or rename a file. The
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
static enum cs_status check_file(int fd, struct cs_lease *lease,
                                 struct cs_error *error)
{
    struct stat found;

    if (fstat(fd, &found))
        return cs_error_system(error, errno, "lease file %.100s", lease->path);
    if (!S_ISREG(found.st_mode))
        return refuse(error, "lease file that is no plain file", lease->path);
    if (found.st_uid != geteuid())
        return refuse(error, "lease file of another user", lease->path);
    if (found.st_mode & (S_IRWXG | S_IRWXO))
        return refuse(error, "lease file that others can open", lease->path);
    lease->device = (uint64_t)found.st_dev;
    lease->inode = (uint64_t)found.st_ino;
    return CS_OK;
}

/* What open() says of a symbolic link differs between systems. */
static enum cs_status explain_open(int number, const char *what,
                                   const char *path, struct cs_error *error)
{
    if (number == ELOOP || number == EMLINK || number == ENOTDIR)
        return refuse(error, "not to be used for leases, a link perhaps",
                      path);
    return cs_error_system(error, number, "%s %.100s", what, path);
}

/* `lease->path` holds the directory, `size` bytes of it, then NAME. */
static int open_directory(struct cs_lease *lease, size_t size)
{
    int fd;

    lease->path[size] = '\0';
    fd = open(lease->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    lease->path[size] = NAME[0];
    return fd;
}

static enum cs_status open_file(struct cs_lease *lease, int directory,
                                struct cs_error *error)
{
    enum cs_status status;
    /* O_NONBLOCK: a fifo in its place must not hold us up. */
    int fd = openat(directory, &NAME[1], O_RDWR | O_CREAT | O_NOFOLLOW
                    | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd < 0)
        return explain_open(errno, "lease file", lease->path, error);
    status = check_file(fd, lease, error);
    if (status)
        (void)close(fd);   /* nothing was written to it */
    else
        lease->fd = fd;
    return status;
}

enum cs_status cs_lease_open(struct cs_lease *lease, const char *directory,
                             struct cs_error *error)
{
    struct cs_lease made = {.fd = -1};
    enum cs_status status;
    size_t size = strlen(directory);
    int fd;

    while (size > 1 && directory[size - 1] == '/')
        size--;   /* "link/" would be followed */
    made.path = cs_mem_alloc(size + sizeof NAME);
    if (!made.path)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    memcpy(made.path, directory, size);
    memcpy(made.path + size, NAME, sizeof NAME);
    fd = open_directory(&made, size);
    if (fd < 0) {
        status = explain_open(errno, "lease directory", directory, error);
        cs_lease_close(&made);
        return status;
    }
    status = check_directory(fd, directory, error);
    if (!status)
        status = open_file(&made, fd, error);
    (void)close(fd);   /* only read */
    if (status)
        cs_lease_close(&made);
    else
        *lease = made;
    return status;
}

void cs_lease_close(struct cs_lease *lease)
{
    if (lease->fd >= 0)
        (void)close(lease->fd);   /* nothing was written to it */
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

/* 0 or an errno. */
static int set_lock(const struct cs_lease *lease, short type, int64_t position)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET,
                         .l_start = position, .l_len = 1};

    return fcntl(lease->fd, SET_LOCK, &lock) ? errno : 0;
}

enum cs_status cs_lease_take(struct cs_lease *lease, int64_t position,
                             struct cs_error *error)
{
    int number = set_lock(lease, F_WRLCK, position);

    if (number == EAGAIN || number == EACCES)
        return cs_error_set(error, CS_BUSY, "another process holds it");
    if (number)
        return cs_error_system(error, number, "lease file %.100s",
                               lease->path);
    if (cs_lease_is_current(lease))
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

bool cs_lease_is_current(const struct cs_lease *lease)
{
    struct stat found;

    return lease->fd >= 0 && lstat(lease->path, &found) == 0
        && (uint64_t)found.st_dev == lease->device
        && (uint64_t)found.st_ino == lease->inode;
}
