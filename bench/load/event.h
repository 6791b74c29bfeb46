/* event: what the upstream's streams are made of: an event that says when it was written. */
#pragma once

#include "bench/load/wire.h"

#include <stdbool.h>
#include <stdio.h>

/* As many bytes as asked, or what it takes at least; `chat`: a chunk of a chat's answer, whose last
 * one tells what was used. Returns its length; `size` has room for 512 bytes more than asked. */
static inline size_t event_write(char *ret, size_t size, size_t bytes, bool chat, bool last)
{
    static const char chat_begin[] =
        "\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    static const char chat_end[] = "\"},\"finish_reason\":null}],\"usage\":null}\n\n";
    static const char chat_last[] =
        "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,"
        "\"completion_tokens\":49,\"total_tokens\":299}}\n\n";
    const char *end = !chat ? "\"}\n\n" : last ? chat_last : chat_end;
    size_t len = (size_t)snprintf(ret, size, "data: {\"t\":%lld,%s",
                                  (long long)wire_now_ns() / 1000, chat ? chat_begin : "\"x\":\"");
    while (len + strlen(end) < bytes) {
        ret[len++] = 'x';
    }
    memcpy(ret + len, end, strlen(end));
    return len + strlen(end);
}
