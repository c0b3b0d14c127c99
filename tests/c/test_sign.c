/* Expected values: Python's hashlib and hmac, with the bytes 0 to 31 as key:
 *   id = 'run_' + sha512(f'{app}\0{job}\0{scheduled}').hexdigest()[:32]
 *   id += f'_{attempt}' if attempt > 1 else ''
 *   b64encode(hmac.digest(key, f'{id}.{now}.', 'sha256'))
 */
#include "check.h"
#include "core/base/mem.h"
#include "core/http/sign.h"

/* 200 letters of two bytes: longer than what fits on the stack. */
static char long_job[401];

struct row {
    const char *application_id, *job;
    int64_t scheduled_s, now_s;
    int32_t attempt;
    const char *list[5];
};

static const struct row rows[] = {
    {"town/govikon", "app.cleanup_stuff", 1792000020, 1792000047, 1,
     {"webhook-id: run_22705ff570b20dfb3d20753b7c54bcaf",
      "Cronsched-Scheduled: 2026-10-14T17:47:00Z", "Cronsched-Attempt: 1",
      "webhook-timestamp: 1792000047",
      "webhook-signature: v1,fwBdmXlwXyJY6uiKRCa9HzeCv2JXdScWP9eYz9sb4S8="}},
    {"", "", 0, 0, 0,
     {"webhook-id: run_4d17d329952235ed82daa6ac5fee31d1",
      "Cronsched-Scheduled: 1970-01-01T00:00:00Z", "Cronsched-Attempt: 0",
      "webhook-timestamp: 0",
      "webhook-signature: v1,5Ufu7UyH+F48qlUkEJbsYzeR7CZPtxXfEpHVRMDiAQY="}},
    {"Z\xc3\xbcrich", long_job, -1, -5, INT32_MAX,
     {"webhook-id: run_be143baa7e6b62b7a74c548b616b1fb9_2147483647",
      "Cronsched-Scheduled: 1969-12-31T23:59:59Z",
      "Cronsched-Attempt: 2147483647", "webhook-timestamp: -5",
      "webhook-signature: v1,9Xu4KirlYhI/bAcKcIo+VbnTJ8Rc1j9gzvw3iTdNqDU="}},
    {"a", "b", INT64_C(253402300799), INT64_MAX, INT32_MIN,
     {"webhook-id: run_0a9ffec1a78b711847c23a05e45e33b4",
      "Cronsched-Scheduled: 9999-12-31T23:59:59Z",
      "Cronsched-Attempt: -2147483648",
      "webhook-timestamp: 9223372036854775807",
      "webhook-signature: v1,u7h7JKR671hqrAt4CNmaoJeYAXG3C2VEELc7I0FpZGM="}},
    {"a", "b", INT64_C(-62135596800), INT64_MIN, 3,
     {"webhook-id: run_a0049f7ba3c7af00d4649da02357c7be_3",
      "Cronsched-Scheduled: 0001-01-01T00:00:00Z", "Cronsched-Attempt: 3",
      "webhook-timestamp: -9223372036854775808",
      "webhook-signature: v1,BT3kugxOIEYRCa8JgH+fELuOxLQOTedjGf0W0Ja+QSI="}},
};

static struct cs_sign_request request_of(const struct row *row,
                                         const uint8_t *key)
{
    return (struct cs_sign_request){row->application_id, row->job, key,
                                    row->scheduled_s, row->now_s,
                                    row->attempt, 0};
}

static const uint8_t *get_key(void)
{
    static uint8_t key[CS_SIGN_KEY_SIZE];
    uint8_t i;

    for (i = 0; i < CS_SIGN_KEY_SIZE; i++)
        key[i] = i;
    return key;
}

static void test_the_headers_are_those_python_computes(void)
{
    size_t i, j;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cs_sign_request request = request_of(&rows[i], get_key());
        struct cs_sign_headers headers;

        CHECK_INT(cs_sign(&request, &headers), CS_OK);
        for (j = 0; j < 5; j++)
            CHECK_TEXT(headers.list[j], rows[i].list[j]);
        CHECK(headers.list[5] == NULL);
    }
}

static void test_an_epoch_is_signed_with_the_attempt(void)
{
    struct cs_sign_request request = request_of(&rows[0], get_key());
    struct cs_sign_headers plain, headers;
    size_t size = strlen(rows[0].list[0]);

    CHECK_INT(cs_sign(&request, &plain), CS_OK);
    request.epoch = INT64_MAX;
    CHECK_INT(cs_sign(&request, &headers), CS_OK);
    CHECK(strncmp(headers.list[0], rows[0].list[0], size) == 0);
    CHECK_TEXT(headers.list[0] + size, "_1_9223372036854775807");
    CHECK_TEXT(headers.list[3], "Cronsched-Epoch: 9223372036854775807");
    CHECK(strcmp(headers.signature, plain.signature) != 0);
    CHECK(headers.list[6] == NULL);
}

static void test_without_a_key_nothing_is_signed(void)
{
    struct cs_sign_request request = request_of(&rows[0], NULL);
    struct cs_sign_headers headers;
    size_t i;

    CHECK_INT(cs_sign(&request, &headers), CS_OK);
    for (i = 0; i < 3; i++)
        CHECK_TEXT(headers.list[i], rows[0].list[i]);
    CHECK(headers.list[3] == NULL);
}

static void test_names_that_join_to_the_same_text_are_told_apart(void)
{
    char one[CS_RUN_ID_SIZE], other[CS_RUN_ID_SIZE];

    CHECK_INT(cs_sign_run_id("a", "bc", 1, one), CS_OK);
    CHECK_INT(cs_sign_run_id("ab", "c", 1, other), CS_OK);
    CHECK_TEXT(one, "run_2f0346ad8065079965839ebda0137024");
    CHECK_TEXT(other, "run_7c377376890c6f8a372c2a146fc43dcc");
}

static void test_a_year_that_cannot_be_written_is_refused(void)
{
    struct cs_sign_request request = request_of(&rows[0], get_key());
    struct cs_sign_headers headers;

    request.scheduled_s = INT64_C(253402300800);
    CHECK_INT(cs_sign(&request, &headers), CS_RANGE);
    request.scheduled_s = INT64_C(-62135596801);
    CHECK_INT(cs_sign(&request, &headers), CS_RANGE);
}

static void test_only_a_long_name_needs_memory(void)
{
    char id[CS_RUN_ID_SIZE] = "untouched";

    cs_mem_fail_after(0);
    CHECK_INT(cs_sign_run_id("a", long_job, 1, id), CS_NOMEM);
    CHECK_TEXT(id, "untouched");
    CHECK_INT(cs_sign_run_id("a", "b", 1, id), CS_OK);
    cs_mem_fail_after(-1);
}

int main(void)
{
    size_t i;

    for (i = 0; i < 400; i += 2)
        memcpy(long_job + i, "\xc3\xa4", 3);
    test_the_headers_are_those_python_computes();
    test_an_epoch_is_signed_with_the_attempt();
    test_without_a_key_nothing_is_signed();
    test_names_that_join_to_the_same_text_are_told_apart();
    test_a_year_that_cannot_be_written_is_refused();
    test_only_a_long_name_needs_memory();
    return check_done();
}
