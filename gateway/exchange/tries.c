/* tries: the attempts of a request, as its log line tells them. */
#include "base/encode.h"
#include "gateway/exchange/steps.h"
#include "routes/route.h"

#include <stdio.h>

static const char *fault_text(enum attempt_fault fault)
{
    switch (fault) {
    case ATTEMPT_OK:
        break;
    case ATTEMPT_UNREACHABLE:
        return "unreachable";
    case ATTEMPT_EGRESS_REFUSED:
        return "egress_refused";
    case ATTEMPT_TIMEOUT_CONNECT:
        return "timeout_connect";
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
        return "timeout_first_byte";
    case ATTEMPT_TIMEOUT_IDLE:
        return "timeout_idle";
    case ATTEMPT_INVALID:
        return "invalid";
    case ATTEMPT_BROKEN_OFF:
        return "broken_off";
    }
    return "";
}

static enum status put_ms(struct slice name, usec_t span, struct buffer *out)
{
    TRY(buffer_append(out, name));
    return buffer_append_number(out, span <= 0 ? 0 : (uint64_t)(span / MSEC));
}

static enum status put_try(const struct try *it, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"route\":")));
    TRY(encode_json_string(slice_from(it->route->name), out));
    if (it->credential != NULL && it->route->credential_count > 1) {
        TRY(buffer_append(out, SLICE(",\"credential\":")));
        TRY(encode_json_string(slice_from(it->credential), out));
    }
    if (it->status != 0) {
        TRY(buffer_append(out, SLICE(",\"status\":")));
        TRY(buffer_append_number(out, it->status));
    } else {
        TRY(buffer_print(out, ",\"fault\":\"%s\"", fault_text(it->fault)));
    }
    TRY(buffer_append(out, it->sent ? SLICE(",\"sent\":true") : SLICE(",\"sent\":false")));
    TRY(put_ms(SLICE(",\"ms\":"), it->took, out));
    TRY(buffer_print(out, ",\"then\":\"%s\"", judge_reason_text(it->then)));
    if (it->then == JUDGE_AGAIN) {
        TRY(put_ms(SLICE(",\"wait_ms\":"), it->wait, out));
    }
    return buffer_append(out, SLICE("}"));
}

const char *tries_cause(const struct try *it, char out[TRIES_CAUSE_MAX])
{
    if (it->status == 0) {
        return fault_text(it->fault);
    }
    (void)snprintf(out, TRIES_CAUSE_MAX, "%u", it->status);
    return out;
}

enum status tries_write(const struct tries *tries, struct buffer *out)
{
    if (tries->count == 0) {
        return STATUS_OK;
    }
    for (unsigned i = 0; i < tries->count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("[") : SLICE(",")));
        TRY(put_try(&tries->list[i], out));
    }
    return buffer_append(out, SLICE("]"));
}
