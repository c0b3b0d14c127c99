#include "check.h"
#include "core/base/clock.h"

static void test_seconds_round_down_also_before_1970(void)
{
    CHECK_INT(cs_wall_seconds((struct cs_wall){1999999999}), 1);
    CHECK_INT(cs_wall_seconds((struct cs_wall){0}), 0);
    CHECK_INT(cs_wall_seconds((struct cs_wall){-1}), -1);
    CHECK_INT(cs_wall_seconds((struct cs_wall){-CS_NS_PER_S}), -1);
}

static void test_an_offset_is_added_in_milliseconds(void)
{
    CHECK_INT(cs_wall_of(10, 1500).ns, 11500 * CS_NS_PER_MS);
    CHECK_INT(cs_wall_of(-10, 0).ns, -10 * CS_NS_PER_S);
}

static void test_a_manual_clock_moves_only_by_hand(void)
{
    struct cs_clock_manual manual = {{5}, {7}};
    struct cs_clock clock = cs_clock_of_manual(&manual);

    CHECK_INT(clock.wall(clock.context).ns, 5);
    CHECK_INT(clock.mono(clock.context).ns, 7);
    manual.wall.ns = 6;
    CHECK_INT(clock.wall(clock.context).ns, 6);
    CHECK_INT(clock.mono(clock.context).ns, 7);
}

static void test_the_system_clocks_run(void)
{
    const struct cs_clock *clock = &cs_clock_system;
    struct cs_mono before = clock->mono(clock->context);

    CHECK(clock->wall(clock->context).ns > 1700000000 * CS_NS_PER_S);
    CHECK(clock->mono(clock->context).ns >= before.ns);
}

int main(void)
{
    test_seconds_round_down_also_before_1970();
    test_an_offset_is_added_in_milliseconds();
    test_a_manual_clock_moves_only_by_hand();
    test_the_system_clocks_run();
    return check_done();
}
