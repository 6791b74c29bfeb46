/*
 * fuzz_signer: any head can be signed by any scheme, or is refused; what is written are whole
 * header lines, and the same head makes the same lines again.
 *
 * The first byte says the scheme, a line with the secret is next, then comes the head.
 */
#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer.h"
#include "base/buffer.h"
#include "base/http1.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hmac_recipe recipe = {
    .message = SLICE_INIT("{method}{path}{query}{host}{timestamp}{body}\\n{user}"),
    .headers = {{SLICE_INIT("X-Key"), SLICE_INIT("{user}")},
                {SLICE_INIT("X-Sign"), SLICE_INIT("{signature}")}},
    .header_count = 2,
    .reads_body = true,
};

static const struct signing_rule rules[] = {
    {.scheme = SIGNER_AWS_SIGV4, .region = SLICE_INIT("r"), .service = SLICE_INIT("s")},
    {.scheme = SIGNER_AWS_SIGV4,
     .region = SLICE_INIT("r"),
     .service = SLICE_INIT("s3"),
     .as_s3 = true},
    {.scheme = SIGNER_AZURE_SHARED_KEY},
    {.scheme = SIGNER_HMAC, .recipe = &recipe},
};

/* "Name: value\r\n", each a line that a codec would take. */
static void expect_lines(struct slice text)
{
    while (text.len > 0) {
        size_t end = slice_find(text, '\r');
        struct slice line = slice_make(text.ptr, end);
        assert(end + 1 < text.len && text.ptr[end + 1] == '\n');
        size_t colon = slice_find(line, ':');
        assert(colon < line.len && http1_valid_token(slice_make(line.ptr, colon)));
        assert(http1_valid_field_value(slice_trim(slice_skip(line, colon + 1))));
        text = slice_skip(text, end + 2);
    }
}

/* The codec has let it pass. */
static bool could_be_sent(const struct signing_request *request)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        if (!http1_valid_token(request->fields[i].name) ||
            !http1_valid_field_value(request->fields[i].value)) {
            return false;
        }
    }
    return true;
}

static enum status sign(const struct signing_rule *rule, struct slice secret, struct slice head,
                        struct buffer *out)
{
    static struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.body = head, .payload = SLICE("x"), .now = 1 * SEC};
    if (signer_read_head(head, fields, &request) != STATUS_OK || !could_be_sent(&request)) {
        return STATUS_INVALID;
    }
    struct signing_keys *keys = signing_keys_new();
    enum status status = signer_sign(rule, secret, keys, &request, out, NULL);
    signing_keys_free(keys);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer first;
    struct buffer second;
    if (size == 0) {
        return 0;
    }
    const struct signing_rule *rule = &rules[data[0] % (sizeof(rules) / sizeof(rules[0]))];
    struct slice rest = slice_make((const char *)data + 1, size - 1);
    struct slice secret = slice_make(rest.ptr, slice_find(rest, '\n'));
    struct slice head = slice_skip(rest, secret.len + 1);
    buffer_init(&first, (size_t)1024 * 1024);
    buffer_init(&second, (size_t)1024 * 1024);
    enum status status = sign(rule, secret, head, &first);
    assert(sign(rule, secret, head, &second) == status);
    if (status == STATUS_OK) {
        assert(slice_equal(buffer_bytes(&first), buffer_bytes(&second)));
        expect_lines(buffer_bytes(&first));
    }
    buffer_fini(&first);
    buffer_fini(&second);
    return 0;
}
