/* event: what the upstream's streams are made of: an event that says when it was written. */
#pragma once

#include "bench/load/wire.h"

#include <stdbool.h>
#include <stdio.h>

/* As many bytes as asked, or what it takes at least. `chat`: a chunk of a chat's answer, as OpenAI
 * writes them: what is new in each comes behind what is the same in all; the last one tells what
 * was used. Returns its length; `size` has room for 512 bytes more than asked. */
static inline size_t event_write(char *ret, size_t size, size_t bytes, bool chat, bool last)
{
    static const char chat_begin[] =
        "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
        "\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    static const char chat_end[] = "\"},\"finish_reason\":null}],\"usage\":null,";
    static const char chat_last[] =
        "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,"
        "\"completion_tokens\":49,\"total_tokens\":299},";
    static unsigned written; /* no text begins as the one before */
    char end[256];
    int end_len = snprintf(end, sizeof(end), "%s\"t\":%lld}\n\n",
                           !chat  ? "\","
                           : last ? chat_last
                                  : chat_end,
                           (long long)wire_now_ns() / 1000);
    size_t len = (size_t)snprintf(ret, size, "%s", chat ? chat_begin : "data: {\"x\":\"");
    for (unsigned i = ++written; len + (size_t)end_len < bytes; i++) {
        ret[len++] = (char)('a' + i % 26);
    }
    memcpy(ret + len, end, (size_t)end_len);
    return len + (size_t)end_len;
}
