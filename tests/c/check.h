/* The smallest test harness that says where and what. A test program calls
 * CHECK any number of times and ends with `return check_done();`.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_count, check_failures;

#define CHECK_SHOWN 50

#define CHECK(condition) \
    check_that((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
    check_int((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) \
    check_text((actual), (expected), #actual, __FILE__, __LINE__)

/* Counts a failure. The first ones are shown: in a loop, there may be a
 * million. */
static inline int check_failed(void)
{
    return ++check_failures <= CHECK_SHOWN;
}

static inline int check_that(int ok, const char *what, const char *file,
                             int line)
{
    check_count++;
    if (!ok && check_failed())
        fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    return ok;
}

static inline int check_int(int64_t actual, int64_t expected,
                            const char *what, const char *file, int line)
{
    check_count++;
    if (actual != expected && check_failed())
        fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", file,
                line, what, actual, expected);
    return actual == expected;
}

static inline int check_text(const char *actual, const char *expected,
                             const char *what, const char *file, int line)
{
    int same = strcmp(actual, expected) == 0;

    check_count++;
    if (!same && check_failed())
        fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what,
                actual, expected);
    return same;
}

static inline int check_done(void)
{
    fprintf(stderr, "%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0;
}

#endif
