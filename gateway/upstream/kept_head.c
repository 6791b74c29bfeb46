#include "gateway/upstream/kept_head.h"

#include "base/memory.h"

#include <string.h>

static void move(struct slice *slice, ptrdiff_t by)
{
    slice->ptr += by;
}

struct kept_head *kept_head_new(const struct http1_response *response, const char *bytes)
{
    size_t fields_bytes = response->field_count * sizeof(struct http1_field);
    struct kept_head *head = memory_resize(NULL, sizeof(*head) + fields_bytes + response->head_len);
    char *copy = (char *)head->fields + fields_bytes;
    ptrdiff_t by = copy - bytes;
    memcpy(copy, bytes, response->head_len);
    head->response = *response;
    head->response.fields = head->fields;
    head->next = NULL;
    move(&head->response.reason, by);
    for (unsigned i = 0; i < response->field_count; i++) {
        head->fields[i] = response->fields[i];
        move(&head->fields[i].name, by);
        move(&head->fields[i].value, by);
    }
    return head;
}
