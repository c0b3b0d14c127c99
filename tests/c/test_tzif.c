/* What is a TZif file, and above all what is not. */
#include "core/zone/tzif.h"

#include <stdlib.h>

#include "check.h"
#include "tzif_writer.h"

static const struct tzif_type types[] = {{3600, 0, 0}, {7200, 1, 4}};
static const struct tzif_change changes[] = {{INT64_C(-5000000000), 1},
                                             {100, 0}, {200, 1}};
static const struct tzif whole = {'2', types, changes, 2, 3, "CET-1", false};
static const struct tzif old = {'\0', types, changes + 1, 2, 2, NULL, false};
static uint8_t bytes[TZIF_WRITER_ROOM];

/* Where things stand in `whole`: the first block is 58 bytes. */
enum {
    SECOND = 58, TIMES = SECOND + 44, INDICES = TIMES + 24,
    TYPES = INDICES + 3, TEXTS = TYPES + 12, FOOTER = TEXTS + 8,
    WHOLE_SIZE = FOOTER + 7
};

/* A copy of exactly `size` bytes, so that a read past them is seen. */
static enum cs_status open_copy(size_t size, struct cs_tzif *file,
                                struct cs_error *error)
{
    uint8_t *copy = malloc(size ? size : 1);
    enum cs_status status;

    if (!copy)
        return CS_NOMEM;
    memcpy(copy, bytes, size);
    status = cs_tzif_open(copy, size, file, error);
    free(copy);
    return status;
}

static void test_the_second_block_counts(void)
{
    struct cs_tzif file;
    size_t size = tzif_write(&whole, bytes);

    CHECK_INT(size, WHOLE_SIZE);
    CHECK_INT(cs_tzif_open(bytes, size, &file, NULL), CS_OK);
    CHECK_INT(file.time_count, 3);
    CHECK_INT(cs_tzif_time_s(&file, 0), INT64_C(-5000000000));
    CHECK_INT(cs_tzif_time_s(&file, 2), 200);
    CHECK_INT(cs_tzif_offset_s(&file, 1), 3600);
    CHECK_INT(cs_tzif_offset_s(&file, 2), 7200);
    CHECK_INT(cs_tzif_first_offset_s(&file), 3600);
    CHECK_INT(file.footer_size, 5);
    CHECK(memcmp(file.footer, "CET-1", 5) == 0);
}

static void test_a_file_of_version_1_has_32_bits_and_no_footer(void)
{
    struct cs_tzif file;
    size_t size = tzif_write(&old, bytes);

    CHECK_INT(cs_tzif_open(bytes, size, &file, NULL), CS_OK);
    CHECK_INT(file.time_count, 2);
    CHECK_INT(cs_tzif_time_s(&file, 1), 200);
    CHECK_INT(file.footer_size, 0);
}

static void test_versions_2_to_4_are_known_and_no_others(void)
{
    for (int version = 1; version < 256; version++) {
        struct cs_tzif file;
        size_t size = tzif_write(&whole, bytes);

        bytes[4] = bytes[SECOND + 4] = (uint8_t)version;
        CHECK_INT(open_copy(size, &file, NULL),
                  version >= '2' && version <= '4' ? CS_OK : CS_ZONE);
    }
}

static void test_an_empty_footer_is_no_rule(void)
{
    struct tzif silent = whole;
    struct cs_tzif file;
    size_t size;

    silent.footer = "";
    size = tzif_write(&silent, bytes);
    CHECK_INT(cs_tzif_open(bytes, size, &file, NULL), CS_OK);
    CHECK_INT(file.footer_size, 0);
}

static void test_a_file_cut_off_anywhere_is_refused(void)
{
    struct cs_tzif file;
    size_t size = tzif_write(&whole, bytes);

    for (size_t cut = 0; cut < size; cut++)
        CHECK_INT(open_copy(cut, &file, NULL), CS_ZONE);
    CHECK_INT(open_copy(size, &file, NULL), CS_OK);
    size = tzif_write(&old, bytes);
    for (size_t cut = 0; cut < size; cut++)
        CHECK_INT(open_copy(cut, &file, NULL), CS_ZONE);
    CHECK_INT(open_copy(size, &file, NULL), CS_OK);
}

/* One number of the file replaced, and what is said then. */
static const struct {
    int at, size;
    int64_t value;
    const char *text;
} faults[] = {
    {0, 1, 'X', "it does not start like a TZif file of version 1 to 4"},
    {SECOND, 1, 'X', "its second header is not like its first"},
    {SECOND + 4, 1, '3', "its second header is not like its first"},
    {32, 4, 1, "its second header is not like its first"},
    {32, 4, 0xffffffff, "it is cut off"},
    {SECOND + 20, 4, 0xffffffff, "it is cut off"},
    {SECOND + 24, 4, 0xffffffff, "it is cut off"},
    {SECOND + 28, 4, 0xffffffff, "it is cut off"},
    {SECOND + 32, 4, 0xffffffff, "it is cut off"},
    {SECOND + 36, 4, 0xffffffff, "it is cut off"},
    {SECOND + 40, 4, 0xffffffff, "it is cut off"},
    {SECOND + 20, 4, 1, "its UT/local indicators do not match its types"},
    {SECOND + 24, 4, 1, "its standard/wall indicators do not match its "
                        "types"},
    {SECOND + 36, 4, 0, "it has no time type"},
    {SECOND + 40, 4, 0, "it has no designation"},
    {TIMES + 8, 8, INT64_C(-5000000000),
     "its transitions are not in order"},
    {TIMES + 16, 8, 99, "its transitions are not in order"},
    {INDICES, 1, 2, "a transition leads to a type that does not exist"},
    {INDICES + 2, 1, 255, "a transition leads to a type that does not exist"},
    {TYPES, 4, 93601, "an offset is out of range"},
    {TYPES + 6, 4, -93600, "an offset is out of range"},
    {TYPES, 4, INT32_MIN, "an offset is out of range"},
    {TYPES + 4, 1, 2, "a daylight flag is neither 0 nor 1"},
    {TYPES + 5, 1, 8, "a type has a designation that does not exist"},
    {TEXTS + 7, 1, 'X', "a designation has no end"},
    {FOOTER, 1, 'X', "it has no footer"},
    {FOOTER + 6, 1, 'X', "its footer has no end"},
};

static void test_each_fault_is_found_and_named(void)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        struct cs_tzif file;
        struct cs_error error;
        size_t size = tzif_write(&whole, bytes);

        (void)tzif_number(bytes + faults[i].at, faults[i].value,
                          faults[i].size);
        CHECK_INT(open_copy(size, &file, &error), CS_ZONE);
        CHECK(strncmp(error.text, "not a time zone: ", 17) == 0);
        CHECK_TEXT(error.text + 17, faults[i].text);
    }
}

static void test_the_offsets_of_the_standard_are_accepted(void)
{
    static const int32_t offsets[] = {-93599, 93600};

    for (int i = 0; i < 2; i++) {
        struct cs_tzif file;
        size_t size = tzif_write(&whole, bytes);

        (void)tzif_number(bytes + TYPES, offsets[i], 4);
        CHECK_INT(open_copy(size, &file, NULL), CS_OK);
    }
}

static void test_leap_seconds_are_refused(void)
{
    struct cs_tzif file;
    struct cs_error error;
    size_t size = tzif_write(&whole, bytes);

    memmove(bytes + FOOTER + 12, bytes + FOOTER, size - FOOTER);
    memset(bytes + FOOTER, 0, 12);
    (void)tzif_number(bytes + SECOND + 28, 1, 4);
    CHECK_INT(open_copy(size + 12, &file, &error), CS_ZONE);
    CHECK_TEXT(error.text, "not a time zone: it counts leap seconds");
}

/* Both kinds of indicator, two types each. */
static size_t write_indicators(const char *four)
{
    size_t size = tzif_write(&whole, bytes);

    memmove(bytes + FOOTER + 4, bytes + FOOTER, size - FOOTER);
    memcpy(bytes + FOOTER, four, 4);
    (void)tzif_number(bytes + SECOND + 20, 2, 4);
    (void)tzif_number(bytes + SECOND + 24, 2, 4);
    return size + 4;
}

static void test_indicators_are_flags(void)
{
    struct cs_tzif file;

    CHECK_INT(open_copy(write_indicators("\1\0\1\0"), &file, NULL), CS_OK);
    CHECK_INT(open_copy(write_indicators("\1\2\1\0"), &file, NULL), CS_ZONE);
    CHECK_INT(open_copy(write_indicators("\1\1\1\2"), &file, NULL), CS_ZONE);
}

static void test_2000_transitions_are_enough(void)
{
    static struct tzif_change many[2001];
    struct tzif zone = {'2', types, many, 2, 2000, "", false};
    struct cs_tzif file;
    struct cs_error error;

    for (int i = 0; i < 2001; i++)
        many[i] = (struct tzif_change){i, i % 2};
    CHECK_INT(open_copy(tzif_write(&zone, bytes), &file, NULL), CS_OK);
    zone.change_count = 2001;
    CHECK_INT(open_copy(tzif_write(&zone, bytes), &file, &error), CS_ZONE);
    CHECK_TEXT(error.text, "not a time zone: it has too many transitions");
}

int main(void)
{
    test_the_second_block_counts();
    test_a_file_of_version_1_has_32_bits_and_no_footer();
    test_versions_2_to_4_are_known_and_no_others();
    test_an_empty_footer_is_no_rule();
    test_a_file_cut_off_anywhere_is_refused();
    test_each_fault_is_found_and_named();
    test_the_offsets_of_the_standard_are_accepted();
    test_leap_seconds_are_refused();
    test_indicators_are_flags();
    test_2000_transitions_are_enough();
    return check_done();
}
