#include "gateway/ledger/ledger_row.h"

#include "base/utf8.h"

#include <assert.h>
#include <stddef.h>

_Static_assert((LEDGER_ESTIMATED ^ LEDGER_PRICE_FALLBACK ^ LEDGER_GATEWAY_DIED ^ LEDGER_METERED ^
                LEDGER_EXACT ^ LEDGER_REPRICED ^ LEDGER_TOLD ^ LEDGER_SETTLED) ==
                   (LEDGER_ESTIMATED | LEDGER_PRICE_FALLBACK | LEDGER_GATEWAY_DIED |
                    LEDGER_METERED | LEDGER_EXACT | LEDGER_REPRICED | LEDGER_TOLD | LEDGER_SETTLED),
               "each flag has a bit of its own");

void ledger_row_clear(struct ledger_row *row)
{
    struct ledger_object *object = &row->object;
    char *const texts[] = {
        row->id,    row->tenant,     row->route,     row->served_by,   row->provider,
        row->model, row->method,     row->path,      row->label,       row->upstream_id,
        row->code,  row->credential, row->ended_by,  row->step,        row->details,
        object->id, object->type,    object->status, object->currency,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        texts[i][0] = '\0';
    }
    row->opened_at = 0;
    row->closed_at = 0;
    row->status = 0;
    row->upstream_status = 0;
    row->attempts = 0;
    const size_t numbers = offsetof(struct ledger_row, flags);
    memset((char *)row + numbers, 0, offsetof(struct ledger_row, object) - numbers);
    object->amount = 0;
    object->has_amount = false;
    row->object_cost = 0;
    row->object_charges = 0;
    row->settle_count = 0;
    row->charge_count = 0;
}

static bool is_control(unsigned char byte)
{
    return byte < ' ' || byte == 0x7f;
}

/* Bytes of the next character, and what stands for it; 0: it does not fit. */
static size_t put_char(char *ret, size_t room, struct slice *text)
{
    size_t len = utf8_char(*text);
    /* U+0080 to U+009F are controls, too. */
    bool high_control =
        len == 2 && (unsigned char)text->ptr[0] == 0xc2 && (unsigned char)text->ptr[1] < 0xa0;
    bool plain = len > 0 && !is_control((unsigned char)text->ptr[0]) && !high_control;
    size_t put = plain ? len : 1;
    if (put > room) {
        return 0;
    }
    if (plain) {
        memcpy(ret, text->ptr, len);
    } else {
        ret[0] = '?';
    }
    *text = slice_skip(*text, len > 0 ? len : 1);
    return put;
}

/* At the front, that stand for themselves; eight at once, for texts mostly are plain: of a byte
 * below 0x80, the top bit of byte + 0x60 says that it is 0x20 or more, that of byte + 1 that it is
 * 0x7f. */
static size_t plain_bytes(struct slice text)
{
    const uint64_t each = UINT64_MAX / 0xff;
    size_t count = 0;
    for (uint64_t word; text.len - count >= sizeof(word); count += sizeof(word)) {
        memcpy(&word, text.ptr + count, sizeof(word));
        bool high = (word & each * 0x80) != 0;
        if (high || ((word + each * 0x60) & ~(word + each) & each * 0x80) != each * 0x80) {
            break;
        }
    }
    while (count < text.len && text.ptr[count] >= ' ' && text.ptr[count] < 0x7f) {
        count++;
    }
    return count;
}

void ledger_text(char *ret, size_t size, struct slice text)
{
    assert(size > 0);
    size_t used = plain_bytes(slice_make(text.ptr, text.len < size ? text.len : size - 1));
    if (used > 0) {
        memcpy(ret, text.ptr, used);
    }
    text = slice_skip(text, used);
    while (text.len > 0) {
        size_t put = put_char(ret + used, size - 1 - used, &text);
        if (put == 0) {
            break;
        }
        used += put;
    }
    ret[used] = '\0';
}
