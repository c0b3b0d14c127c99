/* What several machines share: fired while the lease is ours, it was granted,
 * and what was granted is good; whatever keeps others from saying so.
 */
#include "core/sched/sched.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "server.h"

#define S CS_NS_PER_S
#define MS CS_NS_PER_MS
#define MANUAL_S INT64_C(1767571200)   /* 2026-01-05T00:00:00Z */
#define FOREVER ((struct cs_mono){INT64_MAX})

static struct cs_zone *utc;
static struct server server;
static const struct cs_result ok = {
    .status = 200, .retry_after_s = -1, .outcome = "", .detail = "",
};

static struct cs_sched *make(bool manual)
{
    struct cs_sched_options options = {
        .manual = manual, .manual_wall = {MANUAL_S * S},
    };
    struct cs_sched *sched;
    size_t granter;

    if (cs_sched_new(&options, &sched, NULL) != CS_OK
        || cs_sched_granter(sched, &granter) != CS_OK || granter != 0)
        abort();
    return sched;
}

static uint64_t open_app(struct cs_sched *sched, const char *id)
{
    static const uint8_t key[CS_KEY_SIZE] = "secret";
    uint64_t app = 0;

    CHECK_INT(cs_sched_open(sched, id, key, &app, NULL), CS_OK);
    return app;
}

/* An application id with a call each second or minute. */
static uint64_t open_called(struct cs_sched *sched, const char *id,
                            const char *text, bool shared)
{
    uint64_t job, call, app = open_app(sched, id);
    struct cs_policy policy;
    struct cs_call_spec spec = {
        .app = app, .url = server_url(&server, "/status/200"), .due = {-1},
    };
    struct cs_expr expr;

    cs_policy_default(&policy);
    if (cs_expr_parse(text, strlen(text), NULL, 0, &expr, NULL) != CS_OK
        || cs_sched_define(sched, "job", &expr, utc, &policy, &job, NULL)
           != CS_OK)
        abort();
    spec.job = job;
    if (shared)
        CHECK_INT(cs_sched_share(sched, app), CS_OK);
    CHECK_INT(cs_sched_add(sched, &spec, &call, NULL), CS_OK);
    return app;
}

/* Minutes since the start of the run that is sent now; -1 for none. */
static int64_t sent(struct cs_sched *sched)
{
    struct cs_delivery_out out;
    int64_t scheduled_s;

    if (cs_sched_take(sched, &out) != CS_OK)
        return -1;
    scheduled_s = out.attempt.scheduled_s;
    CHECK_INT(cs_sched_complete(sched, out.attempt.run, &ok), CS_OK);
    cs_sched_delivery_fini(&out);
    return (scheduled_s - MANUAL_S) / 60;
}

static void pass(struct cs_sched *sched, int64_t minutes)
{
    CHECK_INT(cs_sched_advance(sched, minutes * 60 * S, 0), CS_OK);
}

static size_t owned(struct cs_sched *sched)
{
    struct cs_sched_stats stats;

    cs_sched_stats(sched, &stats);
    return stats.agenda.owned;
}

static void test_it_is_fired_only_when_granted_and_valid(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", true);

    cs_sched_valid(sched, 0, FOREVER);
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);   /* nobody granted it */
    CHECK_INT(owned(sched), 0);
    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    CHECK_INT(owned(sched), 1);
    pass(sched, 1);
    CHECK_INT(sent(sched), 2);
    cs_sched_valid(sched, 0, (struct cs_mono){0});
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);
    CHECK_INT(owned(sched), 1);   /* held, not disowned */
    CHECK_INT(cs_sched_idle_ns(sched), INT64_MAX);
    CHECK_INT(cs_sched_revoke(sched, app), CS_OK);
    cs_sched_valid(sched, 0, FOREVER);
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);
    CHECK_INT(owned(sched), 0);
    cs_sched_free(sched);
}

static void test_it_waits_for_all_who_grant(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", true);
    size_t other;

    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    cs_sched_valid(sched, 0, FOREVER);
    CHECK_INT(cs_sched_granter(sched, &other), CS_OK);
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);   /* it has not said a word yet */
    cs_sched_valid(sched, other, FOREVER);
    pass(sched, 1);
    CHECK_INT(sent(sched), 2);
    cs_sched_valid(sched, other, (struct cs_mono){1});
    cs_sched_valid(sched, other + 1, FOREVER);   /* nobody */
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);
    cs_sched_free(sched);
}

static void test_what_came_due_while_it_was_held_follows(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", true);
    struct cs_mono now = cs_sched_now(sched);

    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    cs_sched_valid(sched, 0, (struct cs_mono){now.ns + 90 * S});
    pass(sched, 1);
    CHECK_INT(sent(sched), 1);
    pass(sched, 3);
    CHECK_INT(sent(sched), -1);
    cs_sched_valid(sched, 0, FOREVER);
    CHECK_INT(cs_sched_idle_ns(sched), 0);
    pass(sched, 0);
    CHECK_INT(sent(sched), 4);   /* the latest of the late ones */
    CHECK_INT(sent(sched), -1);
    cs_sched_free(sched);
}

/* It was due while another had the office: that is the catch-up's. */
static void test_another_epoch_is_another_office(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", true);
    struct cs_ownership first, second;

    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    CHECK_INT(cs_sched_changes(sched, 0, &first, 1), 1);
    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    CHECK_INT(cs_sched_changes(sched, first.number, &second, 1), 0);
    pass(sched, 3);
    CHECK_INT(cs_sched_grant(sched, app, 3), CS_OK);
    CHECK_INT(cs_sched_changes(sched, first.number, &second, 1), 1);
    CHECK(second.owned && second.since.ns == (MANUAL_S + 180) * S);
    cs_sched_valid(sched, 0, FOREVER);
    CHECK_INT(sent(sched), -1);
    pass(sched, 1);
    CHECK_INT(sent(sched), 4);
    cs_sched_free(sched);
}

static void test_the_epoch_is_signed(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", true);
    struct cs_delivery_out out;
    bool found = false;
    int i;

    CHECK_INT(cs_sched_grant(sched, app, 7), CS_OK);
    cs_sched_valid(sched, 0, FOREVER);
    pass(sched, 1);
    CHECK_INT(cs_sched_take(sched, &out), CS_OK);
    for (i = 0; out.headers[i]; i++) {
        size_t size = strlen(out.headers[i]);

        if (!strncmp(out.headers[i], "webhook-id", 10))
            CHECK_TEXT(out.headers[i] + size - 4, "_1_7");
        found = found || !strcmp(out.headers[i], "Cronsched-Epoch: 7");
    }
    CHECK(found);
    cs_sched_delivery_fini(&out);
    cs_sched_free(sched);
}

static void test_who_shares_nothing_is_not_held(void)
{
    struct cs_sched *sched = make(true);
    uint64_t shared = open_called(sched, "b", "* * * * *", true);

    (void)open_called(sched, "a", "* * * * *", false);
    pass(sched, 1);
    CHECK_INT(sent(sched), 1);   /* what is shared is not ours */
    CHECK_INT(cs_sched_grant(sched, shared, 1), CS_OK);
    pass(sched, 1);
    CHECK_INT(sent(sched), -1);
    cs_sched_free(sched);
}

static void test_what_is_wrong_is_refused(void)
{
    struct cs_sched *sched = make(true);
    uint64_t app = open_called(sched, "a", "* * * * *", false);

    CHECK_INT(cs_sched_share(sched, app), CS_STATE);
    CHECK_INT(cs_sched_grant(sched, app, 1), CS_STATE);
    CHECK_INT(cs_sched_share(sched, app + 1), CS_UNKNOWN);
    CHECK_INT(cs_sched_grant(sched, app + 1, 1), CS_UNKNOWN);
    CHECK_INT(cs_sched_revoke(sched, app + 1), CS_UNKNOWN);
    CHECK_INT(cs_sched_revoke(sched, app), CS_OK);
    CHECK_INT(owned(sched), 1);
    cs_sched_free(sched);
}

static void test_leases_are_listed_and_their_changes_counted(void)
{
    struct cs_sched *sched = make(true);
    uint64_t apps[2], number, later, app;
    size_t cursor = 0;

    (void)open_called(sched, "a", "* * * * *", false);
    app = open_called(sched, "b", "* * * * *", true);
    CHECK_INT(cs_sched_leased(sched, &cursor, apps, 2, &number), 1);
    CHECK(apps[0] == app);
    CHECK_INT(cs_sched_leased(sched, &cursor, apps, 2, &later), 0);
    CHECK(number > 0 && later == number);
    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    CHECK_INT(cs_sched_leased(sched, &cursor, apps, 0, &later), 0);
    CHECK(later == number);
    cs_sched_free(sched);
}

/* -- with its thread ------------------------------------------------------ */

static void await_requests(int count)
{
    int tries;

    for (tries = 0; server.log->count < count && tries < 1000; tries++)
        usleep(10000);
    CHECK(server.log->count >= count);
}

/* Nobody says anything for seconds, as when Python stands still. */
static void test_the_thread_stops_by_itself(void)
{
    struct cs_sched *sched = make(false);
    uint64_t app = open_called(sched, "a", "* * * * * *", true);
    int64_t until;
    int i, seen;

    CHECK_INT(cs_sched_start(sched, NULL), CS_OK);
    CHECK_INT(cs_sched_grant(sched, app, 1), CS_OK);
    seen = server.log->count;
    usleep(1200000);
    CHECK_INT(server.log->count, seen);   /* it was never valid */
    until = cs_sched_now(sched).ns + 3 * S;
    cs_sched_valid(sched, 0, (struct cs_mono){until});
    await_requests(seen + 2);
    while (cs_sched_now(sched).ns < until)
        usleep(10000);
    usleep(100000);   /* for what was under way at the last moment */
    seen = server.log->count;
    usleep(2100000);
    CHECK_INT(server.log->count, seen);
    cs_sched_valid(sched, 0, FOREVER);
    await_requests(seen + 1);   /* it was late, and is not waited for */
    for (i = 0; i < seen; i++)
        CHECK(strstr(server.log->requests[i].head, "Cronsched-Epoch: 1"));
    cs_sched_free(sched);
}

struct ask { struct cs_sched *sched; uint64_t app; };

static void *grant_and_revoke(void *context)
{
    struct ask *ask = context;
    uint64_t apps[4], number;
    uint64_t epoch;

    for (epoch = 1; epoch < 300; epoch++) {
        size_t cursor = 0;

        (void)cs_sched_grant(ask->sched, ask->app, epoch);
        cs_sched_valid(ask->sched, 0, cs_sched_now(ask->sched));
        (void)cs_sched_leased(ask->sched, &cursor, apps, 4, &number);
        if (epoch % 3 == 0)
            (void)cs_sched_revoke(ask->sched, ask->app);
        cs_sched_valid(ask->sched, 0, FOREVER);
    }
    return NULL;
}

static void test_any_thread_may_grant(void)
{
    struct ask ask = {.sched = make(false)};
    pthread_t threads[3];
    int i;

    ask.app = open_called(ask.sched, "a", "* * * * * *", true);
    CHECK_INT(cs_sched_start(ask.sched, NULL), CS_OK);
    for (i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, grant_and_revoke, &ask);
    for (i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(owned(ask.sched) <= 1);
    cs_sched_free(ask.sched);
}

int main(void)
{
    alarm(120);
    server_start(&server, NULL);
    if (cs_zone_fixed(0, &utc, NULL) != CS_OK)
        return 1;
    test_it_is_fired_only_when_granted_and_valid();
    test_it_waits_for_all_who_grant();
    test_what_came_due_while_it_was_held_follows();
    test_another_epoch_is_another_office();
    test_the_epoch_is_signed();
    test_who_shares_nothing_is_not_held();
    test_what_is_wrong_is_refused();
    test_leases_are_listed_and_their_changes_counted();
    test_the_thread_stops_by_itself();
    test_any_thread_may_grant();
    server_stop(&server);
    cs_zone_unref(utc);
    return check_done();
}
