/* The descriptors that libcurl opens, in our name. A forked child must close
 * its copies, or the other side would not see the parent's end; and only
 * them: some versions of libcurl (7.88) close the socket of a connect that
 * timed out without telling, and its number may be the application's now.
 */
#include "core/http/http_parts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/thread.h"

#define SOCKETS_FIRST 32
#define LOOKED_AT 4096   /* descriptors below this are looked at */

/* -- the list ------------------------------------------------------------- */

/* Room for one more. It is made outside the guard, in which nothing waits. */
static bool reserve(struct cs_http_sockets *sockets)
{
    size_t size = sockets->size ? sockets->size * 2 : SOCKETS_FIRST;
    struct cs_http_socket *list, *old = sockets->list;

    if (sockets->count < sockets->size)
        return true;
    list = cs_mem_zalloc(size, sizeof *list);
    if (!list)
        return false;
    if (sockets->count)
        memcpy(list, old, sockets->count * sizeof *list);
    cs_fork_enter();
    sockets->list = list;
    sockets->size = size;
    cs_fork_leave();
    cs_mem_free(old);
    return true;
}

static struct cs_http_socket *find(struct cs_http_sockets *sockets, int fd)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->list[i].fd == fd)
            return &sockets->list[i];
    return NULL;
}

/* Inside the guard. An entry of the same number is one that was closed. */
static void remember(struct cs_http_sockets *sockets, int fd)
{
    struct cs_http_socket *socket = find(sockets, fd);
    struct stat found;

    if (fstat(fd, &found))
        return;   /* not worth a request; the child keeps it */
    if (!socket)
        socket = &sockets->list[sockets->count++];
    *socket = (struct cs_http_socket){fd, (uint64_t)found.st_dev,
                                      (uint64_t)found.st_ino};
}

static int make_socket(const struct curl_sockaddr *address)
{
    int fd;

#ifdef SOCK_CLOEXEC
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
#else
    fd = socket(address->family, address->socktype, address->protocol);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);   /* cannot fail */
#endif
    return fd;
}

curl_socket_t cs_http_open(void *context, curlsocktype purpose,
                           struct curl_sockaddr *address)
{
    struct cs_http_sockets *sockets = context;
    int fd;

    (void)purpose;
    if (atomic_load(&sockets->quits) || !reserve(sockets))
        return CURL_SOCKET_BAD;
    cs_fork_enter();
    fd = make_socket(address);
    if (fd >= 0)
        remember(sockets, fd);
    cs_fork_leave();
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int cs_http_close(void *context, curl_socket_t fd)
{
    struct cs_http_sockets *sockets = context;
    struct cs_http_socket *socket;
    int result;

    cs_fork_enter();
    socket = find(sockets, fd);
    if (socket)
        *socket = sockets->list[--sockets->count];
    result = close(fd);
    cs_fork_leave();
    return result;
}

void cs_http_sockets_fini(struct cs_http_sockets *sockets)
{
    cs_mem_free(sockets->list);
    sockets->list = NULL;
    sockets->count = sockets->size = 0;
}

/* close() says nothing to the other side while the parent has it open. */
void cs_http_sockets_abandon(struct cs_http_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        const struct cs_http_socket *socket = &sockets->list[i];
        struct stat found;

        if (fstat(socket->fd, &found) == 0
            && (uint64_t)found.st_dev == socket->device
            && (uint64_t)found.st_ino == socket->inode)
            (void)close(socket->fd);   /* nothing to be done about it */
    }
    sockets->count = 0;
}

/* -- libcurl's own -------------------------------------------------------- */

/* What a wake-up comes through: one of a pair of sockets, or an event. Both
 * have no name. */
static bool may_be_wakeup(int fd)
{
    struct stat found;
    struct sockaddr address;
    socklen_t size = sizeof address;

    if (fstat(fd, &found))
        return false;
    if (!S_ISSOCK(found.st_mode))
        return (found.st_mode & S_IFMT) == 0;   /* an anonymous inode */
    return getsockname(fd, &address, &size) == 0
        && address.sa_family == AF_UNIX
        && size <= sizeof address.sa_family;
}

/* libcurl's wake-up descriptors are not close-on-exec, and it does not tell
 * their numbers: they are among those that were not open before. */
CURLM *cs_http_private_multi(void)
{
    bool before[LOOKED_AT];
    CURLM *multi;

    for (int fd = 0; fd < LOOKED_AT; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    multi = curl_multi_init();
    for (int fd = 0; multi && fd < LOOKED_AT; fd++)
        if (!before[fd] && fcntl(fd, F_GETFD) == 0 && may_be_wakeup(fd))
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);   /* it is open */
    return multi;
}
