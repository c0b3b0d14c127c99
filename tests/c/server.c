/* One process, one poll() loop, non-blocking sockets; a connection is a
 * buffer and what it does next. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define MOST 1024
#define DRIP_NS 20000000

enum doing { READING, WAITING, HANGING, DRIPPING, FLOODING, HEADING };

struct connection {
    int fd;
    enum doing doing;
    int served;              /* requests answered */
    int64_t next_ns;         /* when to go on (WAITING, DRIPPING) */
    size_t size;
    char head[SERVER_HEAD];
};

static struct connection connections[MOST];
static int connections_count;
static struct server_log *served;

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

/* -- answers ------------------------------------------------------------- */

/* False when the connection is to be closed. What is sent fits the socket's
 * buffer, so a short write is a dead peer. */
static bool say(struct connection *connection, const char *text)
{
    size_t size = strlen(text);

    return send(connection->fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool answer(struct connection *connection, int status,
                   const char *header, const char *value)
{
    char text[512], line[200] = "";

    if (header)
        snprintf(line, sizeof line, "%s: %s\r\n", header, value);
    snprintf(text, sizeof text,
             "HTTP/1.1 %d Said\r\nContent-Length: 2\r\n%s\r\nok", status,
             line);
    connection->doing = READING;
    connection->served++;
    return say(connection, text);
}

/* As a receiver of runs does. */
static bool answer_ok(struct connection *connection)
{
    return answer(connection, 200, "Cronsched-Outcome", "ok");
}

static bool keep_doing(struct connection *connection, enum doing doing,
                       const char *text)
{
    connection->doing = doing;
    connection->next_ns = now_ns(CLOCK_MONOTONIC);
    return say(connection, text);
}

/* `%20` becomes a space, in place; ends at a `?`. */
static char *plain(char *text)
{
    char *out = text;

    for (char *in = text; *in && *in != '?'; in++)
        if (strncmp(in, "%20", 3) == 0) {
            *out++ = ' ';
            in += 2;
        } else
            *out++ = *in;
    *out = '\0';
    return text;
}

/* Ends the connection with a RST. */
static bool reset(struct connection *connection)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

static bool serve_broken(struct connection *connection, const char *name)
{
    if (strcmp(name, "half") == 0)
        (void)say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
                  "half of it");
    if (strcmp(name, "chunk") == 0)
        (void)say(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n2\r\nok\r\n");
    if (strcmp(name, "ssh") == 0)
        (void)say(connection, "SSH-2.0-OpenSSH_9.2p1\r\nand nothing else\r\n");
    if (strcmp(name, "reset") == 0)
        return reset(connection);
    return false;   /* none, second */
}

static bool serve_odd(struct connection *connection, const char *name)
{
    const char *ok = "HTTP/1.1 200 OK\r\n";

    if (strcmp(name, "hang") == 0)
        return keep_doing(connection, HANGING, "");
    if (strcmp(name, "drip") == 0)
        return keep_doing(connection, DRIPPING,
                          "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n");
    if (strcmp(name, "big") == 0)
        return keep_doing(connection, FLOODING, "HTTP/1.1 200 OK\r\n"
                          "Content-Length: 1000000000\r\n\r\n");
    if (strcmp(name, "head") == 0)
        return keep_doing(connection, HEADING, ok);
    if (strcmp(name, "interim") == 0)
        return say(connection, "HTTP/1.1 103 Early\r\nRetry-After: 7\r\n"
                   "Cronsched-Outcome: early\r\n\r\n")
            && answer(connection, 200, NULL, NULL);
    if (strcmp(name, "trailer") == 0)
        return say(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n2\r\nok\r\n0\r\nRetry-After: 7\r\n\r\n");
    if (strcmp(name, "second") == 0 && connection->served == 0)
        return answer_ok(connection);
    return serve_broken(connection, name);
}

static bool serve(struct connection *connection, const char *request)
{
    char name[32] = "", value[128] = "";

    if (sscanf(request, "%*s /%31[^/ ?]/%127s", name, value) < 1)
        return answer(connection, 404, NULL, NULL);
    plain(value);
    if (strcmp(name, "status") == 0 && atoi(value) == 200)
        return answer_ok(connection);
    if (strcmp(name, "status") == 0)
        return answer(connection, atoi(value), NULL, NULL);
    if (strcmp(name, "retry") == 0)
        return answer(connection, 503, "Retry-After", value);
    if (strcmp(name, "outcome") == 0)
        return answer(connection, 200, "cronsched-outcome", value);
    if (strcmp(name, "foreign") == 0)
        return answer(connection, 200, NULL, NULL);
    if (strcmp(name, "cookie") == 0)
        return answer(connection, 200, "Set-Cookie", value);
    if (strcmp(name, "redirect") == 0)
        return answer(connection, 302, "Location", "/status/200");
    if (strcmp(name, "later") == 0) {
        connection->doing = WAITING;
        connection->next_ns = now_ns(CLOCK_MONOTONIC)
            + atoll(value) * 1000000;
        return true;
    }
    return serve_odd(connection, name);
}

/* -- connections --------------------------------------------------------- */

static void record(const char *head)
{
    int count = served->count;

    if (count < SERVER_LOG) {
        served->requests[count].at_ns = now_ns(CLOCK_REALTIME);
        snprintf(served->requests[count].head, SERVER_HEAD, "%s", head);
    }
    served->count = count + 1;
}

/* The first byte of a client that wants TLS. */
#define TLS_HANDSHAKE 0x16

/* Bodies are not read: the requests have none. False to close. */
static bool receive(struct connection *connection)
{
    char *head = connection->head, *end;
    ssize_t got = recv(connection->fd, head + connection->size,
                       sizeof connection->head - 1 - connection->size, 0);

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    connection->size += (size_t)got;
    head[connection->size] = '\0';
    if (head[0] == TLS_HANDSHAKE) {
        (void)say(connection, "HTTP/1.1 400 Plain HTTP is spoken here\r\n\r\n");
        return false;
    }
    end = strstr(head, "\r\n\r\n");
    if (!end)
        return connection->size < sizeof connection->head - 1;
    connection->size = 0;
    record(head);
    return serve(connection, head);
}

static bool flood(struct connection *connection)
{
    static const char bytes[16384];
    static const char line[] = "X-Filler: nothing to see here\r\n";
    bool head = connection->doing == HEADING;
    ssize_t sent = send(connection->fd, head ? line : bytes,
                        head ? sizeof line - 1 : sizeof bytes, MSG_NOSIGNAL);

    return sent > 0 || (sent < 0 && errno == EAGAIN);
}

/* Timed things. False to close. */
static bool go_on(struct connection *connection, int64_t now)
{
    if (now < connection->next_ns)
        return true;
    if (connection->doing == WAITING)
        return answer_ok(connection);
    if (connection->doing == DRIPPING) {
        connection->next_ns = now + DRIP_NS;
        return say(connection, "x");
    }
    return true;
}

static void drop(int index)
{
    close(connections[index].fd);
    connections[index] = connections[--connections_count];
    served->open--;
}

static void welcome(int listener)
{
    int fd, one = 1;

    while (connections_count < MOST
           && (fd = accept(listener, NULL, NULL)) >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connections[connections_count++] = (struct connection){.fd = fd};
        served->connections++;
        served->open++;
    }
}

static int fill(struct pollfd *fds, int listener)
{
    int timeout = 1000;

    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (int i = 0; i < connections_count; i++) {
        enum doing doing = connections[i].doing;

        fds[i + 1] = (struct pollfd){.fd = connections[i].fd,
                                     .events = POLLIN};
        if (doing == FLOODING || doing == HEADING)
            fds[i + 1].events |= POLLOUT;
        if (doing == WAITING || doing == DRIPPING)
            timeout = 2;
    }
    return timeout;
}

static void loop(int listener)
{
    static struct pollfd fds[MOST + 1];

    for (;;) {
        int timeout = fill(fds, listener);
        int64_t now;

        poll(fds, (nfds_t)connections_count + 1, timeout);
        now = now_ns(CLOCK_MONOTONIC);
        /* Backwards: dropping one moves the last into its place. */
        for (int i = connections_count - 1; i >= 0; i--) {
            bool keep = true;

            if (fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR))
                keep = receive(&connections[i]);
            else if (fds[i + 1].revents & POLLOUT)
                keep = flood(&connections[i]);
            if (!keep || !go_on(&connections[i], now))
                drop(i);
        }
        if (fds[0].revents)
            welcome(listener);
    }
}

/* -- for the test -------------------------------------------------------- */

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)
        || listen(fd, MOST))
        die(path);
    return fd;
}

static int bind_loopback(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)
        || getsockname(fd, (struct sockaddr *)&address, &size))
        die("loopback");
    *port = ntohs(address.sin_port);
    return fd;
}

void server_start(struct server *server, const char *path)
{
    int listener;

    server->port = 0;
    server->log = mmap(NULL, sizeof *server->log, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (server->log == MAP_FAILED)
        die("mmap");
    listener = path ? listen_unix(path) : bind_loopback(&server->port);
    if (listen(listener, MOST))
        die("listen");
    fcntl(listener, F_SETFL, O_NONBLOCK);
    server->pid = fork();
    if (server->pid < 0)
        die("fork");
    if (server->pid == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        served = server->log;
        loop(listener);
    }
    close(listener);
}

void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    munmap(server->log, sizeof *server->log);
}

int server_wait(const struct server *server, int count)
{
    for (int i = 0; i < 5000 && server->log->count < count; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return server->log->count;
}

const char *server_url(const struct server *server, const char *path)
{
    static char urls[4][256];
    static int turn;
    char *url = urls[turn++ % 4];

    snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", server->port, path);
    return url;
}

int server_closed_port(void)
{
    int port, fd = bind_loopback(&port);

    close(fd);
    return port;
}
