/* A small writer of TZif files (RFC 9636), for tests that need a zone. The
 * files are made by hand, not taken from tzdata, so that they cannot change.
 */
#ifndef TZIF_WRITER_H
#define TZIF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TZIF_WRITER_ROOM 65536

struct tzif_change { int64_t at_s; int type; };
struct tzif_type { int32_t offset_s; int is_daylight; int text; };

struct tzif {
    char version;                       /* 0, or '2' to '4' */
    const struct tzif_type *types;
    const struct tzif_change *changes;
    int type_count, change_count;
    const char *footer;                 /* NULL: not even its newlines */
    bool is_fat;                        /* the first block is full, too */
};

static inline uint8_t *tzif_number(uint8_t *at, int64_t value, int size)
{
    for (int i = size - 1; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)(value & 0xff);
    return at + size;
}

/* A block without indicators and leap seconds; `is_empty` as in the first
 * block of a "slim" file. */
static inline uint8_t *tzif_block(uint8_t *at, const struct tzif *zone,
                                  int time_size, bool is_empty)
{
    static const char texts[] = "ONE\0TWO";
    int types = is_empty ? 1 : zone->type_count;
    int changes = is_empty ? 0 : zone->change_count;

    memset(at, 0, 44);
    memcpy(at, "TZif", 4);
    at[4] = (uint8_t)zone->version;
    (void)tzif_number(at + 32, changes, 4);
    (void)tzif_number(at + 36, types, 4);
    (void)tzif_number(at + 40, sizeof(texts), 4);
    at += 44;
    for (int i = 0; i < changes; i++)
        at = tzif_number(at, zone->changes[i].at_s, time_size);
    for (int i = 0; i < changes; i++)
        at = tzif_number(at, zone->changes[i].type, 1);
    for (int i = 0; i < types; i++) {
        at = tzif_number(at, zone->types[i].offset_s, 4);
        at = tzif_number(at, zone->types[i].is_daylight, 1);
        at = tzif_number(at, zone->types[i].text, 1);
    }
    memcpy(at, texts, sizeof(texts));
    return at + sizeof(texts);
}

/* Into TZIF_WRITER_ROOM bytes; how many were written. */
static inline size_t tzif_write(const struct tzif *zone, uint8_t *bytes)
{
    uint8_t *at = bytes;

    if (zone->version == '\0')
        return (size_t)(tzif_block(at, zone, 4, false) - bytes);
    at = tzif_block(at, zone, 4, !zone->is_fat);
    at = tzif_block(at, zone, 8, false);
    if (zone->footer) {
        size_t length = strlen(zone->footer);

        *at++ = '\n';
        memcpy(at, zone->footer, length);
        at += length;
        *at++ = '\n';
    }
    return (size_t)(at - bytes);
}

/* A file without transitions whose footer says everything. */
static inline size_t tzif_write_rule(const char *rule, uint8_t *bytes)
{
    static const struct tzif_type type = {0, 0, 0};
    struct tzif zone = {'3', &type, NULL, 1, 0, rule, false};

    return tzif_write(&zone, bytes);
}

#endif
