/* Rows of tests/data for what is accepted, what is refused and what H means;
 * every range and step of every field against counting; and the longest
 * texts.
 */
#include "core/cron/expr.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LINE_SIZE 1024

static const char *const flag_names[] = {
    "seconds", "year", "interval", "day_any", "weekday_any", "both_days",
    "reboot", "last_day", "nearest"
};
#define FLAGS ((int)(sizeof(flag_names) / sizeof(*flag_names)))

/* Replace \s \t \n \0 in place. Returns the size. */
static size_t unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        *to++ = *at == 's' ? ' ' : *at == 't' ? '\t' : *at == 'n' ? '\n' : 0;
    }
    *to = 0;
    return (size_t)(to - text);
}

/* Cut `line` at its tabs. Returns how many columns there are. */
static int columns(char *line, char *column[], int most)
{
    int count = 0;

    line[strcspn(line, "\n")] = 0;
    while (count < most) {
        column[count++] = line;
        line = strchr(line, '\t');
        if (!line)
            break;
        *line++ = 0;
    }
    return count;
}

/* Call `row` for each line of a file that is not a comment. */
static void each_row(const char *path, int count,
                     void (*row)(char *column[]))
{
    FILE *file = fopen(path, "r");
    char line[LINE_SIZE];
    char *column[16];
    int rows = 0;

    if (!CHECK(file))
        return;
    while (fgets(line, sizeof(line), file)) {
        int failures = check_failures;
        char kept[LINE_SIZE];

        memcpy(kept, line, sizeof(line));
        if (*line == '#' || !CHECK_INT(columns(line, column, 16), count))
            continue;
        row(column);
        rows++;
        if (check_failures > failures)
            fprintf(stderr, "  in the row %s", kept);
    }
    CHECK(rows > 0);
    fclose(file);
}

static int flags_named(char *names)
{
    int flags = 0;

    for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
        int found = 0;

        for (int i = 0; i < FLAGS; i++)
            if (strcmp(flag_names[i], name) == 0)
                found = 1 << i;
        CHECK(found);
        flags |= found;
    }
    return flags;
}

/* Writing an expression and reading it again gives the same one and, written
 * again, the same text. */
static void check_round_trip(const struct cs_expr *expr)
{
    struct cs_expr again = {0};
    char text[CS_EXPR_TEXT_SIZE], second[CS_EXPR_TEXT_SIZE];
    size_t size = cs_expr_format(expr, text);

    CHECK_INT(size, strlen(text));
    CHECK_INT(cs_expr_parse(text, size, NULL, 0, &again, NULL), CS_OK);
    CHECK(cs_expr_equal(expr, &again));
    cs_expr_format(&again, second);
    CHECK_TEXT(second, text);
}

static void check_valid_row(char *column[])
{
    size_t size = unescape(column[0]);
    struct cs_expr expr = {0};
    struct cs_error error = {.text = ""};
    char text[CS_EXPR_TEXT_SIZE];

    if (!CHECK_INT(cs_expr_parse(column[0], size, "seed", 4, &expr, &error),
                   CS_OK)) {
        fprintf(stderr, "  %s\n", error.text);
        return;
    }
    cs_expr_format(&expr, text);
    CHECK_TEXT(text, column[1]);
    CHECK_INT(expr.flags, flags_named(column[2]));
    check_round_trip(&expr);
}

static void test_it_accepts_what_the_specification_allows(void)
{
    each_row("tests/data/expr_valid.tsv", 5, check_valid_row);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

static void check_contains(const char *text, const char *part)
{
    if (!CHECK(strstr(text, part)))
        fprintf(stderr, "  \"%s\" lacks \"%s\"\n", text, part);
}

static void check_invalid_row(char *column[])
{
    size_t size = unescape(column[0]);
    struct cs_expr expr = {.minute = 4711};
    struct cs_error error;
    enum cs_status status =
        strcmp(column[1], "range") == 0 ? CS_RANGE : CS_SYNTAX;

    if (!CHECK_INT(cs_expr_parse(column[0], size, "seed", 4, &expr, &error),
                   status))
        return;
    CHECK_INT(expr.minute, 4711);
    CHECK_INT(error.status, status);
    CHECK_TEXT(cs_expr_field_name(error.field), column[2]);
    CHECK_INT(error.position, atoi(column[3]));
    CHECK_INT(error.length, atoi(column[4]));
    check_contains(error.text, column[5]);
    check_contains(error.hint, column[6]);
    CHECK(is_ascii(error.text) && is_ascii(error.hint));
    CHECK_INT(cs_expr_parse(column[0], size, "seed", 4, &expr, NULL), status);
}

static void test_it_refuses_the_rest_and_says_where_and_why(void)
{
    each_row("tests/data/expr_invalid.tsv", 8, check_invalid_row);
}

static void check_hash_row(char *column[])
{
    static const char *const texts[] = {
        "H H H H H H",
        "H(1-5) H(1-5) H(1-5) H(1-5) H(1-5) H(1-5)"
    };

    for (int i = 0; i < 2; i++) {
        struct cs_expr expr = {0}, plain = {0};

        CHECK_INT(cs_expr_parse(texts[i], strlen(texts[i]), column[0],
                                strlen(column[0]), &expr, NULL), CS_OK);
        CHECK_INT(cs_expr_parse(column[i + 1], strlen(column[i + 1]), NULL,
                                0, &plain, NULL), CS_OK);
        CHECK(cs_expr_equal(&expr, &plain));
    }
}

static void test_h_means_the_same_for_the_same_seed_for_ever(void)
{
    each_row("tests/data/expr_hash.tsv", 3, check_hash_row);
}

static void test_h_without_a_seed_is_an_error(void)
{
    struct cs_expr expr;
    struct cs_error error;

    CHECK_INT(cs_expr_parse("0 H * * *", 9, NULL, 0, &expr, &error),
              CS_RANGE);
    CHECK_INT(error.position, 2);
    check_contains(error.text, "seed");
}

/* cronie's and OpenBSD's range to choose from is another spelling of H. */
static void test_a_tilde_chooses_as_h_does(void)
{
    static const char *const pairs[][2] = {
        {"0~30 * * * *", "H(0-30) * * * *"}, {"~ * * * *", "H * * * *"},
        {"5~ 1~3 * * *", "H(5-59) H(1-3) * * *"},
        {"~9 ~ ~ * *", "H(0-9) H H * *"},
        {"0 0 20~31 * MON~FRI", "0 0 H(20-31) * H(MON-FRI)"},
        {"0,20~30 * * * *", "0,H(20-30) * * * *"},
    };
    struct cs_expr tilde, hash;
    struct cs_error error;
    size_t i, j;

    for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        for (j = 0; j < 50; j++) {
            char seed[16];
            size_t size = (size_t)snprintf(seed, sizeof(seed), "job %zu", j);

            CHECK_INT(cs_expr_parse(pairs[i][0], strlen(pairs[i][0]), seed,
                                    size, &tilde, &error), CS_OK);
            CHECK_INT(cs_expr_parse(pairs[i][1], strlen(pairs[i][1]), seed,
                                    size, &hash, &error), CS_OK);
            CHECK(cs_expr_equal(&tilde, &hash));
        }
    CHECK_INT(cs_expr_parse("0~30 * * * *", 12, NULL, 0, &tilde, &error),
              CS_RANGE);
    check_contains(error.text, "seed");
    CHECK_INT(error.position, 1);
    CHECK_INT(cs_expr_parse("30~5 * * * *", 12, "s", 1, &tilde, &error),
              CS_RANGE);
    CHECK_INT(cs_expr_parse("1~70 * * * *", 12, "s", 1, &tilde, &error),
              CS_RANGE);
    CHECK_INT(cs_expr_parse("1~5/2 * * * *", 13, "s", 1, &tilde, &error),
              CS_SYNTAX);
}

/* A step of H takes each start that the seed can choose, and no other. */
static void test_h_with_a_step_starts_within_the_first_step(void)
{
    uint64_t starts = 0;

    for (int i = 0; i < 500; i++) {
        char seed[16];
        int size = snprintf(seed, sizeof(seed), "job %d", i);
        struct cs_expr expr = {0};
        int first;

        CHECK_INT(cs_expr_parse("H(10-29)/7 * * * *", 18, seed,
                                (size_t)size, &expr, NULL), CS_OK);
        first = __builtin_ctzll(expr.minute);
        starts |= UINT64_C(1) << first;
        for (int minute = 0; minute < 60; minute++)
            CHECK_INT(expr.minute >> minute & 1,
                      minute >= first && minute < 30
                      && (minute - first) % 7 == 0);
    }
    CHECK_INT(starts, UINT64_C(0x7f) << 10);
}

struct bounds {
    enum cs_field field;
    int low, high;
};

static const struct bounds fields[] = {
    {CS_FIELD_SECOND, 0, 59}, {CS_FIELD_MINUTE, 0, 59},
    {CS_FIELD_HOUR, 0, 23}, {CS_FIELD_DAY, 1, 31}, {CS_FIELD_MONTH, 1, 12},
    {CS_FIELD_WEEKDAY, 0, 7}
};

static uint64_t counted(const struct bounds *bounds, int first, int last,
                        int step)
{
    uint64_t set = 0;

    for (int value = first; value <= last; value += step)
        set |= UINT64_C(1) << value;
    if (bounds->field == CS_FIELD_WEEKDAY)
        set = (set & 0x7f) | set >> 7;
    return set;
}

static void check_range(const struct bounds *bounds, int first, int last)
{
    for (int step = 1; step <= bounds->high + 2; step++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%d-%d/%d", first, last,
                            step);
        uint64_t set = 0;

        CHECK_INT(cs_expr_parse_field(text, (size_t)size, bounds->field,
                                      &set, NULL), CS_OK);
        CHECK_INT(set, counted(bounds, first, last, step));
    }
}

static void test_every_range_with_every_step_is_what_counting_gives(void)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        for (int first = fields[i].low; first <= fields[i].high; first++)
            for (int last = first; last <= fields[i].high; last++)
                check_range(&fields[i], first, last);
}

static void test_every_number_outside_a_field_is_refused(void)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        for (int value = 0; value <= 300; value++) {
            char text[8];
            int size = snprintf(text, sizeof(text), "%d", value);
            uint64_t set;
            bool inside =
                value >= fields[i].low && value <= fields[i].high;

            CHECK_INT(cs_expr_parse_field(text, (size_t)size,
                                          fields[i].field, &set, NULL),
                      inside ? CS_OK : CS_RANGE);
        }
}

static void test_every_year_is_its_bit(void)
{
    for (int year = 1970; year <= 2199; year++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "0 0 0 1 1 * %d", year);
        struct cs_expr expr = {0};
        int i = year - CS_EXPR_FIRST_YEAR;

        CHECK_INT(cs_expr_parse(text, (size_t)size, NULL, 0, &expr, NULL),
                  CS_OK);
        for (int word = 0; word < 4; word++)
            CHECK_INT(expr.year[word],
                      word == i / 64 ? UINT64_C(1) << i % 64 : 0);
    }
}

static void check_field_refused(const char *text, enum cs_field field,
                                int position, const char *part)
{
    struct cs_error error;
    uint64_t set = 4711;

    CHECK(cs_expr_parse_field(text, strlen(text), field, &set, &error)
          != CS_OK);
    CHECK_INT(set, 4711);
    CHECK_INT(error.position, position);
    check_contains(error.text, part);
}

static void test_one_field_by_itself_has_plain_values_only(void)
{
    uint64_t set = 0;

    CHECK_INT(cs_expr_parse_field(" */20\t", 6, CS_FIELD_MINUTE, &set, NULL),
              CS_OK);
    CHECK_INT(set, 1 | UINT64_C(1) << 20 | UINT64_C(1) << 40);
    check_field_refused("", CS_FIELD_MINUTE, 0, "the minute field is empty");
    check_field_refused("  ", CS_FIELD_HOUR, 2, "the hour field is empty");
    check_field_refused("*/5x", CS_FIELD_MINUTE, 3, "x is not a minute");
    check_field_refused("1 2", CS_FIELD_MINUTE, 1, "a space inside");
    check_field_refused("25", CS_FIELD_HOUR, 0, "hour 25 is out of range");
    check_field_refused("H", CS_FIELD_MINUTE, 0, "whole expression");
    check_field_refused("L", CS_FIELD_DAY, 0, "whole expression");
    check_field_refused("15W", CS_FIELD_DAY, 2, "whole expression");
    check_field_refused("5L", CS_FIELD_WEEKDAY, 1, "whole expression");
    check_field_refused("MON#1", CS_FIELD_WEEKDAY, 3, "whole expression");
    check_field_refused("+MON", CS_FIELD_WEEKDAY, 0, "whole expression");
    check_field_refused("2025", CS_FIELD_YEAR, -1, "year");
}

/* Every other pair of values is what a list says least shortly. */
static int put_pairs(char *text, int low, int high)
{
    int size = 0;

    for (int value = low; value <= high; value += 3) {
        size += sprintf(text + size, "%s%d", size ? "," : "", value);
        if (value < high)
            size += sprintf(text + size, ",%d", value + 1);
    }
    return size;
}

static int put_all(char *text, int low, int high)
{
    int size = 0;

    for (int value = low; value <= high; value++)
        size += sprintf(text + size, "%s%d", size ? "," : "", value);
    return size;
}

static int put_every_nth(char *text)
{
    int size = 0;

    for (int weekday = 0; weekday < 7; weekday++) {
        for (int nth = 1; nth <= 5; nth++)
            size += sprintf(text + size, "%d#%d,", weekday, nth);
        size += sprintf(text + size, "%d#L,", weekday);
    }
    return size - 1;
}

static void test_the_longest_expression_fits_its_buffer(void)
{
    char text[2 * CS_EXPR_TEXT_SIZE];
    struct cs_expr expr = {0};
    int size = put_all(text, 0, 59);

    text[size++] = ' ';
    size += put_all(text + size, 0, 59);
    text[size++] = ' ';
    size += put_all(text + size, 0, 23);
    text[size++] = ' ';
    size += put_pairs(text + size, 1, 31);
    size += sprintf(text + size, ",L-30 ");
    size += put_pairs(text + size, 1, 12);
    size += sprintf(text + size, " +");
    size += put_every_nth(text + size);
    text[size++] = ' ';
    size += put_pairs(text + size, 1970, 2199);
    CHECK(size < CS_EXPR_TEXT_SIZE);
    CHECK_INT(cs_expr_parse(text, (size_t)size, NULL, 0, &expr, NULL),
              CS_OK);
    CHECK(!(expr.flags & CS_EXPR_INTERVAL));
    check_round_trip(&expr);
}

static void test_a_text_that_is_too_long_is_refused(void)
{
    char text[CS_EXPR_TEXT_SIZE];
    struct cs_expr expr;
    struct cs_error error;

    memset(text, ' ', sizeof(text));
    memcpy(text, "0 0 * * *", 9);
    CHECK_INT(cs_expr_parse(text, sizeof(text) - 1, NULL, 0, &expr, NULL),
              CS_OK);
    CHECK_INT(cs_expr_parse(text, sizeof(text), NULL, 0, &expr, &error),
              CS_SYNTAX);
    check_contains(error.text, "too long");
}

/* Nothing behind the size is read: the copy has no byte more. */
static void test_it_reads_no_byte_beyond_the_text(void)
{
    static const char whole[] = "*/5 1-5,H 15W JAN-MAR +FRI#L";

    for (size_t size = 0; size < sizeof(whole); size++) {
        char *copy = malloc(size ? size : 1);
        struct cs_expr expr;

        if (!CHECK(copy))
            return;
        memcpy(copy, whole, size);
        (void)cs_expr_parse(copy, size, "s", 1, &expr, NULL);
        free(copy);
    }
}

static void check_equal(const char *one, const char *other, bool equal)
{
    struct cs_expr a = {0}, b = {0};

    CHECK_INT(cs_expr_parse(one, strlen(one), NULL, 0, &a, NULL), CS_OK);
    CHECK_INT(cs_expr_parse(other, strlen(other), NULL, 0, &b, NULL), CS_OK);
    if (!CHECK_INT(cs_expr_equal(&a, &b), equal))
        fprintf(stderr, "  %s and %s\n", one, other);
}

static void test_equal_means_the_same_instants_by_the_same_rules(void)
{
    check_equal("@daily", "0 0 0 * * ? *", true);
    check_equal("0-59 * * JAN-DEC *", "* * * * *", true);
    check_equal("0 0 * * FRIL", "0 0 ? * 5#L", true);
    check_equal("0 12 * * MON", "0 12 1-31 * MON", false);
    check_equal("0 12 1 * MON", "0 12 1 * +MON", false);
    check_equal("*/30 8 * * *", "0,30 8 * * *", false);
    check_equal("0 0 L * *", "0 0 L-1 * *", false);
    check_equal("0 0 L * *", "0 0 LW * *", false);
    check_equal("0 0 14W * *", "0 0 15W * *", false);
    check_equal("0 0 * * MON#1", "0 0 * * MON#2", false);
    check_equal("0 0 0 1 1 * 2030", "0 0 0 1 1 * 2031", false);
    check_equal("@reboot", "@daily", false);
}

int main(void)
{
    test_it_accepts_what_the_specification_allows();
    test_it_refuses_the_rest_and_says_where_and_why();
    test_h_means_the_same_for_the_same_seed_for_ever();
    test_h_without_a_seed_is_an_error();
    test_a_tilde_chooses_as_h_does();
    test_h_with_a_step_starts_within_the_first_step();
    test_every_range_with_every_step_is_what_counting_gives();
    test_every_number_outside_a_field_is_refused();
    test_every_year_is_its_bit();
    test_one_field_by_itself_has_plain_values_only();
    test_the_longest_expression_fits_its_buffer();
    test_a_text_that_is_too_long_is_refused();
    test_it_reads_no_byte_beyond_the_text();
    test_equal_means_the_same_instants_by_the_same_rules();
    return check_done();
}
