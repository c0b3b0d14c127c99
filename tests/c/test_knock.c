/* The knock against servers that are threads of this process, on sockets of
 * its own: good ones, deaf ones, and such as send anything. */
#include "core/sched/knock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "core/base/digest.h"
#include "core/sched/knock_parts.h"
#include "core/sched/lease.h"

#define MS CS_NS_PER_MS
#define PATIENCE_MS 20000

static const uint8_t key[CS_KNOCK_KEY_SIZE] = "a key of thirty-two bytes, as is";
static char directory[64];

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void doze(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* Other threads close descriptors while the knock looks at all of them: that
 * is what it is made for, and no race of ours. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:cs_knock_listening\n";
}

/* -- a server ------------------------------------------------------------- */

enum manner {
    GOOD,         /* as one of us in another process */
    DEAF,         /* never accepts */
    SILENT,       /* accepts, and never answers */
    CLOSING,      /* closes without a byte */
    FORGED,       /* 204 whose proof is of another key */
    BARE,         /* 204 without a proof */
    NOT_FOUND,
    REDIRECTING,
    OTHER_PATH,   /* 404 below /shop, good elsewhere */
    NOISE         /* any bytes */
};

struct host {
    int listener, stop[2];
    _Atomic int manner, knocks;
    _Atomic bool ended;
    pthread_t thread;
    unsigned seed;
    char head[2048];   /* of the last knock; read when it has stopped */
};

static void reply(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

static void find_id(const char *head, char id[CS_KNOCK_ID_SIZE])
{
    const char *at = strstr(head, "webhook-id: ");

    id[0] = '\0';
    if (at)
        (void)sscanf(at, "webhook-id: %38[^\r\n]", id);
}

static void prove(int fd, const char *head, const uint8_t *with)
{
    char id[CS_KNOCK_ID_SIZE], content[128], mac_text[64], text[256];
    uint8_t mac[CS_HMAC_SIZE];

    find_id(head, id);
    snprintf(content, sizeof content, "answer.%s.%d", id, 7);
    (void)cs_digest_hmac_sha256(with, CS_KNOCK_KEY_SIZE, content,
                                strlen(content), mac);
    cs_digest_base64(mac, sizeof mac, mac_text);
    snprintf(text, sizeof text, "HTTP/1.1 204 No Content\r\n"
             "Cronsched-Knock: 7 %s\r\nConnection: close\r\n\r\n", mac_text);
    reply(fd, text);
}

/* Anything: half of it begins as an answer does. */
static void make_noise(struct host *host, int fd)
{
    static const char *const starts[] = {
        "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 204\r\nCronsched-Knock: ",
        "HTTP/1.1 204 OK\r\nCronsched-Knock: 7 AAAA\r\n\r\n", "#CHALLENGE#",
        "HTTP/9 x\r\n", "HTTP/1.1 302 Found\r\nLocation: ", "", "\r\n\r\n",
    };
    char bytes[4096];
    int size = rand_r(&host->seed) % (int)sizeof bytes;

    reply(fd, starts[rand_r(&host->seed) % 8]);
    for (int i = 0; i < size; i++)
        bytes[i] = (char)(rand_r(&host->seed) % 8 ? rand_r(&host->seed) % 96
                                                    + 32
                                                  : rand_r(&host->seed));
    (void)!write(fd, bytes, (size_t)size);
}

static void respond(struct host *host, int fd)
{
    static const uint8_t other[CS_KNOCK_KEY_SIZE] = "another key";

    switch ((enum manner)host->manner) {
    case GOOD:
        prove(fd, host->head, key);
        break;
    case FORGED:
        prove(fd, host->head, other);
        break;
    case BARE:
        reply(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        break;
    case NOT_FOUND:
        reply(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
        break;
    case REDIRECTING:
        reply(fd, "HTTP/1.1 301 Moved\r\nLocation: https://shop.example/\r\n"
                  "Content-Length: 0\r\n\r\n");
        break;
    case OTHER_PATH:
        if (strstr(host->head, "POST /shop/"))
            reply(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        else
            prove(fd, host->head, key);
        break;
    case NOISE:
        make_noise(host, fd);
        break;
    case SILENT:
    case DEAF:
    case CLOSING:
        break;
    }
}

static void serve_one(struct host *host, int fd)
{
    struct pollfd poller[] = {{host->stop[0], POLLIN, 0}};
    ssize_t size = read(fd, host->head, sizeof host->head - 1);

    host->head[size > 0 ? size : 0] = '\0';
    if (size > 0)
        host->knocks++;
    if (host->manner == SILENT)
        (void)poll(poller, 1, -1);
    respond(host, fd);
    close(fd);
}

static void *serve(void *context)
{
    struct host *host = context;
    struct pollfd pollers[] = {{host->stop[0], POLLIN, 0},
                               {host->listener, POLLIN, 0}};

    if (host->manner == DEAF)
        pollers[1].fd = -1;
    while (poll(pollers, 2, -1) > 0 && !pollers[0].revents)
        if (pollers[1].revents) {
            int fd = accept(host->listener, NULL, NULL);

            if (fd >= 0)
                serve_one(host, fd);
        }
    return NULL;
}

static void open_host(struct host *host, enum manner manner)
{
    struct sockaddr_in any = {.sin_family = AF_INET};

    memset(host, 0, sizeof *host);
    host->manner = manner;
    host->seed = 1;
    any.sin_addr.s_addr = htonl(INADDR_ANY);
    host->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(host->listener, (struct sockaddr *)&any, sizeof any)
        || listen(host->listener, 8) || pipe(host->stop)
        || pthread_create(&host->thread, NULL, serve, host))
        abort();
}

static void close_host(struct host *host)
{
    (void)!write(host->stop[1], "x", 1);
    pthread_join(host->thread, NULL);
    close(host->stop[0]);
    close(host->stop[1]);
    close(host->listener);
}

/* -- the knock ------------------------------------------------------------ */

static _Atomic int told;

static void on_told(void *context)
{
    (void)context;
    told++;
}

static struct cs_knock *make(void)
{
    struct cs_knock *knock = NULL;

    if (!CHECK_INT(cs_knock_new(on_told, NULL, &knock, NULL), CS_OK))
        abort();
    cs_knock_permit(knock, true);
    return knock;
}

static uint64_t arm(struct cs_knock *knock)
{
    static const char *const paths[] = {"/shop/cronjobs/-", "/cronjobs/-",
                                        NULL};
    static const char *const headers[] = {"Host: shop.example",
                                          "X-Forwarded-Proto: https", NULL};
    struct cs_knock_spec spec = {"shop", key, directory, paths, headers, NULL};
    uint64_t target = 0;

    CHECK_INT(cs_knock_arm(knock, &spec, &target, NULL), CS_OK);
    return target;
}

static struct cs_knock *start(void)
{
    struct cs_knock *knock = make();

    (void)arm(knock);
    CHECK_INT(cs_knock_start(knock, NULL), CS_OK);
    return knock;
}

/* The next piece of news, or a kind that does not exist. */
static struct cs_knock_news await_news(struct cs_knock *knock)
{
    struct cs_knock_news news = {.kind = (enum cs_knock_kind)99};
    int64_t end = now_ms() + PATIENCE_MS;

    while (cs_knock_take(knock, &news) != CS_OK && now_ms() < end)
        doze(5);
    return news;
}

static struct cs_knock_news news_of(enum manner manner)
{
    struct host host;
    struct cs_knock *knock;
    struct cs_knock_news news;

    open_host(&host, manner);
    knock = start();
    news = await_news(knock);
    cs_knock_free(knock);
    close_host(&host);
    return news;
}

/* -- tests ---------------------------------------------------------------- */

static void test_signature(void)
{
    struct cs_knock_signed headers;
    char id[CS_KNOCK_ID_SIZE], other[CS_KNOCK_ID_SIZE];
    pid_t pid = 0;

    CHECK_INT(cs_knock_sign(key, "http://h/-", 1767571200, id, &headers),
              CS_OK);
    CHECK_INT(strlen(id), 38);
    CHECK(strncmp(id, "knock_", 6) == 0);
    CHECK_TEXT(headers.timestamp, "webhook-timestamp: 1767571200");
    CHECK_TEXT(headers.address, "Cronsched-Address: http://h/-");
    CHECK_INT(strlen(headers.signature), strlen("webhook-signature: v1,") + 44);
    CHECK_INT(cs_knock_sign(key, "http://h/-", 1, other, &headers), CS_OK);
    CHECK(strcmp(id, other) != 0);
    CHECK(!cs_knock_is_proof(key, id, "", &pid));
    CHECK(!cs_knock_is_proof(key, id, "7", &pid));
    CHECK(!cs_knock_is_proof(key, id, "7 AAAA", &pid));
    CHECK(!cs_knock_is_proof(key, id, "12345678901 "
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", &pid));
}

static void test_a_good_answer_is_told_and_carries_our_headers(void)
{
    struct host host;
    struct cs_knock *knock;
    struct cs_knock_news news;
    char expected[64];
    struct sockaddr_in at;
    socklen_t size = sizeof at;

    open_host(&host, GOOD);
    knock = start();
    news = await_news(knock);
    CHECK_INT(news.kind, CS_KNOCK_ANSWERED);
    getsockname(host.listener, (struct sockaddr *)&at, &size);
    snprintf(expected, sizeof expected,
             "http://127.0.0.1:%d/shop/cronjobs/-", ntohs(at.sin_port));
    CHECK_TEXT(news.url, expected);
    cs_knock_free(knock);
    close_host(&host);
    CHECK(strstr(host.head, "POST /shop/cronjobs/- HTTP/1.1\r\n") != NULL);
    CHECK(strstr(host.head, "\r\nHost: shop.example\r\n") != NULL);
    CHECK(strstr(host.head, "\r\nX-Forwarded-Proto: https\r\n") != NULL);
    CHECK(strstr(host.head, "\r\nContent-Length: 0\r\n") != NULL);
    CHECK(strstr(host.head, "\r\nConnection: close\r\n") != NULL);
    CHECK(told > 0);
}

static void test_refusals(void)
{
    struct cs_knock_news news = news_of(NOT_FOUND);

    CHECK_INT(news.kind, CS_KNOCK_REFUSED);
    CHECK_INT(news.status, 404);
    news = news_of(REDIRECTING);
    CHECK_INT(news.kind, CS_KNOCK_REFUSED);
    CHECK_INT(news.status, 301);
    CHECK_TEXT(news.location, "https://shop.example/");
    news = news_of(FORGED);
    CHECK_INT(news.kind, CS_KNOCK_REFUSED);
    CHECK_INT(news.status, 204);
    news = news_of(BARE);
    CHECK_INT(news.kind, CS_KNOCK_REFUSED);
    CHECK_INT(news.status, 204);
}

static void test_a_path_that_is_not_found_is_not_the_last(void)
{
    struct cs_knock_news news = news_of(OTHER_PATH);

    CHECK_INT(news.kind, CS_KNOCK_ANSWERED);
    CHECK(strstr(news.url, "/shop") == NULL);
}

static void test_a_door_that_is_always_closed_is_left_alone(void)
{
    struct host host;
    struct cs_knock *knock;
    int knocks;

    open_host(&host, CLOSING);
    knock = start();
    CHECK_INT(await_news(knock).kind, CS_KNOCK_CLOSED);
    knocks = host.knocks;
    doze(2500);
    CHECK_INT(host.knocks, knocks);
    cs_knock_free(knock);
    close_host(&host);
    CHECK_INT(knocks, 6);   /* three times plain, three times TLS */
}

static void test_one_connection_waits(enum manner manner, int knocks)
{
    struct host host;
    struct cs_knock *knock;
    int64_t began;

    open_host(&host, manner);
    knock = start();
    doze(1500);
    CHECK_INT(host.knocks, knocks);
    CHECK_INT(await_news(knock).kind, CS_KNOCK_SILENT);
    began = now_ms();
    cs_knock_free(knock);
    CHECK(now_ms() - began < 5000);   /* the connection would wait on */
    close_host(&host);
    CHECK_INT(host.knocks, knocks);
}

static void test_stopping_waits_for_no_answer(void)
{
    struct host host;
    struct cs_knock *knock;

    open_host(&host, DEAF);
    knock = start();
    for (int i = 0; i < 50; i++) {
        doze(i % 5 ? 10 : 300);
        CHECK_INT(cs_knock_stop(knock, 5000), CS_OK);
        CHECK_INT(cs_knock_start(knock, NULL), CS_OK);
    }
    cs_knock_free(knock);
    close_host(&host);
}

static void test_an_owner_is_left_in_peace(void)
{
    struct cs_lease lease = {.fd = -1};
    struct host host;
    struct cs_knock *knock;
    int64_t position;

    CHECK_INT(cs_lease_open(&lease, directory, NULL), CS_OK);
    CHECK_INT(cs_lease_position("shop", 4, &position), CS_OK);
    CHECK(!cs_lease_is_held(directory, position));
    CHECK_INT(cs_lease_take(&lease, position, NULL), CS_OK);
    CHECK(cs_lease_is_held(directory, position));
    CHECK(!cs_lease_is_held(directory, position ^ 16));
    open_host(&host, GOOD);
    knock = start();
    doze(1000);
    CHECK_INT(host.knocks, 0);
    cs_lease_close(&lease);
    CHECK_INT(await_news(knock).kind, CS_KNOCK_ANSWERED);
    cs_knock_free(knock);
    close_host(&host);
    CHECK(!cs_lease_is_held("/nowhere", position));
}

static void test_it_asks_before_it_knocks(void)
{
    struct host host;
    struct cs_knock *knock = make();
    uint64_t target = arm(knock);
    struct cs_knock_news news;

    cs_knock_permit(knock, false);
    CHECK_INT(cs_knock_start(knock, NULL), CS_OK);
    doze(600);
    CHECK_INT(cs_knock_take(knock, &news), CS_NONE);   /* nothing listens */
    open_host(&host, GOOD);
    news = await_news(knock);
    CHECK_INT(news.kind, CS_KNOCK_ASK);
    CHECK_INT(news.target, target);
    CHECK_INT(host.knocks, 0);
    cs_knock_permit(knock, true);
    CHECK_INT(await_news(knock).kind, CS_KNOCK_ANSWERED);
    cs_knock_free(knock);
    close_host(&host);
}

static void test_who_has_started_recruits_once_and_rests(void)
{
    struct host host;
    struct cs_knock *knock = make();
    uint64_t target = arm(knock);

    CHECK_INT(cs_knock_started(knock, target), CS_OK);
    CHECK_INT(cs_knock_started(knock, target + 1), CS_UNKNOWN);
    CHECK_INT(cs_knock_start(knock, NULL), CS_OK);
    open_host(&host, GOOD);
    doze(3000);
    CHECK_INT(host.knocks, 0);
    CHECK_INT(await_news(knock).kind, CS_KNOCK_ANSWERED);
    CHECK_INT(cs_knock_disarm(knock, target), CS_OK);
    CHECK_INT(host.knocks, 1);
    cs_knock_free(knock);
    close_host(&host);
}

static void test_addresses_come_instead_of_the_sockets(void)
{
    struct host here, there;
    char address[64];
    const char *const paths[] = {"/-", NULL}, *addresses[] = {address, NULL};
    struct cs_knock_spec spec = {"shop", key, directory, paths, NULL,
                                 addresses};
    struct cs_knock *knock = make();
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    uint64_t target;

    open_host(&here, GOOD);
    open_host(&there, GOOD);
    getsockname(there.listener, (struct sockaddr *)&at, &size);
    snprintf(address, sizeof address, "http://127.0.0.1:%d",
             ntohs(at.sin_port));
    CHECK_INT(cs_knock_arm(knock, &spec, &target, NULL), CS_OK);
    CHECK_INT(cs_knock_start(knock, NULL), CS_OK);
    CHECK_INT(await_news(knock).kind, CS_KNOCK_ANSWERED);
    CHECK_INT(here.knocks, 0);
    CHECK_INT(there.knocks, 1);
    cs_knock_free(knock);
    close_host(&here);
    close_host(&there);
}

static void test_unix_sockets_are_found_and_come_last(void)
{
    char found[CS_DOORS][CS_KNOCK_ADDRESS_SIZE];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct host host;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_INT(cs_knock_listening(found, CS_DOORS), 0);
    snprintf(local.sun_path, sizeof local.sun_path, "%s/a b.sock", directory);
    CHECK_INT(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    CHECK_INT(cs_knock_listening(found, CS_DOORS), 0);   /* bound only */
    CHECK_INT(listen(fd, 1), 0);
    open_host(&host, DEAF);
    CHECK_INT(cs_knock_listening(found, CS_DOORS), 2);
    CHECK(strncmp(found[0], "http://127.0.0.1:", 17) == 0);
    CHECK(strstr(found[1], "%2Fa%20b.sock") != NULL);
    CHECK_INT(cs_knock_listening(found, 1), 1);
    close_host(&host);
    close(fd);
    unlink(local.sun_path);
    CHECK_INT(chdir(directory), 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(local.sun_path, "relative");
    CHECK_INT(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    CHECK_INT(listen(fd, 1), 0);
    CHECK_INT(cs_knock_listening(found, CS_DOORS), 1);
    CHECK(strstr(found[0], "%2Ftmp%2Ftest_knock.") != NULL);
    CHECK(strstr(found[0], "%2Frelative") != NULL);
    close(fd);
    unlink(local.sun_path);
}

static void test_noise_is_no_answer(int rounds)
{
    struct host host;
    struct cs_knock_news news;

    open_host(&host, NOISE);
    for (int i = 0; i < rounds; i++) {
        struct cs_knock *knock = start();
        int knocks = host.knocks, patience = 200;

        while (host.knocks == knocks && patience--)
            doze(5);
        doze(10);
        while (cs_knock_take(knock, &news) == CS_OK)
            CHECK(news.kind != CS_KNOCK_ANSWERED);
        cs_knock_free(knock);
    }
    CHECK(host.knocks >= rounds);
    close_host(&host);
}

/* In a child the knock is dead, and what it had open is closed. */
static void test_forked_children_touch_nothing(void)
{
    struct host host;
    struct cs_knock *knock;
    int status;
    pid_t pid;

    open_host(&host, SILENT);
    knock = start();
    while (host.knocks == 0)
        doze(5);
    for (int i = 0; i < 20; i++) {
        pid = fork();
        if (pid == 0) {
            struct cs_knock_news news;

            _exit(cs_knock_start(knock, NULL) != CS_STATE
                  || cs_knock_take(knock, &news) != CS_NONE
                  || cs_knock_stop(knock, 100) != CS_OK);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    cs_knock_free(knock);
    close_host(&host);
}

static void test_paths_are_checked(void)
{
    static const char *const none[] = {NULL}, *const relative[] = {"x", NULL};
    struct cs_knock_spec spec = {"shop", key, directory, none, NULL, NULL};
    struct cs_knock *knock = make();
    uint64_t target;

    CHECK_INT(cs_knock_arm(knock, &spec, &target, NULL), CS_RANGE);
    spec.paths = relative;
    CHECK_INT(cs_knock_arm(knock, &spec, &target, NULL), CS_RANGE);
    cs_knock_free(knock);
}

static void remove_directory(void)
{
    char path[96];

    for (int i = 0; i < CS_LEASE_FILES; i++) {
        snprintf(path, sizeof path, "%s/lease.%x", directory, i);
        unlink(path);
    }
    rmdir(directory);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    strcpy(directory, "/tmp/test_knock.XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    test_signature();
    test_paths_are_checked();
    test_unix_sockets_are_found_and_come_last();
    test_a_good_answer_is_told_and_carries_our_headers();
    test_refusals();
    test_a_path_that_is_not_found_is_not_the_last();
    test_a_door_that_is_always_closed_is_left_alone();
    test_one_connection_waits(SILENT, 1);
    test_one_connection_waits(DEAF, 0);
    test_stopping_waits_for_no_answer();
    test_an_owner_is_left_in_peace();
    test_addresses_come_instead_of_the_sockets();
    test_it_asks_before_it_knocks();
    test_who_has_started_recruits_once_and_rests();
    test_noise_is_no_answer(30);
    test_forked_children_touch_nothing();
    remove_directory();
    return check_done();
}
