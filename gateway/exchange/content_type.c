#include "gateway/exchange/content_type.h"

struct slice content_type_of(const struct http1_response *response)
{
    for (unsigned i = 0; i < response->field_count; i++) {
        if (response->fields[i].id == HTTP1_CONTENT_TYPE) {
            struct slice type = response->fields[i].value;
            type.len = slice_find(type, ';');
            return slice_trim(type);
        }
    }
    return slice_make("", 0);
}

bool content_type_is_json(struct slice type)
{
    static const struct slice json = SLICE_INIT("application/json");
    return slice_equal(type, json) || slice_equal_nocase(type, json) ||
           (type.len > 5 && slice_equal_nocase(slice_skip(type, type.len - 5), SLICE("+json")));
}
