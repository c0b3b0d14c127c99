/* The smallest harness that gives a figure worth quoting: batches long enough
 * for the clock, many of them, and their median. A program measures by calls
 * of `bench_run`, each printing one line:
 *
 *   parse * * * * *                 24.1 ns (fastest 23.8)  reach 30
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_BATCHES 41
#define BENCH_BATCH_NS 4000000.0

/* Do the work `rounds` times; the sum of all results is returned, so that
 * none of it can be left out by the compiler. */
typedef uint64_t bench_body(const void *context, size_t rounds);

static volatile uint64_t bench_result;

static inline double bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double bench_batch_ns(bench_body *body, const void *context,
                                    size_t rounds)
{
    double start = bench_now_ns();

    bench_result += body(context, rounds);
    return bench_now_ns() - start;
}

static inline int bench_compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* How many rounds fill a batch. */
static inline size_t bench_rounds(bench_body *body, const void *context)
{
    size_t rounds = 1;

    while (bench_batch_ns(body, context, rounds) < BENCH_BATCH_NS)
        rounds *= 2;
    return rounds;
}

/* Print the median of a round in ns beside `reach_ns` (0: none). Returns
 * it. */
static inline double bench_run(const char *name, bench_body *body,
                               const void *context, double reach_ns)
{
    size_t rounds = bench_rounds(body, context);
    double round_ns[BENCH_BATCHES], median;

    for (int i = 0; i < BENCH_BATCHES; i++)
        round_ns[i] = bench_batch_ns(body, context, rounds) / (double)rounds;
    qsort(round_ns, BENCH_BATCHES, sizeof(*round_ns), bench_compare);
    median = round_ns[BENCH_BATCHES / 2];
    printf("%-40s %8.1f ns (fastest %.1f)", name, median, round_ns[0]);
    if (reach_ns > 0)
        printf("  reach %.0f", reach_ns);
    printf("\n");
    fflush(stdout);
    return median;
}

#endif
