/* Many requests at once. A transfer is in exactly one of three lists: active
 * (libcurl's multi handle has it), done (its answer waits to be reaped) or
 * idle (an easy handle kept for the next request, so that what all requests
 * have in common is set once). Only `poll` moves transfers from active to
 * done, so nothing here is ever called from inside libcurl but its callbacks.
 *
 * Source: the documentation of libcurl 7.68 to 8.
 */
#include "core/http/http.h"

#include <unistd.h>

#include "core/http/http_parts.h"
#include "core/base/mem.h"
#include "core/base/thread.h"

#define OLDEST 0x074400

struct cs_http {
    CURLM *multi;                /* Owned. */
    CURLU *url;                  /* Owned; to read URLs with. */
    struct cs_http_link active, done, idle;
    size_t active_count, idle_count;
    size_t connections;
    struct cs_http_sockets sockets;   /* what a forked child must close */
    const char *ca;              /* a file of certificates; NULL: default */
};

/* -- lists --------------------------------------------------------------- */

static void link_init(struct cs_http_link *head)
{
    head->prev = head->next = head;
}

static void link_append(struct cs_http_link *head, struct cs_http_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static void link_remove(struct cs_http_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

static struct cs_http_transfer *owner_of(struct cs_http_link *link)
{
    return (struct cs_http_transfer *)(void *)link;
}

static struct cs_http_transfer *first_of(struct cs_http_link *head)
{
    return head->next == head ? NULL : owner_of(head->next);
}

static struct cs_http_transfer *find_tag(struct cs_http_link *head,
                                         const void *tag)
{
    struct cs_http_link *link = head->next;

    while (link != head && owner_of(link)->answer.tag != tag)
        link = link->next;
    return link == head ? NULL : owner_of(link);
}

/* -- transfers ----------------------------------------------------------- */

static void free_transfer(struct cs_http_transfer *transfer)
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
#if LIBCURL_VERSION_NUM >= 0x075500
    /* A libcurl without TLS refuses the longer one. */
    if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http"))
        return false;
#endif
    /* An empty proxy: not even one from the environment. */
    return !curl_easy_setopt(easy, CURLOPT_PROXY, "")
        && !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
}

/* Setting a pointer cannot fail. */
static void set_callbacks(struct cs_http *http,
                          struct cs_http_transfer *transfer)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->words);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, cs_http_on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, cs_http_on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, cs_http_open);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &http->sockets);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, cs_http_close);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &http->sockets);
}

/* In no list yet. NULL when out of memory. */
static struct cs_http_transfer *new_transfer(struct cs_http *http)
{
    struct cs_http_transfer *transfer = cs_mem_zalloc(1, sizeof *transfer);
    bool ok;

    if (!transfer)
        return NULL;
    transfer->easy = curl_easy_init();
    ok = transfer->easy && set_texts(transfer->easy)
        && (!http->ca
            || !curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, http->ca));
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
static struct cs_http_transfer *obtain_transfer(struct cs_http *http)
{
    struct cs_http_transfer *transfer = first_of(&http->idle);

    if (!transfer)
        return new_transfer(http);
    link_remove(&transfer->link);
    http->idle_count--;
    return transfer;
}

/* It is in no list; keep it for the next request, or not. */
static void retire_transfer(struct cs_http *http,
                            struct cs_http_transfer *transfer)
{
    if (http->idle_count >= http->connections) {
        free_transfer(transfer);
        return;
    }
    link_append(&http->idle, &transfer->link);
    http->idle_count++;
}

/* -- the turn ------------------------------------------------------------ */

enum cs_status cs_http_submit(struct cs_http *http,
                              const struct cs_http_request *request,
                              struct cs_error *error)
{
    struct cs_http_transfer *transfer = obtain_transfer(http);
    enum cs_status status;

    if (!transfer)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    status = cs_http_prepare(transfer, request, http->url, error);
    if (!status) {
        cs_http_answer_begin(transfer, request->tag);
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

/* Out of libcurl's hands. Cannot fail for a handle that is in there. */
static void detach(struct cs_http *http, struct cs_http_transfer *transfer)
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
        struct cs_http_transfer *transfer;
        CURLcode code = message->data.result;
        char *found = NULL;   /* libcurl's headers want this type */

        if (message->msg != CURLMSG_DONE)
            continue;
        if (now.ns == 0)
            now = cs_clock_system.mono(NULL);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                &found);   /* cannot fail */
        transfer = (struct cs_http_transfer *)(void *)found;
        cs_http_answer_end(transfer, code, now);
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

void cs_http_quit(struct cs_http *http)
{
    atomic_store(&http->sockets.quits, true);
}

enum cs_status cs_http_reap(struct cs_http *http,
                            struct cs_http_answer *answer)
{
    struct cs_http_transfer *transfer = first_of(&http->done);

    if (!transfer)
        return CS_NONE;
    *answer = transfer->answer;
    link_remove(&transfer->link);
    retire_transfer(http, transfer);
    return CS_OK;
}

enum cs_status cs_http_cancel(struct cs_http *http, const void *tag)
{
    struct cs_http_transfer *transfer = find_tag(&http->active, tag);

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

/* How libcurl started; written once. */
static struct cs_error started;

static enum cs_status start_libcurl(struct cs_error *error)
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

static void start_once(void)
{
    started.status = start_libcurl(&started);
}

enum cs_status cs_http_init(struct cs_error *error)
{
    cs_thread_once(start_once);
    if (started.status != CS_OK && error)
        *error = started;
    return started.status;
}

const char *cs_http_libraries(void)
{
    return curl_version();
}

enum cs_status cs_http_new(size_t connections, struct cs_http **http)
{
    struct cs_http *made = cs_mem_zalloc(1, sizeof *made);

    if (!made)
        return CS_NOMEM;
    link_init(&made->active);
    link_init(&made->done);
    link_init(&made->idle);
    made->ca = cs_http_find_ca(access);
    made->connections = connections;
    made->multi = cs_http_private_multi();
    made->url = curl_url();
    if (!made->multi || !made->url) {
        cs_http_free(made);
        return CS_NOMEM;
    }
    /* Not MAX_TOTAL_CONNECTIONS: a transfer that waits for its turn inside
     * libcurl does not even time out. A number: cannot fail. */
    (void)curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS,
                            (long)connections);
#if LIBCURL_VERSION_NUM >= 0x081400
    (void)curl_multi_setopt(made->multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
    *http = made;
    return CS_OK;
}

static void free_list(struct cs_http_link *head)
{
    struct cs_http_transfer *transfer;

    while ((transfer = first_of(head))) {
        link_remove(&transfer->link);
        free_transfer(transfer);
    }
}

void cs_http_free(struct cs_http *http)
{
    struct cs_http_transfer *transfer;

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
    cs_http_sockets_fini(&http->sockets);
    cs_mem_free(http);
}

void cs_http_abandon(struct cs_http *http)
{
    if (http)
        cs_http_sockets_abandon(&http->sockets);
}
