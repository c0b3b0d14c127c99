/* What the files of the room http share: http.c (transfers), http_request.c
 * (what is sent), http_answer.c (what comes back), http_reason.c (why nothing
 * did), http_socket.c (the descriptors) and http_ca.c (whose certificates
 * count). The only include of curl.
 */
#ifndef CS_HTTP_PARTS_H
#define CS_HTTP_PARTS_H

#if defined __has_include
#if !__has_include(<curl/curl.h>)
#error "cronsched needs libcurl with its headers: on Debian, the package libcurl4-openssl-dev"
#endif
#endif
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/clock.h"
#include "core/http/http.h"
#include "core/base/status.h"

#if LIBCURL_VERSION_NUM < 0x074400
#error "cronsched needs libcurl 7.68 or newer (curl_multi_poll)"
#endif

struct cs_http_link { struct cs_http_link *prev, *next; };

/* A descriptor of ours. Its number alone says little: libcurl may have closed
 * it without a word, and somebody else may have got it. */
struct cs_http_socket { int fd; uint64_t device, inode; };

/* Changed inside the fork guard only, so that a child finds it whole. */
struct cs_http_sockets {
    struct cs_http_socket *list;   /* Owned. */
    size_t count, size;
    atomic_bool quits;             /* no more of them */
};

/* libcurl's callbacks; the context is a struct cs_http_sockets. Every socket
 * is close-on-exec, whatever libcurl's version. */
curl_socket_t cs_http_open(void *context, curlsocktype purpose,
                           struct curl_sockaddr *address);
int cs_http_close(void *context, curl_socket_t fd);

/* In a forked child: close what is ours. Async-signal-safe. */
void cs_http_sockets_abandon(struct cs_http_sockets *sockets);
void cs_http_sockets_fini(struct cs_http_sockets *sockets);

/* A multi handle whose own descriptors do not survive an exec. NULL when out
 * of memory. */
CURLM *cs_http_private_multi(void);

/* One request and its answer. */
struct cs_http_transfer {
    struct cs_http_link link;    /* First: a link is its transfer. */
    CURL *easy;                  /* Owned. */
    struct curl_slist *headers;  /* Owned: one block, the texts behind it. */
    size_t headers_size;
    struct cs_mono began;
    size_t head_size;            /* bytes of the answer's head so far */
    size_t body_size;            /* bytes of the answer's body so far */
    bool head_ended;             /* lines from now on are trailers */
    bool cut;                    /* we ended it: the body is long enough */
    bool endless;                /* we ended it: the head is too long */
    bool to_socket;              /* the handle has a unix socket's path set */
    struct cs_http_answer answer;
    char words[CURL_ERROR_SIZE]; /* what libcurl says went wrong */
};

/* Tell the handle of `transfer` what to send. `reader` is for reading URLs
 * with. CS_NOMEM, CS_SYNTAX. */
enum cs_status cs_http_prepare(struct cs_http_transfer *transfer,
                               const struct cs_http_request *request,
                               CURLU *reader, struct cs_error *error);

/* The answer begins: forget the one before. */
void cs_http_answer_begin(struct cs_http_transfer *transfer, void *tag);

/* libcurl's callbacks for a line of the head and a piece of the body; the
 * context is the transfer. */
size_t cs_http_on_header(char *line, size_t one, size_t size, void *context);
size_t cs_http_on_body(char *bytes, size_t one, size_t size, void *context);

/* Write the reason of an answer that is not DONE, whose status is known. */
void cs_http_explain(struct cs_http_transfer *transfer, CURLcode code);

/* The transfer ended with `code`: complete its answer. */
void cs_http_answer_end(struct cs_http_transfer *transfer, CURLcode code,
                        struct cs_mono now);

/* The first file of certificates that this process can read, by `has`, which
 * is access() (tests bring their own). NULL: what libcurl or OpenSSL look for
 * is right. That is so in a build that uses the system's libcurl, where
 * SSL_CERT_FILE or SSL_CERT_DIR is set, and where there is no such file. */
const char *cs_http_find_ca(int (*has)(const char *path, int mode));

#endif
