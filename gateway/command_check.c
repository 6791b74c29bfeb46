/* sallyport check: validates a config; says everything that is wrong with it. */
#include "auth/outbound/scrub.h"
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/problems.h"
#include "config/manual.h"
#include "config/snapshot.h"
#include "gateway/command.h"

#include <getopt.h>
#include <stdio.h>

#include <cjson/cJSON.h>

static const char usage[] =
    "usage: sallyport check [-c FILE] [--json]\n"
    "       sallyport check --manual\n"
    "\n"
    "Validates a config. Every problem is one line on stderr: file:line:column, what is wrong, "
    "what\n"
    "to write. Exits with 0 if there are none, else with 2. Of a valid one the secrets are looked\n"
    "up: those that are missing, or too short to be scrubbed from answers, are noted.\n"
    "\n"
    "  -c FILE    the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "  --json     the result on stdout, for machines\n"
    "  --manual   prints the reference of all keys (docs/CONFIG.md) instead\n";

enum { MANUAL_MAX = 1024 * 1024, NOTES_MAX = 200 };

static int print_manual(void)
{
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, MANUAL_MAX);
    if (manual_write(&text) != STATUS_OK) {
        (void)fputs("sallyport check: the manual is larger than planned\n", stderr);
        return EXIT_FAILED;
    }
    struct slice bytes = buffer_bytes(&text);
    return fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len ? EXIT_DONE : EXIT_FAILED;
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

/* Reads every secret in use, as the gateway does at its start. */
static void look_up_secrets(const struct snapshot *snapshot, struct secret_store *store,
                            struct notes *notes)
{
    secret_store_set_sources(store, snapshot->secret_sources, snapshot->secret_source_count);
    secret_store_refresh(store, clock_now(), note_failure, notes);
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct route *route = snapshot->routes[i];
        struct credential *credential =
            route->credential == NULL ? NULL : credential_acquire(route->credential);
        if (credential != NULL && credential->scrubber == NULL) {
            add_note(notes, arena_print(&notes->arena,
                                        "route \"%s\": secret \"%s\" is shorter than %d bytes: "
                                        "answers are not scrubbed of it",
                                        route->name, route->secret_name, SCRUB_SECRET_MIN));
        }
        credential_unref(credential);
    }
}

static void print_json(const struct problems *problems, const struct notes *notes)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddBoolToObject(root, "valid", !problems_any(problems));
    cJSON *list = cJSON_AddArrayToObject(root, "problems");
    for (unsigned i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->list[i];
        cJSON *item = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(item, "file", problem->file);
        (void)cJSON_AddNumberToObject(item, "line", problem->line);
        (void)cJSON_AddNumberToObject(item, "column", problem->column);
        (void)cJSON_AddStringToObject(item, "message", problem->message);
        (void)cJSON_AddItemToArray(list, item);
    }
    (void)cJSON_AddNumberToObject(root, "left_out", problems->left_out);
    cJSON *texts = cJSON_AddArrayToObject(root, "notes");
    for (unsigned i = 0; i < notes->count; i++) {
        (void)cJSON_AddItemToArray(texts, cJSON_CreateString(notes->texts[i]));
    }
    char *text = cJSON_Print(root);
    (void)puts(text != NULL ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(root);
}

static void print_text(const char *path, const struct snapshot *snapshot, const struct notes *notes)
{
    for (unsigned i = 0; i < notes->count; i++) {
        (void)fprintf(stderr, "note: %s\n", notes->texts[i]);
    }
    (void)printf("%s is valid: %u routes, %u tenants\n", path, snapshot->route_count,
                 snapshot->tenant_count);
}

enum output { OUTPUT_TEXT, OUTPUT_JSON };

static int check(const char *path, enum output output)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    CLEANUP(notes_fini) struct notes notes = {0};
    struct secret_store *store = secret_store_new();
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_load(path, store, &problems, &snapshot);
    if (status == STATUS_OK) {
        look_up_secrets(snapshot, store, &notes);
    }
    if (output == OUTPUT_JSON) {
        print_json(&problems, &notes);
    } else if (status != STATUS_OK) {
        problems_print(&problems, stderr);
    } else {
        print_text(path, snapshot, &notes);
    }
    snapshot_unref(snapshot);
    secret_store_free(store);
    return status == STATUS_OK ? EXIT_DONE : EXIT_USAGE;
}

int command_check(int argc, char **argv)
{
    enum { OPTION_JSON = 256, OPTION_MANUAL };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, OPTION_JSON},
        {"manual", no_argument, NULL, OPTION_MANUAL},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = COMMAND_DEFAULT_CONFIG;
    enum output output = OUTPUT_TEXT;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case OPTION_JSON:
            output = OUTPUT_JSON;
            break;
        case OPTION_MANUAL:
            return print_manual();
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_DONE;
        default:
            (void)fputs("sallyport check: see 'sallyport check --help'\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "sallyport check: unexpected \"%s\"; see 'sallyport check --help'\n",
                      argv[optind]);
        return EXIT_USAGE;
    }
    return check(path, output);
}
