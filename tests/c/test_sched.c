/* The scheduler as a whole, against a real server on loopback. What can be
 * tried by a manual clock is; the rest waits for events, never for a while.
 */
#include "core/sched/lease.h"
#include "core/sched/sched.h"

#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "core/base/mem.h"
#include "core/base/thread.h"
#include "server.h"

#define S CS_NS_PER_S
#define MS CS_NS_PER_MS
#define MANUAL_S INT64_C(1767571200)   /* 2026-01-05T00:00:00Z */
#define PATIENCE_MS 30000

static struct cs_zone *utc;
static struct server server;

/* -- what every test needs ------------------------------------------------ */

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * S + now.tv_nsec;
}

static struct cs_expr parse(const char *text)
{
    struct cs_expr expr;

    if (cs_expr_parse(text, strlen(text), NULL, 0, &expr, NULL) != CS_OK)
        abort();
    return expr;
}

static struct cs_policy policy_of(int32_t timeout_ms)
{
    struct cs_policy policy;

    cs_policy_default(&policy);
    policy.timeout_ms = timeout_ms;
    policy.claims = false;
    return policy;
}

static struct cs_sched *make(const struct cs_sched_options *options)
{
    struct cs_sched *sched = NULL;
    struct cs_error error = {.text = ""};

    if (cs_sched_new(options, &sched, &error) != CS_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return sched;
}

static uint64_t define(struct cs_sched *sched, const char *text,
                       const struct cs_policy *policy)
{
    struct cs_expr expr = parse(text);
    uint64_t job = 0;

    CHECK_INT(cs_sched_define(sched, "job", &expr, utc, policy, &job, NULL),
              CS_OK);
    return job;
}

static uint64_t open_app(struct cs_sched *sched, const char *id)
{
    uint64_t app = 0;

    CHECK_INT(cs_sched_open(sched, id, NULL, &app, NULL), CS_OK);
    return app;
}

static uint64_t add(struct cs_sched *sched, uint64_t app, uint64_t job,
                    const char *url, int64_t due_ns)
{
    struct cs_call_spec spec = {
        .app = app, .job = job, .url = url, .due = {due_ns},
    };
    uint64_t call = 0;

    CHECK_INT(cs_sched_add(sched, &spec, &call, NULL), CS_OK);
    return call;
}

/* An application id with a call that is not due for long. */
static uint64_t open_called(struct cs_sched *sched, const char *id)
{
    struct cs_policy policy = policy_of(1000);
    uint64_t app = open_app(sched, id);

    (void)add(sched, app, define(sched, "0 0 1 1 *", &policy), "http://x/",
              -1);
    return app;
}

/* The next event of that kind, of that call unless it is 0; others are
 * dropped. Its detail too. */
static struct cs_event await(struct cs_sched *sched, enum cs_event_kind kind,
                             uint64_t call)
{
    struct cs_event event;
    int64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MS;

    while (now_ns(CLOCK_MONOTONIC) < end) {
        if (!cs_sched_events(sched, &event, 1, 100))
            continue;
        cs_event_fini(&event);
        if (event.kind == kind && (!call || event.call == call))
            return event;
    }
    CHECK_TEXT("no event", "an event in time");
    return (struct cs_event){.kind = CS_EVENT_FAULT};
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static char *make_directory(void)
{
    static char path[64];

    strcpy(path, "/tmp/cronsched-test-XXXXXX");
    if (!mkdtemp(path))
        abort();
    return path;
}

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory && (entry = readdir(directory)))
        (void)unlinkat(dirfd(directory), entry->d_name, 0);   /* not . .. */
    if (directory)
        closedir(directory);
    CHECK_INT(rmdir(path), 0);
}

/* -- by hand -------------------------------------------------------------- */

static void test_a_manual_clock_drives_it(void)
{
    static const uint8_t key[CS_KEY_SIZE] = "secret";
    struct cs_sched_options options = {
        .manual = true, .manual_wall = {MANUAL_S * S}, .user_agent = "me/1",
    };
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(1000);
    struct cs_result ok = {.status = 200, .retry_after_s = -1, .outcome = "",
                           .detail = ""};
    struct cs_delivery_out delivery;
    struct cs_event event;
    uint64_t app, job = define(sched, "*/5 * * * *", &policy);
    int i;

    CHECK_INT(cs_sched_open(sched, "a", key, &app, NULL), CS_OK);
    (void)add(sched, app, job, "http://x/", (MANUAL_S + 60) * S);
    CHECK_INT(cs_sched_start(sched, NULL), CS_STATE);
    CHECK_INT(cs_sched_idle_ns(sched), 60 * S);
    CHECK_INT(cs_sched_advance(sched, 60 * S - 1, 0), CS_OK);
    CHECK_INT(cs_sched_take(sched, &delivery), CS_NONE);
    CHECK_INT(cs_sched_advance(sched, cs_sched_idle_ns(sched), 0), CS_OK);
    CHECK_INT(cs_sched_take(sched, &delivery), CS_OK);
    CHECK_TEXT(delivery.headers[0], "User-Agent: me/1");
    for (i = 0; delivery.headers[i]; i++)
        ;
    CHECK_INT(i, 6);
    CHECK_INT(cs_sched_complete(sched, delivery.attempt.run, &ok), CS_OK);
    cs_sched_delivery_fini(&delivery);
    CHECK_INT(cs_sched_idle_ns(sched), 240 * S);
    event = await(sched, CS_EVENT_ENDED, 0);
    CHECK_INT(event.outcome, CS_OUTCOME_OK);
    CHECK_INT(cs_sched_advance(sched, 0, -4 * 3600 * S), CS_OK);
    event = await(sched, CS_EVENT_CLOCK, 0);
    CHECK_INT(event.step_ns, -4 * 3600 * S);
    CHECK_INT(cs_sched_idle_ns(sched), 240 * S);
    cs_sched_free(sched);
}

static void test_a_manual_clock_stays_between_1970_and_2199(void)
{
    static const int64_t beyond[][2] = {
        {-1, 0}, {0, -2 * S}, {INT64_MIN, 0}, {0, INT64_MIN},
        {CS_ZONE_END_S * S, 0}, {INT64_MAX, INT64_MAX}, {1, INT64_MAX},
        {INT64_MAX, INT64_MIN},
    };
    struct cs_sched_options options = {.manual = true, .manual_wall = {S}};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(1000);
    uint64_t app = open_app(sched, "a");
    uint64_t job = define(sched, "* * * * *", &policy);
    struct cs_delivery_out delivery;
    size_t i;

    (void)add(sched, app, job, "http://x/", -1);
    for (i = 0; i < sizeof(beyond) / sizeof(*beyond); i++)
        CHECK_INT(cs_sched_advance(sched, beyond[i][0], beyond[i][1]),
                  CS_RANGE);
    CHECK_INT(cs_sched_idle_ns(sched), 59 * S);
    CHECK_INT(cs_sched_advance(sched, (CS_ZONE_END_S - 1) * S - 1, 0),
              CS_OK);
    CHECK_INT(cs_sched_idle_ns(sched), 0);   /* its last run can be taken */
    CHECK_INT(cs_sched_take(sched, &delivery), CS_OK);
    cs_sched_delivery_fini(&delivery);
    CHECK_INT(cs_sched_idle_ns(sched), INT64_MAX);
    cs_sched_free(sched);
}

static void test_only_a_manual_one_is_driven_by_hand(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_delivery_out delivery;
    struct cs_result result = {.status = 200};

    CHECK_INT(cs_sched_advance(sched, 1, 0), CS_STATE);
    CHECK_INT(cs_sched_take(sched, &delivery), CS_STATE);
    CHECK_INT(cs_sched_complete(sched, NULL, &result), CS_STATE);
    CHECK_INT(cs_sched_idle_ns(sched), INT64_MAX);
    cs_sched_free(sched);
}

/* -- the thread ----------------------------------------------------------- */

static void test_calls_are_sent_on_time_and_never_early(void)
{
    struct cs_sched_options options = {.limits = {100, 100}};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    uint64_t job, app = open_called(sched, "a");
    int64_t worst = 0;
    int i;

    policy.once = true;
    job = define(sched, "0 0 1 1 *", &policy);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    for (i = 0; i < 20; i++) {
        int before = server.log->count;
        int64_t due = now_ns(CLOCK_REALTIME) + 5 * MS + i * MS / 7, late;
        uint64_t call = add(sched, app, job,
                            server_url(&server, "/status/200"), due);

        CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome, CS_OUTCOME_OK);
        late = server.log->requests[before].at_ns - due;
        CHECK(late >= 0);
        worst = late > worst ? late : worst;
    }
    CHECK(worst < 200 * MS);   /* a busy machine; the bench measures */
    fprintf(stderr, "latest at the server: %.3f ms\n", (double)worst / 1e6);
    cs_sched_free(sched);
}

static void test_what_hangs_delays_nobody(void)
{
    struct cs_sched_options options = {.limits = {100, 4}};
    struct cs_sched *sched = make(&options);
    struct cs_policy slow = policy_of(300), quick = policy_of(5000);
    uint64_t bad = open_app(sched, "bad"), good = open_app(sched, "good");
    uint64_t hanging, job, calls[3], other;
    int64_t start;

    slow.once = quick.once = true;
    hanging = define(sched, "0 0 1 1 *", &slow);
    job = define(sched, "0 0 1 1 *", &quick);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    calls[0] = add(sched, bad, hanging, server_url(&server, "/hang"), 0);
    calls[1] = add(sched, bad, hanging, server_url(&server, "/drip"), 0);
    calls[2] = add(sched, bad, hanging, server_url(&server, "/hang?2"), 0);
    start = now_ns(CLOCK_MONOTONIC);
    other = add(sched, good, job, server_url(&server, "/status/200"), 0);
    CHECK_INT(await(sched, CS_EVENT_ENDED, other).outcome, CS_OUTCOME_OK);
    CHECK(now_ns(CLOCK_MONOTONIC) - start < 200 * MS);
    CHECK_INT(await(sched, CS_EVENT_ENDED, calls[0]).outcome,
              CS_OUTCOME_TIMED_OUT);
    (void)calls;
    cs_sched_free(sched);
}

static void test_answers_become_outcomes(void)
{
    static const struct { const char *path; int outcome, status; } rows[] = {
        {"/status/200", CS_OUTCOME_OK, 200},
        {"/status/404", CS_OUTCOME_FAILED, 404},
        {"/status/500", CS_OUTCOME_FAILED, 500},
        {"/redirect", CS_OUTCOME_FAILED, 302},
        {"/outcome/lost", CS_OUTCOME_LOST, 200},
        {"/outcome/duplicate", CS_OUTCOME_DUPLICATE, 200},
        {"/half", CS_OUTCOME_UNREACHABLE, 200},
        {"/none", CS_OUTCOME_UNREACHABLE, 0},
        {"/big", CS_OUTCOME_OK, 200},
        {"/drip", CS_OUTCOME_TIMED_OUT, 200},
    };
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(300);
    uint64_t job, app = open_app(sched, "a"), call;
    char url[64];
    size_t i;

    policy.once = true;
    job = define(sched, "0 0 1 1 *", &policy);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_event event;

        call = add(sched, app, job, server_url(&server, rows[i].path), 0);
        event = await(sched, CS_EVENT_ENDED, call);
        if (!CHECK_INT(event.outcome, rows[i].outcome)
            || !CHECK_INT(event.status, rows[i].status))
            fprintf(stderr, "    of %s\n", rows[i].path);
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", server_closed_port());
    call = add(sched, app, job, url, 0);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome,
              CS_OUTCOME_UNREACHABLE);
    call = add(sched, app, job, "ftp://nowhere/", 0);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome,
              CS_OUTCOME_UNREACHABLE);
    cs_sched_free(sched);
}

static void test_limits_hold_at_the_server(void)
{
    struct cs_sched_options options = {.limits = {100, 3}};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    struct cs_sched_stats stats;
    uint64_t job, app = open_app(sched, "a"), call = 0;
    int i, most = 0;

    policy.once = true;
    job = define(sched, "0 0 1 1 *", &policy);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    for (i = 0; i < 9; i++)
        call = add(sched, app, job, server_url(&server, "/later/50"), 1);
    do {
        cs_sched_stats(sched, &stats);
        if ((int)stats.agenda.in_flight > most)
            most = (int)stats.agenda.in_flight;
        usleep(1000);
    } while (stats.agenda.ended < 9);
    CHECK_INT(most, 3);
    (void)call;
    cs_sched_free(sched);
}

static void test_a_removed_call_in_flight_ends_normally(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    uint64_t job = define(sched, "0 0 1 1 *", &policy);
    uint64_t app = open_app(sched, "a"), call;

    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    call = add(sched, app, job, server_url(&server, "/later/100"), 0);
    (void)await(sched, CS_EVENT_STARTED, call);
    CHECK_INT(cs_sched_remove(sched, call), CS_OK);
    CHECK_INT(cs_sched_remove(sched, call), CS_UNKNOWN);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome, CS_OUTCOME_OK);
    cs_sched_free(sched);
}

static void test_stop_is_bounded_and_can_be_followed_by_start(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(60000);
    struct cs_sched_stats stats;
    uint64_t job = define(sched, "0 0 1 1 *", &policy);
    uint64_t app = open_app(sched, "a"), call;
    int64_t start;

    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    call = add(sched, app, job, server_url(&server, "/hang"), 0);
    (void)await(sched, CS_EVENT_STARTED, call);
    start = now_ns(CLOCK_MONOTONIC);
    CHECK_INT(cs_sched_stop(sched, 2000), CS_OK);
    CHECK_INT(cs_sched_stop(sched, 2000), CS_OK);
    CHECK(now_ns(CLOCK_MONOTONIC) - start < 1000 * MS);
    (void)await(sched, CS_EVENT_DISOWNED, 0);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome,
              CS_OUTCOME_UNREACHABLE);
    cs_sched_stats(sched, &stats);
    CHECK_INT(stats.agenda.in_flight, 0);
    CHECK(!stats.running);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    call = add(sched, app, job, server_url(&server, "/status/200"), 0);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome, CS_OUTCOME_OK);
    cs_sched_free(sched);
}

static void test_start_and_stop_leave_nothing_behind(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    int i, files = 0, threads = 0;

    options.lease_directory = directory;
    for (i = 0; i < 50; i++) {
        struct cs_sched *sched = make(&options);

        (void)open_called(sched, "a");
        CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
        if (i % 2)
            (void)await(sched, CS_EVENT_OWNED, 0);
        cs_sched_free(sched);
        if (i == 1) {
            files = count_entries("/proc/self/fd");
            threads = count_entries("/proc/self/task");
        }
    }
    CHECK_INT(count_entries("/proc/self/fd"), files);
    CHECK_INT(count_entries("/proc/self/task"), threads);
    remove_directory(directory);
}

/* libcurl's poll, in front of the real one: while `stuck`, it never ends. */
static _Atomic bool stuck;

CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd extra[],
                          unsigned int count, int timeout_ms, int *ready)
{
    CURLMcode (*poll)(CURLM *, struct curl_waitfd *, unsigned int, int,
                      int *);
    void *found = dlsym(RTLD_NEXT, "curl_multi_poll");
    CURLMcode code;

    memcpy(&poll, &found, sizeof(poll));
    code = poll(multi, extra, count, timeout_ms, ready);
    while (stuck)
        usleep(1000);
    return code;
}

static void test_a_thread_that_does_not_end_is_left_to_itself(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_error error;
    int tries, threads = count_entries("/proc/self/task");

    (void)open_called(sched, "a");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    stuck = true;
    CHECK_INT(cs_sched_stop(sched, 20), CS_BUSY);
    CHECK_INT(cs_sched_start(sched, &error), CS_BUSY);
    CHECK_INT(cs_sched_stop(sched, 20), CS_BUSY);
    stuck = false;
    CHECK_INT(cs_sched_stop(sched, 2000), CS_OK);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    stuck = true;
    cs_sched_pause(sched);   /* gives up, and it goes on */
    cs_sched_resume(sched);
    cs_sched_free(sched);
    CHECK_INT(count_entries("/proc/self/task"), threads + 1);
    stuck = false;
    for (tries = 0; tries < 1000; tries++, usleep(5000))
        if (count_entries("/proc/self/task") == threads)
            break;
    CHECK_INT(count_entries("/proc/self/task"), threads);
}

/* The line `name:` of a thread's status, as a number in base 16. */
static uint64_t status_of_thread(const char *task, const char *name)
{
    char path[300], line[256];
    uint64_t value = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, name, strlen(name)))
            value = strtoull(line + strlen(name) + 1, NULL, 16);
    if (file)
        fclose(file);
    return value;
}

static void test_no_signal_lands_on_the_thread(void)
{
    static const int signals[] = {
        SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGCHLD, SIGPIPE, SIGUSR1, SIGUSR2,
    };
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    DIR *tasks;
    struct dirent *entry;
    uint64_t blocked = 0;
    size_t i;

    (void)open_called(sched, "a");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    tasks = opendir("/proc/self/task");
    while (tasks && (entry = readdir(tasks)))
        if (atoi(entry->d_name) != getpid())   /* numbers begin anew */
            blocked |= status_of_thread(entry->d_name, "SigBlk");
    closedir(tasks);
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        CHECK(blocked >> (signals[i] - 1) & 1);
    cs_sched_free(sched);
}

static void test_nothing_due_is_no_work(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    struct cs_sched_stats before, after;
    uint64_t job = define(sched, "0 0 1 1 *", &policy);
    uint64_t app = open_called(sched, "a");

    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    (void)add(sched, app, job, "http://localhost/", -1);
    usleep(50000);
    cs_sched_stats(sched, &before);
    usleep(300000);
    cs_sched_stats(sched, &after);
    CHECK(after.turns - before.turns <= 1);
    CHECK(after.running);
    cs_sched_free(sched);
}

/* -- events --------------------------------------------------------------- */

static void *interrupt_soon(void *sched)
{
    usleep(20000);
    cs_sched_interrupt(sched);
    return NULL;
}

static void test_a_wait_for_events_is_ended_by_interrupt(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_event event;
    pthread_t thread;
    int64_t start = now_ns(CLOCK_MONOTONIC);

    pthread_create(&thread, NULL, interrupt_soon, sched);
    CHECK_INT(cs_sched_events(sched, &event, 1, 10000), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - start < 5 * S);
    pthread_join(thread, NULL);
    start = now_ns(CLOCK_MONOTONIC);
    CHECK_INT(cs_sched_events(sched, &event, 1, 20), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20 * MS);
    cs_sched_free(sched);
}

/* A manual scheduler with `count` calls of as many application ids, all due
 * in a minute, and a small ring. */
static struct cs_sched *make_crowd(int count)
{
    struct cs_sched_options options = {
        .manual = true, .manual_wall = {MANUAL_S * S + 1}, .events = 16,
        .limits = {1000, 4},
    };
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(1000);
    uint64_t job = define(sched, "* * * * *", &policy);
    char id[16];
    int i;

    for (i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "%d", i);
        (void)add(sched, open_app(sched, id), job, "http://x/", -1);
    }
    return sched;
}

static void count_events(struct cs_sched *sched, size_t counts[])
{
    struct cs_event event;

    memset(counts, 0, (CS_EVENT_FAULT + 1) * sizeof(*counts));
    while (cs_sched_events(sched, &event, 1, 0)) {
        counts[event.kind]++;
        cs_event_fini(&event);
    }
}

static void test_ownership_is_state_that_no_ring_loses(void)
{
    struct cs_sched *sched = make_crowd(300);
    struct cs_ownership changes[400];
    struct cs_sched_stats stats;
    size_t counts[CS_EVENT_FAULT + 1], i;

    CHECK_INT(cs_sched_changes(sched, 0, changes, 400), 300);
    for (i = 0; i < 300; i++) {
        CHECK(changes[i].owned);
        CHECK_INT(changes[i].number, i + 1);
        CHECK_INT(changes[i].since.ns, MANUAL_S * S + 1);
    }
    CHECK_INT(cs_sched_changes(sched, 250, changes, 400), 50);
    CHECK_INT(changes[0].number, 251);
    CHECK_INT(cs_sched_changes(sched, 250, changes, 7), 7);
    CHECK_INT(cs_sched_changes(sched, 300, changes, 400), 0);
    count_events(sched, counts);
    CHECK_INT(counts[CS_EVENT_OWNED], 300);
    cs_sched_stats(sched, &stats);
    CHECK_INT(stats.events_dropped, 0);
    CHECK_INT(stats.ownership, 300);
    cs_sched_free(sched);
}

static void take_and_answer_all(struct cs_sched *sched)
{
    struct cs_result ok = {.status = 200, .outcome = "ok", .detail = "",
                           .retry_after_s = -1};
    struct cs_delivery_out delivery;

    while (cs_sched_take(sched, &delivery) == CS_OK) {
        (void)cs_sched_complete(sched, delivery.attempt.run, &ok);
        cs_sched_delivery_fini(&delivery);
    }
}

static void test_a_full_ring_loses_no_outcome(void)
{
    struct cs_sched *sched = make_crowd(300);
    struct cs_sched_stats stats;
    size_t counts[CS_EVENT_FAULT + 1];

    count_events(sched, counts);
    CHECK_INT(cs_sched_advance(sched, 60 * S, 0), CS_OK);
    count_events(sched, counts);
    take_and_answer_all(sched);
    cs_sched_stats(sched, &stats);
    count_events(sched, counts);
    CHECK_INT(counts[CS_EVENT_ENDED], 300);
    CHECK_INT(counts[CS_EVENT_STARTED] + stats.events_dropped, 300);
    CHECK(stats.events_dropped > 0);   /* those that are for the log only */
    cs_sched_free(sched);
}

/* Nobody reads for ever: then the ring stays as it is. */
static void test_who_reads_no_events_costs_no_memory(void)
{
    struct cs_sched *sched = make_crowd(300);
    struct cs_sched_stats stats;
    size_t counts[CS_EVENT_FAULT + 1];

    CHECK_INT(cs_sched_advance(sched, 60 * S, 0), CS_OK);
    take_and_answer_all(sched);
    cs_sched_stats(sched, &stats);
    count_events(sched, counts);
    CHECK(counts[CS_EVENT_ENDED] <= 16);
    CHECK_INT(stats.events_dropped + counts[CS_EVENT_ENDED]
              + counts[CS_EVENT_STARTED], 600);
    cs_sched_free(sched);
}

/* A reader that is busy for a while: nothing new begins, nothing is lost. */
static void test_a_reader_that_is_behind_is_waited_for(void)
{
    enum { MANY = 400 };
    struct cs_sched_options options = {.limits = {100, 100}, .events = 64};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    size_t counts[CS_EVENT_FAULT + 1], ended = 0;
    struct cs_sched_stats stats;
    int64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_MS * MS;
    uint64_t job, app = open_app(sched, "a");
    int i;

    policy.once = true;
    job = define(sched, "0 0 1 1 *", &policy);
    for (i = 0; i < MANY; i++)
        (void)add(sched, app, job, server_url(&server, "/status/200"), 0);
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    do {
        usleep(300000);
        cs_sched_stats(sched, &stats);
    } while (stats.agenda.started <= 10 && now_ns(CLOCK_MONOTONIC) < end);
    CHECK(stats.agenda.started > 10 && stats.agenda.started < 200);
    while (ended < MANY && now_ns(CLOCK_MONOTONIC) < end) {
        count_events(sched, counts);
        ended += counts[CS_EVENT_ENDED];
        usleep(1000);
    }
    CHECK_INT(ended, MANY);
    cs_sched_free(sched);
}

/* -- pause and fork ------------------------------------------------------- */

static void test_a_pause_keeps_the_transfers(void)
{
    struct cs_sched_options options = {.manual = false};
    struct cs_sched *sched = make(&options);
    struct cs_policy policy = policy_of(5000);
    uint64_t job = define(sched, "0 0 1 1 *", &policy);
    uint64_t app = open_app(sched, "a"), call;
    int threads = count_entries("/proc/self/task"), requests;

    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    requests = server.log->count;
    call = add(sched, app, job, server_url(&server, "/later/100"), 0);
    CHECK_INT(server_wait(&server, requests + 1), requests + 1);
    cs_sched_pause(sched);
    cs_sched_pause(sched);
    CHECK_INT(count_entries("/proc/self/task"), threads);
    cs_sched_resume(sched);
    CHECK_INT(count_entries("/proc/self/task"), threads);
    cs_sched_resume(sched);
    CHECK_INT(await(sched, CS_EVENT_ENDED, call).outcome, CS_OUTCOME_OK);
    CHECK_INT(server.log->count, requests + 1);
    cs_sched_pause(sched);
    CHECK_INT(cs_sched_stop(sched, 1000), CS_OK);
    cs_sched_free(sched);
}

/* In a forked child: everything is refused, nothing hangs; 0 if so. */
static int try_in_child(struct cs_sched *sched, uint64_t call)
{
    struct cs_sched_stats stats;
    struct cs_event event;
    uint64_t app;

    if (cs_sched_start(sched, NULL) != CS_STATE
        || cs_sched_open(sched, "b", NULL, &app, NULL) != CS_STATE
        || cs_sched_remove(sched, call) != CS_STATE
        || cs_sched_fire(sched, &(struct cs_fire_spec){.call = call})
               != CS_STATE
        || cs_sched_events(sched, &event, 1, 1000) != 0
        || cs_sched_stop(sched, 1000) != CS_OK)
        return 1;
    cs_sched_stats(sched, &stats);
    cs_sched_pause(sched);
    cs_sched_resume(sched);
    cs_sched_interrupt(sched);
    cs_sched_free(sched);
    return stats.agenda.calls != 0;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void test_a_fork_during_transfers_harms_neither_side(void)
{
    struct cs_sched_options options = {.limits = {100, 100}};
    struct cs_policy policy = policy_of(5000);
    const char *directory = make_directory();
    struct cs_sched *sched;
    uint64_t job, app, call;
    int i, requests = server.log->count;

    options.lease_directory = directory;
    sched = make(&options);
    policy.once = true;
    job = define(sched, "0 0 1 1 *", &policy);
    app = open_app(sched, "a");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    for (i = 0; i < 20; i++) {
        pid_t pid;

        call = add(sched, app, job, server_url(&server, "/later/60"), 0);
        if (i % 3)
            usleep((useconds_t)(i * 300));
        pid = fork();
        if (pid == 0) {
            alarm(20);
            _exit(try_in_child(sched, call));
        }
        CHECK_INT(wait_for(pid), 0);
    }
    for (i = 0; i < 20; i++)
        CHECK_INT(await(sched, CS_EVENT_ENDED, 0).outcome, CS_OUTCOME_OK);
    CHECK_INT(server.log->count, requests + 20);
    cs_sched_free(sched);
    remove_directory(directory);
}

/* -- what a fork may find ------------------------------------------------- */

enum cs_status __real_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error);
enum cs_status __wrap_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error);
static atomic_int starts_to_refuse;

/* The linker puts this in its place: as at the limit of processes. */
enum cs_status __wrap_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error)
{
    if (starts_to_refuse > 0) {
        starts_to_refuse--;
        return cs_error_system(error, EAGAIN, "no thread can be started");
    }
    return __real_cs_thread_start(thread, body, context, error);
}

static void test_a_thread_that_cannot_start_again_is_tried_again(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    struct cs_sched *first, *second;
    struct cs_sched_stats stats;

    options.lease_directory = directory;
    first = make(&options);
    second = make(&options);
    (void)open_called(first, "a");
    (void)open_called(second, "a");
    CHECK_INT(cs_sched_start(first, NULL), CS_OK);
    (void)await(first, CS_EVENT_OWNED, 0);
    CHECK_INT(cs_sched_start(second, NULL), CS_OK);
    starts_to_refuse = 2;
    cs_sched_pause(first);
    cs_sched_resume(first);
    cs_sched_stats(first, &stats);
    CHECK(!stats.running);
    (void)await(second, CS_EVENT_OWNED, 0);   /* it was given back */
    (void)await(first, CS_EVENT_FAULT, 0);
    cs_sched_free(second);
    (void)await(first, CS_EVENT_OWNED, 0);    /* the third one started */
    cs_sched_stats(first, &stats);
    CHECK(stats.running);
    CHECK_INT(starts_to_refuse, 0);
    cs_sched_free(first);
    remove_directory(directory);
}

static atomic_bool makes_no_more;

static void *make_and_free(void *directory)
{
    struct cs_sched_options options = {.lease_directory = directory};

    while (!makes_no_more)
        cs_sched_free(make(&options));
    return NULL;
}

static void test_a_fork_while_another_thread_makes_one_closes_nothing(void)
{
    enum { FORKS = 1500 };
    pthread_t thread;
    int i, wrong = 0;

    CHECK_INT(pthread_create(&thread, NULL, make_and_free, "/tmp/unused"), 0);
    for (i = 0; i < FORKS; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(fcntl(0, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0);
        wrong += wait_for(pid) != 0;
    }
    makes_no_more = true;
    pthread_join(thread, NULL);
    CHECK_INT(wrong, 0);
}

/* -- owners --------------------------------------------------------------- */

/* Another process that owns "a" until it is killed. */
static pid_t start_owner(const char *directory)
{
    struct cs_sched_options options = {.lease_directory = directory};
    int ready[2];
    char byte;
    pid_t pid;

    if (pipe(ready))
        abort();
    pid = fork();
    if (pid == 0) {
        struct cs_sched *sched = make(&options);

        alarm(60);
        (void)open_called(sched, "a");
        (void)open_called(sched, "b");
        if (cs_sched_start(sched, NULL) != CS_OK)
            _exit(1);
        (void)await(sched, CS_EVENT_OWNED, 0);
        (void)await(sched, CS_EVENT_OWNED, 0);
        (void)!write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void test_a_killed_owner_is_followed_within_a_second(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    pid_t owner = start_owner(directory);
    struct cs_sched *sched;
    struct cs_sched_stats stats;
    struct cs_event event;
    int64_t killed;

    options.lease_directory = directory;
    sched = make(&options);
    (void)open_called(sched, "a");
    (void)open_called(sched, "b");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    CHECK_INT(cs_sched_events(sched, &event, 1, 400), 0);
    cs_sched_stats(sched, &stats);
    CHECK_INT(stats.agenda.owned, 0);
    killed = now_ns(CLOCK_MONOTONIC);
    kill(owner, SIGKILL);
    (void)await(sched, CS_EVENT_OWNED, 0);
    (void)await(sched, CS_EVENT_OWNED, 0);
    killed = now_ns(CLOCK_MONOTONIC) - killed;
    CHECK(killed < 1 * S);
    fprintf(stderr, "takeover: %.0f ms\n", (double)killed / 1e6);
    (void)wait_for(owner);
    cs_sched_free(sched);
    remove_directory(directory);
}

static void test_a_stopped_owner_gives_its_leases_back(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    struct cs_sched *first, *second;

    options.lease_directory = directory;
    first = make(&options);
    second = make(&options);
    (void)open_called(first, "a");
    (void)open_called(second, "a");
    CHECK_INT(cs_sched_start(first, NULL), CS_OK);
    (void)await(first, CS_EVENT_OWNED, 0);
    CHECK_INT(cs_sched_start(second, NULL), CS_OK);
    CHECK_INT(cs_sched_stop(first, 2000), CS_OK);
    (void)await(second, CS_EVENT_OWNED, 0);
    cs_sched_free(first);
    cs_sched_free(second);
    remove_directory(directory);
}

static void test_a_removed_lease_file_is_noticed(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    struct cs_sched *sched;
    struct cs_event event;
    struct stat found;

    options.lease_directory = directory;
    sched = make(&options);
    (void)open_called(sched, "a");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    remove_directory(directory);
    event = await(sched, CS_EVENT_OWNED, 0);   /* made and won anew */
    CHECK_INT(event.kind, CS_EVENT_OWNED);
    CHECK_INT(stat(directory, &found), 0);
    CHECK_INT(found.st_mode & 0777, 0700);
    cs_sched_free(sched);
    remove_directory(directory);
}

/* What is above it vanishes too, and somebody is in its place for a while. */
static void test_a_lease_that_cannot_be_made_anew_is_told_and_tried(void)
{
    struct cs_sched_options options = {.manual = false};
    char parent[64], inner[128], moved[80];
    struct cs_sched *sched;
    int fd;

    snprintf(parent, sizeof(parent), "%s", make_directory());
    snprintf(inner, sizeof(inner), "%s/leases", parent);
    snprintf(moved, sizeof(moved), "%s-moved", parent);
    options.lease_directory = inner;
    sched = make(&options);
    (void)open_called(sched, "a");
    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    (void)await(sched, CS_EVENT_OWNED, 0);
    CHECK_INT(rename(parent, moved), 0);
    fd = open(parent, O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 || errno == EEXIST);
    if (fd >= 0) {
        (void)await(sched, CS_EVENT_FAULT, 0);
        close(fd);
        CHECK_INT(unlink(parent), 0);
    }
    (void)await(sched, CS_EVENT_OWNED, 0);
    cs_sched_free(sched);
    remove_directory(inner);
    remove_directory(parent);
    snprintf(inner, sizeof(inner), "%s/leases", moved);
    remove_directory(inner);
    remove_directory(moved);
}

static void test_who_has_no_calls_left_gives_the_lease_up(void)
{
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    struct cs_policy policy = policy_of(1000);
    struct cs_sched *first, *second;
    uint64_t app, job, call;

    options.lease_directory = directory;
    first = make(&options);
    second = make(&options);
    app = open_app(first, "a");
    job = define(first, "0 0 1 1 *", &policy);
    call = add(first, app, job, "http://x/", -1);
    CHECK_INT(cs_sched_start(first, NULL), CS_OK);
    (void)await(first, CS_EVENT_OWNED, 0);
    (void)open_called(second, "a");
    CHECK_INT(cs_sched_start(second, NULL), CS_OK);
    CHECK_INT(cs_sched_remove(first, call), CS_OK);
    (void)await(first, CS_EVENT_DISOWNED, 0);
    (void)await(second, CS_EVENT_OWNED, 0);
    (void)add(first, app, job, "http://x/", -1);   /* on standby now */
    cs_sched_free(second);
    (void)await(first, CS_EVENT_OWNED, 0);
    cs_sched_free(first);
    remove_directory(directory);
}

/* How long it takes here to try as many ids that another owner has. */
static int64_t time_to_try(const char *directory, int many)
{
    struct cs_lease lease = {.fd = -1};
    int64_t position, start;
    char id[16];
    int i;

    CHECK_INT(cs_lease_open(&lease, directory, NULL), CS_OK);
    start = now_ns(CLOCK_MONOTONIC);
    for (i = 0; i < many; i++) {
        snprintf(id, sizeof(id), "%d", i);
        CHECK_INT(cs_lease_position(id, strlen(id), &position), CS_OK);
        CHECK_INT(cs_lease_take(&lease, position, NULL), CS_BUSY);
    }
    start = now_ns(CLOCK_MONOTONIC) - start;
    cs_lease_close(&lease);
    return start;
}

/* One of many that another owner has becomes free. A look at each in turn,
 * 256 of them four times a second, would take 8 seconds. */
static void test_one_free_id_among_many_is_found_within_a_second(void)
{
    enum { MANY = 10000 };
    struct cs_sched_options options = {.manual = false};
    const char *directory = make_directory();
    struct cs_policy policy = policy_of(1000);
    struct cs_sched *first, *second;
    struct cs_sched_stats stats = {.running = false};
    uint64_t job, other, freed = 0;
    int64_t start, most;
    char id[16];
    int i;

    options.lease_directory = directory;
    first = make(&options);
    second = make(&options);
    job = define(first, "0 0 1 1 *", &policy);
    other = define(second, "0 0 1 1 *", &policy);
    for (i = 0; i < MANY; i++) {
        uint64_t call;

        snprintf(id, sizeof(id), "%d", i);
        call = add(first, open_app(first, id), job, "http://x/", -1);
        (void)add(second, open_app(second, id), other, "http://x/", -1);
        if (i == MANY - 1)   /* the last that a look at one by one finds */
            freed = call;
    }
    CHECK_INT(cs_sched_start(first, NULL), CS_OK);
    for (i = 0; stats.agenda.owned < MANY && i < 300; i++) {
        usleep(100000);
        cs_sched_stats(first, &stats);
    }
    CHECK_INT(stats.agenda.owned, MANY);
    most = S + 5 * time_to_try(directory, MANY);   /* a machine that others
                                                        use as well */
    CHECK_INT(cs_sched_start(second, NULL), CS_OK);
    usleep(1500000);
    start = now_ns(CLOCK_MONOTONIC);
    CHECK_INT(cs_sched_remove(first, freed), CS_OK);
    stats.agenda.owned = 0;
    while (!stats.agenda.owned) {
        if (!CHECK(now_ns(CLOCK_MONOTONIC) - start < most))
            break;
        usleep(1000);
        cs_sched_stats(second, &stats);
    }
    fprintf(stderr, "one of 10,000: %d ms, of %d\n",
            (int)((now_ns(CLOCK_MONOTONIC) - start) / MS), (int)(most / MS));
    cs_sched_free(first);
    cs_sched_free(second);
    remove_directory(directory);
}

static void test_a_lease_that_cannot_be_had_is_told_at_start(void)
{
    struct cs_sched_options options = {
        .lease_directory = "/proc/nonexistent/cronsched",
    };
    struct cs_sched *sched = make(&options);
    struct cs_error error = {.text = ""};

    CHECK_INT(cs_sched_start(sched, &error), CS_SYSTEM);
    CHECK(strstr(error.text, "/proc/nonexistent/cronsched") != NULL);
    CHECK_INT(cs_sched_start(sched, &error), CS_SYSTEM);
    cs_sched_free(sched);
}

/* -- many threads --------------------------------------------------------- */

struct crowd {
    struct cs_sched *sched;
    uint64_t app, job;
    const char *url;
    _Atomic bool over;
    _Atomic int wrong;   /* the harness counts on one thread only */
};

static void *add_and_remove(void *context)
{
    struct crowd *crowd = context;
    struct cs_sched_stats stats;
    int i;

    for (i = 0; i < 300; i++) {
        struct cs_call_spec spec = {
            .app = crowd->app, .job = crowd->job, .url = crowd->url,
            .due = {i % 3 ? -1 : 0},
        };
        uint64_t call;

        crowd->wrong += cs_sched_add(crowd->sched, &spec, &call, NULL)
                        != CS_OK;
        if (i % 3 == 1)
            (void)cs_sched_fire(crowd->sched, &(struct cs_fire_spec){
                .call = call, .scheduled_s = i, .attempt = 1});
        if (i % 7 == 0)
            cs_sched_stats(crowd->sched, &stats);
        if (i % 2)
            crowd->wrong += cs_sched_remove(crowd->sched, call) != CS_OK;
    }
    return NULL;
}

static void *read_events(void *context)
{
    struct crowd *crowd = context;
    struct cs_event events[16];
    size_t i, count;

    while (!crowd->over) {
        count = cs_sched_events(crowd->sched, events, 16, 50);
        for (i = 0; i < count; i++)
            cs_event_fini(&events[i]);
    }
    return NULL;
}

static void test_any_thread_may_ask_anything(void)
{
    struct cs_sched_options options = {.limits = {64, 64}};
    struct cs_policy policy = policy_of(5000);
    struct crowd crowd = {.sched = make(&options)};
    pthread_t workers[4], reader;
    int i;

    crowd.url = server_url(&server, "/status/200");
    crowd.app = open_app(crowd.sched, "a");
    crowd.job = define(crowd.sched, "* * * * * *", &policy);
    CHECK_INT(cs_sched_start(crowd.sched, NULL), CS_OK);
    pthread_create(&reader, NULL, read_events, &crowd);
    for (i = 0; i < 4; i++)
        pthread_create(&workers[i], NULL, add_and_remove, &crowd);
    for (i = 0; i < 5; i++) {
        cs_sched_pause(crowd.sched);
        cs_sched_resume(crowd.sched);
    }
    for (i = 0; i < 4; i++)
        pthread_join(workers[i], NULL);
    CHECK_INT(cs_sched_stop(crowd.sched, 2000), CS_OK);
    crowd.over = true;
    cs_sched_interrupt(crowd.sched);
    pthread_join(reader, NULL);
    CHECK_INT(crowd.wrong, 0);
    cs_sched_free(crowd.sched);
}

int main(void)
{
    alarm(240);
    server_start(&server, NULL);
    if (cs_zone_fixed(0, &utc, NULL) != CS_OK)
        return 1;
    test_a_killed_owner_is_followed_within_a_second();
    /* Before the process is large: a fork copies its pages' tables. */
    test_a_fork_while_another_thread_makes_one_closes_nothing();
    test_a_manual_clock_drives_it();
    test_a_manual_clock_stays_between_1970_and_2199();
    test_only_a_manual_one_is_driven_by_hand();
    test_calls_are_sent_on_time_and_never_early();
    test_what_hangs_delays_nobody();
    test_answers_become_outcomes();
    test_limits_hold_at_the_server();
    test_a_removed_call_in_flight_ends_normally();
    test_stop_is_bounded_and_can_be_followed_by_start();
    test_start_and_stop_leave_nothing_behind();
    test_a_thread_that_does_not_end_is_left_to_itself();
    test_no_signal_lands_on_the_thread();
    test_nothing_due_is_no_work();
    test_a_wait_for_events_is_ended_by_interrupt();
    test_ownership_is_state_that_no_ring_loses();
    test_a_full_ring_loses_no_outcome();
    test_who_reads_no_events_costs_no_memory();
    test_a_reader_that_is_behind_is_waited_for();
    test_a_pause_keeps_the_transfers();
    test_a_fork_during_transfers_harms_neither_side();
    test_a_stopped_owner_gives_its_leases_back();
    test_a_removed_lease_file_is_noticed();
    test_a_lease_that_cannot_be_had_is_told_at_start();
    test_a_lease_that_cannot_be_made_anew_is_told_and_tried();
    test_who_has_no_calls_left_gives_the_lease_up();
    test_one_free_id_among_many_is_found_within_a_second();
    test_a_thread_that_cannot_start_again_is_tried_again();
    test_any_thread_may_ask_anything();
    server_stop(&server);
    cs_zone_unref(utc);
    return check_done();
}
