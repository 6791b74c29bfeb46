#include "gateway/webhook/event_key.h"

#include "auth/inbound/webhook_signature.h"
#include "base/buffer.h"

#include <assert.h>

enum { TEXT_MAX_BYTES = 64 * 1024 };

static void add(struct buffer *text, struct slice part)
{
    enum status status = buffer_append(text, part);
    assert(status == STATUS_OK); /* names and ids are far shorter */
    (void)status;
}

/* Of parts with their lengths before them, so that no two lists of them make one text. */
static void digest(const struct slice *parts, unsigned count, unsigned char out[SHA256_BYTES])
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, TEXT_MAX_BYTES);
    for (unsigned i = 0; i < count; i++) {
        uint32_t len = (uint32_t)parts[i].len;
        const char bytes[] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
        add(&text, slice_make(bytes, sizeof(bytes)));
        add(&text, parts[i]);
    }
    digest_sha256(buffer_bytes(&text), out);
}

void event_key_make(struct slice hook, const struct webhook_result *result, struct event_key *ret)
{
    struct slice hash = slice_make((const char *)result->content_hash, SHA256_BYTES);
    const struct slice by_id[] = {hook, SLICE("id"), result->event_id};
    const struct slice by_content[] = {hook, SLICE("content"), hash, result->event_id};
    bool id_is_enough = result->event_id.len > 0 && result->event_id_signed;
    *ret = (struct event_key){.content_known = result->event_id.len > 0 && !id_is_enough};
    digest(id_is_enough ? by_id : by_content, id_is_enough ? 3 : 4, ret->key);
    digest(by_content, 3, ret->content);
}

uint64_t event_order_hash(struct slice hook, struct slice object)
{
    const struct slice parts[] = {hook, SLICE("object"), object};
    unsigned char hash[SHA256_BYTES];
    uint64_t order = 0;
    digest(parts, 3, hash);
    for (unsigned i = 0; i < sizeof(order); i++) {
        order = order << 8 | hash[i];
    }
    return order;
}
