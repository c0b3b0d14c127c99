/* Where this machine keeps the certificates of authorities, for a libcurl
 * that was built on another one: that of a wheel, which alone defines
 * CS_HTTP_FIND_CA. A distribution's own libcurl knows its place.
 *
 * Source: the places of Debian and Alpine, Fedora and RHEL (Fedora 44 has the
 * extracted bundle alone), SUSE.
 */
#include "core/http/http_parts.h"

#ifdef CS_HTTP_FIND_CA

#include <stdlib.h>
#include <unistd.h>

static const char *const PLACES[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value;
}

const char *cs_http_find_ca(int (*has)(const char *path, int mode))
{
    /* OpenSSL obeys them, but only where libcurl is told no file. */
    if (is_set("SSL_CERT_FILE") || is_set("SSL_CERT_DIR"))
        return NULL;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++)
        if (has(PLACES[i], R_OK) == 0)
            return PLACES[i];
    return NULL;
}

#else

const char *cs_http_find_ca(int (*has)(const char *path, int mode))
{
    (void)has;
    return NULL;
}

#endif
