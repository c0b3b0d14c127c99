/* TZif files. Source: RFC 9636 section 3.
 *
 * The bytes are not trusted. `cs_tzif_open` checks every count,
 * size and index once, each before it is used, in time proportional to the
 * file; what is asked later relies on that. Limits beyond the RFC's: no leap
 * seconds, since instants here are POSIX seconds, and 2000 transitions.
 */
#include "core/zone/tzif.h"

#include <stdbool.h>
#include <string.h>

#define HEADER_SIZE 44
#define TYPE_SIZE 6
#define OFFSET_LEAST_S (-(26 * 3600 - 1))
#define OFFSET_MOST_S (26 * 3600)
#define TIMES_MOST 2000     /* as in IANA's localtime.c; real zones: 250 */

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16
           | (uint32_t)at[2] << 8 | at[3];
}

static int32_t read_s32(const uint8_t *at)
{
    return (int32_t)read_u32(at);
}

static const uint8_t *type_at(const struct cs_tzif *file, uint32_t type)
{
    return file->types + (size_t)type * TYPE_SIZE;
}

int64_t cs_tzif_time_s(const struct cs_tzif *file, uint32_t i)
{
    const uint8_t *at = file->times + (size_t)i * file->time_size;

    if (file->time_size == 4)
        return read_s32(at);
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

int32_t cs_tzif_offset_s(const struct cs_tzif *file, uint32_t i)
{
    return read_s32(type_at(file, file->indices[i]));
}

int32_t cs_tzif_first_offset_s(const struct cs_tzif *file)
{
    return read_s32(type_at(file, 0));
}

/* The checks: NULL, or what is wrong. */

static const char *check_counts(const struct cs_tzif *file)
{
    if (file->type_count == 0)
        return "it has no time type";
    if (file->text_count == 0)
        return "it has no designation";
    if (file->time_count > TIMES_MOST)
        return "it has too many transitions";
    if (file->leap_count != 0)
        return "it counts leap seconds";
    if (file->isstd_count != 0 && file->isstd_count != file->type_count)
        return "its standard/wall indicators do not match its types";
    if (file->isut_count != 0 && file->isut_count != file->type_count)
        return "its UT/local indicators do not match its types";
    return NULL;
}

static const char *check_times(const struct cs_tzif *file)
{
    for (uint32_t i = 0; i < file->time_count; i++) {
        if (i > 0 && cs_tzif_time_s(file, i) <= cs_tzif_time_s(file, i - 1))
            return "its transitions are not in order";
        if (file->indices[i] >= file->type_count)
            return "a transition leads to a type that does not exist";
    }
    return NULL;
}

static const char *check_types(const struct cs_tzif *file)
{
    for (uint32_t i = 0; i < file->type_count; i++) {
        const uint8_t *type = type_at(file, i);
        int32_t offset_s = read_s32(type);

        if (offset_s < OFFSET_LEAST_S || offset_s > OFFSET_MOST_S)
            return "an offset is out of range";
        if (type[4] > 1)
            return "a daylight flag is neither 0 nor 1";
        if (type[5] >= file->text_count)
            return "a type has a designation that does not exist";
    }
    if (file->texts[file->text_count - 1] != '\0')
        return "a designation has no end";
    return NULL;
}

static const char *check_indicators(const struct cs_tzif *file)
{
    for (uint32_t i = 0; i < file->isstd_count; i++)
        if (file->isstds[i] > 1)
            return "a standard/wall indicator is neither 0 nor 1";
    for (uint32_t i = 0; i < file->isut_count; i++)
        if (file->isuts[i] > 1)
            return "a UT/local indicator is neither 0 nor 1";
    return NULL;
}

static bool is_header(const uint8_t *at, const uint8_t *end)
{
    return end - at >= HEADER_SIZE && memcmp(at, "TZif", 4) == 0
           && (at[4] == '\0' || (at[4] >= '2' && at[4] <= '4'));
}

/* Where everything in the block at `at` (a header, checked) stands; false
 * when the bytes end before the block does. */
static bool lay_out(struct cs_tzif *file, const uint8_t *at,
                    const uint8_t *end, uint32_t time_size)
{
    uint64_t size;

    file->isut_count = read_u32(at + 20);
    file->isstd_count = read_u32(at + 24);
    file->leap_count = read_u32(at + 28);
    file->time_count = read_u32(at + 32);
    file->type_count = read_u32(at + 36);
    file->text_count = read_u32(at + 40);
    file->time_size = time_size;
    size = HEADER_SIZE + (uint64_t)file->time_count * (time_size + 1)
           + (uint64_t)file->type_count * TYPE_SIZE + file->text_count
           + (uint64_t)file->leap_count * (time_size + 4)
           + file->isstd_count + file->isut_count;
    if (size > (uint64_t)(end - at))
        return false;
    file->end = at + size;
    file->times = at + HEADER_SIZE;
    file->indices = file->times + (size_t)file->time_count * time_size;
    file->types = file->indices + file->time_count;
    file->texts = file->types + (size_t)file->type_count * TYPE_SIZE;
    file->isuts = file->end - file->isut_count;
    file->isstds = file->isuts - file->isstd_count;
    return true;
}

/* Of a first block before a second, only the size counts. */
static const char *open_block(struct cs_tzif *file, const uint8_t *bytes,
                              const uint8_t *end)
{
    const uint8_t *second;

    if (!is_header(bytes, end))
        return "it does not start like a TZif file of version 1 to 4";
    if (!lay_out(file, bytes, end, 4))
        return "it is cut off";
    if (bytes[4] == '\0')
        return NULL;
    second = file->end;
    if (!is_header(second, end) || second[4] != bytes[4])
        return "its second header is not like its first";
    return lay_out(file, second, end, 8) ? NULL : "it is cut off";
}

/* What stands between two newlines after a second block. Bytes after that
 * are left to later versions of the format. */
static const char *open_footer(struct cs_tzif *file, const uint8_t *end)
{
    const uint8_t *newline;

    file->footer = NULL;
    file->footer_size = 0;
    if (file->time_size == 4)
        return NULL;
    if (file->end == end || file->end[0] != '\n')
        return "it has no footer";
    file->footer = (const char *)file->end + 1;
    newline = memchr(file->footer, '\n', (size_t)(end - file->end - 1));
    if (!newline)
        return "its footer has no end";
    file->footer_size = (size_t)(newline - file->end - 1);
    return NULL;
}

enum cs_status cs_tzif_open(const void *bytes, size_t size,
                            struct cs_tzif *file, struct cs_error *error)
{
    const uint8_t *start = bytes, *end = start + size;
    struct cs_tzif opened;
    const char *wrong = open_block(&opened, start, end);

    wrong = wrong ? wrong : check_counts(&opened);
    wrong = wrong ? wrong : check_times(&opened);
    wrong = wrong ? wrong : check_types(&opened);
    wrong = wrong ? wrong : check_indicators(&opened);
    wrong = wrong ? wrong : open_footer(&opened, end);
    if (wrong)
        return cs_error_set(error, CS_ZONE, "not a time zone: %s", wrong);
    *file = opened;
    return CS_OK;
}
