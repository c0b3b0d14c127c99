/* Where a wheel finds certificates; compiled with CS_HTTP_FIND_CA as wheels
 * are (rooms.mk). That a connection trusts what was found is tried in the
 * empty roots of `make wheels`. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "core/http/http_parts.h"

#define DEBIAN "/etc/ssl/certs/ca-certificates.crt"
#define FEDORA "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
#define RHEL "/etc/pki/tls/certs/ca-bundle.crt"
#define SUSE "/etc/ssl/ca-bundle.pem"
#define ALPINE "/etc/ssl/cert.pem"

/* The files of a machine that is not this one. */
static const char *present[2];

static int has(const char *path, int mode)
{
    CHECK_INT(mode, R_OK);
    for (size_t i = 0; i < sizeof present / sizeof *present; i++)
        if (present[i] && strcmp(present[i], path) == 0)
            return 0;
    return -1;
}

static const char *found_with(const char *first, const char *second)
{
    const char *found;

    present[0] = first;
    present[1] = second;
    found = cs_http_find_ca(has);
    return found ? found : "none";
}

static void forget_variables(void)
{
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

static void test_each_distribution_has_its_place(void)
{
    const char *const places[] = {DEBIAN, FEDORA, RHEL, SUSE, ALPINE};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        CHECK_TEXT(found_with(places[i], NULL), places[i]);
}

static void test_of_two_the_system_wide_bundle_is_taken(void)
{
    CHECK_TEXT(found_with(ALPINE, DEBIAN), DEBIAN);
    CHECK_TEXT(found_with(RHEL, FEDORA), FEDORA);
}

static void test_without_a_file_openssl_looks_itself(void)
{
    CHECK_TEXT(found_with(NULL, NULL), "none");
    CHECK_TEXT(found_with("/etc/ssl/certs", NULL), "none");
}

static void test_the_variables_go_before_each_place(void)
{
    const char *const variables[] = {"SSL_CERT_FILE", "SSL_CERT_DIR"};

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        setenv(variables[i], "/somewhere", 1);
        CHECK_TEXT(found_with(DEBIAN, NULL), "none");
        setenv(variables[i], "", 1);
        CHECK_TEXT(found_with(DEBIAN, NULL), DEBIAN);
        forget_variables();
    }
}

int main(void)
{
    forget_variables();
    test_each_distribution_has_its_place();
    test_of_two_the_system_wide_bundle_is_taken();
    test_without_a_file_openssl_looks_itself();
    test_the_variables_go_before_each_place();
    return check_done();
}
