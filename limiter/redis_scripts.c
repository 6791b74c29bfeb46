/* The scripts' texts, each behind the common parts, and their SHA-1. */
#include "base/digest.h"
#include "base/embedded.h"
#include "base/encode.h"
#include "base/memory.h"
#include "limiter/redis_protocol.h"

#include <assert.h>

extern const struct embedded_file redis_scripts_data[];

static const char *const file_names[SCRIPTS] = {
    [SCRIPT_ADMIT] = "admit.lua",       [SCRIPT_SETTLE] = "settle.lua",
    [SCRIPT_CALL_OFF] = "call_off.lua", [SCRIPT_HAND_OVER] = "hand_over.lua",
    [SCRIPT_BEAT] = "beat.lua",         [SCRIPT_READ] = "read.lua",
    [SCRIPT_CHANGE] = "change.lua",     [SCRIPT_HAND_IN] = "hand_in.lua",
    [SCRIPT_CORRECT] = "correct.lua",
};

static struct slice text_of(const char *name)
{
    for (const struct embedded_file *file = redis_scripts_data; file->name != NULL; file++) {
        if (slice_equal(slice_from(file->name), slice_from(name))) {
            return slice_make(file->bytes, file->len);
        }
    }
    assert(false); /* the scripts are part of the binary */
    return slice_make("", 0);
}

static char *join(struct slice first, struct slice second, struct slice third)
{
    size_t len = first.len + second.len;
    char *text = memory_alloc(len + third.len + 1);
    memcpy(text, first.ptr, first.len);
    memcpy(text + first.len, second.ptr, second.len);
    memcpy(text + len, third.ptr, third.len);
    return text;
}

struct redis_scripts *redis_scripts_new(void)
{
    struct redis_scripts *scripts = MEMORY_NEW(struct redis_scripts);
    for (unsigned i = 0; i < SCRIPTS; i++) {
        unsigned char hash[SHA1_BYTES];
        scripts->texts[i] =
            join(text_of("common.lua"), text_of("ledger.lua"), text_of(file_names[i]));
        digest_sha1(slice_from(scripts->texts[i]), hash);
        encode_hex(slice_make((const char *)hash, SHA1_BYTES), scripts->hashes[i]);
    }
    return scripts;
}

void redis_scripts_free(struct redis_scripts *scripts)
{
    for (unsigned i = 0; scripts != NULL && i < SCRIPTS; i++) {
        memory_free(scripts->texts[i]);
    }
    memory_free(scripts);
}

enum status redis_scripts_load(const struct redis_scripts *scripts, struct buffer *out)
{
    size_t before = buffer_len(out);
    for (unsigned i = 0; i < SCRIPTS; i++) {
        struct resp resp;
        resp_begin(&resp, out, 3);
        resp_text(&resp, SLICE("SCRIPT"));
        resp_text(&resp, SLICE("LOAD"));
        resp_text(&resp, slice_from(scripts->texts[i]));
        if (resp_end(&resp) != STATUS_OK) {
            out->end -= buffer_len(out) - before; /* all or none */
            return STATUS_TOO_LARGE;
        }
    }
    return STATUS_OK;
}
