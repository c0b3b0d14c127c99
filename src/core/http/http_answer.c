/* What comes back, as libcurl hands it over: a line of the head or a piece of
 * the body at a time. Its invariant: the answer always says what is known so
 * far, so that it is complete however the transfer ends.
 *
 * Source: RFC 9110 sections 10.2.3 (Retry-After), 15.2 (interim answers),
 * 6.5 (trailers).
 */
#include "core/http/http_parts.h"

#include <string.h>
#include <strings.h>

#define HEAD_READ (64 * 1024)   /* a larger head is refused */

/* The value of the header `line` if its name is `name` ("retry-after:"). */
static const char *header_value(const char *line, size_t size,
                                const char *name, size_t *value_size)
{
    size_t skip = strlen(name);

    if (size < skip || strncasecmp(line, name, skip) != 0)
        return NULL;
    while (skip < size && (line[skip] == ' ' || line[skip] == '\t'))
        skip++;
    while (size > skip && (unsigned char)line[size - 1] <= ' ')
        size--;
    *value_size = size - skip;
    return line + skip;
}

/* Delay-seconds or an HTTP-date; -1 when it is neither. */
static int32_t read_retry_after(const char *text, size_t size)
{
    char date[64];
    int64_t seconds = 0;
    size_t digits = 0;

    for (; digits < size && text[digits] >= '0' && text[digits] <= '9';
         digits++)
        if (seconds <= INT32_MAX)
            seconds = seconds * 10 + (text[digits] - '0');
    if (digits == 0 || digits < size) {
        if (size >= sizeof date)
            return -1;
        memcpy(date, text, size);
        date[size] = '\0';
        seconds = curl_getdate(date, NULL);
        if (seconds < 0)
            return -1;
        seconds -= cs_wall_seconds(cs_clock_system.wall(NULL));
    }
    if (seconds < 0)
        return 0;
    return seconds > INT32_MAX ? INT32_MAX : (int32_t)seconds;
}

static void forget_head(struct cs_http_answer *answer)
{
    answer->retry_after_s = -1;
    answer->outcome[0] = answer->knock[0] = answer->location[0] = '\0';
}

/* Keep the value of a header if it has this name. One that is too long is no
 * value of ours. */
static void keep_header(const char *line, size_t size, const char *name,
                        char *kept, size_t kept_size)
{
    size_t length;
    const char *value = header_value(line, size, name, &length);

    if (value && length < kept_size) {
        memcpy(kept, value, length);
        kept[length] = '\0';
    }
}

static void read_header(struct cs_http_answer *answer, const char *line,
                        size_t size)
{
    size_t length;
    const char *value = header_value(line, size, "retry-after:", &length);

    if (value)
        answer->retry_after_s = read_retry_after(value, length);
    keep_header(line, size, "cronsched-outcome:", answer->outcome,
                sizeof answer->outcome);
    keep_header(line, size, "cronsched-knock:", answer->knock,
                sizeof answer->knock);
    keep_header(line, size, "location:", answer->location,
                sizeof answer->location);
}

/* One line of the head, of an interim answer's head, or of the trailers. */
size_t cs_http_on_header(char *line, size_t one, size_t size, void *context)
{
    struct cs_http_transfer *transfer = context;
    long status = 0;

    (void)one;
    transfer->head_size += size;
    transfer->endless = transfer->head_size > HEAD_READ;
    if (transfer->endless)
        return size + 1;   /* Anything but `size` ends the transfer. */
    if (transfer->head_ended)
        return size;
    if (size > 5 && memcmp(line, "HTTP/", 5) == 0)
        forget_head(&transfer->answer);
    else if (line[0] == '\r' || line[0] == '\n') {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE,
                                &status);   /* cannot fail */
        transfer->head_ended = status >= 200;
    } else
        read_header(&transfer->answer, line, size);
    return size;
}

size_t cs_http_on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct cs_http_transfer *transfer = context;
    struct cs_http_answer *answer = &transfer->answer;
    size_t kept = sizeof answer->body - answer->body_size;

    (void)one;
    if (kept > size)
        kept = size;
    memcpy(answer->body + answer->body_size, bytes, kept);
    answer->body_size += kept;
    transfer->body_size += size;
    transfer->cut = transfer->body_size > CS_HTTP_BODY_READ;
    return transfer->cut ? size + 1 : size;
}

/* Forget what the handle's last request left behind. */
void cs_http_answer_begin(struct cs_http_transfer *transfer, void *tag)
{
    struct cs_http_answer *answer = &transfer->answer;

    transfer->began = cs_clock_system.mono(NULL);
    transfer->head_size = transfer->body_size = 0;
    transfer->head_ended = transfer->cut = transfer->endless = false;
    transfer->words[0] = '\0';
    answer->tag = tag;
    answer->error = CS_HTTP_BROKEN;
    answer->status = 0;
    answer->body_size = 0;
    answer->reason[0] = '\0';
    forget_head(answer);
}

static enum cs_http_error classify(const struct cs_http_transfer *transfer,
                                   CURLcode code)
{
    long sent = 0;

    if (code == CURLE_OK || transfer->cut)
        return CS_HTTP_DONE;
    /* The bytes of the request that went out decide, not the code: many of
     * libcurl's codes can come before as well as after them. */
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE,
                            &sent);   /* cannot fail */
    if (sent == 0)
        return CS_HTTP_NOT_CONNECTED;
    return code == CURLE_OPERATION_TIMEDOUT ? CS_HTTP_TIMED_OUT
                                            : CS_HTTP_BROKEN;
}

void cs_http_answer_end(struct cs_http_transfer *transfer, CURLcode code,
                     struct cs_mono now)
{
    struct cs_http_answer *answer = &transfer->answer;
    long status = 0;

    answer->error = classify(transfer, code);
    answer->took_ns = now.ns - transfer->began.ns;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE,
                            &status);   /* cannot fail */
    answer->status = status >= 200 ? (int)status : 0;
    if (answer->error != CS_HTTP_DONE)
        cs_http_explain(transfer, code);
}
