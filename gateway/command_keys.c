/* sallyport keys: makes a tenant key, lists the hashes of those that a tenant has. */
#include "auth/inbound/api_key.h"
#include "auth/inbound/tenant.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/fields.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/observe/timestamp.h"
#include "gateway/tenant_report.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport keys new  --tenant NAME [--json]\n"
    "       sallyport keys list --tenant NAME [--json] [-c FILE]\n"
    "\n"
    "new    makes a key for a tenant and shows it once; the config gets its hash\n"
    "list   prints the hashes of the tenant's keys in the config, and which of them are good now\n"
    "\n"
    "  --tenant NAME   whose\n"
    "  --json          for machines\n"
    "  -c FILE         the config (default: " COMMAND_DEFAULT_CONFIG ")\n";

enum { OUTPUT_MAX_BYTES = 16 * 1024 * 1024 };

struct arguments {
    struct command_line line;
    const char *tenant;
    const char *config;
    bool json;
};

static int check_arguments(const struct arguments *arguments)
{
    if (arguments->tenant == NULL) {
        return command_misused(&arguments->line, "--tenant NAME is missing");
    }
    if (!field_name_valid(slice_from(arguments->tenant))) {
        return command_misused(&arguments->line,
                               "a tenant's name has only a-z, 0-9, '.', '_' and '-', begins with a "
                               "letter or digit, and is 64 bytes long at most");
    }
    return EXIT_DONE;
}

static int make_key(const struct arguments *arguments)
{
    char key[API_KEY_LEN + 1];
    char hash_text[API_KEY_HASH_TEXT + 1];
    struct api_key_hash hash;
    api_key_new(key);
    api_key_hash(slice_make(key, API_KEY_LEN), &hash);
    api_key_hash_print(&hash, hash_text);
    if (arguments->json) {
        (void)printf("{\"tenant\":\"%s\",\"key\":\"%s\",\"hash\":\"%s\"}\n", arguments->tenant, key,
                     hash_text);
    } else {
        (void)printf("The key of %s, shown this once; the app takes it for the provider's:\n"
                     "\n"
                     "    %s\n"
                     "\n"
                     "What the config gets:\n"
                     "\n"
                     "    tenants:\n"
                     "      %s:\n"
                     "        keys: [\"%s\"]\n",
                     arguments->tenant, key, arguments->tenant, hash_text);
    }
    secret_wipe(key, sizeof(key));
    return command_print(&arguments->line, SLICE(""));
}

/* A moment, or `none` where there is none. */
static void print_time(const char *before, usec_t wall, const char *none)
{
    char text[TIMESTAMP_LEN];
    if (wall == 0) {
        (void)fputs(none, stdout);
    } else {
        (void)timestamp_write(wall, text);
        (void)printf("%s%.*s", before, TIMESTAMP_LEN, text);
    }
}

static void print_key(const struct tenant_key *key, usec_t now)
{
    char hash[API_KEY_HASH_TEXT + 1];
    api_key_hash_print(&key->hash, hash);
    (void)printf("%s  %s", hash, tenant_report_state(tenant_key_state(key, now)));
    print_time(", from ", key->not_before, "");
    print_time(", until ", key->expires, "");
    (void)printf("%s%s\n", key->label == NULL ? "" : "  ", key->label == NULL ? "" : key->label);
}

static enum status put_keys_json(const struct tenant *tenant, usec_t now, struct buffer *out)
{
    TRY(buffer_print(out, "{\"tenant\":\"%s\",\"hashes\":[", tenant->name));
    for (unsigned i = 0; i < tenant->key_count; i++) {
        char hash[API_KEY_HASH_TEXT + 1];
        api_key_hash_print(&tenant->keys[i].hash, hash);
        TRY(buffer_print(out, "%s\"%s\"", i > 0 ? "," : "", hash));
    }
    TRY(buffer_append(out, SLICE("],\"keys\":[")));
    for (unsigned i = 0; i < tenant->key_count; i++) {
        TRY(buffer_append(out, i > 0 ? SLICE(",") : SLICE("")));
        TRY(tenant_report_key(&tenant->keys[i], TENANT_HASH_WHOLE, now, out));
    }
    return buffer_append(out, SLICE("]}\n"));
}

static int print_keys(const struct command_line *line, const struct tenant *tenant, bool json)
{
    CLEANUP(buffer_fini) struct buffer out;
    usec_t now = clock_wall();
    buffer_init(&out, OUTPUT_MAX_BYTES);
    if (json && put_keys_json(tenant, now, &out) != STATUS_OK) {
        return command_failed(line, "there are more keys than can be printed as JSON");
    }
    for (unsigned i = 0; !json && i < tenant->key_count; i++) {
        print_key(&tenant->keys[i], now);
    }
    return command_print(line, buffer_bytes(&out));
}

static int list_keys(const struct arguments *arguments)
{
    struct snapshot *snapshot = command_load_config(arguments->config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    int result;
    const struct tenant *tenant = snapshot_tenant(snapshot, arguments->tenant);
    if (tenant == NULL) {
        result = command_failed(&arguments->line, "%s has no tenant %s; add it under 'tenants:'",
                                arguments->config, arguments->tenant);
    } else {
        result = print_keys(&arguments->line, tenant, arguments->json);
    }
    snapshot_unref(snapshot);
    return result;
}

int command_keys(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "tenant", .value = &arguments.tenant},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = "json", .flag = &arguments.json},
        {.name = NULL},
    };
    int result;
    if (!command_read(argc, argv, usage, options, &arguments.line, &result) ||
        !command_words_at_most(&arguments.line, 1, &result)) {
        return result;
    }
    const char *verb = arguments.line.word_count > 0 ? arguments.line.words[0] : "";
    bool makes = strcmp(verb, "new") == 0;
    if (!makes && strcmp(verb, "list") != 0) {
        return command_misused(&arguments.line, "say 'new' or 'list'");
    }
    result = check_arguments(&arguments);
    if (result != EXIT_DONE) {
        return result;
    }
    return makes ? make_key(&arguments) : list_keys(&arguments);
}
