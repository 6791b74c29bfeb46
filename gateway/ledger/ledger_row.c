#include "gateway/ledger/ledger_row.h"

#include "base/utf8.h"

#include <assert.h>

_Static_assert((LEDGER_ESTIMATED ^ LEDGER_PRICE_FALLBACK ^ LEDGER_GATEWAY_DIED ^ LEDGER_METERED ^
                LEDGER_EXACT ^ LEDGER_REPRICED ^ LEDGER_TOLD) ==
                   (LEDGER_ESTIMATED | LEDGER_PRICE_FALLBACK | LEDGER_GATEWAY_DIED |
                    LEDGER_METERED | LEDGER_EXACT | LEDGER_REPRICED | LEDGER_TOLD),
               "each flag has a bit of its own");

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

static bool is_plain(char byte)
{
    return byte >= ' ' && byte < 0x7f;
}

void ledger_text(char *ret, size_t size, struct slice text)
{
    assert(size > 0);
    size_t used = 0;
    while (used < text.len && used < size - 1 &&
           is_plain(text.ptr[used])) { /* as they mostly are */
        ret[used] = text.ptr[used];
        used++;
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
