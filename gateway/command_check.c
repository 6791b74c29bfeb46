/* sallyport check: validates a config; says everything that is wrong with it. */
#include "auth/inbound/webhook_secret.h"
#include "auth/outbound/scrub.h"
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/problems.h"
#include "config/manual.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/observe/timestamp.h"
#include "gateway/secrets/remote_secrets.h"

#include <stdio.h>

static const char usage[] =
    "usage: sallyport check [-c FILE|DIR] [--json]\n"
    "       sallyport check --manual\n"
    "\n"
    "Validates a config. Every problem is one line on stderr: file:line:column, what is wrong,\n"
    "what to write. Exits with 0 if there are none, else with 2. What is valid, but will hardly "
    "be\n"
    "meant, is a warning. Of a valid one the secrets are looked up: those that are missing, or "
    "too\n"
    "short to be scrubbed from answers, are noted, as are tenants' keys that have expired or\n"
    "will within 14 days.\n"
    "\n"
    "  -c FILE    the config, or a folder of its files (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "  --json     the result on stdout, for machines\n"
    "  --manual   prints the reference of all keys (docs/CONFIG.md) instead\n";

enum { OUTPUT_MAX_BYTES = 1024 * 1024, NOTES_MAX = 200 };

#define KEY_EXPIRY_NOTED (14 * 24 * 3600 * SEC)

static int print_manual(const struct command_line *line)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, OUTPUT_MAX_BYTES);
    if (manual_write(&text) != STATUS_OK) {
        return command_failed(line, "the manual is larger than planned");
    }
    return command_print(line, buffer_bytes(&text));
}

/* What does not make the config invalid, but should be known. */
struct notes {
    struct arena arena;
    const char *texts[NOTES_MAX];
    unsigned count;
};

static void notes_fini(struct notes *notes)
{
    arena_fini(&notes->arena);
}

static void add_note(struct notes *notes, const char *text)
{
    if (notes->count < NOTES_MAX) {
        notes->texts[notes->count++] = text;
    }
}

static void note_failure(void *ctx, const struct secret_news *news)
{
    struct notes *notes = ctx;
    if (news->failed || news->missing) {
        add_note(notes,
                 arena_print(&notes->arena, "secret \"%s\": %s", news->name, news->err.message));
    }
}

static void note_credentials(const struct route *route, struct notes *notes)
{
    for (unsigned i = 0; i < route->credential_count; i++) {
        struct credential *credential = credential_acquire(route->credentials[i].slot);
        if (credential != NULL && credential->scrubber == NULL) {
            add_note(notes,
                     arena_print(&notes->arena,
                                 "route \"%s\": secret \"%s\" is shorter than %d bytes: "
                                 "answers are not scrubbed of it",
                                 route->name, route->credentials[i].secret_name, SCRUB_SECRET_MIN));
        }
        struct injection_values parts;
        if (credential != NULL && route->injections.needs_pair &&
            !injection_values_split(secret_reveal(credential->secret), &parts)) {
            add_note(notes, arena_print(&notes->arena,
                                        "route \"%s\": secret \"%s\" has no colon: it is to be "
                                        "USER:PASSWORD, two parts that are sent by themselves",
                                        route->name, route->credentials[i].secret_name));
        }
        credential_unref(credential);
    }
}

static bool is_usable(const struct webhook_scheme *scheme, const struct hook_secret *secret)
{
    struct credential *credential = credential_acquire(secret->slot);
    bool usable =
        credential == NULL || webhook_secret_usable(scheme, secret_reveal(credential->secret));
    credential_unref(credential);
    return usable;
}

/* One that is pasted wrong would be found out by the first real event. */
static void note_hook_secrets(const struct snapshot *snapshot, const struct hook *hook,
                              struct notes *notes)
{
    const struct webhook_scheme *signs =
        webhook_schemes_find(snapshot->webhook_schemes, SLICE("standard-webhooks"));
    for (unsigned i = 0; i < hook->secret_count; i++) {
        if (!is_usable(hook->scheme, &hook->secrets[i])) {
            add_note(notes,
                     arena_print(&notes->arena,
                                 "webhook \"%s\": secret \"%s\" is not written as %.*s has "
                                 "it: what it signs will be refused",
                                 hook->name, hook->secrets[i].name, SLICE_ARG(hook->scheme->name)));
        }
    }
    for (unsigned i = 0; i < hook->target_count; i++) {
        const struct hook_target *target = &hook->targets[i];
        for (unsigned k = 0; k < target->secret_count; k++) {
            if (!is_usable(signs, &target->secrets[k])) {
                add_note(notes, arena_print(&notes->arena,
                                            "webhook \"%s\": secret \"%s\" of target \"%s\" cannot "
                                            "sign: write whsec_ and base64",
                                            hook->name, target->secrets[k].name, target->name));
            }
        }
    }
}

/* A key that is about to lock its tenant out is found out before it does. */
static void note_tenant_keys(const struct tenant *tenant, usec_t now, struct notes *notes)
{
    for (unsigned i = 0; i < tenant->key_count; i++) {
        const struct tenant_key *key = &tenant->keys[i];
        char hash[API_KEY_HASH_TEXT + 1];
        char time[TIMESTAMP_LEN];
        if (key->expires == 0 || key->expires > now + KEY_EXPIRY_NOTED) {
            continue;
        }
        api_key_hash_print(&key->hash, hash);
        (void)timestamp_write(key->expires, time);
        add_note(
            notes,
            arena_print(&notes->arena, "tenant \"%s\": key %.15s...%s%s %s %.*s: %s", tenant->name,
                        hash, key->label == NULL ? "" : " ", key->label == NULL ? "" : key->label,
                        key->expires <= now ? "has expired at" : "expires at", TIMESTAMP_LEN, time,
                        key->expires <= now ? "take it out"
                                            : "list a new one beside it, and change the callers"));
    }
}

/* Reads every secret in use, as the gateway does at its start. */
static void look_up_secrets(struct snapshot *snapshot, struct secret_store *store,
                            struct notes *notes)
{
    remote_secrets_look_up(snapshot, store, note_failure, notes);
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        note_credentials(snapshot->routes[i], notes);
    }
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        note_hook_secrets(snapshot, snapshot->hooks[i], notes);
    }
}

static enum status put_problem(const struct problem *problem, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"file\":")));
    TRY(encode_json_string(slice_from(problem->file), out));
    TRY(buffer_print(out, ",\"line\":%u,\"column\":%u,\"message\":", problem->line,
                     problem->column));
    TRY(encode_json_string(slice_from(problem->message), out));
    return buffer_append(out, SLICE("}"));
}

static enum status put_problems(const struct problem *list, unsigned count, struct buffer *out)
{
    for (unsigned i = 0; i < count; i++) {
        TRY(buffer_append(out, i > 0 ? SLICE(",\n ") : SLICE("")));
        TRY(put_problem(&list[i], out));
    }
    return STATUS_OK;
}

static enum status put_json(const struct problems *problems, const struct notes *notes,
                            struct buffer *out)
{
    TRY(buffer_print(out, "{\"valid\":%s,\"problems\":[",
                     problems_any(problems) ? "false" : "true"));
    TRY(put_problems(problems->list, problems->count, out));
    TRY(buffer_print(out, "],\"left_out\":%u,\"warnings\":[", problems->left_out));
    TRY(put_problems(problems->warnings, problems->warning_count, out));
    TRY(buffer_append(out, SLICE("],\"notes\":[")));
    for (unsigned i = 0; i < notes->count; i++) {
        TRY(buffer_append(out, i > 0 ? SLICE(",\n ") : SLICE("")));
        TRY(encode_json_string(slice_from(notes->texts[i]), out));
    }
    return buffer_append(out, SLICE("]}\n"));
}

static int print_json(const struct command_line *line, const struct problems *problems,
                      const struct notes *notes)
{
    CLEANUP(buffer_fini) struct buffer out;
    buffer_init(&out, OUTPUT_MAX_BYTES);
    if (put_json(problems, notes, &out) != STATUS_OK) {
        return command_failed(line, "the problems are too long to print as JSON");
    }
    return command_print(line, buffer_bytes(&out));
}

static void print_warning(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "warning: %s\n", line);
}

/* What has to be entered at the provider, and where its events will turn up. */
static void print_hook(const struct hook *hook)
{
    (void)printf("  %s: %.*s at %.*s%.*s, delivered to", hook->name, SLICE_ARG(hook->scheme->name),
                 SLICE_ARG(hook->shown_host), SLICE_ARG(hook->shown_path));
    for (unsigned i = 0; i < hook->target_count; i++) {
        (void)printf("%s %s", i > 0 ? "," : "", hook->targets[i].name);
    }
    (void)printf("\n");
}

static void print_text(const char *path, const struct snapshot *snapshot, const struct notes *notes)
{
    for (unsigned i = 0; i < notes->count; i++) {
        (void)fprintf(stderr, "note: %s\n", notes->texts[i]);
    }
    char counts[SNAPSHOT_COUNTS_MAX];
    snapshot_counts(snapshot, counts);
    (void)printf("%s is valid: %s\n", path, counts);
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        print_hook(snapshot->hooks[i]);
    }
}

static int check(const struct command_line *line, const char *path, bool json)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    CLEANUP(notes_fini) struct notes notes = {0};
    struct secret_store *store = secret_store_new();
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_load(path, store, &problems, &snapshot);
    int result = EXIT_DONE;
    if (status == STATUS_OK) {
        look_up_secrets(snapshot, store, &notes);
        for (unsigned i = 0; i < snapshot->tenant_count; i++) {
            note_tenant_keys(snapshot->tenants[i], clock_wall(), &notes);
        }
    }
    if (json) {
        result = print_json(line, &problems, &notes);
    } else {
        problems_print(&problems, stderr);
        problems_each_warning(&problems, print_warning, NULL);
    }
    if (!json && status == STATUS_OK) {
        print_text(path, snapshot, &notes);
        result = command_print(line, SLICE(""));
    }
    snapshot_unref(snapshot);
    secret_store_free(store);
    return status == STATUS_OK ? result : EXIT_USAGE;
}

int command_check(int argc, char **argv)
{
    const char *config = COMMAND_DEFAULT_CONFIG;
    bool json = false;
    bool manual = false;
    const struct command_option options[] = {
        {.name = "config", .letter = 'c', .value = &config},
        {.name = "json", .flag = &json},
        {.name = "manual", .flag = &manual},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_config_by_option(&line, &result)) {
        return result;
    }
    return manual ? print_manual(&line) : check(&line, config, json);
}
