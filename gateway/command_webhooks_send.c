/* sallyport webhooks send: a signed test event, as a provider would send it. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/listen_address.h"
#include "config/snapshot.h"
#include "gateway/command.h"
#include "gateway/command_webhooks.h"
#include "gateway/command_webhooks_post.h"
#include "gateway/config_secret.h"
#include "gateway/sample_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport webhooks send --hook NAME [--to URL] [--secret NAME | --secret-file FILE]\n"
    "       sallyport webhooks send --provider NAME --to URL --secret NAME | --secret-file FILE\n"
    "                               [--type TYPE] [--id ID] [--body FILE] [--json] [-c FILE]\n"
    "\n"
    "Sends a test event, signed as the provider signs it, and prints the answer. Nothing of the\n"
    "provider's is asked. What only a provider can sign (with its own private key, such as Amazon\n"
    "SNS, PayPal or Discord) cannot be sent so.\n"
    "\n"
    "  --hook NAME         a hook of the config: its provider, its first secret, and its path on\n"
    "                      the gateway that runs on this machine\n"
    "  --provider NAME     a scheme: stripe, github, slack, shopify, standard-webhooks, ...\n"
    "  --to URL            where it is sent. Where the provider signs the URL, this one is "
    "signed,\n"
    "                      or the hook's public_url\n"
    "  --secret NAME       a secret of the config\n"
    "  --secret-file FILE  its value is in FILE, without the newline at the end; - is stdin\n"
    "  --type TYPE         the event's type, where the provider has one (default: a usual one)\n"
    "  --id ID             the event's id, likewise (default: a new one)\n"
    "  --body FILE         what is sent, as it is (default: a small one, made up); - is stdin\n"
    "  --json              for machines\n"
    "  -c FILE             the config (default: " COMMAND_DEFAULT_CONFIG ")\n"
    "\n"
    "Exits with 0 if the answer is 2xx, else with 1.\n";

enum { SECRET_MAX_BYTES = 65536, ANSWER_MAX_BYTES = 65536, OUTPUT_MAX_BYTES = 1024 * 1024 };

struct arguments {
    struct command_line line;
    const char *hook, *provider, *to, *secret, *secret_file, *type, *id, *body, *config;
    bool json;
};

/* What it is made of. */
struct sending {
    const struct arguments *arguments;
    struct snapshot *snapshot;       /* ref; NULL: nothing of the config is needed */
    const struct hook *hook;         /* NULL: none */
    struct webhook_schemes *schemes; /* owned; NULL: the config's */
    const struct webhook_scheme *scheme;
    struct secret *secret; /* owned */
    struct arena arena;
    struct buffer body;
    const char *url;  /* it is sent to */
    const char *host; /* of the Host field; NULL: the URL's */
    const char *signed_url;
};

static void sending_fini(struct sending *sending)
{
    snapshot_unref(sending->snapshot);
    webhook_schemes_free(sending->schemes);
    secret_free(sending->secret);
    arena_fini(&sending->arena);
    buffer_fini(&sending->body);
}

/* "-" is stdin. At most what `out` takes. */
static enum status read_input(const char *path, struct buffer *out, struct error *err)
{
    if (strcmp(path, "-") != 0) {
        return file_read(path, FILE_ANY_INPUT, out, err);
    }
    while (feof(stdin) == 0 && ferror(stdin) == 0) {
        if (buffer_reserve(out, 1) != STATUS_OK) {
            FAIL(err, STATUS_TOO_LARGE, "it is larger than %zu bytes", out->max - 1);
        }
        buffer_commit(out, fread(buffer_tail(out), 1, buffer_tail_room(out), stdin));
    }
    return STATUS_OK;
}

/* ---- hook and provider ---- */

static int find_hook(struct sending *it)
{
    const struct arguments *arguments = it->arguments;
    it->hook = hook_table_named(&it->snapshot->hook_table, slice_from(arguments->hook));
    if (it->hook == NULL) {
        return command_failed(&arguments->line, "%s has no hook called \"%s\"", arguments->config,
                              arguments->hook);
    }
    it->scheme = it->hook->scheme;
    return EXIT_DONE;
}

static int find_provider(struct sending *it)
{
    const struct arguments *arguments = it->arguments;
    struct error err;
    if (webhook_schemes_new(&it->schemes, &err) != STATUS_OK) {
        return command_failed(&arguments->line, "%s", err.message);
    }
    it->scheme = webhook_schemes_find(it->schemes, slice_from(arguments->provider));
    if (it->scheme != NULL) {
        return EXIT_DONE;
    }
    struct buffer names CLEANUP(buffer_fini);
    enum status status = STATUS_OK;
    buffer_init(&names, 4096);
    for (unsigned i = 0; i < webhook_schemes_count(it->schemes) && status == STATUS_OK; i++) {
        struct slice name = webhook_schemes_at(it->schemes, i)->name;
        status = buffer_print(&names, "%s%.*s", i == 0 ? "" : ", ", SLICE_ARG(name));
    }
    return command_failed(&arguments->line, "there is no provider \"%s\"; there are %.*s",
                          arguments->provider, SLICE_ARG(buffer_bytes(&names)));
}

/* ---- the secret ---- */

static int read_secret_file(struct sending *it, const char *path)
{
    struct buffer text;
    struct error err;
    buffer_init(&text, SECRET_MAX_BYTES);
    /* All at once: growing would leave copies behind. */
    enum status status = buffer_reserve(&text, SECRET_MAX_BYTES);
    if (status == STATUS_OK) {
        status = read_input(path, &text, &err);
    }
    if (status != STATUS_OK) {
        buffer_wipe(&text);
        return command_failed(&it->arguments->line, "--secret-file %s: %s", path, err.message);
    }
    struct slice value = buffer_bytes(&text);
    value.len -= value.len > 0 && value.ptr[value.len - 1] == '\n';
    value.len -= value.len > 0 && value.ptr[value.len - 1] == '\r';
    it->secret = secret_new(value);
    buffer_wipe(&text);
    return EXIT_DONE;
}

static int read_secret(struct sending *it)
{
    const struct arguments *arguments = it->arguments;
    const char *name = arguments->secret;
    struct error err;
    if (arguments->secret_file != NULL) {
        return read_secret_file(it, arguments->secret_file);
    }
    if (name == NULL && it->hook->secret_count > 0) {
        name = it->hook->secrets[0].name;
    }
    if (name == NULL) {
        it->secret = secret_new(SLICE("")); /* one that needs none is refused for what it is */
        return EXIT_DONE;
    }
    return config_secret_read(it->snapshot, name, &it->secret, &err) == STATUS_OK
               ? EXIT_DONE
               : command_failed(&arguments->line, "%s", err.message);
}

/* ---- where to ---- */

/* Of the gateway with this config, on this machine. NULL: it cannot be dialled by a URL. */
static const char *local_origin(struct sending *it)
{
    const struct gateway_settings *gateway = &it->snapshot->gateway;
    const char *const *all =
        gateway->webhook_listen_count > 0 ? gateway->webhook_listen : gateway->listen;
    unsigned count =
        gateway->webhook_listen_count > 0 ? gateway->webhook_listen_count : gateway->listen_count;
    for (unsigned i = 0; i < count; i++) {
        struct slice host;
        struct slice port = slice_from(strrchr(all[i], ':') + 1);
        if (listen_address_check(slice_from(all[i]), &host, NULL) != STATUS_OK || host.len == 0) {
            continue;
        }
        bool v6 = slice_find(host, ':') < host.len;
        host = slice_equal(host, SLICE("0.0.0.0")) ? SLICE("127.0.0.1")
               : slice_equal(host, SLICE("::"))    ? SLICE("::1")
                                                   : host;
        return arena_print(&it->arena, "%s://%s%.*s%s:%.*s",
                           gateway->tls_cert != NULL ? "https" : "http", v6 ? "[" : "",
                           SLICE_ARG(host), v6 ? "]" : "", SLICE_ARG(port));
    }
    return NULL;
}

static int find_url(struct sending *it)
{
    const struct arguments *arguments = it->arguments;
    const struct hook *hook = it->hook;
    it->url = arguments->to;
    if (it->url == NULL) {
        const char *origin = local_origin(it);
        if (origin == NULL) {
            return command_misused(&arguments->line,
                                   "the gateway of this config listens on no port; say --to URL");
        }
        it->url = arena_print(&it->arena, "%s%.*s", origin, SLICE_ARG(hook->path));
        it->host = hook->host.len == 0 ? NULL : arena_copy(&it->arena, hook->host).ptr;
    }
    it->signed_url = it->url;
    if (hook != NULL && hook->public_url.len > 0) {
        it->signed_url = arena_copy(&it->arena, hook->public_url).ptr;
    } else if (it->host != NULL) {
        it->signed_url =
            arena_print(&it->arena, "%.*s://%s%.*s", (int)slice_find(slice_from(it->url), ':'),
                        it->url, it->host, SLICE_ARG(hook->path));
    }
    return EXIT_DONE;
}

/* ---- the event ---- */

static int make(struct sending *it, struct sample_event *ret)
{
    const struct arguments *arguments = it->arguments;
    unsigned char chance[16];
    char hex[2 * sizeof(chance)];
    struct error err;
    random_bytes(chance, sizeof(chance));
    encode_hex(slice_make((const char *)chance, sizeof(chance)), hex);
    struct slice secret = secret_reveal(it->secret);
    const struct sample_event_wish wish = {
        .scheme = it->scheme,
        .secrets = &secret,
        .secret_count = 1,
        .url = slice_from(it->signed_url),
        .type = slice_from(arguments->type),
        .id = slice_from(arguments->id),
        .body = buffer_bytes(&it->body),
        .chance = arena_copy(&it->arena, slice_make(hex, sizeof(hex))),
        .now = clock_wall() / SEC,
    };
    return sample_event_make(&wish, &it->arena, ret, &err) == STATUS_OK
               ? EXIT_DONE
               : command_failed(&arguments->line, "%s", err.message);
}

/* ---- the answer ---- */

static enum status write_json(const struct sending *it, const struct sample_event *event,
                              const struct webhooks_posted *posted, struct slice answer,
                              struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"url\":")));
    TRY(encode_json_string(slice_from(it->url), out));
    TRY(buffer_append(out, SLICE(",\"id\":")));
    TRY(encode_json_string(event->id, out));
    TRY(buffer_append(out, SLICE(",\"type\":")));
    TRY(encode_json_string(event->type, out));
    TRY(buffer_print(out, ",\"status\":%u,\"took_ms\":%" PRIu64 ",\"answer\":", posted->status,
                     posted->took_ms));
    TRY(encode_json_string(answer, out));
    return buffer_append(out, SLICE("}\n"));
}

static void print_text(const struct sending *it, const struct sample_event *event,
                       const struct webhooks_posted *posted, struct slice answer)
{
    char id[WEBHOOKS_TEXT_MAX];
    char type[WEBHOOKS_TEXT_MAX];
    char first[WEBHOOKS_TEXT_MAX];
    answer = slice_trim(slice_make(answer.ptr, slice_find(answer, '\n')));
    (void)printf("%.*s%s%s%s%s to %s: %u in %" PRIu64 " ms%s%s\n", SLICE_ARG(it->scheme->name),
                 event->type.len > 0 ? " " : "", webhooks_shown(event->type, type),
                 event->id.len > 0 ? " " : "", webhooks_shown(event->id, id), it->url,
                 posted->status, posted->took_ms, answer.len > 0 ? ": " : "",
                 webhooks_shown(answer, first));
}

static int post(const struct sending *it, const struct sample_event *event)
{
    const struct arguments *arguments = it->arguments;
    struct buffer answer CLEANUP(buffer_fini);
    struct buffer out CLEANUP(buffer_fini);
    struct webhooks_posted posted;
    struct error err;
    struct buffer url CLEANUP(buffer_fini);
    buffer_init(&answer, ANSWER_MAX_BYTES);
    buffer_init(&out, OUTPUT_MAX_BYTES);
    buffer_init(&url, OUTPUT_MAX_BYTES);
    if (buffer_print(&url, "%s%.*s", it->url, SLICE_ARG(event->query)) != STATUS_OK ||
        buffer_append(&url, slice_make("", 1)) != STATUS_OK) {
        return command_misused(&arguments->line, "this URL is too long");
    }
    const struct webhooks_post request = {.url = buffer_bytes(&url).ptr,
                                          .host = it->host,
                                          .fields = event->fields,
                                          .field_count = event->field_count,
                                          .body = event->body};
    if (webhooks_post(&request, &posted, &answer, &err) != STATUS_OK) {
        return command_failed(&arguments->line, "%s", err.message);
    }
    struct slice text = buffer_bytes(&answer);
    if (arguments->json && write_json(it, event, &posted, text, &out) != STATUS_OK) {
        return command_failed(&arguments->line, "the answer is too long to print as JSON");
    }
    if (!arguments->json) {
        print_text(it, event, &posted, text);
    }
    int code = command_print(&arguments->line, buffer_bytes(&out));
    return code == EXIT_DONE && posted.status / 100 != 2 ? EXIT_FAILED : code;
}

/* ---- the command ---- */

static int check(const struct arguments *it)
{
    if ((it->hook != NULL) == (it->provider != NULL)) {
        return command_misused(&it->line, "say either --hook NAME or --provider NAME");
    }
    if (it->provider != NULL && it->to == NULL) {
        return command_misused(&it->line, "--to URL is missing");
    }
    if (it->provider != NULL && it->secret == NULL && it->secret_file == NULL) {
        return command_misused(&it->line, "--secret NAME or --secret-file FILE is missing");
    }
    if (it->secret != NULL && it->secret_file != NULL) {
        return command_misused(&it->line, "either --secret or --secret-file");
    }
    if (it->to != NULL && strncmp(it->to, "http://", 7) != 0 &&
        strncmp(it->to, "https://", 8) != 0) {
        return command_misused(&it->line, "\"%s\" is no URL; write http://... or https://...",
                               it->to);
    }
    return EXIT_DONE;
}

static int read_body(struct sending *it)
{
    const char *path = it->arguments->body;
    struct error err;
    if (path == NULL) {
        return EXIT_DONE;
    }
    if (read_input(path, &it->body, &err) != STATUS_OK) {
        return command_failed(&it->arguments->line, "--body %s: %s", path, err.message);
    }
    return buffer_len(&it->body) > 0
               ? EXIT_DONE
               : command_failed(&it->arguments->line, "--body %s: it is empty", path);
}

static int send_event(struct sending *it)
{
    const struct arguments *arguments = it->arguments;
    struct sample_event event;
    if (arguments->hook != NULL || arguments->secret != NULL) {
        it->snapshot = command_load_config(arguments->config);
        if (it->snapshot == NULL) {
            return EXIT_USAGE;
        }
    }
    int code = arguments->hook != NULL ? find_hook(it) : find_provider(it);
    code = code == EXIT_DONE ? read_secret(it) : code;
    code = code == EXIT_DONE ? find_url(it) : code;
    code = code == EXIT_DONE ? read_body(it) : code;
    code = code == EXIT_DONE ? make(it, &event) : code;
    return code == EXIT_DONE ? post(it, &event) : code;
}

int command_webhooks_send(int argc, char **argv)
{
    struct arguments arguments = {.config = COMMAND_DEFAULT_CONFIG};
    const struct command_option options[] = {
        {.name = "hook", .value = &arguments.hook},
        {.name = "provider", .value = &arguments.provider},
        {.name = "to", .value = &arguments.to},
        {.name = "secret", .value = &arguments.secret},
        {.name = "secret-file", .value = &arguments.secret_file},
        {.name = "type", .value = &arguments.type},
        {.name = "id", .value = &arguments.id},
        {.name = "body", .value = &arguments.body},
        {.name = "json", .flag = &arguments.json},
        {.name = "config", .letter = 'c', .value = &arguments.config},
        {.name = NULL},
    };
    int code = EXIT_DONE;
    if (!command_read(argc, argv, usage, options, &arguments.line, &code) ||
        !command_words_at_most(&arguments.line, 0, &code)) {
        return code;
    }
    code = check(&arguments);
    if (code != EXIT_DONE) {
        return code;
    }
    struct sending sending CLEANUP(sending_fini) = {.arguments = &arguments};
    buffer_init(&sending.body, SAMPLE_EVENT_BODY_MAX_BYTES);
    return send_event(&sending);
}
