#include "tests/unit/auth/outbound/signer_scene.h"

TestSuite(azure_shared_key, .init = signer_setup, .fini = signer_teardown);

static const struct signing_rule rule = {.scheme = SIGNER_AZURE_SHARED_KEY};

/* The key that everybody knows: the storage emulator's. */
#define KEY                                                                                        \
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

/* The documented example, "Get Container Metadata"; its mac by another implementation. */
Test(azure_shared_key, signs_the_documented_example)
{
    cr_assert(
        sign_with(&rule, "myaccount:" KEY,
                  SLICE("GET /mycontainer?comp=metadata&restype=container&timeout=20 HTTP/1.1\r\n"
                        "Host: myaccount.blob.core.windows.net\r\nx-ms-version: 2015-02-21\r\n"),
                  SLICE(""), 1435361952 * SEC) == STATUS_OK);
    expect_lines(
        "x-ms-date: Fri, 26 Jun 2015 23:39:12 GMT\r\n"
        "Authorization: SharedKey myaccount:1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=\r\n");
}

/* The path stays encoded, the query is decoded and sorted, what is there twice is one line; a Date
 * of the caller is not the one that is signed. */
Test(azure_shared_key, signs_fields_and_an_odd_target)
{
    cr_assert(
        sign_with(
            &rule, "myaccount:" KEY,
            SLICE(
                "PUT /my%20container/a+b%2Fc?comp=%C3%A4&A=z&a=x+y HTTP/1.1\r\nHost: h\r\n"
                "Content-Length: 11\r\nContent-Type: text/plain; charset=UTF-8\r\n"
                "Content-MD5: CCC=\r\nDate: Sun, 27 Sep 2009 22:33:36 GMT\r\nIf-None-Match: *\r\n"
                "X-Ms-Version: 2015-02-21\r\nx-ms-meta-a: b  c \r\nx-ms-blob-type: BlockBlob\r\n"),
            SLICE("hello world"), 1254090815 * SEC) == STATUS_OK);
    expect_lines(
        "x-ms-date: Sun, 27 Sep 2009 22:33:35 GMT\r\n"
        "Authorization: SharedKey myaccount:Tn2DgvZUcdTkHvXvEuuB+npUYsPv6h1LJEcwyFDVru8=\r\n");
}

Test(azure_shared_key, a_secret_of_another_form_is_refused)
{
    static const char *const bad[] = {
        "",
        "myaccount",
        "myaccount:",
        ":" KEY,
        "my account:" KEY,
        "a\r\nb:" KEY,
        "a:not base64",
        "a:" KEY "\n",
        "a/b:" KEY,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err;
        cr_expect(signer_check_secret(&rule, slice_from(bad[i]), &err) == STATUS_INVALID, "%zu", i);
        cr_expect(strstr(err.message, "Eby8") == NULL);
        cr_expect(sign_with(&rule, bad[i], SLICE("GET / HTTP/1.1\r\n"), SLICE(""), 0) ==
                  STATUS_INVALID);
        cr_expect(buffer_len(&lines) == 0);
    }
}
