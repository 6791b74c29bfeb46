/*
 * Webhooks of any kind: nothing is read beyond what is given, and without a secret that fits
 * nothing is accepted. The first byte chooses the scheme; then come lines: a header each, an empty
 * one, the body. "$" in front of a value is what would be fetched.
 */
#include "auth/inbound/webhook_signature.h"
#include "base/http1.h"
#include "base/memory.h"

#include <stdlib.h>

enum { FIELDS_MAX = 8 };

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static struct slice take_line(struct slice *text)
{
    struct slice line = slice_make(text->ptr, slice_find(*text, '\n'));
    *text = slice_skip(*text, line.len + 1);
    return line;
}

static unsigned read_fields(struct slice *text, struct http1_field *fields,
                            struct webhook_request *request)
{
    unsigned count = 0;
    while (text->len > 0 && count < FIELDS_MAX) {
        struct slice line = take_line(text);
        if (line.len == 0) {
            break;
        }
        size_t colon = slice_find(line, ':');
        if (line.ptr[0] == '$') {
            request->fetched = *text;
            request->fetched_state = WEBHOOK_FETCHED;
            continue;
        }
        fields[count].name = slice_make(line.ptr, colon);
        fields[count].value = slice_trim(slice_skip(line, colon + 1));
        count++;
    }
    return count;
}

static struct webhook_schemes *load(void)
{
    static struct webhook_schemes *schemes;
    if (schemes == NULL) {
        check(webhook_schemes_new(&schemes, NULL) == STATUS_OK);
    }
    return schemes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice secrets[] = {SLICE_INIT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                           SLICE_INIT("0123456789abcdef0123456789abcdef")};
    static const struct slice topic = SLICE_INIT("arn:aws:sns:us-west-2:123456789012:MyTopic");
    struct http1_field fields[FIELDS_MAX] = {0};
    struct arena arena = {0};
    struct webhook_result result;
    struct webhook_schemes *schemes = load();
    if (size == 0) {
        return 0;
    }
    const struct webhook_scheme *scheme =
        webhook_schemes_at(schemes, data[0] % webhook_schemes_count(schemes));
    struct slice text = slice_make((const char *)data + 1, size - 1);
    struct webhook_request request = {.method = SLICE("POST"),
                                      .url = SLICE("https://hooks.example.com/hooks/a?b=c"),
                                      .now = 1760000000,
                                      .secrets = secrets,
                                      .secret_count = 2,
                                      .topics = &topic,
                                      .topic_count = 1,
                                      .audience = SLICE("a"),
                                      .email = SLICE("e"),
                                      .fields = fields};
    request.field_count = read_fields(&text, fields, &request);
    request.body = text;
    webhook_verify(scheme, &request, &arena, &result);
    check((result.outcome == WEBHOOK_REFUSED) == (result.reason != WEBHOOK_OK));
    check((result.outcome == WEBHOOK_NEEDS) == (result.need != WEBHOOK_NEEDS_NOTHING));
    request.secret_count = 0;
    bool fetches = scheme->key == WEBHOOK_KEY_CERTIFICATE || scheme->key == WEBHOOK_KEY_SET;
    webhook_verify(scheme, &request, &arena, &result);
    check(fetches || result.outcome == WEBHOOK_REFUSED);
    arena_fini(&arena);
    return 0;
}
