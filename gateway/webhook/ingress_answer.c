/* ingress_answer: what the sender of a webhook is told: a status, and no more than that. */
#include "config/hook.h"
#include "gateway/client/connection.h"
#include "gateway/client/problem.h"
#include "gateway/webhook/ingress_state.h"

#include <assert.h>
#include <stdio.h>

enum { ANSWER_MAX_BYTES = 128 * 1024 };

static const char *status_text(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 415:
        return "Unsupported Media Type";
    default:
        return status < 300 ? "OK" : problem_status_text(status);
    }
}

static enum status put_field(struct slice name, struct slice value, struct buffer *out)
{
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, value));
    return buffer_append(out, SLICE("\r\n"));
}

static enum status write_fields(const struct ingress *ingress, const struct ingress_answer *answer,
                                struct buffer *out)
{
    if (answer->media_type.len > 0) {
        TRY(put_field(SLICE("Content-Type: "), answer->media_type, out));
        TRY(buffer_append(out, SLICE("X-Content-Type-Options: nosniff\r\n")));
    }
    if (answer->status == 401) { /* RFC 9110, section 15.5.2: it must name a scheme */
        TRY(buffer_append(out, SLICE("WWW-Authenticate: Signature\r\n")));
    }
    if (answer->status == 405) {
        struct slice method = ingress->hook->scheme->challenge_method;
        bool has_more = method.len > 0 && !slice_equal(method, SLICE("POST"));
        TRY(put_field(has_more ? SLICE("Allow: POST, ") : SLICE("Allow: POST"),
                      has_more ? method : slice_make("", 0), out));
    }
    if (answer->retry_after > 0) {
        TRY(buffer_append(out, SLICE("Retry-After: ")));
        TRY(buffer_append_number(out, (uint64_t)((answer->retry_after + SEC - 1) / SEC)));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    if (ingress->closes) {
        TRY(buffer_append(out, SLICE("Connection: close\r\n")));
    }
    return buffer_append(out, SLICE("Cache-Control: no-store\r\n"));
}

static enum status write_answer(const struct ingress *ingress, const struct ingress_answer *answer,
                                struct buffer *out)
{
    TRY(buffer_append(out, SLICE("HTTP/1.1 ")));
    TRY(buffer_append_number(out, answer->status));
    TRY(buffer_append(out, SLICE(" ")));
    TRY(put_field(slice_from(status_text(answer->status)), slice_make("", 0), out));
    TRY(write_fields(ingress, answer, out));
    if (answer->status != 204) {
        TRY(buffer_append(out, SLICE("Content-Length: ")));
        TRY(buffer_append_number(out, answer->body.len));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    TRY(buffer_append(out, SLICE("\r\n")));
    return ingress->request->method == HTTP1_HEAD ? STATUS_OK : buffer_append(out, answer->body);
}

void ingress_say(struct ingress *ingress, const struct ingress_answer *answer)
{
    struct connection *connection = ingress->connection;
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, ANSWER_MAX_BYTES);
    assert(ingress->status == 0);
    if (answer->reason != NULL) {
        ingress->reason = answer->reason;
    }
    if (answer->detail != NULL) {
        (void)snprintf(ingress->detail, sizeof(ingress->detail), "%s", answer->detail);
    }
    /* A body that lies unread in the connection is consumed when it is let go. */
    bool unread = !ingress->body_whole && connection_must_close(connection);
    ingress->closes = unread || !ingress->request->keep_alive || connection_draining(connection);
    if (write_answer(ingress, answer, &out) == STATUS_OK) { /* else it is cut */
        connection_write(connection, buffer_bytes(&out));
        connection_flush(connection);
        ingress->status = answer->status;
    }
}

void ingress_refuse(struct ingress *ingress, const struct ingress_answer *answer)
{
    ingress_say(ingress, answer);
    ingress_end(ingress, INGRESS_REFUSED);
}

void ingress_acknowledge(struct ingress *ingress, enum ingress_outcome outcome,
                         const struct ingress_answer *answer)
{
    ingress_say(ingress, answer);
    ingress_end(ingress, outcome);
}
