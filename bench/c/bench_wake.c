/* How late the kernel wakes a thread that does nothing but wait: what no
 * scheduler beside the same load can go below. 200 instants, 25 ms apart, a
 * half of that after those of bench/lateness.py. Prints p50 and p99 in ms.
 */
#include "bench.h"

#define WAKES 200
#define APART_NS 25000000L
#define SECOND_NS 1000000000L

static void add(struct timespec *at, long ns)
{
    at->tv_nsec += ns;
    at->tv_sec += at->tv_nsec / SECOND_NS;
    at->tv_nsec %= SECOND_NS;
}

static double wake_ms(const struct timespec *at)
{
    struct timespec now;

    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, at, NULL))
        continue;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - at->tv_sec) * 1e3
           + (double)(now.tv_nsec - at->tv_nsec) / 1e6;
}

/* `bench_wake [FIRST]`: the first instant, in seconds since 1970. */
int main(int argc, char **argv)
{
    struct timespec at;
    double late_ms[WAKES], first;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    if (argc > 1) {
        first = strtod(argv[1], NULL);
        at.tv_sec = (time_t)first;
        at.tv_nsec = (long)((first - (double)at.tv_sec) * 1e9);
    }
    add(&at, APART_NS / 2);
    for (int i = 0; i < WAKES; i++, add(&at, APART_NS))
        late_ms[i] = wake_ms(&at);
    qsort(late_ms, WAKES, sizeof(*late_ms), bench_compare);
    printf("%.3f %.3f\n", late_ms[WAKES / 2], late_ms[WAKES * 99 / 100]);
    return 0;
}
