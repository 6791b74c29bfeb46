#include "gateway/otlp/otlp_json.h"

#include "base/buffer.h"
#include "base/encode.h"

#include <inttypes.h>

enum status otlp_json_open(struct buffer *out, const char *outer, const char *scope,
                           const char *items, struct slice service)
{
    struct otlp_attributes resource = {.out = out};
    TRY(buffer_print(out, "{\"%s\":[{\"resource\":{\"attributes\":[", outer));
    TRY(otlp_json_text(&resource, "service.name", service));
    TRY(otlp_json_text(&resource, "service.version", SLICE(SALLYPORT_VERSION)));
    return buffer_print(out,
                        "]},\"%s\":[{\"scope\":{\"name\":\"sallyport\",\"version\":\"%s\"},"
                        "\"%s\":[",
                        scope, SALLYPORT_VERSION, items);
}

enum status otlp_json_close(struct buffer *out)
{
    return buffer_append(out, SLICE("]}]}]}"));
}

static enum status put_name(struct otlp_attributes *list, const char *name)
{
    TRY(buffer_append(list->out,
                      list->count++ == 0 ? SLICE("{\"key\":\"") : SLICE(",{\"key\":\"")));
    return buffer_append(list->out, slice_from(name));
}

enum status otlp_json_text(struct otlp_attributes *list, const char *name, struct slice value)
{
    if (value.len == 0) {
        return STATUS_OK;
    }
    TRY(put_name(list, name));
    TRY(buffer_append(list->out, SLICE("\",\"value\":{\"stringValue\":")));
    TRY(encode_json_string(value, list->out));
    return buffer_append(list->out, SLICE("}}"));
}

enum status otlp_json_number(struct otlp_attributes *list, const char *name, uint64_t value)
{
    TRY(put_name(list, name));
    TRY(buffer_append(list->out, SLICE("\",\"value\":{\"intValue\":\"")));
    TRY(buffer_append_number(list->out, value));
    return buffer_append(list->out, SLICE("\"}}"));
}

enum status otlp_json_time(struct buffer *out, usec_t wall)
{
    TRY(buffer_append(out, SLICE("\"")));
    TRY(buffer_append_number(out, wall < 0 ? 0 : (uint64_t)wall));
    return buffer_append(out, SLICE("000\"")); /* in nanoseconds */
}
