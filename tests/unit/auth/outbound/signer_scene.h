/* signer_scene: one request, signed; what its head lines say. */
#pragma once

#include "auth/outbound/signer.h"
#include "base/buffer.h"

#include <criterion/criterion.h>

static struct buffer lines; /* what was written last */

static inline void signer_setup(void)
{
    buffer_init(&lines, (size_t)64 * 1024);
}

static inline void signer_teardown(void)
{
    buffer_fini(&lines);
}

static inline enum status sign_with(const struct signing_rule *rule, const char *secret,
                                    struct slice head, struct slice body, usec_t now)
{
    struct signing_field fields[SIGNING_FIELDS_MAX];
    struct signing_request request = {.body = body, .now = now};
    struct signing_keys *keys = signing_keys_new();
    cr_assert(signer_read_head(head, fields, &request) == STATUS_OK);
    buffer_consume(&lines, buffer_len(&lines));
    enum status status = signer_sign(rule, slice_from(secret), keys, &request, &lines, NULL);
    signing_keys_free(keys);
    return status;
}

static inline void expect_lines(const char *expected)
{
    cr_expect(slice_equal(buffer_bytes(&lines), slice_from(expected)), "%.*s\nnot\n%s",
              SLICE_ARG(buffer_bytes(&lines)), expected);
}
