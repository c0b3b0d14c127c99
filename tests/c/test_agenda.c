/* The rules of the agenda, as rows: tests/data/agenda.tsv says what happens
 * and what must come of it. Then the numbers: a year, a million, the limits.
 */
#include "core/sched/agenda.h"

#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "core/base/mem.h"

#define ROWS "tests/data/agenda.tsv"
#define EPOCH_S INT64_C(1767571200)   /* 2026-01-05T00:00:00Z, a Monday */
#define FLIGHTS 64
#define S CS_NS_PER_S

static struct cs_zone *utc;

/* What a test sees of an agenda: one call, a clock, what flies, a log. */
struct play {
    struct cs_agenda *agenda;
    struct cs_wall wall;
    struct cs_mono mono;
    uint64_t app, job, call;
    void *flights[FLIGHTS];
    size_t in_flight;
    size_t count[CS_EVENT_FAULT + 1];
    size_t used;
    char log[4096];
    char detail[256];   /* of the last event that had one */
    uint8_t *fates;     /* how often each minute was told of, or NULL */
};

static void note(struct play *play, const char *text)
{
    size_t size = strlen(text);

    if (play->used + size + 2 > sizeof(play->log))
        return;
    if (play->used)
        play->log[play->used++] = ' ';
    memcpy(play->log + play->used, text, size + 1);
    play->used += size;
}

/* Each scheduled minute has one fate: it ended, was skipped or missed. */
static void note_fate(struct play *play, const struct cs_event *event)
{
    int64_t at_s;

    if (event->kind != CS_EVENT_SKIPPED && event->kind != CS_EVENT_MISSED
        && event->kind != CS_EVENT_ENDED)
        return;
    for (at_s = event->scheduled_s; at_s <= event->until_s; at_s += 60)
        play->fates[(at_s - EPOCH_S) / 60]++;
}

static void hear(void *context, struct cs_event *event)
{
    struct play *play = context;
    long long at = event->scheduled_s - EPOCH_S;
    char text[96] = "";

    play->count[event->kind]++;
    if (play->fates)
        note_fate(play, event);
    if (event->detail)
        snprintf(play->detail, sizeof(play->detail), "%s", event->detail);
    switch (event->kind) {
    case CS_EVENT_OWNED:
    case CS_EVENT_DISOWNED:
        strcpy(text, event->kind == CS_EVENT_OWNED ? "own" : "disown");
        break;
    case CS_EVENT_STARTED:
        snprintf(text, sizeof(text), ">%lld#%d", at, (int)event->attempt);
        break;
    case CS_EVENT_RETRY:
    case CS_EVENT_ENDED:
        snprintf(text, sizeof(text), "%c%lld:%s%s",
                 event->kind == CS_EVENT_RETRY ? '?' : '=', at,
                 cs_outcome_name(event->outcome),
                 event->retry_at.ns ? "+" : "");
        break;
    case CS_EVENT_SKIPPED:
        CHECK_INT(event->outcome, CS_OUTCOME_SKIPPED_OVERLAP);
        snprintf(text, sizeof(text), "-%lld", at);
        break;
    case CS_EVENT_MISSED:
        CHECK_INT(event->outcome, CS_OUTCOME_MISSED);
        CHECK(event->until_s * S <= play->wall.ns);   /* it was due */
        snprintf(text, sizeof(text), "x%lld..%lld*%lld", at,
                 (long long)(event->until_s - EPOCH_S),
                 (long long)event->count);
        break;
    case CS_EVENT_HELD:
        snprintf(text, sizeof(text), "|%lld", at);
        break;
    case CS_EVENT_CLOCK:
    case CS_EVENT_FAULT:
        break;
    }
    note(play, text);
    cs_event_fini(event);
}

static struct cs_expr parse(const char *text)
{
    struct cs_expr expr;
    struct cs_error error;

    if (!CHECK_INT(cs_expr_parse(text, strlen(text), NULL, 0, &expr, &error),
                   CS_OK)) {
        fprintf(stderr, "%s: %s\n", text, error.text);
        exit(1);
    }
    return expr;
}

/* Take all that may be sent. What was due before it may go is a fault. */
static void take_all(struct play *play)
{
    struct cs_attempt attempt;

    while (cs_agenda_take(play->agenda, play->wall, play->mono, &attempt)
           == CS_OK) {
        CHECK(attempt.due.ns <= play->wall.ns);
        if (play->in_flight < FLIGHTS)
            play->flights[play->in_flight++] = attempt.run;
    }
}

static void turn(struct play *play)
{
    while (cs_agenda_collect(play->agenda, play->wall, play->mono, 1000))
        ;
    take_all(play);
}

static void pass(struct play *play, int64_t ns)
{
    play->wall.ns += ns;
    play->mono.ns += ns;
    turn(play);
}

static void finish(struct play *play, const struct cs_result *result)
{
    void *run = play->flights[0];

    if (!CHECK(play->in_flight > 0))
        return;
    play->in_flight--;
    memmove(play->flights, play->flights + 1,
            play->in_flight * sizeof(play->flights[0]));
    cs_agenda_finish(play->agenda, run, result, play->wall, play->mono);
    turn(play);
}

static void answer(struct play *play, int status)
{
    struct cs_result result = {
        .delivery = CS_ANSWERED, .status = status, .retry_after_s = -1,
        .outcome = status == 200 ? "ok" : "", .detail = "",
    };

    finish(play, &result);
}

static void play_init(struct play *play, const struct cs_limits *limits)
{
    memset(play, 0, sizeof(*play));
    play->wall.ns = (EPOCH_S + 1) * S;
    play->mono.ns = 77 * S;
    CHECK_INT(cs_agenda_new(limits, hear, play, &play->agenda), CS_OK);
}

static void define(struct play *play, const char *text,
                   const struct cs_policy *policy)
{
    struct cs_expr expr = parse(text);

    CHECK_INT(cs_agenda_define(play->agenda, "job", &expr, utc, policy,
                               &play->job, NULL), CS_OK);
}

static uint64_t add(struct play *play, int32_t offset_ms, int64_t due_ns)
{
    struct cs_call_spec spec = {
        .app = play->app, .job = play->job, .url = "http://localhost/x",
        .offset_ms = offset_ms, .due = {due_ns},
    };

    CHECK_INT(cs_agenda_add(play->agenda, &spec, play->wall, &play->call,
                            NULL), CS_OK);
    return play->call;
}

/* One call of an application id that is ours. */
static void play_by(struct play *play, const char *text,
                    const struct cs_policy *policy)
{
    struct cs_limits limits = {32, 4};

    play_init(play, &limits);
    cs_agenda_open(play->agenda, "app", NULL, &play->app, NULL);
    define(play, text, policy);
    (void)add(play, 0, -1);
    cs_agenda_own(play->agenda, play->app, false, play->wall);
}

/* The same, under the usual rules. */
static void play_one(struct play *play, const char *text)
{
    struct cs_policy policy;

    cs_policy_default(&policy);
    play_by(play, text, &policy);
}

/* -- rows ----------------------------------------------------------------- */

struct options {
    struct cs_policy policy;
    int32_t offset_ms;
    int64_t due_ns;
};

static struct options read_options(char *text)
{
    struct options options = {.due_ns = -1};
    char *word, *rest = NULL;

    cs_policy_default(&options.policy);
    options.policy.claims = false;
    for (word = strtok_r(text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        long value = strchr(word, '=') ? atol(strchr(word, '=') + 1) : 1;

        if (!strncmp(word, "offset", 6))
            options.offset_ms = (int32_t)value;
        else if (!strncmp(word, "first", 5))
            options.due_ns = (EPOCH_S + value) * S;
        else if (!strncmp(word, "once", 4))
            options.policy.once = true;
        else if (!strncmp(word, "claims", 6))
            options.policy.claims = true;
        else if (!strncmp(word, "retries", 7))
            options.policy.retries = (uint16_t)value;
        else if (!strncmp(word, "backoff", 7))
            options.policy.backoff_ms = (int32_t)value;
        else if (!strncmp(word, "catch_up", 8))
            options.policy.catch_up_s = (int32_t)value;
        else if (!strncmp(word, "coalesce", 8))
            options.policy.coalesce = value != 0;
        else if (!strcmp(word, "overlap=queue"))
            options.policy.overlap = CS_OVERLAP_QUEUE;
        else if (!strcmp(word, "overlap=allow"))
            options.policy.overlap = CS_OVERLAP_ALLOW;
        else
            CHECK_TEXT(word, "an option");
    }
    return options;
}

/* "12.345" seconds, to the nanosecond. */
static int64_t nanoseconds(const char *text)
{
    bool negative = *text == '-';
    int64_t whole = strtoll(text + negative, NULL, 10) * S, unit = S / 10;
    const char *point = strchr(text, '.');

    for (; point && *++point; unit /= 10)
        whole += (*point - '0') * unit;
    return negative ? -whole : whole;
}

static void set_clock(struct play *play, int64_t step_ns)
{
    play->wall.ns += step_ns;
    cs_agenda_step(play->agenda, step_ns, play->wall, play->mono);
    turn(play);
}

static void play_answer(struct play *play, const char *word)
{
    struct cs_result result = {
        .delivery = CS_ANSWERED, .status = 200, .retry_after_s = -1,
        .outcome = "", .detail = "why",
    };

    if (!strncmp(word, "ok-", 3))
        result.outcome = word + 3;
    else if (!strcmp(word, "broken"))
        result.delivery = CS_BROKEN;
    else if (!strcmp(word, "refused"))
        result.delivery = CS_NOT_CONNECTED;
    else if (!strcmp(word, "timeout"))
        result.delivery = CS_TIMED_OUT;
    else if (!strcmp(word, "unsendable"))
        result.delivery = CS_UNSENDABLE;
    else if (strcmp(word, "foreign") && strncmp(word, "waiting", 7)) {
        CHECK((result.status = atoi(word)) >= 200);
        result.outcome = result.status / 100 == 2 ? "ok" : "";
    }
    if (!strncmp(word, "waiting", 7)) {
        result.status = 503;
        result.outcome = "waiting";
    }
    if (result.delivery != CS_ANSWERED)
        result.status = 0;
    if (strchr(word, ':'))
        result.retry_after_s = atoi(strchr(word, ':') + 1);
    finish(play, &result);
}

/* "S", "S#A" or "S#A@T": attempt A of run S, at T. */
static void play_fire(struct play *play, const char *word)
{
    const char *attempt = strchr(word, '#'), *at = strchr(word, '@');
    struct cs_fire_spec spec = {
        .call = play->call, .scheduled_s = EPOCH_S + atol(word),
        .attempt = attempt ? atoi(attempt + 1) : 1,
        .at = {at ? (EPOCH_S + atol(at + 1)) * S : 0},
    };

    (void)cs_agenda_fire(play->agenda, &spec, play->wall, play->mono);
}

static void play_word(struct play *play, const char *word)
{
    if (!strcmp(word, "own") || !strcmp(word, "follow"))
        CHECK_INT(cs_agenda_own(play->agenda, play->app, *word == 'f',
                                play->wall), CS_OK);
    else if (!strcmp(word, "disown"))
        CHECK_INT(cs_agenda_disown(play->agenda, play->app, play->wall),
                  CS_OK);
    else if (!strcmp(word, "remove"))
        CHECK_INT(cs_agenda_remove(play->agenda, play->call, play->wall),
                  CS_OK);
    else if (!strcmp(word, "drop")) {
        cs_agenda_cut(play->agenda, play->wall, play->mono);
        play->in_flight = 0;
    } else if (!strncmp(word, "fire:", 5)) {
        play_fire(play, word + 5);
        turn(play);   /* the log shows whether it was fired */
    } else if (!strncmp(word, "skip:", 5)) {
        (void)cs_agenda_skip(play->agenda, play->call,
                             EPOCH_S + atol(word + 5), play->wall);
        turn(play);
    } else if (*word == '+')
        pass(play, nanoseconds(word + 1));
    else if (*word == '~')
        set_clock(play, nanoseconds(word + 1));
    else
        play_answer(play, word);
}

static void check_idle(struct play *play)
{
    struct cs_agenda_stats stats;

    cs_agenda_stats(play->agenda, &stats);
    CHECK_INT(stats.in_flight, play->in_flight);
    CHECK_INT(stats.skipped, play->count[CS_EVENT_SKIPPED]);
    CHECK_INT(stats.ended, play->count[CS_EVENT_ENDED]);
    CHECK_INT(stats.started, play->count[CS_EVENT_STARTED]);
}

static void play_row(char *columns[5])
{
    static const struct cs_limits limits = {32, 32};
    int failures = check_failures;
    struct options options = read_options(columns[2]);
    struct play play;
    char *word, *rest = NULL;

    play_init(&play, &limits);
    CHECK_INT(cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL),
              CS_OK);
    define(&play, columns[1], &options.policy);
    (void)add(&play, options.offset_ms, options.due_ns);
    for (word = strtok_r(columns[3], " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        play_word(&play, word);
    CHECK_TEXT(play.log, columns[4]);
    check_idle(&play);
    cs_agenda_free(play.agenda);
    if (check_failures > failures)
        fprintf(stderr, "    in the row: %s\n", columns[0]);
}

static void test_each_row_is_true(void)
{
    FILE *file = fopen(ROWS, "r");
    char line[4096], *columns[5], *at;
    int count = 0;

    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof(line), file)) {
        int i;

        line[strcspn(line, "\n")] = '\0';
        if (*line == '#' || !*line)
            continue;
        for (i = 0, at = line; i < 5; i++)
            columns[i] = at ? strsep(&at, "\t") : "";
        play_row(columns);
        count++;
    }
    fclose(file);
    CHECK(count > 80);
}

/* -- what is said --------------------------------------------------------- */

static void test_a_failure_says_why(void)
{
    struct cs_result result = {
        .delivery = CS_ANSWERED, .status = 500, .retry_after_s = -1,
        .outcome = "", .detail = "ZeroDivisionError",
    };
    struct play play;

    play_one(&play, "* * * * *");
    pass(&play, 59 * S);
    finish(&play, &result);
    CHECK_TEXT(play.detail, "ZeroDivisionError");
    pass(&play, 60 * S);
    answer(&play, 307);
    CHECK_TEXT(play.detail, "the redirect (307) was not followed: set the "
               "base URL to where it leads");
    play.detail[0] = '\0';
    result.status = 200;
    result.outcome = "ok";
    pass(&play, 60 * S);
    finish(&play, &result);
    CHECK_TEXT(play.detail, "");
    result.outcome = "";
    pass(&play, 60 * S);
    finish(&play, &result);
    CHECK_TEXT(play.detail, "something else answers at http://localhost: "
               "status 200 without Cronsched-Outcome; correct the base URL");
    result.outcome = "splendid";
    pass(&play, 60 * S);
    finish(&play, &result);
    CHECK_TEXT(play.detail, "'splendid' is not an outcome");
    cs_agenda_free(play.agenda);
}

/* -- chance --------------------------------------------------------------- */

#define MINUTES 20000

static uint32_t chance(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33) % below;
}

static struct cs_policy any_policy(uint64_t *state)
{
    static const int32_t catch_ups[] = {-1, 0, 90, 600};
    struct cs_policy policy;

    cs_policy_default(&policy);
    policy.claims = chance(state, 2);
    policy.coalesce = chance(state, 2);
    policy.retries = (uint16_t)chance(state, 3);
    policy.overlap = (uint8_t)chance(state, 3);
    policy.catch_up_s = catch_ups[chance(state, 4)];
    return policy;
}

static void answer_anything(struct play *play, uint64_t *state)
{
    static const int statuses[] = {200, 200, 200, 500, 503, 404};
    struct cs_result result = {
        .delivery = (enum cs_delivery)(chance(state, 4) ? 0
                                       : chance(state, 4)),
        .status = statuses[chance(state, 6)], .outcome = "", .detail = "",
        .retry_after_s = (int32_t)chance(state, 3) * 20 - 1,
    };

    if (result.status == 200)
        result.outcome = "ok";
    finish(play, &result);
}

/* Time passes by leaps and answers come when they like. */
static void play_by_chance(struct play *play, uint64_t *state)
{
    struct cs_agenda_stats stats;
    int i;

    for (i = 0; i < 200; i++) {
        pass(play, (int64_t)chance(state, 4) * chance(state, 60) * S
                   + chance(state, 1000000000));
        while (play->in_flight && chance(state, 3))
            answer_anything(play, state);
    }
    do {   /* until nothing is under way */
        while (play->in_flight)
            answer(play, 200);
        pass(play, S);
        turn(play);   /* what waited for one that has just been given up */
        cs_agenda_stats(play->agenda, &stats);
    } while (stats.waiting || stats.in_flight || stats.backing_off);
}

static void test_each_scheduled_time_has_one_fate(void)
{
    struct cs_limits limits = {FLIGHTS, 4};
    uint8_t *fates = calloc(MINUTES, 1);
    uint64_t state = 1;
    int round;

    for (round = 0; round < 400; round++) {
        struct cs_policy policy = any_policy(&state);
        struct play play;
        int32_t offset_ms;
        int i, last, wrong = 0;

        memset(fates, 0, MINUTES);
        play_init(&play, &limits);
        play.fates = fates;
        cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
        define(&play, "* * * * *", &policy);
        offset_ms = (int32_t)chance(&state, 30000);
        (void)add(&play, offset_ms, cs_wall_of(EPOCH_S + 60, offset_ms).ns);
        cs_agenda_own(play.agenda, play.app, false, play.wall);
        play_by_chance(&play, &state);
        last = (int)((play.wall.ns - EPOCH_S * S) / (60 * S)) - 1;
        for (i = 1; i < last; i++)
            wrong += fates[i] != 1;
        if (!CHECK_INT(wrong, 0))
            fprintf(stderr, "    in round %d\n", round);
        cs_agenda_free(play.agenda);
    }
    free(fates);
}

/* -- numbers -------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Hop from due time to due time and answer at once. */
static void hop_until(struct play *play, int64_t end_ns)
{
    struct cs_wall wall;
    struct cs_mono mono;

    for (;;) {
        cs_agenda_sleep(play->agenda, &wall, &mono);
        if (wall.ns > end_ns)
            return;
        pass(play, wall.ns - play->wall.ns);
        while (play->in_flight)
            answer(play, 200);
    }
}

static void test_it_plays_a_year_in_a_moment(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct play play;
    double start = now_s();

    play_init(&play, &limits);
    cs_policy_default(&policy);
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "*/5 * * * *", &policy);
    (void)add(&play, 1234, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    hop_until(&play, (EPOCH_S + 365 * 86400) * S);
    CHECK_INT(play.count[CS_EVENT_ENDED], 365 * 288);
    CHECK_INT(play.count[CS_EVENT_MISSED], 0);
    fprintf(stderr, "a year of */5: %.1f ms\n", (now_s() - start) * 1e3);
    cs_agenda_free(play.agenda);
}

/* After any step of the clock: at most one run of each call, at once. */
static void test_no_step_of_the_clock_makes_a_burst(void)
{
    static const int64_t steps_s[] = {
        1, 60, 3600, 10740, 10860, 86400, 10 * 365 * 86400 + 2 * 86400,
    };
    static const char *const expressions[] = {
        "* * * * * *", "* * * * *", "*/15 * * * *", "0 8 * * *", "0 0 1 * *",
    };
    struct cs_limits limits = {1000, 1000};
    struct cs_policy policy;
    size_t i, j;
    int sign, coalesce;

    for (i = 0; i < 7 * 2 * 2; i++) {
        struct play play;

        sign = i & 1 ? -1 : 1;
        coalesce = i & 2;
        play_init(&play, &limits);
        cs_policy_default(&policy);
        policy.coalesce = coalesce != 0;
        cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
        for (j = 0; j < 5; j++) {
            define(&play, expressions[j], &policy);
            (void)add(&play, (int32_t)j * 777, -1);
        }
        cs_agenda_own(play.agenda, play.app, false, play.wall);
        pass(&play, 30 * S);
        while (play.in_flight)
            answer(&play, 200);
        memset(play.count, 0, sizeof(play.count));
        set_clock(&play, sign * steps_s[i / 4] * S);
        CHECK(play.count[CS_EVENT_STARTED]
              <= (sign < 0 && steps_s[i / 4] < 30 ? 0 : 5));
        CHECK(play.count[CS_EVENT_MISSED] <= 5);
        cs_agenda_free(play.agenda);
    }
}

/* What is missed is never still to come, wherever the clock has been. */
static void test_a_clock_that_is_set_to_and_fro_misses_nothing_to_come(void)
{
    static const int64_t passes_s[] = {6296, 1682, 2171, 1748};
    static const int64_t steps_s[] = {3600, 3600, -10800, 3600};
    struct play play;
    size_t started;
    int i;

    play_one(&play, "*/10 * * * *");
    for (i = 0; i < 4; i++) {
        int64_t s;

        for (s = 0; s < passes_s[i]; s++) {
            pass(&play, S);
            while (play.in_flight)
                answer(&play, 200);
        }
        set_clock(&play, steps_s[i] * S);
        while (play.in_flight)
            answer(&play, 200);
    }
    started = play.count[CS_EVENT_STARTED];
    for (i = 0; i < 3000; i++) {
        pass(&play, S);
        while (play.in_flight)
            answer(&play, 200);
    }
    CHECK_INT(play.count[CS_EVENT_STARTED] - started, 5);
    cs_agenda_free(play.agenda);
}

/* The next run is not the one that failed, although it is still to come. */
static void test_a_clock_set_back_to_before_a_run_leaves_its_attempts(void)
{
    struct cs_policy policy;
    struct play play;

    cs_policy_default(&policy);
    policy.claims = false;
    policy.retries = 1;
    policy.backoff_ms = 60000;
    play_by(&play, "*/15 * * * *", &policy);
    pass(&play, 899 * S);
    CHECK_INT(play.in_flight, 1);
    set_clock(&play, -5 * S);
    answer(&play, 500);
    CHECK_INT(play.count[CS_EVENT_RETRY], 1);
    CHECK_INT(play.count[CS_EVENT_ENDED], 0);
    cs_agenda_free(play.agenda);
}

/* A clock that was an hour ahead, and is set: what waits for room waits for its
 * time instead, and what ran does not run again. */
static void test_what_waits_and_is_still_to_come_is_taken_back(int64_t ahead_s,
                                                               int overlap)
{
    struct cs_limits limits = {1, 1};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct play play;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.overlap = (uint8_t)overlap;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "0 * * * *", &policy);
    for (int i = 0; i < 3; i++)
        (void)add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    set_clock(&play, ahead_s * S);
    CHECK_INT(play.in_flight, 1);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.waiting, 2);
    set_clock(&play, -ahead_s * S);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.waiting, 0);
    answer(&play, 200);
    CHECK_INT(play.count[CS_EVENT_STARTED], 1);
    for (int64_t s = 0; s < ahead_s - 1; s++) {
        while (play.in_flight)
            answer(&play, 200);
        pass(&play, S);
    }
    CHECK_INT(play.in_flight, 1);
    while (play.in_flight)
        answer(&play, 200);
    CHECK_INT(play.count[CS_EVENT_ENDED],
              ahead_s == 3600 ? 3 : ahead_s / 3600 * 3 + 1);
    cs_agenda_free(play.agenda);
}

static void test_limits_hold_and_others_are_not_delayed(void)
{
    struct cs_limits limits = {3, 2};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct cs_attempt attempt;
    struct play play;
    uint64_t apps[2];
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    define(&play, "* * * * *", &policy);
    cs_agenda_open(play.agenda, "busy", NULL, &apps[0], NULL);
    cs_agenda_open(play.agenda, "other", NULL, &apps[1], NULL);
    for (i = 0; i < 5; i++) {
        play.app = apps[i == 4];
        (void)add(&play, i * 10, -1);
    }
    cs_agenda_own(play.agenda, apps[0], false, play.wall);
    cs_agenda_own(play.agenda, apps[1], false, play.wall);
    play.wall.ns += 60 * S;
    CHECK(!cs_agenda_collect(play.agenda, play.wall, play.mono, 1000));
    for (i = 0; i < 3; i++) {
        CHECK_INT(cs_agenda_take(play.agenda, play.wall, play.mono, &attempt),
                  CS_OK);
        play.flights[play.in_flight++] = attempt.run;
        /* The oldest, the newest, the oldest. */
        CHECK_TEXT(attempt.application_id, i == 1 ? "other" : "busy");
        CHECK_INT(attempt.due.ns % S,
                  (i == 1 ? 4 : i / 2) * 10 * CS_NS_PER_MS);
    }
    CHECK_INT(cs_agenda_take(play.agenda, play.wall, play.mono, &attempt),
              CS_NONE);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.in_flight, 3);
    CHECK_INT(stats.waiting, 2);
    while (play.in_flight)
        answer(&play, 200);
    CHECK_INT(play.count[CS_EVENT_ENDED], 5);
    cs_agenda_free(play.agenda);
}

/* Five calls, ten milliseconds apart, two at a time. */
static void test_what_was_tried_before_goes_first(void)
{
    struct cs_limits limits = {2, 2};
    struct cs_policy policy;
    struct play play;
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.claims = false;
    policy.retries = 1;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "0 * * * *", &policy);
    for (i = 0; i < 5; i++)
        (void)add(&play, i * 10, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    pass(&play, 3600 * S);
    answer(&play, 500);
    answer(&play, 500);
    pass(&play, 2 * S);   /* both come back, the fifth still waits */
    while (play.in_flight)
        answer(&play, 200);
    CHECK_TEXT(play.log, "own >3600#1 >3600#1 ?3600:failed >3600#1 "
               "?3600:failed >3600#1 =3600:ok >3600#2 =3600:ok >3600#2 "
               "=3600:ok >3600#1 =3600:ok =3600:ok");
    cs_agenda_free(play.agenda);
}

static void test_collect_is_bounded(void)
{
    struct cs_limits limits = {1000, 1000};
    struct cs_policy policy;
    struct play play;
    int i, turns = 1;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * *", &policy);
    for (i = 0; i < 100; i++)
        (void)add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    play.wall.ns += 60 * S;
    while (cs_agenda_collect(play.agenda, play.wall, play.mono, 10))
        turns++;
    CHECK_INT(turns, 10);
    cs_agenda_free(play.agenda);
}

static void test_a_new_schedule_moves_the_calls(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct play play;
    struct cs_expr expr;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "0 * * * *", &policy);
    (void)add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    expr = parse("*/10 * * * *");
    CHECK_INT(cs_agenda_redefine(play.agenda, play.job, &expr, utc,
                                 play.wall), CS_OK);
    pass(&play, 599 * S);
    answer(&play, 200);
    play.wall.ns -= 30 * S;   /* set back: 600 ran and must not run again */
    expr = parse("*/5 * * * *");
    CHECK_INT(cs_agenda_redefine(play.agenda, play.job, &expr, utc,
                                 play.wall), CS_OK);
    pass(&play, 30 * S);
    pass(&play, 300 * S);
    CHECK_TEXT(play.log, "own >600#1 =600:ok >900#1");
    CHECK_INT(cs_agenda_redefine(play.agenda, 12345, &expr, utc, play.wall),
              CS_UNKNOWN);
    cs_agenda_free(play.agenda);
}

/* They are sent, if they are headers, and only the first time. */
static void check_headers(struct play *play)
{
    const char *none[] = {"no header", NULL};
    const char *evil[] = {"Host: x\r\nCookie: y", NULL};
    const char *many[CS_APP_HEADERS + 2] = {NULL};
    const char *good[] = {"Host: shop.example", "X-Forwarded-Proto: https",
                          NULL};
    struct cs_agenda *agenda = play->agenda;

    for (int i = 0; i <= CS_APP_HEADERS; i++)
        many[i] = "X: y";
    CHECK_INT(cs_agenda_send_with(agenda, 77, good, NULL), CS_UNKNOWN);
    CHECK_INT(cs_agenda_send_with(agenda, play->app, none, NULL), CS_SYNTAX);
    CHECK_INT(cs_agenda_send_with(agenda, play->app, evil, NULL), CS_SYNTAX);
    CHECK_INT(cs_agenda_send_with(agenda, play->app, many, NULL), CS_RANGE);
    CHECK_INT(cs_agenda_send_with(agenda, play->app, good, NULL), CS_OK);
    CHECK_INT(cs_agenda_send_with(agenda, play->app, good, NULL), CS_STATE);
}

static void test_wrong_handles_are_errors(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    static const int64_t beyond[] = {INT64_MIN, -1, CS_ZONE_END_S, INT64_MAX};
    struct cs_call_spec spec = {.url = "http://x/", .due = {-1}};
    struct cs_fire_spec fire = {.attempt = 1};
    struct cs_error error;
    struct play play;
    uint64_t call, again;
    int32_t offset_ms;
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    define(&play, "* * * * *", &policy);
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    CHECK_INT(cs_agenda_open(play.agenda, "app", NULL, &again, &error),
              CS_EXISTS);
    CHECK_INT(again, play.app);
    check_headers(&play);
    CHECK_INT(cs_agenda_add(play.agenda, &spec, play.wall, &call, &error),
              CS_UNKNOWN);
    spec.app = play.app;
    CHECK_INT(cs_agenda_add(play.agenda, &spec, play.wall, &call, &error),
              CS_UNKNOWN);
    CHECK_TEXT(error.text, "there is no such job");
    spec.job = play.job;
    spec.due.ns = INT64_MAX;
    CHECK_INT(cs_agenda_add(play.agenda, &spec, play.wall, &call, &error),
              CS_RANGE);
    spec.url = "";
    CHECK_INT(cs_agenda_add(play.agenda, &spec, play.wall, &call, &error),
              CS_SYNTAX);
    call = add(&play, 250, -1);
    fire.call = call;
    CHECK_INT(cs_agenda_fire(play.agenda, &fire, play.wall, play.mono),
              CS_STATE);
    for (i = 0; i < 4; i++) {
        fire.scheduled_s = beyond[i];
        CHECK_INT(cs_agenda_fire(play.agenda, &fire, play.wall, play.mono),
                  CS_RANGE);
    }
    fire.scheduled_s = fire.attempt = 0;
    CHECK_INT(cs_agenda_fire(play.agenda, &fire, play.wall, play.mono),
              CS_RANGE);
    CHECK_INT(cs_agenda_skip(play.agenda, call, 0, play.wall), CS_NONE);
    CHECK_INT(cs_agenda_offset(play.agenda, call, &offset_ms), CS_OK);
    CHECK_INT(offset_ms, 250);
    CHECK_INT(cs_agenda_remove(play.agenda, call, play.wall), CS_OK);
    CHECK_INT(cs_agenda_offset(play.agenda, call, &offset_ms), CS_UNKNOWN);
    CHECK_INT(cs_agenda_remove(play.agenda, call, play.wall), CS_UNKNOWN);
    CHECK_INT(cs_agenda_fire(play.agenda, &fire, play.wall, play.mono),
              CS_UNKNOWN);
    CHECK_INT(cs_agenda_skip(play.agenda, call, 0, play.wall), CS_UNKNOWN);
    CHECK_INT(cs_agenda_own(play.agenda, 99, false, play.wall), CS_UNKNOWN);
    CHECK_INT(cs_agenda_disown(play.agenda, 99, play.wall), CS_UNKNOWN);
    cs_agenda_free(play.agenda);
}

static void test_application_ids_are_found_again(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_app_view view;
    struct play play;
    uint64_t handles[1000], again;
    size_t cursor = 0, count = 0;
    char id[32];
    int i;

    play_init(&play, &limits);
    for (i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "org/%d", i);
        CHECK_INT(cs_agenda_open(play.agenda, id, NULL, &handles[i], NULL),
                  CS_OK);
    }
    for (i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "org/%d", i);
        CHECK_INT(cs_agenda_open(play.agenda, id, NULL, &again, NULL),
                  CS_EXISTS);
        CHECK_INT(again, handles[i]);
    }
    cs_agenda_own(play.agenda, handles[7], false, play.wall);
    while (cs_agenda_each_app(play.agenda, &cursor, &view)) {
        CHECK_INT(view.owned, view.app == handles[7]);
        count++;
    }
    CHECK_INT(count, 1000);
    cs_agenda_free(play.agenda);
}

/* -- many ----------------------------------------------------------------- */

/* `count` application ids with one call each, of the last job. */
static void add_crowd(struct play *play, int count, int32_t apart_ms)
{
    char id[32];
    int i;

    for (i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "org/%d", i);
        CHECK_INT(cs_agenda_open(play->agenda, id, NULL, &play->app, NULL),
                  CS_OK);
        (void)add(play, i * apart_ms, -1);
        cs_agenda_own(play->agenda, play->app, false, play->wall);
    }
}

/* Take all that may be sent; those of every tenth application id hang, the
 * others answer at once. How many of these were sent late. */
static int take_and_answer(struct play *play)
{
    struct cs_result ok = {.status = 200, .retry_after_s = -1,
                           .outcome = "ok", .detail = ""};
    struct cs_attempt attempt;
    int late = 0;

    while (cs_agenda_take(play->agenda, play->wall, play->mono, &attempt)
           == CS_OK)
        if (atoi(strchr(attempt.application_id, '/') + 1) % 10) {
            late += play->wall.ns - attempt.due.ns > 0;
            cs_agenda_finish(play->agenda, attempt.run, &ok, play->wall,
                             play->mono);
        }
    return late;
}

/* A thousand application ids over a minute, a hundred of which never answer:
 * their jobs pile up to their own limit and nobody else waits. */
static void test_who_hangs_keeps_nobody_else_waiting(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct cs_wall wall;
    struct cs_mono mono;
    struct play play;
    int64_t end_ns;
    int late = 0;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.overlap = CS_OVERLAP_ALLOW;
    define(&play, "* * * * *", &policy);
    add_crowd(&play, 1000, 60);
    end_ns = play.wall.ns + 600 * S;
    while (play.wall.ns < end_ns) {
        cs_agenda_sleep(play.agenda, &wall, &mono);
        wall.ns = wall.ns - play.wall.ns < mono.ns - play.mono.ns
                  ? wall.ns - play.wall.ns : mono.ns - play.mono.ns;
        wall.ns = wall.ns > 0 ? wall.ns : 1;
        play.wall.ns += wall.ns;
        play.mono.ns += wall.ns;
        while (cs_agenda_collect(play.agenda, play.wall, play.mono, 1000))
            ;
        late += take_and_answer(&play);
    }
    CHECK_INT(late, 0);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.in_flight, 400);
    CHECK(stats.in_flight - stats.lingering <= 32);
    CHECK(stats.ended > 8000);
    cs_agenda_free(play.agenda);
}

/* A server that answers nothing at all gets no more, for ten seconds. */
static void test_a_server_that_answers_nothing_is_spared(void)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct play play;
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    define(&play, "0 * * * *", &policy);
    add_crowd(&play, 1000, 0);
    pass(&play, 3599 * S);
    pass(&play, 9 * S);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.in_flight, 32);
    for (i = 0; i < 300; i++)
        pass(&play, S);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.in_flight, 32 * (CS_LINGER_FACTOR + 1));   /* no more */
    cs_agenda_free(play.agenda);
}

/* The next attempt, answered at once; false when it is of `app`. */
static bool answer_one(struct play *play, uint64_t app)
{
    struct cs_result ok = {.status = 200, .retry_after_s = -1,
                           .outcome = "ok", .detail = ""};
    struct cs_attempt attempt;

    if (cs_agenda_take(play->agenda, play->wall, play->mono, &attempt)
        != CS_OK)
        return false;
    cs_agenda_finish(play->agenda, attempt.run, &ok, play->wall, play->mono);
    return attempt.app != app;
}

/* A hundred thousand at one instant, then one more of somebody else: it is
 * not the last. All of it in turns that are bounded. */
static void test_a_burst_does_not_starve_what_comes_after_it(void)
{
    enum { MANY = 100000 };
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct play play;
    uint64_t other;
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    define(&play, "0 * * * *", &policy);
    add_crowd(&play, MANY, 0);
    cs_agenda_open(play.agenda, "other", NULL, &other, NULL);
    play.app = other;
    (void)add(&play, 1000, -1);
    cs_agenda_own(play.agenda, other, false, play.wall);
    play.wall.ns += 3599 * S;
    play.mono.ns += 3599 * S;
    while (cs_agenda_collect(play.agenda, play.wall, play.mono, 1000))
        ;
    for (i = 0; i < 1000; i++)
        CHECK(answer_one(&play, other));
    play.wall.ns += S;
    play.mono.ns += S;
    CHECK(!cs_agenda_collect(play.agenda, play.wall, play.mono, 1000));
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.waiting, MANY - 1000 + 1);
    CHECK(!answer_one(&play, other) || !answer_one(&play, other));
    cs_agenda_free(play.agenda);
}

/* Call the server for a second, `most` times; who of the ten was answered. */
static void serve_ten(struct play *play, const uint64_t *calls, int most,
                      int *answered)
{
    struct cs_result ok = {.status = 200, .retry_after_s = -1,
                           .outcome = "ok", .detail = ""};
    struct cs_attempt attempt;
    int i, call;

    pass(play, S);
    for (i = 0; i < most && play->in_flight; i++) {
        cs_agenda_finish(play->agenda, play->flights[0], &ok, play->wall,
                         play->mono);
        memmove(play->flights, play->flights + 1,
                --play->in_flight * sizeof(play->flights[0]));
        while (cs_agenda_collect(play->agenda, play->wall, play->mono, 1000))
            ;
        if (cs_agenda_take(play->agenda, play->wall, play->mono, &attempt)
            != CS_OK)
            continue;
        play->flights[play->in_flight++] = attempt.run;
        for (call = 0; call < 10; call++)
            answered[call] += calls[call] == attempt.call;
    }
}

/* Ten calls each second and a server that is not up to it; five of them have
 * many runs to make up for. `fired`: the ledger knew of them; else the clock
 * has jumped. */
static void check_turns(bool fired)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_fire_spec spec = {.attempt = 1};
    struct play play;
    uint64_t calls[10];
    int answered[10] = {0}, i, j;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.coalesce = false;
    policy.overlap = CS_OVERLAP_ALLOW;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * * *", &policy);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    for (i = 0; i < 5; i++)
        calls[i] = add(&play, 0, -1);
    if (!fired) {
        play.wall.ns += 300 * S;
        play.mono.ns += 300 * S;
    }
    for (; i < 10; i++)
        calls[i] = add(&play, 0, -1);
    for (i = 0; fired && i < 5; i++)
        for (j = 300; j > 0; j--) {
            spec.call = calls[i];
            spec.scheduled_s = EPOCH_S - j;
            CHECK_INT(cs_agenda_fire(play.agenda, &spec, play.wall,
                                     play.mono), CS_OK);
        }
    for (i = 0; i < 60; i++)
        serve_ten(&play, calls, 8, answered);
    for (i = 0; i < 10; i++)
        CHECK(answered[i] >= 60 * 8 / 10 / 2);
    cs_agenda_free(play.agenda);
}

/* A minute in which the receiver cannot claim: it is asked again soon, and not
 * all the time. */
static void test_who_waits_for_the_ledger_asks_ever_more_rarely(void)
{
    struct cs_result waiting = {.status = 503, .retry_after_s = 1,
                                .outcome = "waiting", .detail = ""};
    struct play play;
    int tenths, asked[2] = {0};

    play_one(&play, "0 * * * *");
    pass(&play, 3599 * S);
    for (tenths = 0; tenths < 600; tenths++) {
        if (play.in_flight) {
            asked[tenths >= 50]++;
            finish(&play, &waiting);
        }
        pass(&play, S / 10);
    }
    CHECK_INT(asked[0], 4);                        /* 0, 1, 2 and 4 s */
    CHECK(asked[1] >= 55 / 6 && asked[1] <= 55 / 5);
    cs_agenda_free(play.agenda);
}

static void test_who_has_much_to_make_up_for_takes_turns(void)
{
    check_turns(true);
    check_turns(false);
}

/* Fire `count` times of one call and answer them all; seconds. */
static double fire_many(int count)
{
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_fire_spec spec = {.attempt = 1};
    struct play play;
    double start;
    int i, sent = 0;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.coalesce = false;
    policy.catch_up_s = -1;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * *", &policy);
    spec.call = add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    start = now_s();
    for (i = count; i > 0; i--) {
        spec.scheduled_s = EPOCH_S - 60 * i;
        CHECK_INT(cs_agenda_fire(play.agenda, &spec, play.wall, play.mono),
                  CS_OK);
    }
    while (answer_one(&play, 0))
        sent++;
    CHECK_INT(sent, count);
    cs_agenda_free(play.agenda);
    return now_s() - start;
}

static void test_many_runs_of_one_call_cost_what_they_are_many(void)
{
    double few = fire_many(4000), many = fire_many(16000);
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_fire_spec spec = {.attempt = 1};
    struct play play;
    int i;

    for (i = 0; i < 3 && many > 10 * few; i++) {   /* others use it too */
        few = fire_many(4000);
        many = fire_many(16000);
    }
    fprintf(stderr, "4,000 runs of a call: %.1f ms, 16,000: %.1f ms\n",
            few * 1e3, many * 1e3);
    CHECK(many <= 10 * few);
    play_init(&play, &limits);
    cs_policy_default(&policy);
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * *", &policy);
    spec.call = add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    for (i = 0; i < CS_FIRED_MOST; i++) {
        spec.scheduled_s = 60 * i;
        (void)cs_agenda_fire(play.agenda, &spec, play.wall, play.mono);
    }
    spec.scheduled_s = 60 * i;
    CHECK_INT(cs_agenda_fire(play.agenda, &spec, play.wall, play.mono),
              CS_BUSY);
    cs_agenda_free(play.agenda);
}

static void test_what_waits_for_room_too_long_is_missed(void)
{
    struct cs_limits limits = {1, 1};
    struct cs_policy policy;
    struct play play;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.claims = false;
    policy.catch_up_s = 100;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * *", &policy);
    (void)add(&play, 0, -1);
    (void)add(&play, 10, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    pass(&play, 59 * S);
    pass(&play, 60 * S);
    CHECK_TEXT(play.detail, "its last run has not been answered yet");
    pass(&play, 50 * S);
    CHECK_TEXT(play.detail, "its last run still waits for room under "
               "max_concurrency or max_per_application");
    answer(&play, 200);
    CHECK_TEXT(play.detail, "waited 109 s for room under max_concurrency or "
               "max_per_application");
    CHECK_TEXT(play.log, "own >60#1 -120 -120 =60:ok x60..60*1");
    cs_agenda_free(play.agenda);
}

static void test_runs_that_may_overlap_are_bounded(void)
{
    struct cs_limits limits = {1, 1};
    struct cs_policy policy;
    struct cs_agenda_stats stats;
    struct play play;
    int i;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    policy.overlap = CS_OVERLAP_ALLOW;
    policy.catch_up_s = -1;
    cs_agenda_open(play.agenda, "app", NULL, &play.app, NULL);
    define(&play, "* * * * * *", &policy);
    (void)add(&play, 0, -1);
    cs_agenda_own(play.agenda, play.app, false, play.wall);
    for (i = 0; i < 2 * CS_ALLOWED_MOST; i++)
        pass(&play, S);
    cs_agenda_stats(play.agenda, &stats);
    CHECK_INT(stats.waiting + stats.in_flight, CS_ALLOWED_MOST);
    CHECK_TEXT(play.detail, "too many of its runs are under way");
    cs_agenda_free(play.agenda);
}

/* The receiver says `waiting` until `catch_up` is over, and "not now" after
 * that. Who has waited for long is not patient for ten times more. */
static void test_who_has_waited_for_the_ledger_ends(int waits, int refusals)
{
    struct cs_result not_yet = {.delivery = CS_ANSWERED, .status = 503,
                                .retry_after_s = 1, .outcome = "waiting",
                                .detail = ""};
    struct play play;
    int asked = 0;

    play_one(&play, "0 * * * *");
    pass(&play, 3599 * S);
    while (!play.count[CS_EVENT_ENDED] && asked < 100) {
        if (play.in_flight) {
            if (asked++ == waits)
                not_yet.outcome = "";
            finish(&play, &not_yet);
        }
        pass(&play, S / 10);
    }
    CHECK_INT(asked, waits + refusals + 1);
    cs_agenda_free(play.agenda);
}

/* What the process holds, in bytes. */
static double resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, pages = 0;

    if (!file)
        return 0;
    (void)!fscanf(file, "%ld %ld", &total, &pages);
    fclose(file);
    return (double)pages * 4096;
}

static void test_a_million_calls_fit(void)
{
    enum { MANY = 1000000 };
    struct cs_limits limits = {32, 4};
    struct cs_policy policy;
    struct cs_attempt attempt;
    struct cs_call_spec spec = {.due = {-1}};
    struct cs_result ok = {.status = 200, .outcome = "", .detail = ""};
    struct play play;
    uint64_t call;
    double before = resident(), start = now_s(), bytes;
    char url[64];
    int i, runs = 0;

    play_init(&play, &limits);
    cs_policy_default(&policy);
    define(&play, "0 8 * * *", &policy);
    cs_agenda_open(play.agenda, "app", NULL, &spec.app, NULL);
    cs_agenda_own(play.agenda, spec.app, false, play.wall);
    spec.job = play.job;
    for (i = 0; i < MANY; i++) {
        snprintf(url, sizeof(url), "http://127.0.0.1:8080/cronjobs/%d", i);
        spec.url = url;
        spec.offset_ms = i % 30000;
        if (cs_agenda_add(play.agenda, &spec, play.wall, &call, NULL)
            != CS_OK)
            break;
    }
    CHECK_INT(i, MANY);
    bytes = resident() - before;
    fprintf(stderr, "a million calls: %.0f bytes each, %.0f ns to add",
            bytes / MANY, (now_s() - start) * 1e9 / MANY);
    start = now_s();
    while (runs < MANY) {
        play.wall.ns = (EPOCH_S + 8 * 3600) * S
                       + runs / 33 * CS_NS_PER_MS;
        cs_agenda_collect(play.agenda, play.wall, play.mono, 64);
        while (cs_agenda_take(play.agenda, play.wall, play.mono, &attempt)
               == CS_OK) {
            cs_agenda_finish(play.agenda, attempt.run, &ok, play.wall,
                             play.mono);
            runs++;
        }
    }
    fprintf(stderr, ", %.0f ns to run\n", (now_s() - start) * 1e9 / MANY);
    CHECK_INT(play.count[CS_EVENT_ENDED], MANY);
    cs_agenda_free(play.agenda);
}

int main(void)
{
    if (cs_zone_fixed(0, &utc, NULL) != CS_OK)
        return 1;
    test_each_row_is_true();
    test_a_failure_says_why();
    test_each_scheduled_time_has_one_fate();
    test_it_plays_a_year_in_a_moment();
    test_no_step_of_the_clock_makes_a_burst();
    test_a_clock_that_is_set_to_and_fro_misses_nothing_to_come();
    test_a_clock_set_back_to_before_a_run_leaves_its_attempts();
    for (int overlap = CS_OVERLAP_SKIP; overlap <= CS_OVERLAP_ALLOW;
         overlap++) {
        test_what_waits_and_is_still_to_come_is_taken_back(3600, overlap);
        test_what_waits_and_is_still_to_come_is_taken_back(5 * 3600, overlap);
    }
    test_limits_hold_and_others_are_not_delayed();
    test_what_was_tried_before_goes_first();
    test_collect_is_bounded();
    test_a_new_schedule_moves_the_calls();
    test_wrong_handles_are_errors();
    test_application_ids_are_found_again();
    test_who_hangs_keeps_nobody_else_waiting();
    test_a_server_that_answers_nothing_is_spared();
    test_a_burst_does_not_starve_what_comes_after_it();
    test_who_has_much_to_make_up_for_takes_turns();
    test_who_waits_for_the_ledger_asks_ever_more_rarely();
    test_who_has_waited_for_the_ledger_ends(2, 10);    /* 3 seconds */
    test_who_has_waited_for_the_ledger_ends(20, 0);
    test_many_runs_of_one_call_cost_what_they_are_many();
    test_what_waits_for_room_too_long_is_missed();
    test_runs_that_may_overlap_are_bounded();
    test_a_million_calls_fit();
    cs_zone_unref(utc);
    return check_done();
}
