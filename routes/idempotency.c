#include "routes/idempotency.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/json_edit.h"
#include "routes/allow.h"
#include "routes/profile.h"

#include <assert.h>

enum { TENANT_MAX = 64 }; /* as names of the config */

/* ---- which calls ---- */

static bool has_method(const struct idempotency_facts *facts, struct slice method)
{
    for (unsigned i = 0; i < facts->method_count; i++) {
        if (slice_equal(facts->methods[i], method)) {
            return true;
        }
    }
    return false;
}

bool idempotency_applies(const struct profile *profile, struct slice method, struct slice path)
{
    const struct idempotency_facts *facts = &profile->idempotency;
    if ((facts->header.len == 0 && facts->member.len == 0) || !has_method(facts, method)) {
        return false;
    }
    for (unsigned i = 0; i < facts->path_count; i++) {
        const struct allow_rule rule = {.path = facts->paths[i]};
        if (allow_matches(&rule, method, path)) {
            return true;
        }
    }
    return facts->path_count == 0;
}

/* ---- keys ---- */

/* All 256 bits as one number, most significant digit first: divided by 62, byte by byte, for each
 * digit from the last to the first. */
static void encode_digest(unsigned char digest[SHA256_BYTES], char out[IDEMPOTENCY_KEY_MAX])
{
    for (size_t i = IDEMPOTENCY_KEY_MAX; i-- > 0;) {
        unsigned rest = 0;
        for (size_t k = 0; k < SHA256_BYTES; k++) {
            unsigned value = rest << 8 | digest[k];
            digest[k] = (unsigned char)(value / 62);
            rest = value % 62;
        }
        encode_base62(rest, &out[i], 1);
    }
}

size_t idempotency_key_of(struct slice tenant, struct slice given, unsigned max_length,
                          char out[IDEMPOTENCY_KEY_MAX])
{
    char text[TENANT_MAX + 1 + IDEMPOTENCY_GIVEN_MAX];
    unsigned char digest[SHA256_BYTES];
    assert(tenant.len <= TENANT_MAX && given.len <= IDEMPOTENCY_GIVEN_MAX);
    memcpy(text, tenant.ptr, tenant.len);
    text[tenant.len] = '\0';
    memcpy(text + tenant.len + 1, given.ptr, given.len);
    digest_sha256(slice_make(text, tenant.len + 1 + given.len), digest);
    encode_digest(digest, out);
    return max_length < IDEMPOTENCY_KEY_MAX ? max_length : IDEMPOTENCY_KEY_MAX;
}

/* ---- keys in the body ---- */

/* The member's text, unescaped. */
static enum status read_text(struct slice value, struct slice member, struct buffer *ret,
                             struct error *err)
{
    static const struct json_limits limits = {
        .bytes = (size_t)IDEMPOTENCY_GIVEN_MAX * 6 + 2, /* each byte written as \u0000 */
        .depth = 1,
        .names = JSON_NAMES_ANY,
    };
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct slice text = SLICE("");
    enum status status = json_parse(value, &limits, &root, NULL);
    if (status == STATUS_INVALID || (status == STATUS_OK && !json_string(root, &text))) {
        FAIL(err, STATUS_INVALID, "the body's \"%.*s\" has a zero byte", SLICE_ARG(member));
    }
    if (status == STATUS_TOO_LARGE || text.len > IDEMPOTENCY_GIVEN_MAX) {
        FAIL(err, STATUS_INVALID, "the body's \"%.*s\" is longer than %d bytes", SLICE_ARG(member),
             IDEMPOTENCY_GIVEN_MAX);
    }
    return buffer_append(ret, text);
}

enum status idempotency_body_key(struct slice body, struct slice member, struct buffer *ret,
                                 struct error *err)
{
    struct json_member found;
    if (json_member_find(body, member, &found, err) != STATUS_OK) {
        if (err != NULL) {
            error_prefix(err, "the body");
        }
        return STATUS_INVALID;
    }
    if (found.value.ptr == NULL || found.kind == JSON_NULL) {
        return STATUS_OK;
    }
    if (found.kind != JSON_STRING) {
        FAIL(err, STATUS_INVALID, "the body's \"%.*s\" is no string", SLICE_ARG(member));
    }
    return read_text(found.value, member, ret, err);
}

enum status idempotency_body_write(struct slice body, struct slice member, struct slice key,
                                   struct buffer *out)
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, buffer_room(out));
    TRY(encode_json_string(key, &text));
    return json_member_put(body, member, buffer_bytes(&text), out, NULL);
}
