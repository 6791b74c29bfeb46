#include "gateway/exchange/price_memo.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "routes/price.h"

void price_memo_forget(struct price_memo *memo)
{
    memset(memo, 0, sizeof(*memo));
}

/* Names of one provider mostly differ in their length, or at their end. */
static unsigned slot_of(struct slice model)
{
    unsigned last = model.len == 0 ? 0 : (unsigned char)model.ptr[model.len - 1];
    return (last + (unsigned)model.len) % PRICE_MEMO_SLOTS;
}

const struct price *price_memo_find(struct price_memo *memo, const struct price_list *list,
                                    struct slice model, bool *ret_stands_in)
{
    __typeof__(&memo->found[0]) slot = &memo->found[slot_of(model)];
    if (slot->list == list && slice_equal(slice_make(slot->name, slot->len), model)) {
        *ret_stands_in = slot->stands_in;
        return slot->price;
    }
    const struct price *price = price_for(list, model, ret_stands_in);
    if (model.len > 0 && model.len <= sizeof(slot->name)) {
        slot->list = list;
        slot->price = price;
        slot->stands_in = *ret_stands_in;
        slot->len = (uint8_t)model.len;
        memcpy(slot->name, model.ptr, model.len);
    }
    return price;
}

static enum status write(const struct price *price, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"model\":")));
    TRY(encode_json_string(price->model, out));
    TRY(buffer_append_with_number(out, SLICE(",\"input\":"), price->base.input));
    TRY(buffer_append_with_number(out, SLICE(",\"output\":"), price->base.output));
    return buffer_append(out, SLICE("}"));
}

enum status price_memo_write(struct price_memo *memo, const struct price *price, struct buffer *out)
{
    unsigned at = (unsigned)((uintptr_t)price / sizeof(struct price)) % PRICE_MEMO_SLOTS;
    __typeof__(&memo->shown[0]) slot = &memo->shown[at];
    if (slot->price == price) {
        return buffer_append(out, slice_make(slot->text, slot->len));
    }
    size_t before = buffer_len(out);
    TRY(write(price, out));
    struct slice text = slice_skip(buffer_bytes(out), before);
    if (text.len <= sizeof(slot->text)) {
        slot->price = price;
        slot->len = (uint8_t)text.len;
        memcpy(slot->text, text.ptr, text.len);
    }
    return STATUS_OK;
}
