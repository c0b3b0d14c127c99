/* Source: Standard Webhooks 1.0; the payload that is signed is the URL, as
 * the body is empty and the URL is what a knock says. "knock_" and "answer."
 * keep both texts apart from each other and from those of runs ("run_").
 */
#include "core/sched/knock_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "core/base/digest.h"

#define NONCE_SIZE 16
#define MAC_TEXT_SIZE CS_BASE64_SIZE(CS_HMAC_SIZE)

static enum cs_status make_id(char id[CS_KNOCK_ID_SIZE])
{
    uint8_t nonce[NONCE_SIZE];
    char *at = id + snprintf(id, CS_KNOCK_ID_SIZE, "knock_");

    if (getentropy(nonce, sizeof nonce))
        return CS_NOMEM;
    for (int i = 0; i < NONCE_SIZE; i++)
        at += snprintf(at, 3, "%02x", nonce[i]);
    return CS_OK;
}

static enum cs_status mac_of(const uint8_t *key, const char *content,
                             int size, char text[MAC_TEXT_SIZE])
{
    uint8_t mac[CS_HMAC_SIZE];
    enum cs_status status = cs_digest_hmac_sha256(
        key, CS_KNOCK_KEY_SIZE, content, (size_t)size, mac);

    if (status == CS_OK)
        cs_digest_base64(mac, sizeof mac, text);
    return status;
}

enum cs_status cs_knock_sign(const uint8_t key[CS_KNOCK_KEY_SIZE],
                             const char *url, int64_t now_s,
                             char id[CS_KNOCK_ID_SIZE],
                             struct cs_knock_signed *headers)
{
    char content[CS_KNOCK_URL_SIZE + 64], mac[MAC_TEXT_SIZE];
    enum cs_status status = make_id(id);
    int size;

    if (status == CS_OK) {
        size = snprintf(content, sizeof content, "%s.%" PRId64 ".%s", id,
                        now_s, url);
        status = size < (int)sizeof content ? mac_of(key, content, size, mac)
                                            : CS_NOMEM;
    }
    if (status != CS_OK)
        return status;
    /* All of them fit. */
    (void)snprintf(headers->id, sizeof headers->id, "webhook-id: %s", id);
    (void)snprintf(headers->timestamp, sizeof headers->timestamp,
                   "webhook-timestamp: %" PRId64, now_s);
    (void)snprintf(headers->signature, sizeof headers->signature,
                   "webhook-signature: v1,%s", mac);
    (void)snprintf(headers->address, sizeof headers->address,
                   "Cronsched-Address: %.*s", CS_KNOCK_URL_SIZE - 1, url);
    return CS_OK;
}

/* Whether two texts of the same size are equal, in the same time wherever
 * they differ. */
static bool is_same(const char *one, const char *other, size_t size)
{
    unsigned char difference = 0;

    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char)(one[i] ^ other[i]);
    return difference == 0;
}

bool cs_knock_is_proof(const uint8_t key[CS_KNOCK_KEY_SIZE], const char *id,
                       const char *proof, pid_t *pid)
{
    size_t digits = strspn(proof, "0123456789");
    char content[96], mac[MAC_TEXT_SIZE];
    int size;

    if (digits < 1 || digits > 10 || proof[digits] != ' '
        || strlen(proof + digits + 1) != MAC_TEXT_SIZE - 1)
        return false;
    size = snprintf(content, sizeof content, "answer.%s.%.*s", id,
                    (int)digits, proof);
    if (mac_of(key, content, size, mac) != CS_OK
        || !is_same(mac, proof + digits + 1, MAC_TEXT_SIZE - 1))
        return false;
    *pid = (pid_t)strtol(proof, NULL, 10);
    return true;
}
