/* sallyport providers: the built-in provider profiles, as a list or one with its details. */
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/providers_manual.h"
#include "routes/price.h"
#include "routes/profile.h"

enum { OUTPUT_MAX_BYTES = 1024 * 1024 };

static const char usage[] =
    "usage: sallyport providers [NAME] [-c FILE] [--json] [--manual]\n"
    "\n"
    "Lists the built-in provider profiles, or tells what is known of one: where its SDKs put the\n"
    "key, how the credential is injected, what SDKs are to be told, what its answers say about\n"
    "trying again.\n"
    "\n"
    "  -c FILE    a config, whose own profiles (providers.path) are among them\n"
    "  --json     for machines\n"
    "  --manual   docs/PROVIDERS.md: how an app is pointed at the gateway, provider by provider\n";

/* ---- for people ---- */

static enum status put_list(const struct profile_set *set, struct buffer *out)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct profile *profile = &set->profiles[i];
        struct slice url = profile->base_url.len > 0        ? profile->base_url
                           : profile->base_url_form.len > 0 ? profile->base_url_form
                           : profile->host_count > 0        ? SLICE("several hosts")
                           : profile->sign.base_url.len > 0 ? profile->sign.base_url
                                                            : SLICE("-");
        TRY(buffer_print(out, "%-24s %-34s %.*s\n", profile->name, profile->title, SLICE_ARG(url)));
    }
    return buffer_append(out, SLICE("\n'sallyport providers NAME' tells more of one.\n"));
}

static enum status put_line(struct buffer *out, const char *label, struct slice value)
{
    if (value.len == 0) {
        return STATUS_OK;
    }
    return buffer_print(out, "  %-16s %.*s\n", label, SLICE_ARG(value));
}

/* "header Authorization: Bearer {secret}" */
static enum status put_injection(const struct injection *injection, struct buffer *out)
{
    static const struct {
        const char *place, *between, *end;
    } forms[] = {
        [INJECT_HEADER] = {"header ", ": ", ""},
        [INJECT_QUERY] = {"query parameter ", "=", ""},
        [INJECT_PATH] = {"path, behind the base URL: ", "", ""},
        [INJECT_BASIC] = {"header ", ": Basic base64(", ")"},
        [INJECT_BODY] = {"member of the body ", ": ", ""},
    };
    TRY(buffer_print(out, "  %-16s %s%.*s%s", "credential", forms[injection->place].place,
                     SLICE_ARG(injection->name), forms[injection->place].between));
    TRY(injection_template_write(injection, out));
    return buffer_print(out, "%s\n", forms[injection->place].end);
}

static enum status put_injections(const struct injections *injections, struct buffer *out)
{
    if (injections->count == 0) {
        return put_line(out, "credential", SLICE("as the route says, or none"));
    }
    for (unsigned i = 0; i < injections->count; i++) {
        TRY(put_injection(&injections->list[i], out));
    }
    return STATUS_OK;
}

static enum status put_slot(const struct slot *slot, struct buffer *out)
{
    switch (slot->kind) {
    case SLOT_HEADER:
        return buffer_print(out, "  %-16s header %.*s: %.*s%s%.*s%sKEY\n", "tenant key in",
                            SLICE_ARG(slot->name), SLICE_ARG(slot->prefix),
                            slot->parameter.len > 0 ? "..., " : "", SLICE_ARG(slot->parameter),
                            slot->parameter.len > 0 ? "=" : "");
    case SLOT_BASIC_USER:
        return put_line(out, "tenant key in", SLICE("Authorization: Basic, as the user"));
    case SLOT_BASIC_PASSWORD:
        return put_line(out, "tenant key in", SLICE("Authorization: Basic, as the password"));
    case SLOT_AWS:
        return put_line(out, "tenant key in",
                        SLICE("Authorization: AWS4-HMAC-SHA256, as the access key id"));
    case SLOT_QUERY:
        return buffer_print(out, "  %-16s query parameter %.*s\n", "tenant key in",
                            SLICE_ARG(slot->name));
    case SLOT_PATH:
        return buffer_print(out, "  %-16s path, behind the route's: /%.*sKEY\n", "tenant key in",
                            SLICE_ARG(slot->prefix));
    }
    return STATUS_OK;
}

static const char *form_name(enum advice_form form)
{
    switch (form) {
    case ADVICE_SECONDS_OR_DATE:
        return "seconds or a date";
    case ADVICE_MILLISECONDS:
        return "milliseconds";
    case ADVICE_SECONDS:
        return "seconds";
    case ADVICE_DURATION:
        return "a duration such as 6m0s";
    case ADVICE_EPOCH:
        return "Unix time";
    case ADVICE_TIME:
        return "a time of RFC 3339";
    }
    return "";
}

/* "403 with x-ratelimit-remaining: 0" */
static enum status put_marks(const char *label, const struct advice_mark *marks, unsigned count,
                             struct buffer *out)
{
    for (unsigned i = 0; i < count; i++) {
        const struct advice_mark *mark = &marks[i];
        TRY(buffer_print(out, "  %-16s ", label));
        if (mark->status == 0) {
            TRY(buffer_append(out, SLICE("an error")));
        } else {
            TRY(buffer_print(out, "%u", mark->status));
        }
        if (mark->header.len > 0) {
            TRY(buffer_print(out, " with %.*s%s%.*s", SLICE_ARG(mark->header),
                             mark->value.len > 0 ? ": " : "", SLICE_ARG(mark->value)));
        }
        TRY(buffer_append(out, SLICE("\n")));
    }
    return STATUS_OK;
}

static enum status put_advice(const struct advice_facts *facts, struct buffer *out)
{
    for (unsigned i = 0; i < facts->after_count; i++) {
        TRY(buffer_print(out, "  %-16s %.*s, %s\n", "wait in", SLICE_ARG(facts->after[i].header),
                         form_name(facts->after[i].form)));
    }
    if (facts->after_count == 0) {
        TRY(put_line(out, "wait in", SLICE("retry-after, seconds or a date")));
    }
    TRY(put_line(out, "says whether in", facts->should_retry));
    TRY(put_marks("throttled", facts->throttled, facts->throttled_count, out));
    TRY(put_marks("not processed", facts->unprocessed, facts->unprocessed_count, out));
    TRY(put_marks("key refused", facts->key_refused, facts->key_refused_count, out));
    for (unsigned i = 0; i < facts->limit_count; i++) {
        TRY(put_line(out, "what is left in", facts->limits[i].remaining));
    }
    return put_line(out, "about limits", facts->docs_url);
}

static enum status put_idempotency(const struct idempotency_facts *facts, struct buffer *out)
{
    if (facts->max_length == 0) {
        return STATUS_OK; /* it takes no keys */
    }
    bool header = facts->header.len > 0;
    TRY(buffer_print(out, "  %-16s %s %.*s, up to %u bytes, for", "idempotency key",
                     header ? "header" : "member of the body",
                     SLICE_ARG(header ? facts->header : facts->member), facts->max_length));
    for (unsigned i = 0; i < facts->method_count; i++) {
        TRY(buffer_print(out, " %.*s", SLICE_ARG(facts->methods[i])));
    }
    TRY(buffer_append(out, facts->path_count == 0 ? SLICE("\n") : SLICE(" of some paths\n")));
    for (unsigned i = 0; i < facts->scope_count; i++) {
        TRY(put_line(out, "unique within", facts->scopes[i]));
    }
    return put_line(out, "about keys", facts->docs_url);
}

static enum status put_repeatable(const struct profile *profile, struct buffer *out)
{
    for (unsigned i = 0; i < profile->call_count; i++) {
        const struct call *call = &profile->calls[i];
        if (call->repeatable) {
            TRY(buffer_print(out, "  %-16s %.*s %.*s\n", "may be repeated", SLICE_ARG(call->method),
                             SLICE_ARG(call->path)));
        }
    }
    for (unsigned i = 0; i < profile->repeatable_count; i++) {
        const struct repeatable_call *call = &profile->repeatable[i];
        TRY(buffer_print(out, "  %-16s %.*s %.*s\n", "may be repeated", SLICE_ARG(call->method),
                         SLICE_ARG(call->path)));
    }
    return STATUS_OK;
}

static enum status put_domains(const struct profile *profile, struct buffer *out)
{
    for (unsigned i = 0; i < profile->domain_count; i++) {
        TRY(buffer_print(out, "  %-16s %.*s: %.*s\n", "limits of its own",
                         SLICE_ARG(profile->domains[i].name), SLICE_ARG(profile->domains[i].path)));
    }
    return put_line(out, "limits of its own",
                    profile->domain_by_model ? SLICE("each model") : SLICE(""));
}

/* What a route's `token` says by default. */
static enum status put_token(const struct profile *profile, struct buffer *out)
{
    for (unsigned i = 0; i < profile->token_count; i++) {
        const struct token_setting *setting = &profile->token[i];
        TRY(buffer_print(out, "  %-16s %.*s: %.*s\n", "token is had by", SLICE_ARG(setting->name),
                         SLICE_ARG(setting->value)));
    }
    return STATUS_OK;
}

static enum status put_details(const struct profile *profile, struct buffer *out)
{
    TRY(buffer_print(out, "%s (%s)\n", profile->name, profile->title));
    TRY(put_line(out, "base URL",
                 profile->base_url.len > 0 ? profile->base_url : profile->sign.base_url));
    TRY(put_line(out, "base URL, as in", profile->base_url_form));
    for (unsigned i = 0; i < profile->host_count; i++) {
        TRY(put_line(out, i == 0 ? "hosts" : "", profile->hosts[i]));
    }
    TRY(put_line(out, "secret", profile->secret));
    TRY(put_line(out, "reference", profile->docs_url));
    TRY(put_token(profile, out));
    if (profile->sign.scheme.len == 0 || profile->injections.count > 0) {
        TRY(put_injections(&profile->injections, out));
    }
    TRY(put_line(out, profile->injections.count == 0 ? "signed as" : "or signed as",
                 profile->sign.scheme));
    for (unsigned i = 0; i < profile->slot_count; i++) {
        TRY(put_slot(&profile->slots[i], out));
    }
    if (profile->user_token.name.len > 0) {
        TRY(buffer_print(out, "  %-16s header %.*s: %.*sTOKEN, if it is no tenant key\n",
                         "end user's in", SLICE_ARG(profile->user_token.name),
                         SLICE_ARG(profile->user_token.prefix)));
    }
    for (unsigned i = 0; i < profile->header_count; i++) {
        TRY(buffer_print(out, "  %-16s %.*s: %.*s\n", "sent if absent",
                         SLICE_ARG(profile->headers[i].name),
                         SLICE_ARG(profile->headers[i].value)));
    }
    TRY(put_line(out, "error shape",
                 profile->error.body.len > 0 ? SLICE("the provider's own")
                                             : SLICE("RFC 9457 problem+json")));
    for (unsigned i = 0; i < profile->key_env_count; i++) {
        TRY(put_line(out, "usual variable", profile->key_env[i]));
    }
    TRY(put_line(out, "SDK base URL in", slice_from(profile->base_url_env)));
    TRY(put_line(out, "SDK path suffix", profile->sdk_base_suffix));
    TRY(put_advice(&profile->advice, out));
    TRY(put_domains(profile, out));
    TRY(put_idempotency(&profile->idempotency, out));
    TRY(put_repeatable(profile, out));
    return profile->health_path.len == 0 ? STATUS_OK
                                         : buffer_print(out, "  %-16s GET %.*s\n", "health check",
                                                        SLICE_ARG(profile->health_path));
}

/* ---- for machines ---- */

static enum status put_member(struct buffer *out, const char *name, struct slice value)
{
    TRY(buffer_print(out, "\"%s\":", name));
    return encode_json_string(value, out);
}

static enum status put_json_slot(const struct slot *slot, struct buffer *out)
{
    static const char *const kinds[] = {
        [SLOT_HEADER] = "header",
        [SLOT_BASIC_USER] = "basic_user",
        [SLOT_BASIC_PASSWORD] = "basic_password",
        [SLOT_QUERY] = "query",
        [SLOT_AWS] = "aws",
        [SLOT_PATH] = "path",
    };
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_member(out, "in", slice_from(kinds[slot->kind])));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "name", slot->name));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "prefix", slot->prefix));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "parameter", slot->parameter));
    return buffer_append(out, SLICE("}"));
}

static enum status put_json_profile(const struct profile *profile, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_member(out, "name", slice_from(profile->name)));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "title", slice_from(profile->title)));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "base_url", profile->base_url));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "docs_url", profile->docs_url));
    TRY(buffer_append(out, SLICE(",\"slots\":[")));
    for (unsigned i = 0; i < profile->slot_count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(put_json_slot(&profile->slots[i], out));
    }
    TRY(buffer_append(out, SLICE("],\"key_env\":[")));
    for (unsigned i = 0; i < profile->key_env_count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(encode_json_string(profile->key_env[i], out));
    }
    TRY(buffer_append(out, SLICE("],\"idempotency_key\":")));
    TRY(encode_json_string(profile->idempotency.header.len > 0 ? profile->idempotency.header
                                                               : profile->idempotency.member,
                           out));
    TRY(buffer_append(out, SLICE(",")));
    TRY(put_member(out, "health", profile->health_path));
    return buffer_append(out, SLICE("}"));
}

static enum status put_json_list(const struct profile_set *set, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("[")));
    for (unsigned i = 0; i < set->count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",\n ")));
        TRY(put_json_profile(&set->profiles[i], out));
    }
    return buffer_append(out, SLICE("]\n"));
}

/* `chosen` is NULL for a list of all. */
static enum status put_answer(const struct profile_set *set, const struct profile *chosen,
                              bool json, struct buffer *out)
{
    if (chosen == NULL) {
        return json ? put_json_list(set, out) : put_list(set, out);
    }
    if (!json) {
        return put_details(chosen, out);
    }
    TRY(put_json_profile(chosen, out));
    return buffer_append(out, SLICE("\n"));
}

static int unknown_name(const struct command_line *line, const struct profile_set *set,
                        const char *name)
{
    const char *nearest = profile_nearest(set, slice_from(name));
    if (nearest != NULL) {
        (void)command_failed(line, "no provider \"%s\"; did you mean \"%s\"?", name, nearest);
    } else {
        (void)command_failed(line, "no provider \"%s\"; 'sallyport providers' lists all", name);
    }
    return EXIT_USAGE;
}

/* `name` is NULL for a list of all. */
static int answer(const struct command_line *line, const struct profile_set *set, const char *name,
                  bool json)
{
    const struct profile *chosen = name == NULL ? NULL : profile_find(set, slice_from(name));
    if (name != NULL && chosen == NULL) {
        return unknown_name(line, set, name);
    }
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, OUTPUT_MAX_BYTES);
    if (put_answer(set, chosen, json, &out) != STATUS_OK) {
        return command_failed(line, "the profiles are too long to print");
    }
    return command_print(line, buffer_bytes(&out));
}

static int print_manual(const struct command_line *line, const struct profile_set *set)
{
    CLEANUP(arena_fini) struct arena arena = {0};
    struct price_book *prices;
    struct error err;
    if (price_book_load(&arena, &prices, &err) != STATUS_OK) {
        return command_failed(line, "%s", err.message);
    }
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, OUTPUT_MAX_BYTES);
    if (providers_manual_write(set, prices, &out) != STATUS_OK) {
        return command_failed(line, "the profiles are too long to print");
    }
    return command_print(line, buffer_bytes(&out));
}

struct wish {
    bool json, manual;
};

static int print(const struct command_line *line, const struct profile_set *set, struct wish wish)
{
    return wish.manual ? print_manual(line, set) : answer(line, set, line->words[0], wish.json);
}

/* With the operator's own. */
static int print_of_config(const struct command_line *line, const char *config, struct wish wish)
{
    struct snapshot *snapshot = command_load_config(config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    int result = print(line, &snapshot->profiles, wish);
    snapshot_unref(snapshot);
    return result;
}

int command_providers(int argc, char **argv)
{
    struct wish wish = {0};
    const char *config = NULL;
    const struct command_option options[] = {
        {.name = "config", .letter = 'c', .value = &config},
        {.name = "json", .flag = &wish.json},
        {.name = "manual", .flag = &wish.manual},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_words_at_most(&line, 1, &result)) {
        return result;
    }
    if (config != NULL) {
        return print_of_config(&line, config, wish);
    }
    CLEANUP(arena_fini) struct arena arena = {0};
    struct profile_set set;
    struct error err;
    if (profile_set_load(&arena, &set, &err) != STATUS_OK) {
        return command_failed(&line, "%s", err.message);
    }
    return print(&line, &set, wish);
}
