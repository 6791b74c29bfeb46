#include "gateway/observe/audit_record.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/observe/timestamp.h"

static const char *const words[] = {
#define AUDIT_WORD(name, word) [AUDIT_##name] = (word),
    AUDIT_KINDS(AUDIT_WORD)
#undef AUDIT_WORD
};

static const struct slice head = SLICE_INIT("{\"seq\":");
static const struct slice event_head = SLICE_INIT(",\"event\":\"");
static const struct slice prev_head = SLICE_INIT(",\"prev\":\"");
static const struct slice hash_head = SLICE_INIT(",\"hash\":\"");

const char *audit_kind_word(enum audit_kind kind)
{
    return words[kind];
}

void audit_chain_init(struct audit_chain *chain)
{
    *chain = (struct audit_chain){0};
    memset(chain->hash, '0', AUDIT_HASH_LEN);
}

/* `line` without its brace, which would follow the hash. */
static enum status hash_of(struct slice prev, struct slice line, char out[AUDIT_HASH_LEN + 1])
{
    struct buffer bytes CLEANUP(buffer_fini);
    unsigned char digest[SHA256_BYTES];
    buffer_init(&bytes, AUDIT_HASH_LEN + AUDIT_LINE_MAX);
    TRY(buffer_append(&bytes, prev));
    TRY(buffer_append(&bytes, line));
    TRY(buffer_append(&bytes, SLICE("}")));
    digest_sha256(buffer_bytes(&bytes), digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), out);
    out[AUDIT_HASH_LEN] = '\0';
    return STATUS_OK;
}

/* ---- writing ---- */

static enum status put_text(struct buffer *out, const char *name, const char *value)
{
    if (value == NULL) {
        return STATUS_OK;
    }
    TRY(buffer_print(out, ",\"%s\":", name));
    return encode_json_string(slice_from(value), out);
}

static enum status put_number(struct buffer *out, const char *name, uint64_t value)
{
    if (value == 0) {
        return STATUS_OK;
    }
    TRY(buffer_print(out, ",\"%s\":", name));
    return buffer_append_number(out, value);
}

static enum status put_body(const struct audit_event *event, usec_t wall, struct slice text,
                            struct buffer *out)
{
    char time[TIMESTAMP_LEN];
    size_t len = timestamp_write(wall, time);
    TRY(buffer_append(out, SLICE("\"time\":\"")));
    TRY(buffer_append(out, slice_make(time, len)));
    TRY(buffer_print(out, "\",\"event\":\"%s\"", words[event->kind]));
    TRY(put_text(out, "tenant", event->tenant));
    TRY(put_text(out, "route", event->route));
    TRY(put_text(out, "quota", event->quota));
    TRY(put_text(out, "secret", event->secret));
    TRY(put_number(out, "version", event->version));
    TRY(put_text(out, "peer", event->peer));
    TRY(put_text(out, "by", event->by));
    TRY(put_text(out, "code", event->code));
    TRY(put_text(out, "config", event->config));
    TRY(put_number(out, "generation", event->generation));
    TRY(put_number(out, "count", event->count));
    TRY(buffer_append(out, SLICE(",\"text\":")));
    return encode_json_string(text, out);
}

enum status audit_body_write(const struct audit_event *event, usec_t wall, struct slice text,
                             struct buffer *out)
{
    size_t before = buffer_len(out);
    enum status status = put_body(event, wall, text, out);
    if (status == STATUS_OK && buffer_len(out) - before > AUDIT_LINE_MAX / 2) {
        status = STATUS_TOO_LARGE;
    }
    if (status != STATUS_OK) {
        out->end = out->start + before;
    }
    return status;
}

enum status audit_line_write(const struct audit_chain *chain, struct slice body, struct buffer *out,
                             struct audit_chain *ret_next)
{
    struct audit_chain next = {.seq = chain->seq + 1};
    struct slice prev = slice_make(chain->hash, AUDIT_HASH_LEN);
    TRY(buffer_reserve(out, AUDIT_LINE_MAX)); /* so that nothing below fails halfway */
    size_t before = buffer_len(out);
    TRY(buffer_append(out, head));
    TRY(buffer_append_number(out, next.seq));
    TRY(buffer_append(out, SLICE(",")));
    TRY(buffer_append(out, body));
    TRY(buffer_append(out, prev_head));
    TRY(buffer_append(out, prev));
    TRY(buffer_append(out, SLICE("\"")));
    TRY(hash_of(prev, slice_skip(buffer_bytes(out), before), next.hash));
    TRY(buffer_append(out, hash_head));
    TRY(buffer_append(out, slice_make(next.hash, AUDIT_HASH_LEN)));
    TRY(buffer_append(out, SLICE("\"}\n")));
    *ret_next = next;
    return STATUS_OK;
}

/* ---- reading ---- */

static bool is_hash(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool digit = (text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
                     (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
        if (!digit) {
            return false;
        }
    }
    return text.len == AUDIT_HASH_LEN;
}

/* Takes `,"name":"HASH"` off the end of *text. */
static bool take_hash(struct slice *text, struct slice name, struct slice *ret)
{
    size_t len = name.len + AUDIT_HASH_LEN + 1;
    if (text->len < len) {
        return false;
    }
    text->len -= len;
    struct slice member = slice_make(text->ptr + text->len, len);
    *ret = slice_make(member.ptr + name.len, AUDIT_HASH_LEN);
    return slice_starts_with(member, name) && member.ptr[len - 1] == '"' && is_hash(*ret);
}

/* The members `time`, whose length is known, and `event` follow the number. */
static bool read_event(struct slice rest, struct slice *ret)
{
    rest = slice_skip(rest, SLICE(",\"time\":\"").len + TIMESTAMP_LEN + 1);
    if (!slice_starts_with(rest, event_head)) {
        return false;
    }
    rest = slice_skip(rest, event_head.len);
    *ret = slice_make(rest.ptr, slice_find(rest, '"'));
    return ret->len < rest.len;
}

bool audit_line_read(struct slice line, struct audit_line *ret)
{
    if (!slice_starts_with(line, head) || line.ptr[line.len - 1] != '}' ||
        line.len > AUDIT_LINE_MAX) {
        return false;
    }
    struct slice number = slice_skip(line, head.len);
    struct slice rest = slice_skip(number, slice_find(number, ','));
    number.len -= rest.len;
    struct slice hashed = slice_make(line.ptr, line.len - 1);
    if (!slice_number(number, UINT64_MAX, &ret->seq) || !read_event(rest, &ret->event) ||
        !take_hash(&hashed, hash_head, &ret->hash)) {
        return false;
    }
    struct slice body = hashed;
    char hash[AUDIT_HASH_LEN + 1];
    if (!take_hash(&body, prev_head, &ret->prev) || hash_of(ret->prev, hashed, hash) != STATUS_OK) {
        return false;
    }
    ret->intact = slice_equal(ret->hash, slice_make(hash, AUDIT_HASH_LEN));
    return true;
}
