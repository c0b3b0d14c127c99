/* Many requests at once. A transfer is in exactly one of three lists: active
 * (libcurl's multi handle has it), done (its answer waits to be reaped) or
 * idle (an easy handle kept for the next request, because setting one up
 * costs more than half of a request on loopback). Only `poll` moves transfers
 * from active to done, so nothing here is ever called from inside libcurl but
 * the four callbacks.
 *
 * SIGPIPE is left to the caller (CURLOPT_NOSIGNAL): the thread that uses this
 * room has it blocked.
 *
 * Source: RFC 9110 (Retry-After, interim answers), libcurl 7.68 to 8.
 */
#include "http.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

#if LIBCURL_VERSION_NUM < 0x074400
#error "cronsched needs libcurl 7.68 or newer (curl_multi_poll)"
#endif

#define OLDEST 0x074400
#define HEAD_READ (64 * 1024)   /* a head larger than this is no answer */
#define UNIX_SCHEME "http+unix://"
#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

struct link { struct link *prev, *next; };

struct transfer {
    struct link link;            /* First: a link is its transfer. */
    CURL *easy;                  /* Owned. */
    struct curl_slist *headers;  /* Owned: one block, the texts behind it. */
    size_t headers_size;
    struct cs_mono began;
    size_t head_size;            /* bytes of the answer's head so far */
    size_t body_size;            /* bytes of the answer's body so far */
    bool head_ended;             /* lines from now on are trailers */
    bool cut;                    /* we ended it: the body is long enough */
    bool to_socket;              /* the handle has a unix socket's path set */
    struct cs_http_answer answer;
    char words[CURL_ERROR_SIZE]; /* what libcurl says went wrong */
};

struct cs_http {
    CURLM *multi;                /* Owned. */
    CURLU *url;                  /* Owned; to read URLs with. */
    struct link active, done, idle;
    size_t active_count, idle_count;
    size_t connections;
    int *sockets;                /* Owned; what a forked child must close. */
    size_t sockets_count, sockets_size;
};

/* -- lists --------------------------------------------------------------- */

static void link_init(struct link *head)
{
    head->prev = head->next = head;
}

static void link_append(struct link *head, struct link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static void link_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

static struct transfer *first_of(struct link *head)
{
    return head->next == head ? NULL : (struct transfer *)(void *)head->next;
}

static struct transfer *find_tag(struct link *head, const void *tag)
{
    for (struct link *link = head->next; link != head; link = link->next) {
        struct transfer *transfer = (struct transfer *)(void *)link;

        if (transfer->answer.tag == tag)
            return transfer;
    }
    return NULL;
}

/* -- what libcurl calls -------------------------------------------------- */

/* Sockets are opened here to be close-on-exec whatever libcurl's version, and
 * to be known in a forked child. */
static curl_socket_t open_socket(void *context, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct cs_http *http = context;
    int fd;

    (void)purpose;
#ifdef SOCK_CLOEXEC
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
#else
    fd = socket(address->family, address->socktype, address->protocol);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);   /* cannot fail */
#endif
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (http->sockets_count < http->sockets_size)
        http->sockets[http->sockets_count++] = fd;
    return fd;
}

static int close_socket(void *context, curl_socket_t fd)
{
    struct cs_http *http = context;

    for (size_t i = 0; i < http->sockets_count; i++)
        if (http->sockets[i] == fd) {
            http->sockets[i] = http->sockets[--http->sockets_count];
            break;
        }
    return close(fd);
}

/* The value of the header `line` if its name is `name` ("retry-after:"). */
static const char *header_value(const char *line, size_t size,
                                const char *name, size_t *value_size)
{
    size_t skip = strlen(name);

    if (size < skip || strncasecmp(line, name, skip) != 0)
        return NULL;
    while (skip < size && (line[skip] == ' ' || line[skip] == '\t'))
        skip++;
    while (size > skip && (unsigned char)line[size - 1] <= ' ')
        size--;
    *value_size = size - skip;
    return line + skip;
}

/* Delay-seconds or an HTTP-date; -1 when it is neither. */
static int32_t read_retry_after(const char *text, size_t size)
{
    char date[64];
    int64_t seconds = 0;
    size_t digits = 0;

    for (; digits < size && text[digits] >= '0' && text[digits] <= '9';
         digits++)
        if (seconds <= INT32_MAX)
            seconds = seconds * 10 + (text[digits] - '0');
    if (digits == 0 || digits < size) {
        if (size >= sizeof date)
            return -1;
        memcpy(date, text, size);
        date[size] = '\0';
        seconds = curl_getdate(date, NULL);
        if (seconds < 0)
            return -1;
        seconds -= cs_wall_seconds(cs_clock_system.wall(NULL));
    }
    if (seconds < 0)
        return 0;
    return seconds > INT32_MAX ? INT32_MAX : (int32_t)seconds;
}

static void forget_head(struct cs_http_answer *answer)
{
    answer->retry_after_s = -1;
    answer->outcome[0] = '\0';
}

static void read_header(struct cs_http_answer *answer, const char *line,
                        size_t size)
{
    size_t length;
    const char *value;

    if ((value = header_value(line, size, "retry-after:", &length)))
        answer->retry_after_s = read_retry_after(value, length);
    else if ((value = header_value(line, size, "cronsched-outcome:", &length))
             && length < sizeof answer->outcome) {
        memcpy(answer->outcome, value, length);
        answer->outcome[length] = '\0';
    }
}

/* One line of the head, of an interim answer's head, or of the trailers. */
static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    long status = 0;

    (void)one;
    transfer->head_size += size;
    if (transfer->head_size > HEAD_READ)
        return size + 1;   /* Anything but `size` ends the transfer. */
    if (transfer->head_ended)
        return size;
    if (size > 5 && memcmp(line, "HTTP/", 5) == 0)
        forget_head(&transfer->answer);
    else if (line[0] == '\r' || line[0] == '\n') {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE,
                                &status);   /* cannot fail */
        transfer->head_ended = status >= 200;
    } else
        read_header(&transfer->answer, line, size);
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    struct cs_http_answer *answer = &transfer->answer;
    size_t kept = sizeof answer->body - answer->body_size;

    (void)one;
    if (kept > size)
        kept = size;
    memcpy(answer->body + answer->body_size, bytes, kept);
    answer->body_size += kept;
    transfer->body_size += size;
    transfer->cut = transfer->body_size > CS_HTTP_BODY_READ;
    return transfer->cut ? size + 1 : size;
}

/* -- a transfer ---------------------------------------------------------- */

static void free_transfer(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    cs_mem_free(transfer->headers);
    cs_mem_free(transfer);
}

/* What every request has in common, as numbers. */
static const struct {
    CURLoption option;
    long value;
} FIXED[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_HTTP09_ALLOWED, 0},
    {CURLOPT_TCP_KEEPALIVE, 1},   /* a view may be silent for an hour */
    {CURLOPT_POSTFIELDSIZE, 0},
#if LIBCURL_VERSION_NUM < 0x075500
    {CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS},
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else ending a transfer waits for its name resolution, and with it every
     * other transfer. */
    {CURLOPT_QUICK_EXIT, 1},
#endif
};

static bool set_texts(CURL *easy)
{
    /* An empty proxy: not even one from the environment. */
    return !curl_easy_setopt(easy, CURLOPT_PROXY, "")
#if LIBCURL_VERSION_NUM >= 0x075500
        && !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
#endif
        && !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
}

/* Setting a pointer cannot fail. */
static void set_callbacks(struct cs_http *http, struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->words);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
}

/* In no list yet. NULL when out of memory. */
static struct transfer *new_transfer(struct cs_http *http)
{
    struct transfer *transfer = cs_mem_zalloc(1, sizeof *transfer);
    bool ok;

    if (!transfer)
        return NULL;
    transfer->easy = curl_easy_init();
    ok = transfer->easy && set_texts(transfer->easy);
    for (size_t i = 0; ok && i < sizeof FIXED / sizeof *FIXED; i++)
        ok = !curl_easy_setopt(transfer->easy, FIXED[i].option,
                               FIXED[i].value);
    if (!ok) {
        free_transfer(transfer);
        return NULL;
    }
    set_callbacks(http, transfer);
    return transfer;
}

/* Take one from the idle list, else make one. */
static struct transfer *obtain_transfer(struct cs_http *http)
{
    struct transfer *transfer = first_of(&http->idle);

    if (!transfer)
        return new_transfer(http);
    link_remove(&transfer->link);
    http->idle_count--;
    return transfer;
}

/* It is in no list; keep it for the next request, or not. */
static void retire_transfer(struct cs_http *http, struct transfer *transfer)
{
    if (http->idle_count >= http->connections) {
        free_transfer(transfer);
        return;
    }
    link_append(&http->idle, &transfer->link);
    http->idle_count++;
}

/* -- a request ----------------------------------------------------------- */

/* Copy `headers` as a curl_slist into one block of memory, which the next
 * request of this handle uses again. */
static bool keep_headers(struct transfer *transfer,
                         const char *const *headers)
{
    struct curl_slist *nodes;
    size_t count = 0, size = 0;
    char *text;

    for (; headers && headers[count]; count++)
        size += sizeof *nodes + strlen(headers[count]) + 1;
    if (size > transfer->headers_size) {
        nodes = cs_mem_realloc(transfer->headers, size);
        if (!nodes)
            return false;
        transfer->headers = nodes;
        transfer->headers_size = size;
    }
    nodes = transfer->headers;
    text = (char *)(nodes + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(headers[i]) + 1;

        nodes[i].data = memcpy(text, headers[i], length);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        text += length;
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER,
                           count ? nodes : NULL);   /* cannot fail */
    return true;
}

static int hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit | ' ') : NULL;

    return found ? (int)(found - digits) : -1;
}

/* The percent-encoded socket path at `*text`, which then points behind it;
 * false when it is empty, too long or badly encoded. */
static bool read_socket_path(const char **text, char path[SOCKET_PATH_SIZE])
{
    const char *at = *text;
    size_t size = 0;

    for (; *at && *at != '/' && *at != '?'; at++) {
        int byte = (unsigned char)*at;

        if (byte == '%') {
            int high = hex_digit(at[1]);
            int low = high < 0 ? -1 : hex_digit(at[2]);

            byte = low < 0 ? 0 : high * 16 + low;
            at += 2;
        }
        if (byte == 0 || size + 1 >= SOCKET_PATH_SIZE)
            return false;
        path[size++] = (char)byte;
    }
    path[size] = '\0';
    *text = at;
    return size > 0;
}

static enum cs_status refuse_url(struct cs_error *error, const char *url,
                                 const char *why)
{
    return cs_error_set(error, CS_SYNTAX, "not a URL to call: %s: %.100s",
                        why, url);
}

static bool is_host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')
        || (byte >= '0' && byte <= '9') || byte == '.' || byte == '-';
}

/* Is `rest`, what follows the scheme of a URL, of the usual kind, in which
 * there is nothing to be wrong? Then libcurl need not be asked beforehand,
 * which would cost a twentieth of the whole request on loopback. */
static bool is_usual(const char *rest)
{
    const char *at = rest;
    int port = 0;

    while (is_host_byte(*at))
        at++;
    if (at == rest)
        return false;
    if (*at == ':') {
        while (*++at >= '0' && *at <= '9' && port <= 65535)
            port = port * 10 + (*at - '0');
        if (port < 1 || port > 65535)
            return false;
    }
    if (*at != '/')
        return *at == '\0';
    while (*at > ' ' && *at < 0x7f)
        at++;
    return *at == '\0';
}

static enum cs_status ask_libcurl(CURLU *reader, const char *url,
                                  struct cs_error *error)
{
    CURLUcode code;

    /* Forget the last one, or a relative URL would be added to it. */
    (void)curl_url_set(reader, CURLUPART_URL, NULL, 0);
    code = curl_url_set(reader, CURLUPART_URL, url, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    if (code)
        return refuse_url(error, url, "libcurl cannot read it");
    return CS_OK;
}

static enum cs_status set_plain_url(struct cs_http *http,
                                    struct transfer *transfer,
                                    const char *url, struct cs_error *error)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7
        : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    enum cs_status status = CS_OK;

    if (!scheme)
        return refuse_url(error, url, "neither http nor https");
    if (!is_usual(url + scheme))
        status = ask_libcurl(http->url, url, error);
    if (!status && curl_easy_setopt(transfer->easy, CURLOPT_URL, url))
        status = cs_error_set(error, CS_NOMEM, "out of memory");
    return status;
}

static enum cs_status set_socket_url(struct cs_http *http,
                                     struct transfer *transfer,
                                     const char *url, struct cs_error *error)
{
    const char *rest = url + strlen(UNIX_SCHEME);
    char path[SOCKET_PATH_SIZE], *plain;
    enum cs_status status;
    size_t size;

    if (!read_socket_path(&rest, path))
        return refuse_url(error, url, "no path of a socket");
    size = strlen(rest) + sizeof "http://localhost";
    plain = cs_mem_alloc(size);
    if (!plain)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    (void)snprintf(plain, size, "http://localhost%s", rest);   /* it fits */
    status = set_plain_url(http, transfer, plain, error);
    cs_mem_free(plain);
    if (status)
        return status;
    transfer->to_socket = true;
    switch (curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH, path)) {
    case CURLE_OK:
        return CS_OK;
    case CURLE_OUT_OF_MEMORY:
        return cs_error_set(error, CS_NOMEM, "out of memory");
    default:
        return refuse_url(error, url, "this libcurl knows no unix sockets");
    }
}

static enum cs_status set_url(struct cs_http *http, struct transfer *transfer,
                              const char *url, struct cs_error *error)
{
    if (transfer->to_socket) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH,
                               NULL);   /* removing cannot fail */
        transfer->to_socket = false;
    }
    if (strncasecmp(url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        return set_socket_url(http, transfer, url, error);
    return set_plain_url(http, transfer, url, error);
}

/* Setting a number that is in range cannot fail. */
static void set_numbers(CURL *easy, const struct cs_http_request *request)
{
    (void)curl_easy_setopt(easy, request->post ? CURLOPT_POST
                                               : CURLOPT_HTTPGET, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
                           request->reuse ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE,
                           request->reuse ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                           (long)request->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)request->connect_timeout_ms);
}

/* Forget what the handle's last request left behind. */
static void reset_answer(struct transfer *transfer, void *tag)
{
    struct cs_http_answer *answer = &transfer->answer;

    transfer->began = cs_clock_system.mono(NULL);
    transfer->head_size = transfer->body_size = 0;
    transfer->head_ended = transfer->cut = false;
    transfer->words[0] = '\0';
    answer->tag = tag;
    answer->error = CS_HTTP_BROKEN;
    answer->status = 0;
    answer->body_size = 0;
    answer->reason[0] = '\0';
    forget_head(answer);
}

enum cs_status cs_http_submit(struct cs_http *http,
                              const struct cs_http_request *request,
                              struct cs_error *error)
{
    struct transfer *transfer = obtain_transfer(http);
    enum cs_status status;

    if (!transfer)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    status = set_url(http, transfer, request->url, error);
    if (!status && !keep_headers(transfer, request->headers))
        status = cs_error_set(error, CS_NOMEM, "out of memory");
    if (!status) {
        set_numbers(transfer->easy, request);
        reset_answer(transfer, request->tag);
        if (curl_multi_add_handle(http->multi, transfer->easy))
            status = cs_error_set(error, CS_NOMEM, "out of memory");
    }
    if (status) {
        retire_transfer(http, transfer);
        return status;
    }
    link_append(&http->active, &transfer->link);
    http->active_count++;
    return CS_OK;
}

/* -- an answer ----------------------------------------------------------- */

static enum cs_http_error classify(const struct transfer *transfer,
                                   CURLcode code)
{
    long sent = 0;

    if (code == CURLE_OK || transfer->cut)
        return CS_HTTP_DONE;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return CS_HTTP_TIMED_OUT;
    /* The bytes of the request that went out decide, not the code: many of
     * libcurl's codes can come before as well as after them. */
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE,
                            &sent);   /* cannot fail */
    return sent > 0 ? CS_HTTP_BROKEN : CS_HTTP_NOT_CONNECTED;
}

static void complete(struct transfer *transfer, CURLcode code,
                     struct cs_mono now)
{
    struct cs_http_answer *answer = &transfer->answer;
    long status = 0;

    answer->error = classify(transfer, code);
    answer->took_ns = now.ns - transfer->began.ns;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE,
                            &status);   /* cannot fail */
    answer->status = status >= 200 ? (int)status : 0;
    if (answer->error != CS_HTTP_DONE)
        (void)snprintf(answer->reason, sizeof answer->reason, "%.127s",
                       transfer->words[0] ? transfer->words
                                          : curl_easy_strerror(code));
}

/* Out of libcurl's hands. Cannot fail for a handle that is in there. */
static void detach(struct cs_http *http, struct transfer *transfer)
{
    (void)curl_multi_remove_handle(http->multi, transfer->easy);
    link_remove(&transfer->link);
    http->active_count--;
}

/* What libcurl has finished joins the done list. */
static void collect(struct cs_http *http)
{
    struct cs_mono now = {0};
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        if (now.ns == 0)
            now = cs_clock_system.mono(NULL);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                &transfer);   /* cannot fail */
        complete(transfer, code, now);
        detach(http, transfer);
        link_append(&http->done, &transfer->link);
    }
}

enum cs_status cs_http_poll(struct cs_http *http, int extra_fd,
                            int timeout_ms)
{
    struct curl_waitfd extra = {extra_fd, CURL_WAIT_POLLIN, 0};
    CURLMcode code;
    int running;

    if (timeout_ms < 0 || first_of(&http->done))
        timeout_ms = 0;
    code = curl_multi_poll(http->multi, &extra, extra_fd >= 0, timeout_ms,
                           NULL);
    if (!code)
        code = curl_multi_perform(http->multi, &running);
    collect(http);
    if (code == CURLM_OUT_OF_MEMORY)
        return CS_NOMEM;
    return code ? CS_SYSTEM : CS_OK;
}

void cs_http_wake(struct cs_http *http)
{
    /* Fails only when the pipe is full: then the poll is woken anyway. */
    (void)curl_multi_wakeup(http->multi);
}

enum cs_status cs_http_reap(struct cs_http *http,
                            struct cs_http_answer *answer)
{
    struct transfer *transfer = first_of(&http->done);

    if (!transfer)
        return CS_NONE;
    *answer = transfer->answer;
    link_remove(&transfer->link);
    retire_transfer(http, transfer);
    return CS_OK;
}

enum cs_status cs_http_cancel(struct cs_http *http, const void *tag)
{
    struct transfer *transfer = find_tag(&http->active, tag);

    if (transfer)
        detach(http, transfer);
    else if ((transfer = find_tag(&http->done, tag)))
        link_remove(&transfer->link);
    else
        return CS_UNKNOWN;
    retire_transfer(http, transfer);
    return CS_OK;
}

size_t cs_http_count(const struct cs_http *http)
{
    return http->active_count;
}

/* -- life ---------------------------------------------------------------- */

enum cs_status cs_http_init(struct cs_error *error)
{
    const curl_version_info_data *found;

    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return cs_error_set(error, CS_SYSTEM, "libcurl does not start");
    found = curl_version_info(CURLVERSION_NOW);
    if (found->version_num < OLDEST)
        return cs_error_set(error, CS_SYSTEM, "libcurl %s was found, 7.68 or"
                            " newer is needed", found->version);
    /* A resolver that blocks would hold up every other request. */
    if (!(found->features & CURL_VERSION_ASYNCHDNS))
        return cs_error_set(error, CS_SYSTEM, "libcurl %s was built without"
                            " threads to resolve names in", found->version);
    return CS_OK;
}

enum cs_status cs_http_new(size_t connections, struct cs_http **http)
{
    struct cs_http *made = cs_mem_zalloc(1, sizeof *made);

    if (!made)
        return CS_NOMEM;
    link_init(&made->active);
    link_init(&made->done);
    link_init(&made->idle);
    made->connections = connections;
    /* Two for each: libcurl tries IPv6 and IPv4 at the same time. Sockets
     * over that are not known to a forked child, which then keeps them. */
    made->sockets_size = 2 * connections + 8;
    made->sockets = cs_mem_zalloc(made->sockets_size, sizeof *made->sockets);
    made->multi = curl_multi_init();
    made->url = curl_url();
    if (!made->sockets || !made->multi || !made->url) {
        cs_http_free(made);
        return CS_NOMEM;
    }
    /* Not MAX_TOTAL_CONNECTIONS: a transfer that waits for its turn inside
     * libcurl does not even time out. A number: cannot fail. */
    (void)curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS,
                            (long)connections);
    *http = made;
    return CS_OK;
}

static void free_list(struct link *head)
{
    struct transfer *transfer;

    while ((transfer = first_of(head))) {
        link_remove(&transfer->link);
        free_transfer(transfer);
    }
}

void cs_http_free(struct cs_http *http)
{
    struct transfer *transfer;

    if (!http)
        return;
    while ((transfer = first_of(&http->active))) {
        detach(http, transfer);
        free_transfer(transfer);
    }
    free_list(&http->done);
    free_list(&http->idle);
    if (http->multi)
        (void)curl_multi_cleanup(http->multi);   /* it is empty */
    curl_url_cleanup(http->url);
    cs_mem_free(http->sockets);
    cs_mem_free(http);
}

void cs_http_abandon(struct cs_http *http)
{
    if (!http)
        return;
    /* close() says nothing to the other side while the parent has the socket
     * open, and without it the other side would not see the parent's end. */
    for (size_t i = 0; i < http->sockets_count; i++)
        (void)close(http->sockets[i]);   /* nothing to be done about it */
    http->sockets_count = 0;
}
