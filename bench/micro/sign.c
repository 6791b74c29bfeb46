/*
 * sign: what a signature costs. bench_micro_sign COUNT: signs a request with a body of 1 KiB so
 * often, its hash included, as a worker does it, and tells the time of one.
 */
#include "auth/outbound/signer.h"
#include "base/buffer.h"
#include "base/encode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_BYTES = 1024 };

static const struct slice head = SLICE_INIT(
    "POST /orders/42?list=all&page=2 HTTP/1.1\r\nHost: dynamodb.eu-central-1.amazonaws.com\r\n"
    "content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.PutItem\r\n"
    "amz-sdk-invocation-id: 9ecaf5cf-c4a8-4ae4-9b0a-2d4bb5f9e2c1\r\namz-sdk-request: attempt=1; "
    "max=3\r\nuser-agent: aws-sdk-js/3.1 ua/2.1 os/linux lang/js\r\nContent-Length: 1024\r\n");

static void sign_one(struct signing_keys *keys, struct slice body, usec_t now, struct buffer *out)
{
    static const struct signing_rule rule = {.scheme = SIGNER_AWS_SIGV4,
                                             .region = SLICE_INIT("eu-central-1"),
                                             .service = SLICE_INIT("dynamodb")};
    const struct slice secret = SLICE("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.now = now};
    unsigned char hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];
    digest_sha256(body, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), hex);
    enum status status = signer_read_head(head, fields, &request);
    assert(status == STATUS_OK);
    request.payload = slice_make(hex, sizeof(hex));
    buffer_consume(out, buffer_len(out));
    status = signer_sign(&rule, secret, keys, &request, out, NULL);
    assert(status == STATUS_OK);
}

int main(int argc, char **argv)
{
    static char body[BODY_BYTES];
    unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (count == 0) {
        (void)fputs("usage: bench_micro_sign COUNT\n", stderr);
        return 2;
    }
    struct signing_keys *keys = signing_keys_new();
    struct buffer out;
    buffer_init(&out, (size_t)16 * 1024);
    memset(body, 'x', sizeof(body));
    usec_t started = clock_now();
    for (unsigned long i = 0; i < count; i++) {
        body[i % BODY_BYTES]++;
        sign_one(keys, slice_make(body, sizeof(body)), (usec_t)(1440938160 + i % 60) * SEC, &out);
    }
    usec_t took = clock_now() - started;
    (void)printf("%lu signatures over 1 KiB, %.2f us each\n", count, (double)took / (double)count);
    signing_keys_free(keys);
    buffer_fini(&out);
    return 0;
}
