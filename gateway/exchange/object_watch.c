#include "gateway/exchange/object_watch.h"

#include "base/http1.h"
#include "base/memory.h"
#include "gateway/exchange/clean_text.h"
#include "gateway/exchange/content_type.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"
#include "gateway/ledger/ledger_row.h"
#include "gateway/meter/object_scan.h"
#include "routes/call.h"
#include "routes/profile.h"
#include "routes/target.h"

enum { PATH_MAX_BYTES = 256 }; /* longer ones are no call that a profile knows */

struct object_watch {
    const struct object_rule *rule; /* in the snapshot */
    bool reads;                     /* the answer is JSON, and something is to be found in it */
    bool shared;                    /* who reads the answer tells what is in it */
    /* From here on not zeroed when it is made. */
    struct object_text id; /* of a header */
    struct object_scan scan;
};

static const struct object_rule *rule_for(const struct exchange *exchange)
{
    char normal[PATH_MAX_BYTES];
    const struct profile *profile = exchange->route->profile;
    const struct call *call = metering_call(exchange);
    if (call != NULL && call->object_known) {
        return call->object;
    }
    if (profile->object_count == 0 || exchange->rest.len > sizeof(normal)) {
        return NULL;
    }
    return object_rule_find(profile, exchange->request->method_text,
                            target_normalize(exchange->rest, normal));
}

static void read_header(struct object_watch *watch, const struct http1_response *response)
{
    struct slice name = watch->rule->id_header;
    const struct http1_field *field =
        name.len == 0 ? NULL : http1_find_field(response->fields, response->field_count, name);
    if (field != NULL) {
        size_t len = field->value.len < OBJECT_TEXT_MAX ? field->value.len : OBJECT_TEXT_MAX;
        memcpy(watch->id.bytes, field->value.ptr, len);
        watch->id.len = (uint16_t)len;
    }
}

void object_watch_begin(struct exchange *exchange, const struct http1_response *response)
{
    bool made = response->status >= 200 && response->status < 300 && response->status != 206;
    object_watch_free(TAKE(exchange->object));
    const struct object_rule *rule =
        made && exchange->side->ledger != NULL ? rule_for(exchange) : NULL;
    if (rule == NULL) {
        return;
    }
    struct object_watch *watch = MEMORY_NEW_UPTO(struct object_watch, id);
    watch->rule = rule;
    watch->id.len = 0;
    watch->reads = content_type_is_json(content_type_of(response));
    read_header(watch, response);
    object_scan_init(&watch->scan, rule);
    exchange->object = watch;
}

struct object_scan *object_watch_share(struct exchange *exchange)
{
    struct object_watch *watch = exchange->object;
    if (watch == NULL || !watch->reads) {
        return NULL;
    }
    watch->shared = true;
    return &watch->scan;
}

void object_watch_look(struct exchange *exchange, struct slice data)
{
    if (exchange->object != NULL && exchange->object->reads && !exchange->object->shared) {
        object_scan_feed(&exchange->object->scan, data);
    }
}

void object_watch_put(const struct exchange *exchange, struct ledger_row *row)
{
    const struct object_watch *watch = exchange->object;
    struct ledger_object *object = &row->object;
    if (watch == NULL) {
        return;
    }
    struct slice id = watch->id.len > 0 ? slice_make(watch->id.bytes, watch->id.len)
                                        : object_scan_text(&watch->scan, OBJECT_ID);
    if (id.len == 0) {
        return; /* what has no name cannot be looked for */
    }
    CLEAN_TEXT(exchange, object->id, id);
    if (watch->rule->type.len > 0) {
        LEDGER_TEXT(object->type, watch->rule->type);
    } else {
        CLEAN_TEXT(exchange, object->type, object_scan_text(&watch->scan, OBJECT_TYPE));
    }
    CLEAN_TEXT(exchange, object->status, object_scan_text(&watch->scan, OBJECT_STATUS));
    CLEAN_TEXT(exchange, object->currency, object_scan_text(&watch->scan, OBJECT_CURRENCY));
    object->has_amount = object_scan_amount(&watch->scan, &object->amount);
}

void object_watch_free(struct object_watch *watch)
{
    memory_free(watch);
}
