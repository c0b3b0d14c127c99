/* The bytes of a TZif file, checked and opened in place. Source: RFC 9636,
 * versions 1 to 4. Nothing is copied: a `struct cs_tzif` is valid as long as
 * the bytes are.
 */
#ifndef CS_TZIF_H
#define CS_TZIF_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

/* The block that counts: the second one, with 64-bit times, if there is one.
 * All pointers are borrowed from the file's bytes. */
struct cs_tzif {
    uint32_t isut_count, isstd_count, leap_count;
    uint32_t time_count, type_count, text_count;
    uint32_t time_size;                 /* 4 or 8 bytes */
    const uint8_t *times, *indices, *types, *texts, *isstds, *isuts;
    const uint8_t *end;                 /* of the block */
    const char *footer;                 /* not terminated; */
    size_t footer_size;                 /* 0 when there is no rule */
};

/* CS_ZONE, saying what is wrong, also for files that count leap seconds. On
 * success the transitions are in strict order, every offset is within the
 * RFC's -25:59:59 to 26:00:00, and the indices below are safe to ask for. */
enum cs_status cs_tzif_open(const void *bytes, size_t size,
                            struct cs_tzif *file, struct cs_error *error);

/* When transition `i` (below time_count) happens, in UTC seconds, and the
 * offset in seconds east of UTC from then on. */
int64_t cs_tzif_time_s(const struct cs_tzif *file, uint32_t i);
int32_t cs_tzif_offset_s(const struct cs_tzif *file, uint32_t i);

/* The offset before the first transition. */
int32_t cs_tzif_first_offset_s(const struct cs_tzif *file);

#endif
