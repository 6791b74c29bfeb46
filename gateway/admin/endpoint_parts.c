#include "gateway/admin/endpoint_parts.h"

#include "base/encode.h"
#include "gateway/admin/admin_server.h"
#include "gateway/admin/endpoints.h"
#include "routes/target.h"

#include <string.h>

bool endpoint_parameter(const struct admin_request *request, struct slice name,
                        char out[ENDPOINT_PARAMETER_MAX])
{
    char decoded[3 * ENDPOINT_PARAMETER_MAX];
    struct slice value = {0};
    struct slice query = slice_from(request->query);
    size_t len = 0;
    if (query.len > 0 && target_query_get(query, name, &value) &&
        (value.len > sizeof(decoded) || decode_percent(value, decoded, &len) != STATUS_OK ||
         len >= ENDPOINT_PARAMETER_MAX || memchr(decoded, '\0', len) != NULL)) {
        return false;
    }
    memcpy(out, decoded, len);
    out[len] = '\0';
    return true;
}

void endpoint_answer_json(struct admin_answer *answer, unsigned status)
{
    answer->status = status;
    answer->content_type = "application/json";
}

void endpoint_answer_error(struct admin_answer *answer, unsigned status, const char *text)
{
    buffer_consume(&answer->body, buffer_len(&answer->body));
    endpoint_answer_json(answer, status);
    if (buffer_append(&answer->body, SLICE("{\"error\":")) != STATUS_OK ||
        encode_json_string(slice_from(text), &answer->body) != STATUS_OK ||
        buffer_append(&answer->body, SLICE("}\n")) != STATUS_OK) {
        answer->status = 500; /* not reached: nothing else is in the body */
    }
}

unsigned endpoint_status_of(enum status status)
{
    return status == STATUS_NOT_FOUND ? 404 : status == STATUS_INVALID ? 400 : 503;
}
