#include "gateway/meter/event_memo.h"

#include "base/memory.h"

struct event_memo *event_memo_new(void)
{
    return MEMORY_NEW_UPTO(struct event_memo, head);
}

/* How far the event before begins in the same way. */
static size_t alike(const struct event_memo *memo, struct slice data)
{
    size_t most = data.len < memo->head_len ? data.len : memo->head_len;
    size_t count = 0;
    while (count < most && memo->head[count] == data.ptr[count]) {
        count++;
    }
    return count;
}

/* The event was read up to memo->len; it is the same up to `len`. */
static void read_up_to(struct event_memo *memo, struct answer_event *event, struct slice data,
                       size_t len)
{
    answer_event_read(event, slice_make(data.ptr + memo->len, len - memo->len));
    memo->len = (uint16_t)len;
    memo->after = *event;
}

static bool is_known(const struct event_memo *memo, struct slice data)
{
    return memo->len > 0 && data.len >= memo->len && memcmp(memo->head, data.ptr, memo->len) == 0;
}

/* It may begin as they do, but is cut before that is known: what is known of them stays. */
static bool is_cut(const struct event_memo *memo, struct slice data)
{
    return data.len < memo->len && memcmp(memo->head, data.ptr, data.len) == 0;
}

static bool is_longer(const struct event_memo *memo, struct slice data)
{
    size_t len = memo->len + (size_t)EVENT_MEMO_MORE;
    return memo->extended < EVENT_MEMO_TIMES && memo->head_len >= len && data.len >= len &&
           memcmp(memo->head + memo->len, data.ptr + memo->len, EVENT_MEMO_MORE) == 0;
}

size_t event_memo_read(struct event_memo *memo, struct answer_event *event, struct slice data)
{
    if (is_known(memo, data)) {
        *event = memo->after;
        if (is_longer(memo, data)) {
            memo->extended++;
            read_up_to(memo, event, data, alike(memo, data));
        }
        return memo->len;
    }
    if (is_cut(memo, data)) {
        return 0;
    }
    size_t len = alike(memo, data);
    memo->len = 0;
    if (len >= EVENT_MEMO_MIN) {
        read_up_to(memo, event, data, len);
    }
    memo->head_len = (uint16_t)(data.len < EVENT_MEMO_MAX ? data.len : EVENT_MEMO_MAX);
    memcpy(memo->head, data.ptr, memo->head_len);
    return memo->len;
}
