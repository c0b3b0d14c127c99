/* Needs Linux. Nobody may set the clock for a test, so the kernel's answer to
 * that, ECANCELED, comes from the two system calls as defined here; all other
 * answers are the kernel's own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/alarm.h"
#include "check.h"

static int cancelled_reads, cancelled_settings, unsupported_settings;

ssize_t read(int fd, void *buffer, size_t size)
{
    ssize_t result = syscall(SYS_read, fd, buffer, size);

    if (cancelled_reads > 0) {
        cancelled_reads--;
        errno = ECANCELED;
        return -1;
    }
    return result;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *setting,
                    struct itimerspec *old)
{
    int result = (int)syscall(SYS_timerfd_settime, fd, flags, setting, old);

    if (cancelled_settings > 0) {   /* the kernel arms it all the same */
        cancelled_settings--;
        errno = ECANCELED;
        return -1;
    }
    if (unsupported_settings > 0) {
        unsupported_settings--;
        errno = EINVAL;
        return -1;
    }
    return result;
}

static struct cs_wall read_wall(void)
{
    return cs_clock_system.wall(cs_clock_system.context);
}

static int rings_within(const struct cs_alarm *alarm, int timeout_ms)
{
    struct pollfd waiting = {alarm->fd, POLLIN, 0};

    return poll(&waiting, 1, timeout_ms) == 1;
}

static void test_a_new_alarm_is_private_and_silent(void)
{
    struct cs_alarm alarm;

    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    CHECK(alarm.fd >= 0);
    CHECK(fcntl(alarm.fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(alarm.fd, F_GETFL) & O_NONBLOCK);
    CHECK(!rings_within(&alarm, 0));
    CHECK(!cs_alarm_ack(&alarm));
    cs_alarm_fini(&alarm);
    CHECK_INT(alarm.fd, -1);
    cs_alarm_fini(&alarm);
}

static void test_it_rings_when_the_instant_has_come(void)
{
    struct cs_alarm alarm;
    struct cs_wall at = read_wall();

    at.ns += 15 * CS_NS_PER_MS;
    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    cs_alarm_set(&alarm, at);
    CHECK(rings_within(&alarm, 5000));
    CHECK(read_wall().ns >= at.ns);
    CHECK(!cs_alarm_ack(&alarm));
    CHECK(!rings_within(&alarm, 0));
    cs_alarm_fini(&alarm);
}

static void test_an_instant_that_has_passed_rings_at_once(void)
{
    const int64_t passed[] = {1, 0, -1, -CS_NS_PER_S, INT64_MIN,
                              read_wall().ns};
    struct cs_alarm alarm;
    size_t i;

    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        cs_alarm_set(&alarm, (struct cs_wall){passed[i]});
        CHECK(rings_within(&alarm, 1000));
        CHECK(!cs_alarm_ack(&alarm));
    }
    cs_alarm_fini(&alarm);
}

static void test_never_and_a_far_instant_stay_armed_and_silent(void)
{
    const int64_t far[] = {INT64_MAX, INT64_MAX - 1,
                           read_wall().ns + 3600 * CS_NS_PER_S};
    struct cs_alarm alarm;
    struct itimerspec left;
    size_t i;

    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    for (i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        cs_alarm_set(&alarm, (struct cs_wall){0});
        cs_alarm_set(&alarm, (struct cs_wall){far[i]});
        CHECK(!rings_within(&alarm, 0));
        CHECK_INT(timerfd_gettime(alarm.fd, &left), 0);
        CHECK(left.it_value.tv_sec > 3000);
    }
    cs_alarm_fini(&alarm);
}

static void test_a_clock_that_was_set_is_told_once(void)
{
    struct cs_alarm alarm;

    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    cancelled_reads = 1;
    CHECK(cs_alarm_ack(&alarm));
    CHECK(!cs_alarm_ack(&alarm));
    cs_alarm_fini(&alarm);
}

static void test_a_clock_that_is_set_while_arming_rings_and_is_told(void)
{
    struct cs_alarm alarm;

    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    cancelled_settings = 1;
    cs_alarm_set(&alarm, (struct cs_wall){INT64_MAX});
    CHECK(rings_within(&alarm, 1000));
    CHECK(cs_alarm_ack(&alarm));
    CHECK(!rings_within(&alarm, 0));
    CHECK(!cs_alarm_ack(&alarm));
    cs_alarm_fini(&alarm);
}

static void test_a_kernel_without_such_timers_leaves_no_descriptor(void)
{
    struct cs_alarm alarm;

    unsupported_settings = 1;
    CHECK_INT(cs_alarm_init(&alarm, NULL), CS_OK);
    CHECK_INT(alarm.fd, -1);
    cs_alarm_set(&alarm, read_wall());
    CHECK(!cs_alarm_ack(&alarm));
    cs_alarm_fini(&alarm);
}

static void test_a_lack_of_descriptors_is_an_error(void)
{
    struct cs_alarm alarm;
    struct cs_error error;
    struct rlimit all, none;

    CHECK_INT(getrlimit(RLIMIT_NOFILE, &all), 0);
    none = all;
    none.rlim_cur = 0;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(cs_alarm_init(&alarm, &error), CS_SYSTEM);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &all), 0);
    CHECK_INT(error.system, EMFILE);
    CHECK_INT(alarm.fd, -1);
}

int main(void)
{
    test_a_new_alarm_is_private_and_silent();
    test_it_rings_when_the_instant_has_come();
    test_an_instant_that_has_passed_rings_at_once();
    test_never_and_a_far_instant_stay_armed_and_silent();
    test_a_clock_that_was_set_is_told_once();
    test_a_clock_that_is_set_while_arming_rings_and_is_told();
    test_a_kernel_without_such_timers_leaves_no_descriptor();
    test_a_lack_of_descriptors_is_an_error();
    return check_done();
}
