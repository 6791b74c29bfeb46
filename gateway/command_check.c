/* sallyport check: validates a config; says everything that is wrong with it. */
#include "base/buffer.h"
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
    "to write. Exits with 0 if there are none, else with 2. Secrets are not looked up.\n"
    "\n"
    "  -c FILE    the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "  --json     the result on stdout, for machines\n"
    "  --manual   prints the reference of all keys (docs/CONFIG.md) instead\n";

enum { MANUAL_MAX = 1024 * 1024 };

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

static void print_json(const struct problems *problems)
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
    char *text = cJSON_Print(root);
    (void)puts(text != NULL ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(root);
}

enum output { OUTPUT_TEXT, OUTPUT_JSON };

static int check(const char *path, enum output output)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_load(path, NULL, &problems, &snapshot);
    if (output == OUTPUT_JSON) {
        print_json(&problems);
    } else if (status != STATUS_OK) {
        problems_print(&problems, stderr);
    } else {
        (void)printf("%s is valid: %u routes, %u tenants\n", path, snapshot->route_count,
                     snapshot->tenant_count);
    }
    snapshot_unref(snapshot);
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
