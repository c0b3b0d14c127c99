/* SHA-512 (FIPS 180-4), HMAC-SHA-256 (RFC 2104), Base64 (RFC 4648 section 4).
 * The only file that knows libcrypto.
 */
#ifndef CS_DIGEST_H
#define CS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define CS_SHA512_SIZE 64
#define CS_HMAC_SIZE 32
#define CS_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)   /* with the NUL */

/* CS_NOMEM when libcrypto fails; it has no other reason here. */
enum cs_status cs_digest_sha512(const void *bytes, size_t size,
                                uint8_t digest[CS_SHA512_SIZE]);

enum cs_status cs_digest_hmac_sha256(const void *key, size_t key_size,
                                     const void *bytes, size_t size,
                                     uint8_t mac[CS_HMAC_SIZE]);

/* `text` has room for CS_BASE64_SIZE(size) characters. */
void cs_digest_base64(const void *bytes, size_t size, char *text);

#endif
