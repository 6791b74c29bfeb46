#include "gateway/webhook/delivery_request.h"

#include "auth/inbound/webhook_sign.h"
#include "base/buffer.h"
#include "base/http1.h"
#include "base/memory.h"

enum {
    OWN_BYTES = 8 * 1024, /* of the fields that are made here, but for texts of any length */
    PREFIXED_MAX = 16,    /* of the provider's that are sent under another name */
};

static const struct slice original = SLICE_INIT("X-Original-");

size_t delivery_request_size(const struct delivery_request *request)
{
    const struct queue_delivery *delivery = request->delivery;
    return OWN_BYTES + request->target->path.len + strlen(request->target->origin.authority) +
           strlen(request->hook) + delivery->type.len + delivery->event_id.len +
           delivery->fields.len + PREFIXED_MAX * original.len;
}

static enum status put(struct buffer *head, struct slice name, struct slice value)
{
    TRY(buffer_append(head, name));
    TRY(buffer_append(head, SLICE(": ")));
    TRY(buffer_append(head, value));
    return buffer_append(head, SLICE("\r\n"));
}

/* What providers write may hold any byte. */
static enum status put_text(struct buffer *head, struct slice name, struct slice value)
{
    bool plain = value.len > 0 && value.len <= OWN_BYTES && slice_trim(value).len == value.len;
    for (size_t i = 0; plain && i < value.len; i++) {
        plain = value.ptr[i] >= ' ' && value.ptr[i] <= '~';
    }
    return plain ? put(head, name, value) : STATUS_OK;
}

/* ---- the provider's own ---- */

/* Under svix- names, too: Svix' libraries look for those first. */
static bool is_set_here(struct slice name)
{
    size_t prefix = slice_starts_with_nocase(name, SLICE("webhook-")) ? strlen("webhook-")
                    : slice_starts_with_nocase(name, SLICE("svix-"))  ? strlen("svix-")
                                                                      : 0;
    struct slice rest = slice_skip(name, prefix);
    return slice_equal_nocase(name, SLICE("user-agent")) ||
           (prefix > 0 && (slice_equal_nocase(rest, SLICE("id")) ||
                           slice_equal_nocase(rest, SLICE("timestamp")) ||
                           slice_equal_nocase(rest, SLICE("signature"))));
}

/* What was kept was looked at then; but this is a file's contents, and goes to another host. */
static bool may_pass(struct slice name, struct slice value)
{
    enum http1_name id = http1_name_find(name);
    bool known = id == HTTP1_OTHER || id == HTTP1_CONTENT_TYPE || id == HTTP1_DATE ||
                 id == HTTP1_LINK || id == HTTP1_LOCATION;
    return known && http1_valid_token(name) && http1_valid_field_value(value) &&
           !slice_starts_with_nocase(name, SLICE("x-sallyport-"));
}

static enum status put_kept(struct slice fields, struct buffer *head)
{
    unsigned prefixed = 0;
    while (fields.len > 0) {
        struct slice line = slice_make(fields.ptr, slice_find(fields, '\n'));
        fields = slice_skip(fields, line.len + 1);
        size_t colon = slice_find(line, ':');
        struct slice name = slice_make(line.ptr, colon);
        struct slice value = slice_skip(line, colon + 1);
        if (value.len > 0 && value.ptr[value.len - 1] == '\r') {
            value.len--;
        }
        value = slice_trim(value);
        if (!may_pass(name, value) || (is_set_here(name) && ++prefixed > PREFIXED_MAX)) {
            continue;
        }
        TRY(buffer_append(head, is_set_here(name) ? original : SLICE("")));
        TRY(put(head, name, value));
    }
    return STATUS_OK;
}

/* ---- ours ---- */

static enum status put_signature(const struct delivery_request *request, struct buffer *head,
                                 struct error *err)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct webhook_sign_result signed_by;
    struct slice id = slice_from(request->delivery->id);
    const struct webhook_request asked = {
        .method = SLICE("POST"),
        .url = SLICE(""),
        .body = request->body,
        .now = request->now,
        .secrets = request->secrets,
        .secret_count = request->secret_count,
    };
    if (request->secret_count == 0) {
        TRY(put(head, SLICE("webhook-id"), id));
        TRY(buffer_append(head, SLICE("webhook-timestamp: ")));
        TRY(buffer_append_number(head, (uint64_t)request->now));
        return buffer_append(head, SLICE("\r\n"));
    }
    TRY(webhook_sign(request->scheme, &asked, id, &arena, &signed_by, err));
    for (unsigned i = 0; i < signed_by.count; i++) {
        TRY(put(head, signed_by.field[i].name, signed_by.field[i].value));
    }
    return STATUS_OK;
}

static enum status put_start(const struct delivery_request *request, struct buffer *head)
{
    const struct hook_target *target = request->target;
    TRY(buffer_append(head, SLICE("POST ")));
    TRY(buffer_append(head, target->path));
    TRY(buffer_append(head, SLICE(" HTTP/1.1\r\n")));
    TRY(put(head, SLICE("Host"), slice_from(target->origin.authority)));
    TRY(put(head, SLICE("User-Agent"), SLICE("sallyport-webhooks")));
    TRY(buffer_append(head, SLICE("Content-Length: ")));
    TRY(buffer_append_number(head, request->body.len));
    return buffer_append(head, SLICE("\r\n"));
}

static enum status put_facts(const struct delivery_request *request, struct buffer *head)
{
    const struct queue_delivery *delivery = request->delivery;
    TRY(put(head, SLICE("X-Sallyport-Webhook-Hook"), slice_from(request->hook)));
    TRY(put_text(head, SLICE("X-Sallyport-Webhook-Type"), delivery->type));
    TRY(put_text(head, SLICE("X-Sallyport-Webhook-Event-Id"), delivery->event_id));
    TRY(buffer_append(head, SLICE("X-Sallyport-Webhook-Attempt: ")));
    TRY(buffer_append_number(head, (uint64_t)delivery->attempts + 1));
    return buffer_append(head, SLICE("\r\n"));
}

enum status delivery_request_write(const struct delivery_request *request, struct buffer *head,
                                   struct error *err)
{
    TRY(put_start(request, head));
    TRY(put_signature(request, head, err));
    TRY(put_facts(request, head));
    TRY(put_kept(request->delivery->fields, head));
    return buffer_append(head, SLICE("\r\n"));
}
