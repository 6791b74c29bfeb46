/*
 * fuzz_aws_authorization: what is read of a caller's AWS signature. A key id is a part of the value
 * that holds neither what ends it nor what ends a parameter; a query that decodes to a signature's
 * name is seen.
 *
 * The first byte says which of both the rest is.
 */
#include "auth/inbound/aws_authorization.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_value(struct slice value)
{
    static const char nothing[] = "";
    struct slice id = slice_make(nothing, 0);
    enum aws_authorization is = aws_authorization_read(value, &id);
    if (is != AWS_SIGV4) {
        assert(id.ptr == nothing); /* set only if there is one */
        return;
    }
    assert(id.len > 0 && id.ptr >= value.ptr && id.ptr + id.len < value.ptr + value.len);
    assert(slice_find(id, '/') == id.len && slice_find(id, ',') == id.len);
    assert(id.ptr[id.len] == '/');
}

/* The plainest reader there is: decode and lower all of it, then look at each name. */
static bool naive_is_signed(const char *text, size_t len)
{
    static const char *const names[] = {"x-amz-signature", "x-amz-credential",
                                        "x-amz-security-token", "x-amz-algorithm",
                                        "awsaccesskeyid"};
    char name[64];
    size_t at = 0;
    while (at < len) {
        size_t used = 0;
        size_t i = at;
        for (; i < len && text[i] != '&' && text[i] != '='; i++) {
            char byte = text[i];
            if (byte == '%' && i + 2 < len && ascii_hex_value(text[i + 1]) != ASCII_NOT_HEX &&
                ascii_hex_value(text[i + 2]) != ASCII_NOT_HEX) {
                byte = (char)(ascii_hex_value(text[i + 1]) << 4 | ascii_hex_value(text[i + 2]));
                i += 2;
            }
            if (used < sizeof(name)) {
                name[used] = ascii_lower(byte);
            }
            used++;
        }
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            if (used <= sizeof(name) && slice_equal(slice_make(name, used), slice_from(names[j]))) {
                return true;
            }
        }
        while (i < len && text[i] != '&') {
            i++;
        }
        at = i + 1;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 1, size - 1);
    if (data[0] % 2 == 0) {
        look_at_value(text);
    } else {
        assert(aws_query_is_signed(text) == naive_is_signed(text.ptr, text.len));
    }
    return 0;
}
