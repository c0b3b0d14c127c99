/* Heartbeats over a libpq of our own, which is found in this program as a
 * driver's would be: its answers are bytes in a pipe, whose letters say what
 * is answered. Threads and clocks are real, and periods a few milliseconds.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/thread.h"
#include "core/pq/pq.h"
#include "core/sched/heartbeat.h"

#include "check.h"

#define MS CS_NS_PER_MS
#define LONG_MS 20000   /* for what happens: a machine may be busy */

/* -- a libpq --------------------------------------------------------------- */

typedef void notice_receiver(void *context, const void *result);

/* What a letter in the pipe answers. */
struct fake {
    char letter;
    int status;
    int rows, columns;
    const char *values[2];
};
static const struct fake fakes[] = {
    {'g', 2, 1, 2, {"t", "good"}},
    {'n', 2, 1, 2, {"f", "not now"}},
    {'d', 2, 1, 2, {NULL, "dead"}},
    {'0', 2, 1, 2, {"t", NULL}},
    {'e', 7, 0, 0, {NULL, NULL}},
    {'r', 2, 2, 2, {"t", "two rows"}},
    {'c', 2, 1, 1, {"t", NULL}},
    {'m', 2, 1, 2, {"t", "and another"}},   /* and one more after it */
};

struct connection {
    int answers[2];              /* a pipe */
    const struct fake *result;   /* what was read, and not taken */
    int left;                    /* how many more there are after that */
    bool asked;                  /* and the answer's end has not been taken */
    bool lost;
    atomic_int sent;
    atomic_int unsent;           /* what flush has yet to write */
    atomic_bool send_fails;
    char last[64];               /* the values of the last statement */
    notice_receiver *on_notice;
    char automatic;              /* answered at once, 0 for none */
    char held;                   /* as TLS holds what it has read, 0 for none */
};

static atomic_int results;       /* that are not cleared */

int PQsendQueryParams(void *, const char *, int, const unsigned int *,
                      const char *const *, const int *, const int *, int);
int PQflush(void *);
int PQconsumeInput(void *);
int PQisBusy(void *);
void *PQgetResult(void *);
int PQresultStatus(const void *);
int PQntuples(const void *);
int PQnfields(const void *);
int PQgetisnull(const void *, int, int);
char *PQgetvalue(const void *, int, int);
char *PQresultErrorMessage(const void *);
void PQclear(void *);
int PQsocket(const void *);
char *PQerrorMessage(const void *);
notice_receiver *PQsetNoticeReceiver(void *, notice_receiver *, void *);

static void answer(struct connection *connection, char letter)
{
    if (write(connection->answers[1], &letter, 1) != 1)
        abort();
}

int PQsendQueryParams(void *pointer, const char *statement, int count,
                      const unsigned int *types, const char *const *values,
                      const int *lengths, const int *formats, int binary)
{
    struct connection *connection = pointer;

    if (atomic_load(&connection->send_fails))
        return 0;
    if (connection->asked || types || lengths || formats || binary
        || strcmp(statement, "beat") != 0)
        abort();
    connection->last[0] = '\0';
    for (int i = 0; i < count; i++) {
        strcat(connection->last, values[i]);
        strcat(connection->last, ";");
    }
    connection->asked = true;
    atomic_fetch_add(&connection->sent, 1);
    if (connection->automatic)
        answer(connection, connection->automatic);
    return 1;
}

int PQflush(void *pointer)
{
    struct connection *connection = pointer;

    if (atomic_load(&connection->unsent) > 0)
        return atomic_fetch_sub(&connection->unsent, 1) > 0;
    return atomic_load(&connection->unsent);
}

int PQconsumeInput(void *pointer)
{
    struct connection *connection = pointer;
    struct pollfd readable = {.fd = connection->answers[0], .events = POLLIN};
    char letter = connection->held;

    connection->held = 0;
    if (!letter && poll(&readable, 1, 0) == 0)
        return 1;
    if ((!letter && read(connection->answers[0], &letter, 1) != 1)
        || letter == '!') {
        connection->lost = true;
        return 0;
    }
    if (letter == 'h')   /* half of it; the rest is not in the pipe */
        connection->held = 'g';
    if (letter == '.')   /* the end of an answer that had none */
        connection->left = 0;
    for (size_t i = 0; i < sizeof(fakes) / sizeof(*fakes); i++)
        if (fakes[i].letter == letter) {
            connection->result = &fakes[i];
            connection->left = letter == 'm' ? 1 : 0;
        }
    return 1;
}

int PQisBusy(void *pointer)
{
    struct connection *connection = pointer;

    return connection->asked && !connection->result && connection->left < 0;
}

void *PQgetResult(void *pointer)
{
    struct connection *connection = pointer;
    const struct fake *result = connection->result;

    if (PQisBusy(connection))
        abort();   /* this would wait */
    if (!result) {
        connection->asked = false;
        connection->left = -1;
        return NULL;
    }
    if (connection->left-- <= 0) {
        connection->result = NULL;
        connection->left = 0;
    }
    atomic_fetch_add(&results, 1);
    return (void *)result;
}

int PQresultStatus(const void *result)
{
    return ((const struct fake *)result)->status;
}

int PQntuples(const void *result)
{
    return ((const struct fake *)result)->rows;
}

int PQnfields(const void *result)
{
    return ((const struct fake *)result)->columns;
}

int PQgetisnull(const void *result, int row, int column)
{
    return row || !((const struct fake *)result)->values[column];
}

char *PQgetvalue(const void *result, int row, int column)
{
    static char empty[] = "";

    return PQgetisnull(result, row, column)
               ? empty
               : (char *)((const struct fake *)result)->values[column];
}

char *PQresultErrorMessage(const void *result)
{
    static char message[] = "ERROR:  it is wrong\nHINT:  do it well\n";

    (void)result;
    return message;
}

void PQclear(void *result)
{
    if (result)
        atomic_fetch_sub(&results, 1);
}

int PQsocket(const void *pointer)
{
    const struct connection *connection = pointer;

    return connection->lost ? -1 : connection->answers[0];
}

char *PQerrorMessage(const void *pointer)
{
    static char message[] = "server closed the connection unexpectedly\n\t?\n";
    static char nothing[] = "";

    return ((const struct connection *)pointer)->lost ? message : nothing;
}

notice_receiver *PQsetNoticeReceiver(void *pointer, notice_receiver *receiver,
                                     void *context)
{
    struct connection *connection = pointer;
    notice_receiver *before = connection->on_notice;

    if (context)
        abort();
    connection->on_notice = receiver;
    return before;
}

static void connect_to(struct connection *connection, char automatic)
{
    *connection = (struct connection){.left = -1, .automatic = automatic};
    if (pipe(connection->answers))
        abort();
}

static void close_it(struct connection *connection)
{
    close(connection->answers[0]);
    close(connection->answers[1]);
}

/* -- what is tested -------------------------------------------------------- */

static const char *const values[] = {"7", "0.5"};
static struct cs_heartbeat_options options = {
    .period_ns = 5 * MS, .hold_ns = 3000 * MS, .patience_ns = 30000 * MS,
    .silence_ns = 30000 * MS,
};
static _Atomic int64_t valid_until;
static atomic_int valid_times;

static void on_valid(void *context, struct cs_mono until)
{
    if (context != &options)
        abort();
    atomic_store(&valid_until, until.ns);
    atomic_fetch_add(&valid_times, 1);
}

static struct cs_heartbeat *make(const struct cs_heartbeat_options *with)
{
    struct cs_heartbeat_options used = *with;
    struct cs_heartbeat *heartbeat;

    used.valid = on_valid;
    used.context = &options;
    if (cs_heartbeat_new(&used, &heartbeat, NULL) != CS_OK)
        abort();
    atomic_store(&valid_until, 0);
    atomic_store(&valid_times, 0);
    return heartbeat;
}

static enum cs_status start(struct cs_heartbeat *heartbeat,
                            struct connection *connection)
{
    return cs_heartbeat_start(heartbeat, NULL, connection, "beat", values, 2,
                              NULL);
}

static struct cs_heartbeat *started(const struct cs_heartbeat_options *with,
                                    struct connection *connection,
                                    char automatic)
{
    struct cs_heartbeat *heartbeat = make(with);

    connect_to(connection, automatic);
    CHECK_INT(start(heartbeat, connection), CS_OK);
    return heartbeat;
}

static void end(struct cs_heartbeat *heartbeat, struct connection *connection)
{
    cs_heartbeat_free(heartbeat);
    close_it(connection);
    CHECK_INT(atomic_load(&results), 0);
}

/* The text of the next answer, or of what went wrong. */
static const char *taken(struct cs_heartbeat *heartbeat, int timeout_ms)
{
    static char text[256];
    struct cs_heartbeat_answer got;
    struct cs_error error;
    enum cs_status status = cs_heartbeat_take(heartbeat, timeout_ms, &got,
                                              &error);

    if (status == CS_NONE)
        return "none";
    if (status != CS_OK) {
        snprintf(text, sizeof(text), "broken: %s", error.text);
        return text;
    }
    snprintf(text, sizeof(text), "%s", got.text ? got.text : "null");
    CHECK(got.ended.ns >= got.began.ns);
    CHECK(got.sent.ns > CS_NS_PER_S);
    cs_mem_free(got.text);
    return text;
}

static void await_sent(struct connection *connection, int count)
{
    for (int i = 0; atomic_load(&connection->sent) < count && i < 4000; i++)
        usleep(5000);
    CHECK(atomic_load(&connection->sent) >= count);
}

static void test_it_beats_and_says_that_all_is_good(void)
{
    struct cs_mono now = cs_clock_system.mono(NULL);
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'g');

    for (int i = 0; i < 20; i++)
        CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    CHECK(atomic_load(&valid_times) >= 20);
    CHECK(atomic_load(&valid_until) >= now.ns + options.hold_ns
                                          + 19 * options.period_ns);
    CHECK_TEXT(connection.last, "7;0.5;");
    CHECK_INT(start(heartbeat, &connection), CS_STATE);
    end(heartbeat, &connection);
}

static void test_it_is_good_from_when_it_was_sent(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 0);
    struct cs_mono sent;

    await_sent(&connection, 1);
    sent = cs_clock_system.mono(NULL);
    usleep(50000);
    answer(&connection, 'g');
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    CHECK(atomic_load(&valid_until) <= sent.ns + options.hold_ns);
    end(heartbeat, &connection);
}

static void test_a_new_connection_has_nothing_of_the_last(void)
{
    struct connection connection, other;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'd');
    int64_t deadline = cs_gate_deadline(LONG_MS / 2);

    CHECK_TEXT(taken(heartbeat, LONG_MS), "dead");
    cs_heartbeat_stop(heartbeat);
    connect_to(&other, 'g');
    CHECK_INT(start(heartbeat, &other), CS_OK);
    await_sent(&other, 3);   /* whose answers nobody takes */
    cs_heartbeat_stop(heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "none");   /* at once */
    CHECK(cs_gate_deadline(0) < deadline);
    close_it(&connection);
    end(heartbeat, &other);
}

static void test_the_next_beat_is_not_waited_for_to_end(void)
{
    struct cs_heartbeat_options slow = options;
    struct connection connection;
    struct cs_heartbeat *heartbeat;
    int64_t deadline = cs_gate_deadline(LONG_MS);

    slow.period_ns = 2 * LONG_MS * MS;
    heartbeat = started(&slow, &connection, 'g');
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
    CHECK(cs_gate_deadline(0) < deadline);
}

static void test_a_notice_goes_nowhere(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'g');

    CHECK(connection.on_notice != NULL);
    connection.on_notice(NULL, NULL);
    end(heartbeat, &connection);
}

static void test_other_values_are_sent_from_then_on(void)
{
    const char *const others[] = {"8", ""};
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 0);

    await_sent(&connection, 1);
    CHECK_INT(cs_heartbeat_values(heartbeat, others, 1), CS_RANGE);
    CHECK_INT(cs_heartbeat_values(heartbeat, others, 2), CS_OK);
    answer(&connection, 'g');
    await_sent(&connection, 2);
    CHECK_TEXT(connection.last, "8;;");
    cs_heartbeat_stop(heartbeat);
    CHECK_INT(cs_heartbeat_values(heartbeat, others, 2), CS_STATE);
    end(heartbeat, &connection);
}

/* Until the server says otherwise. */
static void test_what_is_not_good_is_not_said_to_be(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'n');

    for (int i = 0; i < 3; i++)
        CHECK_TEXT(taken(heartbeat, LONG_MS), "not now");
    CHECK_INT(atomic_load(&valid_times), 0);
    end(heartbeat, &connection);
}

static void test_who_is_dead_beats_no_more(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'd');

    CHECK_TEXT(taken(heartbeat, LONG_MS), "dead");
    CHECK_TEXT(taken(heartbeat, 60), "none");
    CHECK_INT(atomic_load(&connection.sent), 1);
    CHECK_INT(atomic_load(&valid_times), 0);
    end(heartbeat, &connection);
}

static void test_an_answer_may_be_null_or_come_with_another(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, '0');

    CHECK_TEXT(taken(heartbeat, LONG_MS), "null");
    end(heartbeat, &connection);
    heartbeat = started(&options, &connection, 'm');
    CHECK_TEXT(taken(heartbeat, LONG_MS), "and another");
    CHECK_TEXT(taken(heartbeat, LONG_MS), "and another");
    end(heartbeat, &connection);
}

/* A broken one says so as often as it is asked, until another is there. */
static void check_broken(char letter, const char *text)
{
    struct connection connection, other;
    struct cs_heartbeat *heartbeat = started(&options, &connection, letter);

    CHECK_TEXT(taken(heartbeat, LONG_MS), text);
    CHECK_TEXT(taken(heartbeat, LONG_MS), text);
    CHECK_INT(atomic_load(&valid_times), 0);
    cs_heartbeat_stop(heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "none");
    connect_to(&other, 'g');
    CHECK_INT(start(heartbeat, &other), CS_OK);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    close_it(&connection);
    end(heartbeat, &other);
}

static void test_what_is_no_answer_breaks_the_connection(void)
{
    check_broken('e', "broken: ERROR:  it is wrong");
    check_broken('r', "broken: the answer is not one row");
    check_broken('c', "broken: the answer is not one row");
    check_broken('!', "broken: server closed the connection unexpectedly");
    check_broken('.', "broken: the connection is lost");
}

static void test_what_cannot_be_sent_breaks_the_connection(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'g');

    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    atomic_store(&connection.send_fails, true);
    while (strcmp(taken(heartbeat, LONG_MS), "good") == 0)
        ;
    CHECK_TEXT(taken(heartbeat, LONG_MS), "broken: the connection is lost");
    end(heartbeat, &connection);

    heartbeat = make(&options);
    connect_to(&connection, 'g');
    atomic_store(&connection.unsent, -1);
    CHECK_INT(start(heartbeat, &connection), CS_OK);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "broken: the connection is lost");
    end(heartbeat, &connection);
}

static void test_what_is_sent_in_pieces_arrives(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = make(&options);

    connect_to(&connection, 'g');
    atomic_store(&connection.unsent, 3);
    CHECK_INT(start(heartbeat, &connection), CS_OK);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
}

static void test_what_tls_has_read_already_is_not_waited_for(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'h');

    for (int i = 0; i < 3; i++)
        CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
}

static void test_a_server_that_does_not_answer_is_given_up(void)
{
    struct cs_heartbeat_options hasty = options;
    struct connection connection;
    struct cs_heartbeat *heartbeat;

    hasty.patience_ns = 20 * MS;
    heartbeat = started(&hasty, &connection, 0);
    CHECK_TEXT(taken(heartbeat, 5), "none");
    CHECK_TEXT(taken(heartbeat, LONG_MS),
               "broken: the server does not answer");
    end(heartbeat, &connection);
}

/* A statement is under way meanwhile, and its answer is not lost. */
static void test_it_goes_on_where_it_was_paused(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 0);

    await_sent(&connection, 1);
    cs_heartbeat_pause(heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "none");   /* at once */
    answer(&connection, 'g');
    usleep(30000);
    CHECK_INT(atomic_load(&connection.sent), 1);
    cs_heartbeat_pause(heartbeat);
    cs_heartbeat_resume(heartbeat);
    cs_heartbeat_resume(heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    await_sent(&connection, 2);
    end(heartbeat, &connection);

    heartbeat = make(&options);
    cs_heartbeat_pause(heartbeat);
    connect_to(&connection, 'g');
    CHECK_INT(start(heartbeat, &connection), CS_OK);
    usleep(20000);
    CHECK_INT(atomic_load(&connection.sent), 0);
    cs_heartbeat_resume(heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
}

enum cs_status __real_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error);
enum cs_status __wrap_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error);
static bool threads_are_refused;

/* The linker puts this in its place: as at the limit of processes. */
enum cs_status __wrap_cs_thread_start(struct cs_thread *thread,
                                      void (*body)(void *context),
                                      void *context, struct cs_error *error)
{
    if (threads_are_refused)
        return cs_error_system(error, EAGAIN, "no thread can be started");
    return __real_cs_thread_start(thread, body, context, error);
}

static void test_a_thread_that_is_refused_is_told_of(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = make(&options);
    const char *told;

    connect_to(&connection, 'g');
    threads_are_refused = true;
    CHECK_INT(start(heartbeat, &connection), CS_SYSTEM);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "none");
    threads_are_refused = false;
    CHECK_INT(start(heartbeat, &connection), CS_OK);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    cs_heartbeat_pause(heartbeat);
    threads_are_refused = true;
    cs_heartbeat_resume(heartbeat);
    threads_are_refused = false;
    do   /* what came before the pause is taken first */
        told = taken(heartbeat, LONG_MS);
    while (strcmp(told, "good") == 0);
    CHECK(strstr(told, "broken: no thread can be started"));
    end(heartbeat, &connection);
}

static void *pause_soon(void *heartbeat)
{
    usleep(20000);
    cs_heartbeat_pause(heartbeat);
    return NULL;
}

static void test_who_waits_is_not_waited_for(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 0);
    pthread_t thread;

    pthread_create(&thread, NULL, pause_soon, heartbeat);
    CHECK_TEXT(taken(heartbeat, LONG_MS * 10), "none");
    pthread_join(thread, NULL);
    end(heartbeat, &connection);
}

/* Nobody has come for so long that Python must hang. */
static void test_who_hangs_does_not_live(void)
{
    struct cs_heartbeat_options hasty = options;
    struct connection connection;
    struct cs_heartbeat *heartbeat;
    int sent;

    hasty.silence_ns = 50 * MS;
    heartbeat = started(&hasty, &connection, 'g');
    await_sent(&connection, 2);
    usleep(200000);
    sent = atomic_load(&connection.sent);
    usleep(200000);
    CHECK_INT(atomic_load(&connection.sent), sent);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");   /* the last one */
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");   /* it beats again */
    CHECK(atomic_load(&connection.sent) > sent);
    end(heartbeat, &connection);
}

static void test_only_the_newest_is_taken(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 0);

    await_sent(&connection, 1);
    answer(&connection, 'n');
    await_sent(&connection, 2);
    answer(&connection, 'g');
    await_sent(&connection, 3);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    CHECK_TEXT(taken(heartbeat, 0), "none");
    end(heartbeat, &connection);
}

static void test_a_child_has_none_of_it(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = started(&options, &connection, 'g');
    int status;
    pid_t pid;

    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    pid = fork();
    if (pid == 0) {
        struct cs_heartbeat_answer got;
        bool alone = start(heartbeat, &connection) == CS_STATE
                     && cs_heartbeat_values(heartbeat, values, 2) == CS_STATE
                     && cs_heartbeat_take(heartbeat, LONG_MS, &got, NULL)
                            == CS_NONE;

        cs_heartbeat_pause(heartbeat);
        cs_heartbeat_resume(heartbeat);
        cs_heartbeat_stop(heartbeat);
        cs_heartbeat_free(heartbeat);
        _exit(alone ? 0 : 1);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
}

static void test_what_is_no_libpq_is_refused(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = make(&options);
    struct cs_error error;

    connect_to(&connection, 'g');
    CHECK_INT(cs_heartbeat_start(heartbeat, "/nowhere/libpq.so.5", &connection,
                                 "beat", values, 2, &error), CS_UNKNOWN);
    CHECK_TEXT(error.text, "libpq is not found");
    CHECK_INT(cs_heartbeat_start(heartbeat, "libc.so.6", &connection, "beat",
                                 values, 2, &error), CS_UNKNOWN);
    CHECK_INT(start(heartbeat, &connection), CS_OK);
    CHECK_TEXT(taken(heartbeat, LONG_MS), "good");
    end(heartbeat, &connection);
    cs_heartbeat_free(NULL);
}

/* Each allocation fails in turn; those of the thread, too. */
static void test_a_lack_of_memory_breaks_nothing(void)
{
    struct connection connection;
    struct cs_heartbeat *heartbeat = NULL;
    enum cs_status status = CS_NOMEM;

    connect_to(&connection, 0);
    cs_mem_fail_after(0);
    CHECK_INT(cs_heartbeat_new(&options, &heartbeat, NULL), CS_NOMEM);
    CHECK(!heartbeat);
    cs_mem_fail_after(-1);
    heartbeat = make(&options);
    for (long count = 0; status == CS_NOMEM; count++) {
        cs_mem_fail_after(count);
        status = start(heartbeat, &connection);
        cs_mem_fail_after(-1);
        CHECK(count < 20);
    }
    CHECK_INT(status, CS_OK);
    await_sent(&connection, 1);
    cs_mem_fail_after(1);
    CHECK_INT(cs_heartbeat_values(heartbeat, values, 2), CS_NOMEM);
    cs_mem_fail_after(1);
    answer(&connection, 'g');
    CHECK_TEXT(taken(heartbeat, LONG_MS), "broken: out of memory");
    cs_mem_fail_after(-1);
    end(heartbeat, &connection);
}

int main(void)
{
    alarm(240);
    test_it_beats_and_says_that_all_is_good();
    test_it_is_good_from_when_it_was_sent();
    test_a_new_connection_has_nothing_of_the_last();
    test_the_next_beat_is_not_waited_for_to_end();
    test_a_notice_goes_nowhere();
    test_other_values_are_sent_from_then_on();
    test_what_is_not_good_is_not_said_to_be();
    test_who_is_dead_beats_no_more();
    test_an_answer_may_be_null_or_come_with_another();
    test_what_is_no_answer_breaks_the_connection();
    test_what_cannot_be_sent_breaks_the_connection();
    test_what_is_sent_in_pieces_arrives();
    test_what_tls_has_read_already_is_not_waited_for();
    test_a_server_that_does_not_answer_is_given_up();
    test_it_goes_on_where_it_was_paused();
    test_a_thread_that_is_refused_is_told_of();
    test_who_waits_is_not_waited_for();
    test_who_hangs_does_not_live();
    test_only_the_newest_is_taken();
    test_a_child_has_none_of_it();
    test_what_is_no_libpq_is_refused();
    test_a_lack_of_memory_breaks_nothing();
    return check_done();
}
