/* Which sockets of this process listen. By bare getsockopt on the numbers in
 * /proc/self/fd: a socket object of Python's, made of a number, would change
 * the server's own socket (non-blocking after setdefaulttimeout, and always
 * under gevent).
 *
 * A descriptor may be closed, or become another's, between two looks at it:
 * each look can fail, and nothing is ever done to one.
 */
#include "core/sched/knock_parts.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

#ifdef __linux__
#define DESCRIPTORS "/proc/self/fd"
#else
#define DESCRIPTORS "/dev/fd"
#endif

union address {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_in6 inet6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
};

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) ? -1 : value;
}

static bool is_listening(int fd)
{
    struct stat found;

    return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode)
        && option_of(fd, SO_TYPE) == SOCK_STREAM
        && option_of(fd, SO_ACCEPTCONN) == 1;
}

/* Any address is the loopback's: that is where this process reaches itself. */
static bool write_inet(const struct sockaddr_in *inet, char *text)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr address = inet->sin_addr;

    if (address.s_addr == htonl(INADDR_ANY))
        address.s_addr = htonl(INADDR_LOOPBACK);
    if (!inet_ntop(AF_INET, &address, host, sizeof host))
        return false;
    (void)snprintf(text, CS_KNOCK_ADDRESS_SIZE, "http://%s:%d", host,
                   ntohs(inet->sin_port));   /* it fits */
    return true;
}

static bool write_inet6(int fd, const struct sockaddr_in6 *inet6, char *text)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr address = inet6->sin6_addr;
    int only6 = 0;
    socklen_t size = sizeof only6;

    if (IN6_IS_ADDR_UNSPECIFIED(&address)) {
        /* One for both families is reached by the one that every machine
         * has. */
        if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &size) == 0
            && !only6) {
            (void)snprintf(text, CS_KNOCK_ADDRESS_SIZE, "http://127.0.0.1:%d",
                           ntohs(inet6->sin6_port));   /* it fits */
            return true;
        }
        address = in6addr_loopback;
    }
    if (!inet_ntop(AF_INET6, &address, host, sizeof host)
        || inet6->sin6_scope_id)
        return false;
    (void)snprintf(text, CS_KNOCK_ADDRESS_SIZE, "http://[%s]:%d", host,
                   ntohs(inet6->sin6_port));   /* it fits */
    return true;
}

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')
        || (byte >= '0' && byte <= '9') || (byte && strchr("-._~", byte));
}

/* The path of a socket, made absolute: a relative one is that of a server
 * which has not gone to another directory since. An abstract name is none,
 * and no longer one than fits an address can be connected to. */
static bool find_path(const struct sockaddr_un *local,
                      char path[SOCKET_PATH_SIZE])
{
    char directory[SOCKET_PATH_SIZE] = "";
    int size;

    if (!local->sun_path[0]
        || (local->sun_path[0] != '/' && !getcwd(directory, sizeof directory)))
        return false;
    size = snprintf(path, SOCKET_PATH_SIZE, "%s%s%.*s", directory,
                    directory[0] ? "/" : "", (int)sizeof local->sun_path,
                    local->sun_path);
    return size > 0 && size < (int)SOCKET_PATH_SIZE;
}

static bool write_local(const struct sockaddr_un *local, char *text)
{
    char path[SOCKET_PATH_SIZE];
    char *end = text + snprintf(text, CS_KNOCK_ADDRESS_SIZE, "http+unix://");

    if (!find_path(local, path))
        return false;
    for (const char *at = path; *at; at++)
        if (is_plain(*at))
            *end++ = *at;
        else
            end += snprintf(end, 4, "%%%02X", (unsigned char)*at);
    *end = '\0';
    return true;
}

static bool write_address(int fd, bool local, char *text)
{
    union address address;
    socklen_t size = sizeof address;

    memset(&address, 0, sizeof address);
    if (getsockname(fd, &address.any, &size))
        return false;
    if (address.any.sa_family == AF_UNIX)
        return local && write_local(&address.local, text);
    if (local)
        return false;
    if (address.any.sa_family == AF_INET)
        return write_inet(&address.inet, text);
    return address.any.sa_family == AF_INET6
        && write_inet6(fd, &address.inet6, text);
}

static bool is_there(char (*found)[CS_KNOCK_ADDRESS_SIZE], size_t count,
                     const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(found[i], text) == 0)
            return true;
    return false;
}

/* Those of one kind, behind the `count` that are there. */
static size_t find(DIR *descriptors, bool local,
                   char (*found)[CS_KNOCK_ADDRESS_SIZE], size_t count,
                   size_t most)
{
    struct dirent *entry;

    rewinddir(descriptors);
    while (count < most && (entry = readdir(descriptors))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] != '.' && is_listening(fd)
            && write_address(fd, local, found[count])
            && !is_there(found, count, found[count]))
            count++;
    }
    return count;
}

size_t cs_knock_listening(char (*found)[CS_KNOCK_ADDRESS_SIZE], size_t most)
{
    DIR *descriptors;
    size_t count;

    descriptors = opendir(DESCRIPTORS);   /* it is close-on-exec */
    if (!descriptors)
        return 0;
    count = find(descriptors, false, found, 0, most);
    count = find(descriptors, true, found, count, most);
    (void)closedir(descriptors);   /* it was only read */
    return count;
}
