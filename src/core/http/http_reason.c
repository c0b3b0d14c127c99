/* Why a transfer ended without a whole answer, in our own words: libcurl's
 * differ from version to version, and users read these in the log and in the
 * history. What libcurl says follows only where it knows more than its code
 * tells: about TLS, and about what has no row here.
 *
 * Invariant: no part of a URL but its host and port is ever repeated; the
 * path is signed, and what is before an @ is a password.
 *
 * Source: libcurl-errors(3).
 */
#include "core/http/http_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A reason: a text, whom it is about, what libcurl says. */
struct words {
    const char *text;
    bool place, more;
};

static const struct {
    CURLcode code;
    struct words words;
} BEFORE_SENDING[] = {
    {CURLE_OPERATION_TIMEDOUT, {"timed out while connecting to", true, false}},
    {CURLE_COULDNT_RESOLVE_HOST, {"no address was found for", true, false}},
    {CURLE_SSL_CONNECT_ERROR, {"no TLS connection with", true, true}},
    {CURLE_PEER_FAILED_VERIFICATION,
     {"not a valid certificate of", true, true}},
    {CURLE_UNSUPPORTED_PROTOCOL,
     {"this libcurl was built without TLS", false, false}},
    {CURLE_OUT_OF_MEMORY, {"out of memory", false, false}},
};

static const struct {
    int number;
    struct words words;
} NOT_CONNECTED[] = {
    {ECONNREFUSED, {"connection refused by", true, false}},
    {ENOENT, {"there is no such socket", false, false}},
    {EACCES, {"no permission to connect to", true, false}},
    {EPERM, {"no permission to connect to", true, false}},
    {ENETUNREACH, {"no route to", true, false}},
    {EHOSTUNREACH, {"no route to", true, false}},
    {EADDRNOTAVAIL, {"no local port left to connect to", true, false}},
};

/* After the request was sent, with what had arrived by then. */
static const struct {
    CURLcode code;
    const char *nothing, *part;
} AFTER_SENDING[] = {
    {CURLE_OPERATION_TIMEDOUT, "timed out before an answer had arrived",
     "timed out before the whole answer had arrived"},
    {CURLE_GOT_NOTHING, "connection closed before an answer had arrived",
     "connection closed before the whole answer had arrived"},
    {CURLE_PARTIAL_FILE, "connection closed before an answer had arrived",
     "connection closed before the whole answer had arrived"},
    {CURLE_RECV_ERROR, "connection broken before an answer had arrived",
     "connection broken before the whole answer had arrived"},
    {CURLE_SEND_ERROR, "connection broken before an answer had arrived",
     "connection broken before the whole answer had arrived"},
    {CURLE_WEIRD_SERVER_REPLY, "what answered does not speak HTTP",
     "the answer is not HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, "what answered does not speak HTTP",
     "the answer is not HTTP"},
    {CURLE_OUT_OF_MEMORY, "out of memory", "out of memory"},
};

static const struct words OTHER = {"the request failed", false, true};

#define COUNT(table) (sizeof (table) / sizeof *(table))

static struct words words_after_sending(const struct cs_http_answer *answer,
                                        CURLcode code)
{
    for (size_t i = 0; i < COUNT(AFTER_SENDING); i++)
        if (AFTER_SENDING[i].code == code)
            return (struct words){answer->status ? AFTER_SENDING[i].part
                                                 : AFTER_SENDING[i].nothing,
                                  false, false};
    return OTHER;
}

/* libcurl keeps the number of the system's error, of the last address that
 * was tried. */
static struct words words_of_connecting(CURL *easy)
{
    long number = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO,
                            &number);   /* cannot fail */
    for (size_t i = 0; i < COUNT(NOT_CONNECTED); i++)
        if (NOT_CONNECTED[i].number == number)
            return NOT_CONNECTED[i].words;
    return (struct words){"no connection to", true, false};
}

static struct words words_before_sending(CURL *easy, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT)
        return words_of_connecting(easy);
    if (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR)
        return (struct words){"connection broken before the request was sent",
                              false, false};
    for (size_t i = 0; i < COUNT(BEFORE_SENDING); i++)
        if (BEFORE_SENDING[i].code == code)
            return BEFORE_SENDING[i].words;
    return OTHER;
}

/* Host and port of the request's URL, behind a blank. */
static void write_place(const struct cs_http_transfer *transfer, char *place,
                        size_t size)
{
    const char *start, *at;
    char *url = NULL;   /* libcurl's headers want this type */
    int length;

    if (transfer->to_socket) {
        (void)snprintf(place, size, " the socket");
        return;
    }
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL,
                            &url);   /* cannot fail */
    start = url ? strstr(url, "://") : NULL;
    start = start ? start + 3 : "the application";
    length = (int)strcspn(start, "/?#");
    at = memchr(start, '@', (size_t)length);
    if (at) {
        length -= (int)(at + 1 - start);
        start = at + 1;
    }
    (void)snprintf(place, size, " %.*s", length, start);   /* cut, if long */
}

void cs_http_explain(struct cs_http_transfer *transfer, CURLcode code)
{
    struct cs_http_answer *answer = &transfer->answer;
    const char *more = transfer->words[0] ? transfer->words
                                          : curl_easy_strerror(code);
    char place[64] = "";
    struct words words;
    long sent = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE,
                            &sent);   /* cannot fail */
    if (transfer->endless)
        words = (struct words){"the head of the answer is too long", false,
                               false};
    else
        words = sent > 0 ? words_after_sending(answer, code)
                         : words_before_sending(transfer->easy, code);
    if (words.place)
        write_place(transfer, place, sizeof place);
    (void)snprintf(answer->reason, sizeof answer->reason, "%s%s%s%.120s",
                   words.text, place, words.more ? ": " : "",
                   words.more ? more : "");   /* it fits */
}
