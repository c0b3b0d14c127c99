/* Against a real server on loopback. libcurl's own allocations go through
 * the allocator seam too, so that torture reaches them. */
#include <curl/curl.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "core/http/http.h"
#include "core/base/mem.h"
#include "server.h"

static struct server server;

/* Stands in for a resolver that hangs: in the place of libc's, it comes back
 * when it is told. Addresses in figures never get here. */
static atomic_bool resolver_hangs;
static atomic_int resolving;

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)found;
    resolving++;
    while (resolver_hangs)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    resolving--;
    return EAI_NONAME;
}

static int64_t mono_ns(void)
{
    return cs_clock_system.mono(NULL).ns;
}

static struct cs_http *make(size_t connections)
{
    struct cs_http *http = NULL;

    CHECK_INT(cs_http_new(connections, &http), CS_OK);
    return http;
}

static struct cs_http_request request_for(const char *url)
{
    return (struct cs_http_request){.url = url, .post = true,
                                    .timeout_ms = 10000,
                                    .connect_timeout_ms = 5000};
}

/* Poll until there is an answer, at most 20 s. */
static struct cs_http_answer await(struct cs_http *http)
{
    struct cs_http_answer answer = {.status = -1};
    int64_t until = mono_ns() + 20 * CS_NS_PER_S;

    while (cs_http_reap(http, &answer) == CS_NONE && mono_ns() < until)
        CHECK_INT(cs_http_poll(http, -1, 1000), CS_OK);
    return answer;
}

static struct cs_http_answer send_it(struct cs_http *http,
                                     const struct cs_http_request *request)
{
    CHECK_INT(cs_http_submit(http, request, NULL), CS_OK);
    return await(http);
}

static struct cs_http_answer get_within(const char *path, int timeout_ms)
{
    struct cs_http *http = make(4);
    struct cs_http_request request = request_for(server_url(&server, path));
    struct cs_http_answer answer;

    request.timeout_ms = timeout_ms;
    answer = send_it(http, &request);
    CHECK_INT(cs_http_count(http), 0);
    cs_http_free(http);
    return answer;
}

static struct cs_http_answer get(const char *path)
{
    return get_within(path, 10000);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* True as soon as the server has `count` connections open. */
static bool has_open(int count)
{
    for (int i = 0; i < 5000 && server.log->open != count; i++)
        pause_ms(1);
    return server.log->open == count;
}

static const char *last_head(void)
{
    int count = server.log->count;

    return count > 0 && count <= SERVER_LOG
        ? server.log->requests[count - 1].head : "";
}

/* -- answers -------------------------------------------------------------- */

static void test_the_status_of_an_answer_is_told(void)
{
    struct cs_http_answer answer = get("/status/200");

    CHECK_INT(answer.error, CS_HTTP_DONE);
    CHECK_INT(answer.status, 200);
    CHECK_INT(answer.body_size, 2);
    CHECK(memcmp(answer.body, "ok", 2) == 0);
    CHECK_INT(answer.retry_after_s, -1);
    CHECK_TEXT(answer.outcome, "ok");
    CHECK_TEXT(answer.reason, "");
    CHECK(answer.took_ns > 0 && answer.took_ns < 5 * CS_NS_PER_S);
    CHECK_INT(get("/status/404").status, 404);
    answer = get("/status/500");
    CHECK_INT(answer.error, CS_HTTP_DONE);
    CHECK_INT(answer.status, 500);
}

static void test_a_redirect_is_an_answer_and_not_followed(void)
{
    int before = server.log->count;

    CHECK_INT(get("/redirect").status, 302);
    CHECK_INT(server.log->count, before + 1);
}

static void test_a_post_has_an_empty_body_and_the_headers_given(void)
{
    const char *headers[] = {"User-Agent: cronsched/1", "X-One: 1", NULL};
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for(server_url(&server, "/status/200"));

    request.headers = headers;
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK(strncmp(last_head(), "POST /status/200 HTTP/1.1\r\n", 27) == 0);
    CHECK(strstr(last_head(), "\r\nContent-Length: 0\r\n"));
    CHECK(strstr(last_head(), "\r\nUser-Agent: cronsched/1\r\n"));
    CHECK(strstr(last_head(), "\r\nX-One: 1\r\n"));
    CHECK(!strstr(last_head(), "\r\nExpect:"));
    request.post = false;
    request.headers = NULL;
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK(strncmp(last_head(), "GET /status/200 HTTP/1.1\r\n", 26) == 0);
    CHECK(!strstr(last_head(), "X-One"));
    cs_http_free(http);
}

static void test_no_answer_in_time_is_timed_out(void)
{
    struct cs_http_answer answer = get_within("/hang", 150);

    CHECK_INT(answer.error, CS_HTTP_TIMED_OUT);
    CHECK_INT(answer.status, 0);
    CHECK_TEXT(answer.reason, "timed out before an answer had arrived");
    CHECK(answer.took_ns >= 149 * CS_NS_PER_MS);
    CHECK(answer.took_ns < 3 * CS_NS_PER_S);
}

static void test_an_answer_that_drips_is_timed_out(void)
{
    struct cs_http_answer answer = get_within("/drip", 250);

    CHECK_INT(answer.error, CS_HTTP_TIMED_OUT);
    CHECK_INT(answer.status, 200);
    CHECK(answer.body_size > 0 && answer.body_size < 50);
    CHECK_TEXT(answer.reason, "timed out before the whole answer had arrived");
    CHECK(answer.took_ns < 3 * CS_NS_PER_S);
}

/* The words are ours, whatever libcurl's are. */
static void test_a_connection_that_ends_early_is_broken(void)
{
    static const struct { const char *path; int status; const char *reason; }
    ROWS[] = {
        {"/half", 200, "connection closed before the whole answer had arrived"},
        {"/chunk", 200,
         "connection closed before the whole answer had arrived"},
        {"/none", 0, "connection closed before an answer had arrived"},
        {"/reset", 0, "connection broken before an answer had arrived"},
        {"/ssh", 0, "what answered does not speak HTTP"},
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct cs_http_answer answer = get(ROWS[i].path);

        CHECK_INT(answer.error, CS_HTTP_BROKEN);
        CHECK_INT(answer.status, ROWS[i].status);
        CHECK_TEXT(answer.reason, ROWS[i].reason);
    }
}

static void test_a_refused_connection_is_not_connected(void)
{
    struct cs_http *http = make(1);
    char url[64], reason[64];
    struct cs_http_request request = request_for(url);
    struct cs_http_answer answer;
    int port = server_closed_port();

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    snprintf(reason, sizeof reason, "connection refused by 127.0.0.1:%d", port);
    answer = send_it(http, &request);
    CHECK_INT(answer.error, CS_HTTP_NOT_CONNECTED);
    CHECK_INT(answer.status, 0);
    CHECK_TEXT(answer.reason, reason);
    /* What is signed and what is secret is not repeated. */
    snprintf(url, sizeof url, "http://u:pw@127.0.0.1:%d/signed?a@b", port);
    CHECK_TEXT(send_it(http, &request).reason, reason);
    cs_http_free(http);
}

static void test_a_socket_that_is_not_there_is_not_connected(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for("http+unix://%2Fnowhere%2Fapp.sock/");
    struct cs_http_answer answer = send_it(http, &request);

    CHECK_INT(answer.error, CS_HTTP_NOT_CONNECTED);
    CHECK_TEXT(answer.reason, "there is no such socket");
    cs_http_free(http);
}

static void test_a_name_without_an_address_is_not_connected(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request = request_for("http://nowhere.example:81/");
    struct cs_http_answer answer = send_it(http, &request);

    CHECK_INT(answer.error, CS_HTTP_NOT_CONNECTED);
    CHECK_TEXT(answer.reason, "no address was found for nowhere.example:81");
    cs_http_free(http);
}

static void test_plain_http_where_tls_is_wanted_is_not_connected(void)
{
    struct cs_http *http = make(1);
    char url[64], start[64];
    struct cs_http_request request = request_for(url);
    struct cs_http_answer answer;

    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    snprintf(start, sizeof start, "no TLS connection with 127.0.0.1:%d: ",
             server.port);
    request.timeout_ms = 20000;
    answer = send_it(http, &request);
    CHECK_INT(answer.error, CS_HTTP_NOT_CONNECTED);
    CHECK(strncmp(answer.reason, start, strlen(start)) == 0);
    cs_http_free(http);
}

static void test_a_large_body_is_cut_and_its_status_counts(void)
{
    struct cs_http_answer answer = get("/big");

    CHECK_INT(answer.error, CS_HTTP_DONE);
    CHECK_INT(answer.status, 200);
    CHECK_INT(answer.body_size, CS_HTTP_BODY_KEPT);
    CHECK_TEXT(answer.reason, "");
    CHECK(answer.took_ns < 5 * CS_NS_PER_S);
    CHECK(has_open(0));
}

static void test_a_head_without_end_is_broken(void)
{
    struct cs_http_answer answer = get("/head");

    CHECK_INT(answer.error, CS_HTTP_BROKEN);
    CHECK_TEXT(answer.reason, "the head of the answer is too long");
    CHECK(answer.took_ns < 5 * CS_NS_PER_S);
}

static void test_retry_after_is_seconds_or_a_date(void)
{
    char path[96], date[64];
    time_t in_an_hour = (time_t)cs_wall_seconds(cs_clock_system.wall(NULL))
        + 3600;
    struct tm parts;
    int32_t seconds;

    CHECK_INT(get("/retry/120").retry_after_s, 120);
    CHECK_INT(get("/retry/120").status, 503);
    CHECK_INT(get("/retry/0").retry_after_s, 0);
    CHECK_INT(get("/retry/99999999999999999999").retry_after_s, INT32_MAX);
    CHECK_INT(get("/retry/soon").retry_after_s, -1);
    CHECK_INT(get("/retry/-5").retry_after_s, -1);
    CHECK_INT(get("/retry/Fri,%2031%20Dec%201999%2023:59:59%20GMT")
                  .retry_after_s, 0);
    gmtime_r(&in_an_hour, &parts);
    strftime(date, sizeof date, "%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT",
             &parts);
    snprintf(path, sizeof path, "/retry/%s", date);
    seconds = get(path).retry_after_s;
    CHECK(seconds > 3590 && seconds <= 3600);
}

static void test_the_outcome_header_is_told(void)
{
    CHECK_TEXT(get("/outcome/duplicate").outcome, "duplicate");
    CHECK_TEXT(get("/outcome/much-too-long-to-be-an-outcome").outcome, "");
}

static void test_interim_heads_and_trailers_are_not_the_answer(void)
{
    struct cs_http_answer answer = get("/interim");

    CHECK_INT(answer.status, 200);
    CHECK_INT(answer.retry_after_s, -1);
    CHECK_TEXT(answer.outcome, "");
    answer = get("/trailer");
    CHECK_INT(answer.status, 200);
    CHECK_INT(answer.retry_after_s, -1);
}

static void test_a_handle_used_again_remembers_nothing(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for(server_url(&server, "/retry/120"));
    struct cs_http_answer answer;

    CHECK_INT(send_it(http, &request).retry_after_s, 120);
    request.url = server_url(&server, "/outcome/lost");
    CHECK_TEXT(send_it(http, &request).outcome, "lost");
    request.url = server_url(&server, "/none");
    CHECK(send_it(http, &request).reason[0]);
    request.url = server_url(&server, "/status/204");
    answer = send_it(http, &request);
    CHECK_INT(answer.status, 204);
    CHECK_INT(answer.retry_after_s, -1);
    CHECK_TEXT(answer.outcome, "");
    CHECK_TEXT(answer.reason, "");
    cs_http_free(http);
}

/* -- where it goes -------------------------------------------------------- */

static void test_a_proxy_in_the_environment_is_not_used(void)
{
    char proxy[64];

    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d",
             server_closed_port());
    setenv("http_proxy", proxy, 1);
    setenv("all_proxy", proxy, 1);
    CHECK_INT(get("/status/200").status, 200);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

/* What the server gave, and what the user keeps for it in ~/.netrc. */
static void test_no_cookie_and_no_password_is_sent(void)
{
    char directory[] = "/tmp/cronsched-http-XXXXXX", path[64], home[256];
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for(server_url(&server, "/cookie/a=b"));
    const char *before = getenv("HOME");
    FILE *file;

    snprintf(home, sizeof home, "%s", before ? before : "/");
    if (!CHECK(mkdtemp(directory) != NULL))
        return;
    snprintf(path, sizeof path, "%s/.netrc", directory);
    file = fopen(path, "w");
    if (CHECK(file != NULL)) {
        fputs("machine 127.0.0.1 login me password secret\n", file);
        fclose(file);
    }
    setenv("HOME", directory, 1);
    request.reuse = true;
    CHECK_INT(send_it(http, &request).status, 200);
    request.url = server_url(&server, "/status/200");
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK(strstr(last_head(), "GET /status/200") != NULL
          || strstr(last_head(), "POST /status/200") != NULL);
    CHECK(strstr(last_head(), "ookie") == NULL);
    CHECK(strstr(last_head(), "uthorization") == NULL);
    setenv("HOME", home, 1);
    unlink(path);
    rmdir(directory);
    cs_http_free(http);
}

static void test_a_bad_url_is_refused_at_once(void)
{
    static const char *const BAD[] = {
        "", "x", "/path", "ftp://127.0.0.1/", "file:///etc/passwd",
        "http://", "http://[::1", "http://a b/", "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/", "http://127.0.0.1/\t", "http://127.0.0.1/\x7f",
        "http://127.0.0.1/\r\nX: 1", "http+unix://", "http+unix:///x",
        "http+unix://%2Ftmp%2/x", "http+unix://%00/x", "http+unix://%zz/x",
        "http+unix://%2Ftmp%2Fx.sock/ y",
    };
    struct cs_http *http = make(1);
    struct cs_http_request request = request_for(NULL);
    struct cs_error error;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        request.url = BAD[i];
        error.text[0] = '\0';
        if (!CHECK_INT(cs_http_submit(http, &request, &error), CS_SYNTAX))
            fprintf(stderr, "  %s\n", BAD[i]);
        CHECK_INT(error.status, CS_SYNTAX);
        CHECK(error.text[0]);
    }
    CHECK_INT(cs_http_count(http), 0);
    request.url = server_url(&server, "/status/200");
    CHECK_INT(send_it(http, &request).status, 200);
    cs_http_free(http);
}

/* Those that are read by libcurl, and those too usual to ask it. */
static void test_good_urls_are_taken(void)
{
    static const char *const PATHS[] = {
        "", "/", "/status/200", "/status/200?a=b&c=%20#d", "?a=b",
    };
    struct cs_http *http = make(1);
    struct cs_http_request request = request_for(NULL);

    request.reuse = true;
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        request.url = server_url(&server, PATHS[i]);
        CHECK_INT(send_it(http, &request).error, CS_HTTP_DONE);
    }
    request.url = "HTTP://a:1/";
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    request.url = "http://[::1]:1/";
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    cs_http_free(http);
}

static void test_a_unix_socket_is_called_and_then_a_port(void)
{
    char directory[] = "/tmp/test_http.XXXXXX", path[64], url[128];
    struct cs_http *http = make(2);
    struct cs_http_request request = request_for(url);
    struct server local;

    if (!CHECK(mkdtemp(directory) != NULL))
        return;
    snprintf(path, sizeof path, "%s/s", directory);
    server_start(&local, path);
    snprintf(url, sizeof url, "http+unix://%%2ftmp%%2F%s%%2Fs/status/201?a=b",
             directory + 5);
    request.reuse = true;
    CHECK_INT(send_it(http, &request).status, 201);
    CHECK_INT(send_it(http, &request).status, 201);
    CHECK_INT(local.log->connections, 1);
    CHECK(strncmp(local.log->requests[0].head, "POST /status/201?a=b ", 21)
          == 0);
    request.url = server_url(&server, "/status/200");
    CHECK_INT(send_it(http, &request).status, 200);
    server_stop(&local);
    cs_http_free(http);
    unlink(path);
    rmdir(directory);
}

/* -- connections ---------------------------------------------------------- */

static void test_a_connection_is_reused_only_when_allowed(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request =
        request_for(server_url(&server, "/status/200"));
    int before = server.log->connections;

    for (int i = 0; i < 3; i++)
        CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(server.log->connections, before + 3);
    CHECK(has_open(0));
    request.reuse = true;
    for (int i = 0; i < 3; i++)
        CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(server.log->connections, before + 4);
    request.reuse = false;
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(server.log->connections, before + 5);
    cs_http_free(http);
    CHECK(has_open(0));
}

/* The trap that `reuse` names: libcurl sends again by itself when a kept
 * connection dies before the first byte, and says all went well. */
static void test_only_reuse_lets_a_request_arrive_twice(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request =
        request_for(server_url(&server, "/second"));
    int before = server.log->count;

    request.reuse = true;
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(server.log->count, before + 3);
    request.reuse = false;
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(server.log->count, before + 4);
    request.url = server_url(&server, "/none");
    CHECK_INT(send_it(http, &request).error, CS_HTTP_BROKEN);
    CHECK_INT(server.log->count, before + 5);
    cs_http_free(http);
}

/* All of `many` but the one with tag 0 answer 200; tag 0 is cancelled. */
static void check_others(struct cs_http *http, int many)
{
    static int tags[200];
    struct cs_http_request request =
        request_for(server_url(&server, "/hang"));
    struct cs_http_answer answer;
    int done = 0;

    for (int i = 0; i < many; i++) {
        request.tag = &tags[i];
        request.reuse = i % 2;
        CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
        request.url = server_url(&server, "/status/200");
    }
    CHECK_INT(cs_http_count(http), many);
    for (; done < many - 1; done++) {
        answer = await(http);
        CHECK_INT(answer.status, 200);
        CHECK(answer.tag > (void *)tags && answer.tag < (void *)(tags + many));
        CHECK_INT(++*(int *)answer.tag, 1);
    }
    CHECK_INT(cs_http_count(http), 1);
    CHECK_INT(cs_http_cancel(http, &tags[0]), CS_OK);
    memset(tags, 0, sizeof tags);
}

static void test_one_that_hangs_holds_up_no_other(void)
{
    struct cs_http *http = make(200);
    int64_t began = mono_ns();

    check_others(http, 200);
    cs_http_free(http);
    http = make(8);   /* fewer connections than requests */
    check_others(http, 200);
    cs_http_free(http);
    CHECK(mono_ns() - began < 8 * CS_NS_PER_S);
}

static void test_more_requests_than_connections_still_time_out(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for(server_url(&server, "/hang"));
    int tag;

    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    request.timeout_ms = 200;
    request.tag = &tag;
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    CHECK(await(http).tag == &tag);
    cs_http_free(http);
}

static void test_a_name_that_is_unknown_is_not_connected(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request = request_for("http://nowhere.invalid/");

    CHECK_INT(send_it(http, &request).error, CS_HTTP_NOT_CONNECTED);
    cs_http_free(http);
}

#if LIBCURL_VERSION_NUM >= 0x075700   /* older ones wait */
static void test_a_resolver_that_hangs_holds_up_nothing(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request = request_for("http://slow.invalid/");
    int64_t began = mono_ns();

    resolver_hangs = true;
    request.timeout_ms = 300;
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    request.url = server_url(&server, "/status/200");
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(await(http).error, CS_HTTP_NOT_CONNECTED);
    request.url = "http://slower.invalid/";
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    while (resolving < 2)
        CHECK_INT(cs_http_poll(http, -1, 1), CS_OK);
    cs_http_free(http);
    CHECK(mono_ns() - began < 5 * CS_NS_PER_S);
    resolver_hangs = false;
    while (resolving > 0)
        pause_ms(1);
}
#endif

/* -- the sleep ------------------------------------------------------------ */

static void *wake_after_a_while(void *http)
{
    pause_ms(50);
    cs_http_wake(http);
    return NULL;
}

static void test_a_wake_from_another_thread_ends_the_poll(void)
{
    struct cs_http *http = make(1);
    int64_t began = mono_ns();
    pthread_t thread;

    pthread_create(&thread, NULL, wake_after_a_while, http);
    CHECK_INT(cs_http_poll(http, -1, 10000), CS_OK);
    CHECK(mono_ns() - began < 5 * CS_NS_PER_S);
    pthread_join(thread, NULL);
    cs_http_wake(http);   /* before the poll: the next one ends */
    CHECK_INT(cs_http_poll(http, -1, 10000), CS_OK);
    CHECK(mono_ns() - began < 5 * CS_NS_PER_S);
    cs_http_free(http);
}

static void test_the_extra_descriptor_ends_the_poll(void)
{
    struct cs_http *http = make(1);
    int64_t began = mono_ns();
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(cs_http_poll(http, ends[0], 20), CS_OK);
    CHECK(mono_ns() - began >= 19 * CS_NS_PER_MS);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(cs_http_poll(http, ends[0], 10000), CS_OK);
    CHECK(mono_ns() - began < 5 * CS_NS_PER_S);
    close(ends[0]);
    close(ends[1]);
    cs_http_free(http);
}

static void test_a_poll_does_not_sleep_on_an_answer(void)
{
    struct cs_http *http = make(1);
    struct cs_http_request request =
        request_for(server_url(&server, "/status/200"));
    struct cs_http_answer answer;
    int64_t began = mono_ns();

    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    while (cs_http_count(http) > 0)
        CHECK_INT(cs_http_poll(http, -1, 1000), CS_OK);
    CHECK_INT(cs_http_poll(http, -1, 10000), CS_OK);
    CHECK(mono_ns() - began < 5 * CS_NS_PER_S);
    CHECK_INT(cs_http_reap(http, &answer), CS_OK);
    cs_http_free(http);
}

/* -- ends ----------------------------------------------------------------- */

static void test_a_cancelled_request_has_no_answer(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request =
        request_for(server_url(&server, "/hang"));
    struct cs_http_answer answer;
    int before = server.log->count, one, two;

    request.tag = &one;
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    while (server.log->count == before)
        CHECK_INT(cs_http_poll(http, -1, 1), CS_OK);
    CHECK_INT(cs_http_cancel(http, &two), CS_UNKNOWN);
    CHECK_INT(cs_http_cancel(http, &one), CS_OK);
    CHECK_INT(cs_http_cancel(http, &one), CS_UNKNOWN);
    CHECK(has_open(0));
    CHECK_INT(cs_http_count(http), 0);
    CHECK_INT(cs_http_reap(http, &answer), CS_NONE);
    request.url = server_url(&server, "/status/200");
    CHECK_INT(send_it(http, &request).status, 200);
    cs_http_free(http);
}

static void test_free_cuts_what_is_in_flight(void)
{
    struct cs_http *http = make(64);
    struct cs_http_request request =
        request_for(server_url(&server, "/hang"));
    int before = server.log->count;

    for (int i = 0; i < 64; i++)
        CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    while (server.log->count < before + 64)
        CHECK_INT(cs_http_poll(http, -1, 1), CS_OK);
    cs_http_free(http);
    CHECK(has_open(0));
    cs_http_free(NULL);
}

/* In the child: forget the parent's transfers, and make requests anew. */
static int run_child(struct cs_http *http)
{
    struct cs_http_request request =
        request_for(server_url(&server, "/status/200"));

    cs_http_abandon(http);
    cs_http_abandon(NULL);
    http = make(1);
    CHECK_INT(send_it(http, &request).status, 200);
    cs_http_free(http);
    return check_failures != 0;
}

static void test_a_forked_child_abandons_and_the_parent_goes_on(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request =
        request_for(server_url(&server, "/later/500"));
    int before = server.log->count, status = -1, ends[2];
    char byte = 0;
    pid_t child;

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(cs_http_submit(http, &request, NULL), CS_OK);
    while (server.log->count == before)
        CHECK_INT(cs_http_poll(http, -1, 1), CS_OK);
    child = fork();
    if (child == 0) {
        status = run_child(http);
        (void)!write(ends[1], "x", 1);
        pause();   /* lives on, with whatever it still has open */
        _exit(status);
    }
    CHECK_INT(read(ends[0], &byte, 1), 1);
    CHECK_INT(await(http).status, 200);
    cs_http_free(http);
    CHECK(has_open(0));   /* the child keeps none of ours */
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(ends[0]);
    close(ends[1]);
}

/* A listener whose queue is full: further connections are left unanswered.
 * Its port; the descriptors are in `fds`. */
static int make_full_listener(int fds[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int i;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(fds[0], (struct sockaddr *)&address, size), 0);
    CHECK_INT(listen(fds[0], 0), 0);
    CHECK_INT(getsockname(fds[0], (struct sockaddr *)&address, &size), 0);
    for (i = 1; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&address, size);
    }
    return ntohs(address.sin_port);
}

/* Nothing was sent: as refused. And the number of the socket that was given
 * up is somebody else's when a child forgets ours. */
static void test_no_connection_in_time_is_as_refused(void)
{
    struct cs_http *http = make(2);
    struct cs_http_request request;
    int fds[8], taken[16], i, wrong = 0;
    char url[64];
    pid_t child;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", make_full_listener(fds));
    request = request_for(url);
    request.connect_timeout_ms = 100;
    CHECK_INT(send_it(http, &request).error, CS_HTTP_NOT_CONNECTED);
    request.connect_timeout_ms = 10000;
    request.timeout_ms = 100;
    CHECK_INT(send_it(http, &request).error, CS_HTTP_NOT_CONNECTED);
    for (i = 0; i < 16; i++)   /* a socket, too, may be the application's */
        taken[i] = i % 2 ? dup(0) : socket(AF_INET, SOCK_STREAM, 0);
    child = fork();
    if (child == 0) {
        cs_http_abandon(http);
        for (i = 0; i < 16; i++)
            wrong += fcntl(taken[i], F_GETFD) < 0;
        _exit(wrong);
    }
    CHECK_INT(waitpid(child, &wrong, 0), child);
    CHECK_INT(wrong, 0);
    for (i = 0; i < 16; i++)
        close(taken[i]);
    for (i = 0; i < 8; i++)
        close(fds[i]);
    cs_http_free(http);
}

/* The numbers of the open descriptors that an exec would leave open. */
static int count_inheritable(void)
{
    int fd, count = 0;

    for (fd = 3; fd < 1000; fd++)
        count += fcntl(fd, F_GETFD) == 0;
    return count;
}

static void test_nothing_of_ours_survives_an_exec(void)
{
    int before = count_inheritable();
    struct cs_http *http = make(2);
    struct cs_http_request request =
        request_for(server_url(&server, "/status/200"));

    request.reuse = true;   /* the connection stays */
    CHECK_INT(send_it(http, &request).status, 200);
    CHECK_INT(count_inheritable(), before);
    cs_http_free(http);
}

/* -- no memory ------------------------------------------------------------ */

static char *copy_text(const char *text)
{
    return cs_mem_copy(text, strlen(text));
}

/* Everything from new to free, with every allocation after the `count`-th
 * failing. True when none failed. */
static bool run_short_of_memory(long count, const char *url)
{
    const char *headers[] = {"X-One: 1", NULL};
    struct cs_http_request request = request_for(url);
    struct cs_http_answer answer = {.status = 0};
    struct cs_http *http = NULL;
    enum cs_status status;

    request.headers = headers;
    cs_mem_fail_after(count);
    status = cs_http_new(1, &http);
    if (!status)
        status = cs_http_submit(http, &request, NULL);
    CHECK(status == CS_OK || status == CS_NOMEM);
    for (int i = 0; !status && i < 10000; i++) {
        enum cs_status polled = cs_http_poll(http, -1, 10);

        CHECK(polled == CS_OK || polled == CS_NOMEM);
        if (cs_http_reap(http, &answer) == CS_OK || polled)
            break;
    }
    cs_mem_fail_after(-1);
    cs_http_free(http);
    return !status && answer.status == 200;
}

static void test_no_allocation_that_fails_does_harm(void)
{
    const char *url = server_url(&server, "/status/200");
    long count = 0;

    while (count < 3000 && !run_short_of_memory(count, url))
        count++;
    CHECK(count > 5 && count < 3000);
    fprintf(stderr, "%ld allocations failed in turn\n", count);
    CHECK(has_open(0));
}

int main(void)
{
    CHECK_INT(curl_global_init_mem(CURL_GLOBAL_DEFAULT, cs_mem_alloc,
                                   cs_mem_free, cs_mem_realloc, copy_text,
                                   cs_mem_zalloc), 0);
    server_start(&server, NULL);
    CHECK_INT(cs_http_init(NULL), CS_OK);
    test_the_status_of_an_answer_is_told();
    test_a_redirect_is_an_answer_and_not_followed();
    test_a_post_has_an_empty_body_and_the_headers_given();
    test_no_answer_in_time_is_timed_out();
    test_an_answer_that_drips_is_timed_out();
    test_a_connection_that_ends_early_is_broken();
    test_a_refused_connection_is_not_connected();
    test_a_socket_that_is_not_there_is_not_connected();
    test_a_name_without_an_address_is_not_connected();
    test_plain_http_where_tls_is_wanted_is_not_connected();
    test_a_large_body_is_cut_and_its_status_counts();
    test_a_head_without_end_is_broken();
    test_retry_after_is_seconds_or_a_date();
    test_the_outcome_header_is_told();
    test_interim_heads_and_trailers_are_not_the_answer();
    test_a_handle_used_again_remembers_nothing();
    test_a_proxy_in_the_environment_is_not_used();
    test_no_cookie_and_no_password_is_sent();
    test_a_bad_url_is_refused_at_once();
    test_good_urls_are_taken();
    test_a_unix_socket_is_called_and_then_a_port();
    test_a_connection_is_reused_only_when_allowed();
    test_only_reuse_lets_a_request_arrive_twice();
    test_one_that_hangs_holds_up_no_other();
    test_more_requests_than_connections_still_time_out();
    test_a_name_that_is_unknown_is_not_connected();
#if LIBCURL_VERSION_NUM >= 0x075700
    test_a_resolver_that_hangs_holds_up_nothing();
#endif
    test_a_wake_from_another_thread_ends_the_poll();
    test_the_extra_descriptor_ends_the_poll();
    test_a_poll_does_not_sleep_on_an_answer();
    test_a_cancelled_request_has_no_answer();
    test_free_cuts_what_is_in_flight();
    test_a_forked_child_abandons_and_the_parent_goes_on();
    test_no_connection_in_time_is_as_refused();
    test_nothing_of_ours_survives_an_exec();
    test_no_allocation_that_fails_does_harm();
    curl_global_cleanup();
    server_stop(&server);
    return check_done();
}
