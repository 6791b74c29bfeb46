/*
 * usage: what it costs to find the usage in event streams, beyond copying them.
 * bench_micro_usage [STREAMS]: so many streams of 50 events of 250 bytes (100, unless it is said)
 * go forward in turn, event by event, each byte copied once; with and without somebody who looks
 * for the usage. In nanoseconds of CPU time an event; the median of 15 rounds.
 */
#include "base/memory.h"
#include "bench/micro/cpu_time.h"
#include "gateway/meter/usage_scan.h"
#include "routes/usage_table.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 50, EVENT_BYTES = 250, ROUNDS = 15, REPEAT = 20, ROOM = 1024 };

struct shape {
    const char *table;
    const char *begin, *end, *last; /* around the text of each event; behind that of the last;
                                       where a '@' stands the event's number */
};

static const struct shape shapes[] = {
    {"openai-chat",
     "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
     "\"created\":1694268190,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{"
     "\"content\":\"",
     "\"},\"finish_reason\":null}],\"usage\":null}\n\n",
     "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":49,"
     "\"total_tokens\":299}}\n\n"},
    {"openai-responses",
     "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
     "\"sequence_number\":@,\"item_id\":\"msg_0123456789\",\"output_index\":0,\"content_index\":0,"
     "\"delta\":\"",
     "\"}\n\n",
     "\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{"
     "\"id\":\"resp_0123456789\",\"usage\":{\"input_tokens\":250,\"output_tokens\":49,"
     "\"total_tokens\":299}}}\n\n"},
    {"anthropic",
     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
     "\"delta\":{\"type\":\"text_delta\",\"text\":\"",
     "\"}}\n\n",
     "\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
     "\"end_turn\"},\"usage\":{\"input_tokens\":250,\"output_tokens\":49}}\n\n"
     "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
    {"gemini", "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"",
     "\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":250,"
     "\"totalTokenCount\":250},\"modelVersion\":\"gemini-2.0-flash\"}\n\n",
     "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{"
     "\"promptTokenCount\":250,\"candidatesTokenCount\":49,\"totalTokenCount\":299},"
     "\"modelVersion\":\"gemini-2.0-flash\"}\n\n"},
};

struct event {
    size_t len;
    char bytes[ROOM];
};

static struct event events[EVENTS];
static volatile char sink;

/* No text begins as the one before. */
static void write_events(const struct shape *shape)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        struct event *event = &events[i];
        const char *end = i + 1 == EVENTS ? shape->last : shape->end;
        size_t at = strcspn(shape->begin, "@");
        bool numbered = shape->begin[at] == '@';
        char number[16] = "";
        if (numbered) {
            (void)snprintf(number, sizeof(number), "%u", i);
        }
        size_t len = (size_t)snprintf(event->bytes, ROOM, "%.*s%s%s", (int)at, shape->begin, number,
                                      shape->begin + at + numbered);
        for (unsigned j = i; len + strlen(end) < EVENT_BYTES; j++) {
            event->bytes[len++] = (char)('a' + j % 26);
        }
        memcpy(event->bytes + len, end, strlen(end));
        event->len = len + strlen(end);
    }
}

static void check(const struct usage_scan *scan)
{
    struct usage usage;
    if (!usage_scan_result(scan, &usage) || usage.input != 250 || usage.output != 49) {
        (void)fprintf(stderr, "the usage was not found\n");
        abort();
    }
}

/* Copies each stream's events to a place of its own, as a connection does. */
static double round_ns(const struct usage_table *table, unsigned streams, bool looks)
{
    struct usage_scan **scans = memory_alloc(streams * sizeof(struct usage_scan *));
    char(*places)[ROOM] = memory_alloc((size_t)streams * ROOM);
    double begin = cpu_ns();
    for (unsigned i = 0; looks && i < streams; i++) {
        scans[i] = usage_scan_new(table, SCAN_EVENTS);
    }
    for (unsigned e = 0; e < EVENTS; e++) {
        for (unsigned i = 0; i < streams; i++) {
            memcpy(places[i], events[e].bytes, events[e].len);
            sink = places[i][events[e].len / 2];
            if (looks) {
                (void)usage_scan_feed(scans[i], slice_make(places[i], events[e].len), UINT64_MAX);
            }
        }
    }
    double took = cpu_ns() - begin;
    for (unsigned i = 0; looks && i < streams; i++) {
        check(scans[i]);
        usage_scan_free(scans[i]);
    }
    memory_free(scans);
    memory_free(places);
    return took / streams / EVENTS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median_ns(const struct usage_table *table, unsigned streams, bool looks)
{
    double rounds[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        rounds[i] = 0;
        for (unsigned j = 0; j < REPEAT; j++) {
            rounds[i] += round_ns(table, streams, looks) / REPEAT;
        }
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    unsigned streams = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100;
    struct arena arena = {0};
    if (streams == 0) {
        (void)fprintf(stderr, "usage: bench_micro_usage [STREAMS]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct usage_table *table;
        if (usage_table_load(&arena, slice_from(shapes[i].table), &table, NULL) != STATUS_OK) {
            abort();
        }
        write_events(&shapes[i]);
        double copied = median_ns(table, streams, false);
        double looked = median_ns(table, streams, true);
        (void)printf("%-18s copied %6.0f ns, looked at, too %6.0f ns: %6.0f ns an event\n",
                     shapes[i].table, copied, looked, looked - copied);
    }
    arena_fini(&arena);
    return 0;
}
