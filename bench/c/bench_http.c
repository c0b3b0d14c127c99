/* Requests due at one instant: through cs_http, and through a bare
 * curl_multi loop that does nothing more than it must (the same options, the
 * same poll, each request with its own URL and the same headers). The two
 * alternate, and each pair of rounds gives a ratio, so that a busy machine is
 * busy for both.
 *
 *   BENCH_URL=http://127.0.0.1:8080 bench_http [requests [in flight [rounds]]]
 *
 * `bench_http signing` prints the calls per second of one round of the bare
 * loop that also signs each request (as openssl(3) suggests), which is what
 * bench/throughput.py has the whole scheduler beside.
 */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "core/http/http.h"

#define URL_SIZE 128
#define MOST_ROUNDS 101

static const char *const HEADERS[] = {
    "User-Agent: cronsched/1",
    "webhook-id: msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "webhook-timestamp: 1674087231",
    "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    "Cronsched-Scheduled: 2026-01-01T08:00:00Z",
    "Cronsched-Attempt: 1",
    NULL
};

struct work {
    char (*urls)[URL_SIZE];
    size_t requests, in_flight;
    bool reuse, sign;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_http: %s\n", what);
    exit(2);
}

/* -- cs_http -------------------------------------------------------------- */

static void submit(struct cs_http *http, const struct work *work, size_t index)
{
    struct cs_http_request request = {
        .url = work->urls[index], .headers = HEADERS, .post = true,
        .reuse = work->reuse, .timeout_ms = 60000,
        .connect_timeout_ms = 10000,
    };

    if (cs_http_submit(http, &request, NULL))
        die("submit");
}

static double run_ours(const struct work *work)
{
    double start = bench_now_ns();
    size_t sent = 0, done = 0;
    struct cs_http_answer answer;
    struct cs_http *http;

    if (cs_http_new(work->in_flight, &http))
        die("new");
    while (done < work->requests) {
        while (sent < work->requests
               && cs_http_count(http) < work->in_flight)
            submit(http, work, sent++);
        if (cs_http_poll(http, -1, 1000))
            die("poll");
        for (; cs_http_reap(http, &answer) == CS_OK; done++)
            if (answer.error || answer.status != 200)
                die(answer.reason);
    }
    cs_http_free(http);
    return (double)work->requests / (bench_now_ns() - start) * 1e9;
}

/* -- bare ----------------------------------------------------------------- */

static size_t drop(char *bytes, size_t one, size_t size, void *context)
{
    (void)bytes;
    (void)one;
    (void)context;
    return size;
}

static CURL *new_easy(const struct work *work, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();

    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 60000L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, work->reuse ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, work->reuse ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, drop);
    return easy;
}

/* Standard Webhooks: base64 of the HMAC-SHA-256 of "id.timestamp.body". */
static struct curl_slist *signed_headers(size_t index)
{
    static const unsigned char key[32];
    unsigned char mac[32];
    unsigned size = sizeof mac;
    char id[64], signature[64], line[128], text[192];
    long long now = (long long)time(NULL);
    struct curl_slist *headers = curl_slist_append(NULL, HEADERS[0]);

    snprintf(id, sizeof id, "msg_%zu", index);
    snprintf(text, sizeof text, "%s.%lld.", id, now);
    HMAC(EVP_sha256(), key, sizeof key, (unsigned char *)text, strlen(text),
         mac, &size);
    EVP_EncodeBlock((unsigned char *)signature, mac, (int)size);
    snprintf(line, sizeof line, "webhook-id: %s", id);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof line, "webhook-timestamp: %lld", now);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof line, "webhook-signature: v1,%s", signature);
    headers = curl_slist_append(headers, line);
    headers = curl_slist_append(headers, HEADERS[4]);
    return curl_slist_append(headers, HEADERS[5]);
}

static void send_next(CURLM *multi, CURL *easy, const struct work *work,
                      size_t index)
{
    if (work->sign) {
        struct curl_slist *headers = signed_headers(index), *last = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &last);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, headers);
        curl_slist_free_all(last);
    }
    curl_easy_setopt(easy, CURLOPT_URL, work->urls[index]);
    if (curl_multi_add_handle(multi, easy))
        die("add");
}

static void free_easy(CURL *easy)
{
    struct curl_slist *headers = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &headers);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
}

/* One turn; how many requests it ended. */
static size_t turn(CURLM *multi, const struct work *work, size_t *sent)
{
    size_t done = 0;
    CURLMsg *message;
    int left;
    long status;

    if (curl_multi_poll(multi, NULL, 0, 1000, NULL)
        || curl_multi_perform(multi, &left))
        die("poll");
    for (; (message = curl_multi_info_read(multi, &left)); done++) {
        CURL *easy = message->easy_handle;

        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result || status != 200)
            die(curl_easy_strerror(message->data.result));
        curl_multi_remove_handle(multi, easy);
        if (*sent < work->requests)
            send_next(multi, easy, work, (*sent)++);
    }
    return done;
}

static double run_bare(const struct work *work)
{
    double start = bench_now_ns();
    size_t sent = 0, done = 0, handles = work->in_flight;
    CURL **easy = calloc(handles, sizeof *easy);
    struct curl_slist *headers = NULL;
    CURLM *multi = curl_multi_init();

    for (size_t i = 0; HEADERS[i]; i++)
        headers = curl_slist_append(headers, HEADERS[i]);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)handles);
    for (size_t i = 0; i < handles; i++) {
        easy[i] = new_easy(work, headers);
        if (sent < work->requests)
            send_next(multi, easy[i], work, sent++);
    }
    while (done < work->requests)
        done += turn(multi, work, &sent);
    for (size_t i = 0; i < handles; i++)
        free_easy(easy[i]);
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    free(easy);
    return (double)work->requests / (bench_now_ns() - start) * 1e9;
}

/* -- both ----------------------------------------------------------------- */

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, bench_compare);
    return values[count / 2];
}

static void compare(const struct work *work, int rounds)
{
    double ours[MOST_ROUNDS], bare[MOST_ROUNDS], ratio[MOST_ROUNDS];

    (void)run_ours(work);   /* warm */
    for (int i = 0; i < rounds; i++) {
        if (i % 2) {
            ours[i] = run_ours(work);
            bare[i] = run_bare(work);
        } else {
            bare[i] = run_bare(work);
            ours[i] = run_ours(work);
        }
        ratio[i] = ours[i] / bare[i];
    }
    printf("%zu requests, %zu in flight, %s: cs_http %.0f/s, bare curl_multi "
           "%.0f/s, ratio %.3f   reach 0.95   (medians of %d)\n",
           work->requests, work->in_flight,
           work->reuse ? "connections kept" : "a connection each",
           median(ours, rounds), median(bare, rounds), median(ratio, rounds),
           rounds);
    fflush(stdout);
}

int main(int count, char **words)
{
    const char *base = getenv("BENCH_URL");
    bool signing = count > 1 && strcmp(words[1], "signing") == 0;

    if (signing)
        count--, words++;
    struct work work = {
        .requests = count > 1 ? (size_t)atol(words[1]) : 20000,
        .in_flight = count > 2 ? (size_t)atol(words[2]) : 64,
        .reuse = true,
    };
    int rounds = count > 3 ? atoi(words[3]) : 9;

    if (!base || rounds < 1 || rounds > MOST_ROUNDS)
        die("BENCH_URL says where to; see bench/nginx.sh");
    if (cs_http_init(NULL))
        die("libcurl");
    work.urls = calloc(work.requests, sizeof *work.urls);
    for (size_t i = 0; i < work.requests; i++)
        snprintf(work.urls[i], URL_SIZE, "%s/cronjobs/town-%zu/cleanup-%zu",
                 base, i % 1000, i);
    work.sign = signing;
    if (signing) {
        printf("%.0f\n", run_bare(&work));
        free(work.urls);
        return 0;
    }
    compare(&work, rounds);
    work.reuse = false;
    work.requests /= 4;
    compare(&work, rounds);
    free(work.urls);
    return 0;
}
