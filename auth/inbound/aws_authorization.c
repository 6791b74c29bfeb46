#include "auth/inbound/aws_authorization.h"

static const struct slice sigv4 = SLICE_INIT("AWS4-HMAC-SHA256");
static const struct slice sigv4a = SLICE_INIT("AWS4-ECDSA-P256-SHA256");
static const struct slice credential = SLICE_INIT("Credential=");

static bool is_scheme(struct slice value, struct slice scheme)
{
    return slice_starts_with_nocase(value, scheme) &&
           (value.len == scheme.len || value.ptr[scheme.len] == ' ' ||
            value.ptr[scheme.len] == '\t');
}

/* The next of "a=b, c=d", without the blanks around it. */
static struct slice take_part(struct slice *text)
{
    size_t end = slice_find(*text, ',');
    struct slice part = slice_trim(slice_make(text->ptr, end));
    *text = slice_skip(*text, end + 1);
    return part;
}

enum aws_authorization aws_authorization_read(struct slice value, struct slice *ret_id)
{
    if (is_scheme(value, sigv4a)) {
        return AWS_SIGV4A;
    }
    if (!is_scheme(value, sigv4)) {
        return AWS_OTHER;
    }
    struct slice rest = slice_skip(value, sigv4.len);
    struct slice id = {NULL, 0};
    while (rest.len > 0) {
        struct slice part = take_part(&rest);
        if (!slice_starts_with_nocase(part, credential)) {
            continue;
        }
        if (id.ptr != NULL) {
            return AWS_BROKEN;
        }
        part = slice_skip(part, credential.len);
        id = slice_make(part.ptr, slice_find(part, '/'));
        if (id.len == 0 || id.len == part.len) {
            return AWS_BROKEN;
        }
    }
    if (id.ptr == NULL) {
        return AWS_BROKEN;
    }
    *ret_id = id;
    return AWS_SIGV4;
}

/* ---- queries ---- */

/* Those that sign, or that name a key. AWS compares them exactly; who comes with another case means
 * the same. */
static const struct slice signing_names[] = {
    SLICE_INIT("x-amz-signature"),      SLICE_INIT("x-amz-credential"),
    SLICE_INIT("x-amz-security-token"), SLICE_INIT("x-amz-algorithm"),
    SLICE_INIT("awsaccesskeyid"),
};

/* Compared decoded, as servers do; a broken triplet stands for itself. */
static bool name_is(struct slice written, struct slice name)
{
    size_t matched = 0;
    for (size_t i = 0; i < written.len; i++) {
        unsigned high = i + 2 < written.len ? ascii_hex_value(written.ptr[i + 1]) : ASCII_NOT_HEX;
        unsigned low = i + 2 < written.len ? ascii_hex_value(written.ptr[i + 2]) : ASCII_NOT_HEX;
        char byte = written.ptr[i];
        if (byte == '%' && high != ASCII_NOT_HEX && low != ASCII_NOT_HEX) {
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (matched == name.len || ascii_lower(byte) != name.ptr[matched]) {
            return false;
        }
        matched++;
    }
    return matched == name.len;
}

bool aws_query_is_signed(struct slice query)
{
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice parameter = slice_make(query.ptr, end);
        struct slice written = slice_make(parameter.ptr, slice_find(parameter, '='));
        query = slice_skip(query, end + 1);
        for (size_t i = 0; i < sizeof(signing_names) / sizeof(signing_names[0]); i++) {
            if (name_is(written, signing_names[i])) {
                return true;
            }
        }
    }
    return false;
}
