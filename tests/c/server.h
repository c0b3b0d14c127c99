/* A small real HTTP/1.1 server on loopback, in a process of its own. What it
 * does with a request is written in the request's path:
 *
 *   /status/404        answers that, connection kept; the body is "ok"; 200
 *                      has Cronsched-Outcome: ok
 *   /foreign           200 without that
 *   /later/250         answers as /status/200 after 250 ms
 *   /retry/120         503 with Retry-After: 120 (%20 for a space)
 *   /outcome/lost      200 with Cronsched-Outcome: lost
 *   /cookie/a=b        200 with Set-Cookie: a=b
 *   /interim           an interim answer with headers, then 200
 *   /trailer           a chunked 200 whose trailer has a Retry-After
 *   /redirect          302 to /status/200
 *   /hang              never answers
 *   /drip              200, then a byte of the body every 20 ms, for ever
 *   /big               200, then as many bytes as the other side takes
 *   /head              header lines without end
 *   /half              closes in the middle of the body
 *   /none              closes without a byte
 *   /second            200; closes without a byte when the connection has
 *                      served a request before
 *
 * Anything else answers 404. All paths may go on after a `?`.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdint.h>
#include <sys/types.h>

#define SERVER_LOG 4096
#define SERVER_HEAD 1024

/* What came in, in memory shared with the server. Entry i is valid when
 * `count` is greater than i. */
struct server_request {
    int64_t at_ns;             /* CLOCK_REALTIME when it was complete */
    char head[SERVER_HEAD];    /* request line and headers, cut, with a NUL */
};

struct server_log {
    _Atomic int count;         /* of requests; those over SERVER_LOG are only
                                  counted */
    _Atomic int connections;   /* accepted */
    _Atomic int open;          /* of them, not closed yet */
    struct server_request requests[SERVER_LOG];
};

struct server {
    pid_t pid;
    int port;                  /* on 127.0.0.1; 0 for a unix socket */
    struct server_log *log;
};

/* Starts it on a free port, or on a unix socket at `path` when that is not
 * NULL. It serves when this returns. Ends the program when it cannot. Start
 * it before any thread. */
void server_start(struct server *server, const char *path);

/* Kills it and waits for its end. */
void server_stop(struct server *server);

/* Waits up to 5 s until it has seen `count` requests; how many it has. */
int server_wait(const struct server *server, int count);

/* "http://127.0.0.1:port" + path, in a buffer used again by the fourth call
 * after this. */
const char *server_url(const struct server *server, const char *path);

/* A port of 127.0.0.1 where nobody listens. */
int server_closed_port(void);

#endif
