/* Vectors: FIPS 180-4's examples for SHA-512, RFC 4231 section 4, RFC 4648
 * section 10. */
#include <stdlib.h>

#include "check.h"
#include "core/base/digest.h"

static const char *to_hex(const uint8_t *bytes, size_t size)
{
    static char text[2 * CS_SHA512_SIZE + 1];
    size_t i;

    for (i = 0; i < size; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

static void check_sha512(const void *bytes, size_t size, const char *expected)
{
    uint8_t digest[CS_SHA512_SIZE];

    CHECK_INT(cs_digest_sha512(bytes, size, digest), CS_OK);
    CHECK_TEXT(to_hex(digest, sizeof(digest)), expected);
}

static void test_sha512_agrees_with_fips_180(void)
{
    static const char two_blocks[] =
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    char *million = malloc(1000000);

    check_sha512("abc", 3,
                 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2"
                 "0a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
                 "454d4423643ce80e2a9ac94fa54ca49f");
    check_sha512("", 0,
                 "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc"
                 "83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f"
                 "63b931bd47417a81a538327af927da3e");
    check_sha512(two_blocks, 112,
                 "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa1"
                 "7299aeadb6889018501d289e4900f7e4331b99dec4b5433a"
                 "c7d329eeb6dd26545e96e55b874be909");
    memset(million, 'a', 1000000);
    check_sha512(million, 1000000,
                 "e718483d0ce769644e2e42c7bc15b4638e1f98b13b204428"
                 "5632a803afa973ebde0ff244877ea60a4cb0432ce577c31b"
                 "eb009c5c2c49aa2e4eadb217ad8cc09b");
    free(million);
}

/* A key or text of RFC 4231: `text`, or else `count` times `byte`. */
struct filled { const char *text; uint8_t byte; size_t count; };

static size_t fill(const struct filled *from, uint8_t *into)
{
    size_t i;

    if (from->text) {
        memcpy(into, from->text, strlen(from->text));
        return strlen(from->text);
    }
    for (i = 0; i < from->count; i++)
        into[i] = from->byte;
    return from->count;
}

static void check_hmac(struct filled key, struct filled text,
                       const char *expected)
{
    uint8_t mac[CS_HMAC_SIZE], key_bytes[256], text_bytes[256];
    size_t key_size = fill(&key, key_bytes);
    size_t text_size = fill(&text, text_bytes);

    CHECK_INT(cs_digest_hmac_sha256(key_bytes, key_size, text_bytes,
                                    text_size, mac), CS_OK);
    CHECK_TEXT(to_hex(mac, sizeof(mac)), expected);
}

static void test_hmac_agrees_with_rfc_4231(void)
{
    struct filled counted = {"\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20"
                             "\21\22\23\24\25\26\27\30\31", 0, 0};

    check_hmac((struct filled){NULL, 0x0b, 20},
               (struct filled){"Hi There", 0, 0},
               "b0344c61d8db38535ca8afceaf0bf12b"
               "881dc200c9833da726e9376c2e32cff7");
    check_hmac((struct filled){"Jefe", 0, 0},
               (struct filled){"what do ya want for nothing?", 0, 0},
               "5bdcc146bf60754e6a042426089575c7"
               "5a003f089d2739839dec58b964ec3843");
    check_hmac((struct filled){NULL, 0xaa, 20},
               (struct filled){NULL, 0xdd, 50},
               "773ea91e36800e46854db8ebd09181a7"
               "2959098b3ef8c122d9635514ced565fe");
    check_hmac(counted, (struct filled){NULL, 0xcd, 50},
               "82558a389a443c0ea4cc819899f2083a"
               "85f0faa3e578f8077a2e3ff46729665b");
    check_hmac((struct filled){NULL, 0xaa, 131},
               (struct filled){"Test Using Larger Than Block-Size Key - "
                               "Hash Key First", 0, 0},
               "60e431591ee0b67f0d8a26aacbf5b77f"
               "8e0bc6213728c5140546040f0ee37f54");
    check_hmac((struct filled){NULL, 0xaa, 131},
               (struct filled){"This is a test using a larger than "
                               "block-size key and a larger than "
                               "block-size data. The key needs to be "
                               "hashed before being used by the HMAC "
                               "algorithm.", 0, 0},
               "9b09ffa71b942fcb27635fbcd5b0e944"
               "bfdc63644f0713938a7f51535c3a35e2");
}

static void test_hmac_takes_an_empty_key_and_text(void)
{
    uint8_t mac[CS_HMAC_SIZE];

    CHECK_INT(cs_digest_hmac_sha256(NULL, 0, "", 0, mac), CS_OK);
    CHECK_TEXT(to_hex(mac, sizeof(mac)),
               "b613679a0814d9ec772f95d778c35fc5"
               "ff1697c493715653c6c712144292c5ad");
}

static void test_base64_agrees_with_rfc_4648(void)
{
    static const char *const expected[] = {
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    char text[CS_BASE64_SIZE(7)];
    size_t size;

    for (size = 0; size <= 6; size++) {
        cs_digest_base64("foobar", size, text);
        CHECK_TEXT(text, expected[size]);
        CHECK_INT(strlen(text) + 1, CS_BASE64_SIZE(size));
    }
    cs_digest_base64("\x00\x10\x83\xfb\xff\xbf\xfe", 7, text);
    CHECK_TEXT(text, "ABCD+/+//g==");
}

int main(void)
{
    test_sha512_agrees_with_fips_180();
    test_hmac_agrees_with_rfc_4231();
    test_hmac_takes_an_empty_key_and_text();
    test_base64_agrees_with_rfc_4648();
    return check_done();
}
