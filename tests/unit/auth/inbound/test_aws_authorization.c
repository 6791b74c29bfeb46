#include "auth/inbound/aws_authorization.h"

#include <criterion/criterion.h>

Test(aws_authorization, tells_the_key_id)
{
    static const struct {
        struct slice value;
        enum aws_authorization is;
        const char *id;
    } cases[] = {
        {SLICE_INIT("AWS4-HMAC-SHA256 Credential=sp_key/20150830/us-east-1/s3/aws4_request, "
                    "SignedHeaders=host, Signature=00"),
         AWS_SIGV4, "sp_key"},
        {SLICE_INIT("AWS4-HMAC-SHA256 SignedHeaders=host,Signature=00,Credential=id/a/b/c/d"),
         AWS_SIGV4, "id"},
        {SLICE_INIT("aws4-hmac-sha256\tcredential=id/20150830"), AWS_SIGV4, "id"},
        {SLICE_INIT("AWS4-HMAC-SHA256 Credential=a/b, Credential=c/d"), AWS_BROKEN, ""},
        {SLICE_INIT("AWS4-HMAC-SHA256 Credential=a"), AWS_BROKEN, ""},
        {SLICE_INIT("AWS4-HMAC-SHA256 Credential=/b"), AWS_BROKEN, ""},
        {SLICE_INIT("AWS4-HMAC-SHA256 Signature=00"), AWS_BROKEN, ""},
        {SLICE_INIT("AWS4-HMAC-SHA256"), AWS_BROKEN, ""},
        {SLICE_INIT("AWS4-HMAC-SHA2567 Credential=a/b"), AWS_OTHER, ""},
        {SLICE_INIT("AWS4-ECDSA-P256-SHA256 Credential=a/b"), AWS_SIGV4A, ""},
        {SLICE_INIT("Bearer AWS4-HMAC-SHA256 Credential=a/b"), AWS_OTHER, ""},
        {SLICE_INIT(""), AWS_OTHER, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice id = SLICE("");
        cr_expect_eq(aws_authorization_read(cases[i].value, &id), cases[i].is, "case %zu", i);
        if (cases[i].is == AWS_SIGV4) {
            cr_expect(slice_equal(id, slice_from(cases[i].id)), "case %zu: %.*s", i, SLICE_ARG(id));
        }
    }
}

Test(aws_authorization, a_presigned_query_is_seen_however_it_is_written)
{
    static const struct {
        struct slice query;
        bool is_signed;
    } cases[] = {
        {SLICE_INIT("X-Amz-Signature=00"), true},
        {SLICE_INIT("a=b&X-Amz-Credential=id%2F20150830"), true},
        {SLICE_INIT("a=b&x-amz-signature"), true},
        {SLICE_INIT("%58-Amz-Signatur%65=1"), true},
        {SLICE_INIT("AWSAccessKeyId=id&Signature=s"), true},
        {SLICE_INIT("X-Amz-Security-Token=t"), true},
        {SLICE_INIT("X-Amz-Signatures=1&XX-Amz-Signature=1"), false},
        {SLICE_INIT("q=X-Amz-Signature%3D"), false},
        {SLICE_INIT("X-Amz-Signatur=1&list-type=2"), false},
        {SLICE_INIT("%zz&&=&%"), false},
        {SLICE_INIT(""), false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(aws_query_is_signed(cases[i].query), cases[i].is_signed, "%.*s",
                     SLICE_ARG(cases[i].query));
    }
}
