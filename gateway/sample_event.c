#include "gateway/sample_event.h"

#include "auth/inbound/webhook_sign.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"
#include "gateway/sample_event_body.h"

#include <inttypes.h>

/* ---- pieces ---- */

static void add_field(struct sample_event *event, struct slice name, struct slice value)
{
    if (event->field_count < SAMPLE_EVENT_FIELDS) {
        event->fields[event->field_count++] = (struct http1_field){.name = name,
                                                                   .value = value,
                                                                   .hash = http1_name_hash(name),
                                                                   .id = http1_name_find(name)};
    }
}

static bool has_field(const struct sample_event *event, struct slice name)
{
    return http1_find_field(event->fields, event->field_count, name) != NULL;
}

static bool is_form(const struct webhook_scheme *scheme)
{
    bool form = false;
    for (unsigned i = 0; i < scheme->event_ids.count; i++) {
        form = form || scheme->event_ids.place[i].kind == WEBHOOK_IN_FORM;
    }
    for (unsigned i = 0; i < scheme->part_count; i++) {
        form = form || scheme->parts[i].kind == WEBHOOK_PART_FORM;
    }
    return form;
}

/* The first place that something can be put in. */
static const struct webhook_place *place_of(const struct webhook_places *places)
{
    for (unsigned i = 0; i < places->count; i++) {
        const struct webhook_place *place = &places->place[i];
        if (place->kind == WEBHOOK_IN_HEADER || place->kind == WEBHOOK_IN_JSON ||
            place->kind == WEBHOOK_IN_FORM) {
            return place;
        }
    }
    return NULL;
}

/* ---- id and type ---- */

static enum status check_text(const char *what, struct slice text,
                              const struct webhook_place *place,
                              const struct sample_event_wish *wish, struct error *err)
{
    if (text.len == 0) {
        return STATUS_OK;
    }
    if (place == NULL) {
        FAIL(err, STATUS_INVALID, "%.*s: events of it tell no %s", SLICE_ARG(wish->scheme->name),
             what);
    }
    if (wish->body.len > 0 && place->kind != WEBHOOK_IN_HEADER) {
        FAIL(err, STATUS_INVALID, "the %s stands in the body: write it there", what);
    }
    if (place->kind == WEBHOOK_IN_HEADER && !http1_valid_field_value(text)) {
        FAIL(err, STATUS_INVALID, "the %s goes into a header, which this cannot be in", what);
    }
    return STATUS_OK;
}

static struct slice made_id(const struct sample_event_wish *wish, struct arena *arena)
{
    struct slice before = sample_event_id_prefix(wish->scheme->name);
    return slice_from(arena_print(arena, "%.*s%.*s", SLICE_ARG(before), SLICE_ARG(wish->chance)));
}

/* What stands in the body. */
static void put(struct sample_event_member *members, unsigned *count,
                const struct webhook_place *place, struct slice text)
{
    if (place != NULL && place->kind != WEBHOOK_IN_HEADER && text.len > 0) {
        members[(*count)++] = (struct sample_event_member){.name = place->name, .text = text};
    }
}

/* ---- what is sent ---- */

static uint64_t time_in(enum webhook_unit unit, int64_t now)
{
    return (uint64_t)now * (unit == WEBHOOK_MILLISECONDS ? 1000 : 1);
}

static enum status make_body(const struct sample_event_wish *wish, const struct webhook_place *id,
                             const struct webhook_place *type, struct arena *arena,
                             struct sample_event *event, struct error *err)
{
    const struct webhook_scheme *scheme = wish->scheme;
    struct sample_event_member members[3];
    unsigned count = 0;
    if (wish->body.len > 0) {
        event->body = wish->body;
        return STATUS_OK;
    }
    put(members, &count, id, event->id);
    put(members, &count, type, event->type);
    if (scheme->timestamp.kind == WEBHOOK_IN_JSON && scheme->timestamp_unit != WEBHOOK_RFC3339) {
        members[count++] = (struct sample_event_member){
            .name = scheme->timestamp.name, .number = time_in(scheme->timestamp_unit, wish->now)};
    }
    const struct sample_event_content content = {.provider = scheme->name,
                                                 .form = is_form(scheme),
                                                 .members = members,
                                                 .member_count = count};
    return sample_event_body(&content, arena, &event->body, err);
}

/* The hash of the body, where the URL has to have it. */
static void add_hash(const struct sample_event_wish *wish, struct arena *arena,
                     struct sample_event *event)
{
    const struct webhook_place *place = &wish->scheme->body_hash;
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];
    if (place->kind == WEBHOOK_IN_QUERY) {
        digest_sha256(event->body, digest);
        encode_hex(slice_make((const char *)digest, sizeof(digest)), hex);
        event->query = slice_from(
            arena_print(arena, "?%.*s=%.*s", SLICE_ARG(place->name), (int)sizeof(hex), hex));
    }
}

/* "HEADER=VALUE" */
static void add_required(const struct webhook_scheme *scheme, struct sample_event *event)
{
    for (unsigned i = 0; i < scheme->requires.count; i++) {
        struct slice text = scheme->requires.text[i];
        size_t len = slice_find(text, '=');
        add_field(event, slice_make(text.ptr, len), slice_skip(text, len + 1));
    }
}

static void add_fields(const struct sample_event_wish *wish, const struct webhook_place *id,
                       const struct webhook_place *type, struct sample_event *event)
{
    add_field(event, SLICE("Content-Type"),
              is_form(wish->scheme) ? SLICE("application/x-www-form-urlencoded")
                                    : SLICE("application/json"));
    add_required(wish->scheme, event);
    if (type != NULL && type->kind == WEBHOOK_IN_HEADER && event->type.len > 0) {
        add_field(event, type->name, event->type);
    }
    bool signs_id = wish->scheme->id.kind == WEBHOOK_IN_HEADER;
    if (id != NULL && id->kind == WEBHOOK_IN_HEADER && !signs_id) {
        add_field(event, id->name, event->id);
    }
}

static struct webhook_request request_of(const struct sample_event_wish *wish,
                                         const struct sample_event *event, struct arena *arena)
{
    return (struct webhook_request){
        .method = SLICE("POST"),
        .url = slice_from(
            arena_print(arena, "%.*s%.*s", SLICE_ARG(wish->url), SLICE_ARG(event->query))),
        .fields = event->fields,
        .field_count = event->field_count,
        .body = event->body,
        .now = wish->now,
        .secrets = wish->secrets,
        .secret_count = wish->secret_count,
    };
}

static enum status sign(const struct sample_event_wish *wish, struct arena *arena,
                        struct sample_event *event, struct error *err)
{
    struct webhook_sign_result result;
    struct webhook_request request = request_of(wish, event, arena);
    TRY(webhook_sign(wish->scheme, &request, event->id, arena, &result, err));
    for (unsigned i = 0; i < result.count; i++) {
        if (!has_field(event, result.field[i].name)) {
            add_field(event, result.field[i].name, result.field[i].value);
        }
    }
    return STATUS_OK;
}

/* As the gateway will. A scheme of the config's own may ask for what cannot be made up. */
static enum status verify(const struct sample_event_wish *wish, struct arena *arena,
                          const struct sample_event *event, struct error *err)
{
    struct webhook_result result;
    struct webhook_request request = request_of(wish, event, arena);
    webhook_verify(wish->scheme, &request, arena, &result);
    if (result.outcome != WEBHOOK_ACCEPTED) {
        FAIL(err, STATUS_INVALID, "%.*s: what can be made here would not be verified: %s",
             SLICE_ARG(wish->scheme->name), webhook_reason_name(result.reason));
    }
    return STATUS_OK;
}

enum status sample_event_make(const struct sample_event_wish *wish, struct arena *arena,
                              struct sample_event *ret, struct error *err)
{
    const struct webhook_scheme *scheme = wish->scheme;
    const struct webhook_place *type = place_of(&scheme->event_types);
    const struct webhook_place *id =
        scheme->id.kind == WEBHOOK_IN_HEADER ? &scheme->id : place_of(&scheme->event_ids);
    struct sample_event event = {0};
    TRY(check_text("type", wish->type, type, wish, err));
    TRY(check_text("id", wish->id, id, wish, err));
    bool own = wish->body.len > 0;
    if (id != NULL && (!own || id->kind == WEBHOOK_IN_HEADER)) {
        event.id = wish->id.len > 0 ? wish->id : made_id(wish, arena);
    }
    if (type != NULL && (!own || type->kind == WEBHOOK_IN_HEADER)) {
        event.type = wish->type.len > 0 ? wish->type : sample_event_type(scheme->name);
    }
    TRY(make_body(wish, id, type, arena, &event, err));
    add_hash(wish, arena, &event);
    add_fields(wish, id, type, &event);
    TRY(sign(wish, arena, &event, err));
    TRY(verify(wish, arena, &event, err));
    *ret = event;
    return STATUS_OK;
}
