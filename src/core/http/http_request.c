/* What is sent: the URL, the headers and the numbers of a request, set on an
 * easy handle that was used before or is new. Nothing of the handle's last
 * request is left.
 */
#include "core/http/http_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "core/base/mem.h"

#define UNIX_SCHEME "http+unix://"
#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* Copy `headers` as a curl_slist into one block of memory, which the next
 * request of this handle uses again. */
static bool keep_headers(struct cs_http_transfer *transfer,
                         const char *const *headers)
{
    struct curl_slist *nodes;
    size_t count = 0, size = 0;
    char *text;

    for (; headers && headers[count]; count++)
        size += sizeof *nodes + strlen(headers[count]) + 1;
    if (size > transfer->headers_size) {
        nodes = cs_mem_realloc(transfer->headers, size);
        if (!nodes)
            return false;
        transfer->headers = nodes;
        transfer->headers_size = size;
    }
    nodes = transfer->headers;
    text = (char *)(nodes + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(headers[i]) + 1;

        nodes[i].data = memcpy(text, headers[i], length);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        text += length;
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER,
                           count ? nodes : NULL);   /* cannot fail */
    return true;
}

static int hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit | ' ') : NULL;

    return found ? (int)(found - digits) : -1;
}

/* The percent-encoded socket path at `*text`, which then points behind it;
 * false when it is empty, too long or badly encoded. */
static bool read_socket_path(const char **text, char path[SOCKET_PATH_SIZE])
{
    const char *at = *text;
    size_t size = 0;

    for (; *at && *at != '/' && *at != '?'; at++) {
        int byte = (unsigned char)*at;

        if (byte == '%') {
            int high = hex_digit(at[1]);
            int low = high < 0 ? -1 : hex_digit(at[2]);

            byte = low < 0 ? 0 : high * 16 + low;
            at += 2;
        }
        if (byte == 0 || size + 1 >= SOCKET_PATH_SIZE)
            return false;
        path[size++] = (char)byte;
    }
    path[size] = '\0';
    *text = at;
    return size > 0;
}

static enum cs_status refuse_url(struct cs_error *error, const char *url,
                                 const char *why)
{
    return cs_error_set(error, CS_SYNTAX, "not a URL to call: %s: %.100s",
                        why, url);
}

/* What setting an option to a text led to; `why` if the text is at fault. */
static enum cs_status explain_set(CURLcode code, struct cs_error *error,
                                  const char *url, const char *why)
{
    if (code == CURLE_OK)
        return CS_OK;
    if (code == CURLE_OUT_OF_MEMORY)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    return refuse_url(error, url, why);
}

static bool is_host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')
        || (byte >= '0' && byte <= '9') || byte == '.' || byte == '-';
}

/* Is `rest`, what follows the scheme of a URL, of the usual kind, in which
 * there is nothing to be wrong? Then libcurl need not be asked beforehand,
 * which would cost a twentieth of the whole request on loopback. */
static bool is_usual(const char *rest)
{
    const char *at = rest;
    int port = 0;

    while (is_host_byte(*at))
        at++;
    if (at == rest)
        return false;
    if (*at == ':') {
        while (*++at >= '0' && *at <= '9' && port <= 65535)
            port = port * 10 + (*at - '0');
        if (port < 1 || port > 65535)
            return false;
    }
    if (*at != '/')
        return *at == '\0';
    while (*at > ' ' && *at < 0x7f)
        at++;
    return *at == '\0';
}

static enum cs_status ask_libcurl(CURLU *reader, const char *url,
                                  struct cs_error *error)
{
    CURLUcode code;

    /* Old versions take blanks, and some take control characters. */
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return refuse_url(error, url, "it contains a space");
    /* Forget the last one, or a relative URL would be added to it. */
    (void)curl_url_set(reader, CURLUPART_URL, NULL, 0);
    code = curl_url_set(reader, CURLUPART_URL, url, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    if (code)
        return refuse_url(error, url, "libcurl cannot read it");
    return CS_OK;
}

static enum cs_status set_plain_url(CURLU *reader,
                                    struct cs_http_transfer *transfer,
                                    const char *url, struct cs_error *error)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7
        : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    enum cs_status status = CS_OK;

    if (!scheme)
        return refuse_url(error, url, "neither http nor https");
    if (!is_usual(url + scheme))
        status = ask_libcurl(reader, url, error);
    if (!status)
        status = explain_set(curl_easy_setopt(transfer->easy, CURLOPT_URL,
                                              url),
                             error, url, "libcurl does not accept it");
    return status;
}

static enum cs_status set_socket_url(CURLU *reader,
                                     struct cs_http_transfer *transfer,
                                     const char *url, struct cs_error *error)
{
    const char *rest = url + strlen(UNIX_SCHEME);
    char path[SOCKET_PATH_SIZE], *plain;
    enum cs_status status;
    size_t size;

    if (!read_socket_path(&rest, path))
        return refuse_url(error, url, "it has no path of a socket");
    size = strlen(rest) + sizeof "http://localhost";
    plain = cs_mem_alloc(size);
    if (!plain)
        return cs_error_set(error, CS_NOMEM, "out of memory");
    (void)snprintf(plain, size, "http://localhost%s", rest);   /* it fits */
    status = set_plain_url(reader, transfer, plain, error);
    cs_mem_free(plain);
    if (status)
        return status;
    transfer->to_socket = true;
    return explain_set(curl_easy_setopt(transfer->easy,
                                        CURLOPT_UNIX_SOCKET_PATH, path),
                       error, url, "this libcurl has no Unix sockets");
}

static enum cs_status set_url(CURLU *reader, struct cs_http_transfer *transfer,
                              const char *url, struct cs_error *error)
{
    if (transfer->to_socket) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH,
                               NULL);   /* removing cannot fail */
        transfer->to_socket = false;
    }
    if (strncasecmp(url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        return set_socket_url(reader, transfer, url, error);
    return set_plain_url(reader, transfer, url, error);
}

/* Setting a number that is in range cannot fail. */
static void set_numbers(CURL *easy, const struct cs_http_request *request)
{
    (void)curl_easy_setopt(easy, request->post ? CURLOPT_POST
                                               : CURLOPT_HTTPGET, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
                           request->reuse ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE,
                           request->reuse ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER,
                           request->unverified ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
                           request->unverified ? 0L : 2L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                           (long)request->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)request->connect_timeout_ms);
}

enum cs_status cs_http_prepare(struct cs_http_transfer *transfer,
                               const struct cs_http_request *request,
                               CURLU *reader, struct cs_error *error)
{
    enum cs_status status = set_url(reader, transfer, request->url, error);

    if (!status && !keep_headers(transfer, request->headers))
        status = cs_error_set(error, CS_NOMEM, "out of memory");
    if (!status)
        set_numbers(transfer->easy, request);
    return status;
}
