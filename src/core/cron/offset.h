/* The seeded delay that spreads jobs of one minute over half a minute: bit for
 * bit `random.Random(seed).randint(0, max_ms)` of CPython 3.
 */
#ifndef CS_OFFSET_H
#define CS_OFFSET_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_OFFSET_DEFAULT_MAX_MS 30000

/* `seed` is UTF-8, `size` bytes, NULs allowed. 0 <= max_ms <= INT32_MAX - 1.
 * CS_NOMEM, CS_RANGE. */
enum cs_status cs_offset_ms(const char *seed, size_t size, int32_t max_ms,
                            int32_t *offset_ms);

#endif
