/*
 * fuzz_audit_record: lines of an audit log as a stranger may have written them (first byte even):
 * nothing outside is read, and what reads as intact is what would have been written. And events
 * with any text (odd): one line, which reads as intact.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/observe/audit_record.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void check_line(struct slice text)
{
    struct audit_line line;
    if (!audit_line_read(text, &line) || !line.intact) {
        return;
    }
    require(line.prev.len == AUDIT_HASH_LEN && line.hash.len == AUDIT_HASH_LEN);
    require(line.prev.ptr > text.ptr && line.hash.ptr + AUDIT_HASH_LEN < text.ptr + text.len);
    require(line.event.ptr > text.ptr && line.event.ptr + line.event.len < line.prev.ptr);
}

static void check_event(struct slice text)
{
    struct buffer body CLEANUP(buffer_fini);
    struct buffer out CLEANUP(buffer_fini);
    struct audit_chain chain;
    struct audit_line line;
    char *name CLEANUP(memory_free_at) = memory_copy(slice_make(text.ptr, text.len / 4));
    const struct audit_event event = {.kind = AUDIT_STORE_WARNING, .route = name, .peer = name};
    buffer_init(&body, 2 * AUDIT_LINE_MAX);
    buffer_init(&out, 2 * AUDIT_LINE_MAX);
    audit_chain_init(&chain);
    require(audit_body_write(&event, 0, text, &body) == STATUS_OK);
    require(audit_line_write(&chain, buffer_bytes(&body), &out, &chain) == STATUS_OK);
    struct slice written = buffer_bytes(&out);
    require(slice_find(written, '\n') == written.len - 1);
    require(audit_line_read(slice_make(written.ptr, written.len - 1), &line) && line.intact);
    require(line.seq == 1 && slice_equal(line.event, SLICE("store_warning")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > AUDIT_TEXT_MAX) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 1, size - 1);
    if (data[0] % 2 == 0) {
        check_line(text);
    } else {
        check_event(text);
    }
    return 0;
}
