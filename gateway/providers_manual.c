#include "gateway/providers_manual.h"

#include "base/buffer.h"
#include "routes/price.h"
#include "routes/profile.h"

#include <stdbool.h>

static const char intro[] =
    "# Providers\n"
    "\n"
    "Written by `sallyport providers --manual`; do not edit it. The profiles themselves are in\n"
    "`routes/profiles/`, `sallyport providers NAME` tells all that is known of one.\n"
    "\n"
    "A route named like a profile has its base URL, its way of sending the key and the shape of "
    "its\n"
    "errors:\n"
    "\n"
    "```yaml\n"
    "version: 1\n"
    "secrets: [{type: env, prefix: SALLYPORT_SECRET_}]\n"
    "routes:\n"
    "  groq: {credential: {secret: groq-key}}\n"
    "tenants:\n"
    "  app: {keys: [], allow: [groq]}\n"
    "```\n"
    "\n"
    "An app changes two things: where its SDK sends to, and the key. Below the gateway is\n"
    "`https://gw.internal`, each route has the profile's name, and `sp_KEY` is the tenant's key, "
    "which\n"
    "works in `X-Sallyport-Key` everywhere, too. A host such as `stripe.gw.internal` is the "
    "route's own\n"
    "(`host:`), for SDKs that take no path. What is metered is counted in tokens, messages and the "
    "like,\n"
    "and costs what the built-in prices say, if there are some; all other calls are counted as "
    "requests.\n"
    "\n"
    "Profiles of one's own are files of the same form in a folder: `providers: {path: profiles}`.\n"
    "\n";

/* ---- what stands for what ---- */

static const struct placeholder {
    struct slice mark;
    const char *before, *behind; /* of the profile's name; NULL: that is left out */
} placeholders[] = {
    {SLICE_INIT("{route}"), "https://gw.internal/", ""},
    {SLICE_INIT("{host-and-path}"), "gw.internal/", ""},
    {SLICE_INIT("{own-origin}"), "https://", ".gw.internal"},
    {SLICE_INIT("{own-host}"), "", ".gw.internal"},
    {SLICE_INIT("{path}"), "/", ""},
    {SLICE_INIT("{origin}"), "https://gw.internal", NULL},
    {SLICE_INIT("{host}"), "gw.internal", NULL},
    {SLICE_INIT("{key}"), "sp_KEY", NULL},
};

/* The one that `text` begins with, or NULL. */
static const struct placeholder *placeholder_at(struct slice text)
{
    for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++) {
        if (slice_starts_with(text, placeholders[i].mark)) {
            return &placeholders[i];
        }
    }
    return NULL;
}

static enum status put_filled(const struct profile *profile, struct slice text, struct buffer *out)
{
    while (text.len > 0) {
        const struct placeholder *found = placeholder_at(text);
        if (found == NULL) {
            TRY(buffer_append(out, slice_make(text.ptr, 1)));
            text = slice_skip(text, 1);
            continue;
        }
        TRY(buffer_append(out, slice_from(found->before)));
        if (found->behind != NULL) {
            TRY(buffer_print(out, "%s%s", profile->name, found->behind));
        }
        text = slice_skip(text, found->mark.len);
    }
    return STATUS_OK;
}

static enum status put_place(const struct injection *injection, struct buffer *out)
{
    static const struct {
        const char *before, *between, *behind;
    } forms[] = {
        [INJECT_HEADER] = {"`", ": ", "`"},    [INJECT_QUERY] = {"query `", "=", "`"},
        [INJECT_PATH] = {"path `/", "", "`"},  [INJECT_BASIC] = {"`", ": Basic` of `", "`"},
        [INJECT_BODY] = {"body `", ": ", "`"},
    };
    TRY(buffer_print(out, "%s%.*s%s", forms[injection->place].before, SLICE_ARG(injection->name),
                     forms[injection->place].between));
    TRY(injection_template_write(injection, out));
    return buffer_append(out, slice_from(forms[injection->place].behind));
}

/* How the credential goes up. */
static enum status put_credential(const struct profile *profile, struct buffer *out)
{
    const struct injections *injections = &profile->injections;
    for (unsigned i = 0; i < injections->count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(", ")));
        TRY(put_place(&injections->list[i], out));
    }
    if (profile->sign.scheme.len > 0) {
        TRY(buffer_print(out, "%ssigned: %.*s", injections->count > 0 ? "; or " : "",
                         SLICE_ARG(profile->sign.scheme)));
    }
    return STATUS_OK;
}

static enum status put_slot(const struct slot *slot, struct buffer *out)
{
    switch (slot->kind) {
    case SLOT_HEADER:
        return buffer_print(out, "`%.*s: %.*s%.*s%s...`", SLICE_ARG(slot->name),
                            SLICE_ARG(slot->prefix), SLICE_ARG(slot->parameter),
                            slot->parameter.len > 0 ? "=" : "");
    case SLOT_BASIC_USER:
        return buffer_append(out, SLICE("Basic, the user"));
    case SLOT_BASIC_PASSWORD:
        return buffer_append(out, SLICE("Basic, the password"));
    case SLOT_QUERY:
        return buffer_print(out, "query `%.*s`", SLICE_ARG(slot->name));
    case SLOT_PATH:
        return buffer_print(out, "path `/%.*s...`", SLICE_ARG(slot->prefix));
    case SLOT_AWS:
        return buffer_append(out, SLICE("the access key id of an AWS signature"));
    }
    return STATUS_OK;
}

static bool is_priced(const struct price_book *prices, const struct profile *profile)
{
    return price_book_find(prices, slice_from(profile->name)) != NULL;
}

/* ---- the table ---- */

static const char *metered_word(const struct profile *profile, const struct price_book *prices)
{
    if (profile->call_count == 0) {
        return "";
    }
    return is_priced(prices, profile) ? "with prices" : "yes";
}

static enum status put_table(const struct profile_set *set, const struct price_book *prices,
                             struct buffer *out)
{
    TRY(buffer_append(out, SLICE("| profile | provider | the credential goes up as | metered |\n"
                                 "| --- | --- | --- | --- |\n")));
    for (unsigned i = 0; i < set->count; i++) {
        const struct profile *profile = &set->profiles[i];
        TRY(buffer_print(out, "| [%s](#%s) | %s | ", profile->name, profile->name, profile->title));
        TRY(put_credential(profile, out));
        TRY(buffer_print(out, " | %s |\n", metered_word(profile, prices)));
    }
    return STATUS_OK;
}

/* ---- a section each ---- */

static enum status put_lines(const struct profile *profile, struct buffer *out)
{
    const struct profile_sdk *sdk = &profile->sdk;
    if (sdk->line_count == 0) {
        return STATUS_OK;
    }
    TRY(buffer_print(out, "\n%.*s", SLICE_ARG(sdk->language)));
    if (sdk->package.len > 0) {
        TRY(buffer_print(out, ", `%.*s`", SLICE_ARG(sdk->package)));
    }
    bool script = slice_equal(sdk->language, SLICE("JavaScript"));
    bool shell = slice_equal(sdk->language, SLICE("curl"));
    TRY(buffer_print(out, ":\n\n```%s\n", script ? "js" : shell ? "sh" : "python"));
    for (unsigned i = 0; i < sdk->line_count; i++) {
        TRY(put_filled(profile, sdk->lines[i], out));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return buffer_append(out, SLICE("```\n"));
}

static enum status put_upstream(const struct profile *profile, struct buffer *out)
{
    struct slice form =
        profile->base_url_form.len > 0 ? profile->base_url_form : profile->sign.base_url;
    if (profile->base_url.len > 0) {
        TRY(buffer_print(out, "- Upstream: `%.*s`%s.\n", SLICE_ARG(profile->base_url),
                         profile->http2 ? ", over HTTP/2" : ""));
    } else if (form.len > 0) {
        TRY(buffer_print(out, "- Upstream: `%s`, such as `%.*s`.\n",
                         profile->base_url_form.len > 0 ? "base_url" : "sign.region",
                         SLICE_ARG(form)));
    }
    for (unsigned i = 0; i < profile->host_count; i++) {
        TRY(buffer_print(out, "%s`%.*s`%s",
                         i == 0 ? "- Upstreams, of which the path names one: " : ", ",
                         SLICE_ARG(profile->hosts[i]), i + 1 == profile->host_count ? ".\n" : ""));
    }
    if (profile->secret.len > 0) {
        TRY(buffer_print(out, "- Secret: %.*s.\n", SLICE_ARG(profile->secret)));
    }
    for (unsigned i = 0; i < profile->token_count; i++) {
        if (slice_equal(profile->token[i].name, SLICE("grant"))) {
            TRY(buffer_print(out, "- A token is had for it by `%.*s`: [TOKENS.md](TOKENS.md).\n",
                             SLICE_ARG(profile->token[i].value)));
        }
    }
    TRY(buffer_append(out, SLICE("- Sent as: ")));
    TRY(put_credential(profile, out));
    return buffer_append(out, SLICE(".\n"));
}

static enum status put_key(const struct profile *profile, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("- Tenant key in: ")));
    for (unsigned i = 0; i < profile->slot_count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(", ")));
        TRY(put_slot(&profile->slots[i], out));
    }
    TRY(buffer_append(out, SLICE(".\n")));
    return profile->user_token.name.len == 0
               ? STATUS_OK
               : buffer_print(out, "- An end user's token in `%.*s: %.*s...` goes through.\n",
                              SLICE_ARG(profile->user_token.name),
                              SLICE_ARG(profile->user_token.prefix));
}

static enum status put_metered(const struct profile *profile, const struct price_book *prices,
                               struct buffer *out)
{
    if (profile->call_count > 0) {
        TRY(buffer_append(out, SLICE("- Metered: ")));
        for (unsigned i = 0; i < profile->call_count; i++) {
            const struct call *call = &profile->calls[i];
            TRY(buffer_print(out, "%s`%.*s %.*s`", i == 0 ? "" : ", ", SLICE_ARG(call->method),
                             SLICE_ARG(call->path)));
        }
        TRY(buffer_print(out, "%s.\n", is_priced(prices, profile) ? "; prices are built in" : ""));
    }
    struct slice key = profile->idempotency.header.len > 0 ? profile->idempotency.header
                                                           : profile->idempotency.member;
    return key.len == 0 ? STATUS_OK
                        : buffer_print(out, "- Idempotency key: `%.*s`%s.\n", SLICE_ARG(key),
                                       profile->idempotency.header.len > 0 ? "" : ", in the body");
}

static enum status put_section(const struct profile *profile, const struct price_book *prices,
                               struct buffer *out)
{
    TRY(buffer_print(out, "\n## %s\n\n%s.", profile->name, profile->title));
    if (profile->docs_url.len > 0) {
        TRY(buffer_print(out, " [Reference](%.*s).", SLICE_ARG(profile->docs_url)));
    }
    TRY(buffer_append(out, SLICE("\n")));
    TRY(put_lines(profile, out));
    TRY(buffer_append(out, SLICE("\n")));
    TRY(put_upstream(profile, out));
    TRY(put_key(profile, out));
    TRY(put_metered(profile, prices, out));
    for (unsigned i = 0; i < profile->note_count; i++) {
        TRY(buffer_append(out, SLICE("- ")));
        TRY(put_filled(profile, profile->notes[i], out));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return STATUS_OK;
}

enum status providers_manual_write(const struct profile_set *set, const struct price_book *prices,
                                   struct buffer *out)
{
    TRY(buffer_append(out, slice_from(intro)));
    TRY(put_table(set, prices, out));
    for (unsigned i = 0; i < set->count; i++) {
        TRY(put_section(&set->profiles[i], prices, out));
    }
    return STATUS_OK;
}
