/* sallyport demo: a pretend provider to try the gateway with, until it is told to stop. */
#include "gateway/command.h"
#include "gateway/demo/demo.h"

#include <stdlib.h>

#define DEFAULT_LISTEN "127.0.0.1:9902"

static const char usage[] =
    "usage: sallyport demo [--listen ADDRESS]\n"
    "\n"
    "A small pretend provider: a little of OpenAI's and of Stripe's API, and faults on request.\n"
    "\n"
    "  --listen ADDRESS   host:port (default: " DEFAULT_LISTEN "); port 0 takes a free one\n"
    "\n"
    "  POST /v1/chat/completions               JSON, or a stream with \"stream\": true\n"
    "  GET  /v1/models\n"
    "  POST /v1/payment_intents                form-encoded: amount, currency, confirm\n"
    "  GET  /v1/payment_intents, /v1/customers\n"
    "  any  /echo                              what was received, credentials masked\n"
    "  any  /leak                              gives the credential away, in several encodings\n"
    "  any  /status/NNN                        that status, as an error of the provider\n"
    "  any  /slow?ms=N                         answers after N ms (60000 at most)\n"
    "  any  /bytes?n=N&chunked=1               a plain body of N bytes\n"
    "  any  /stream?events=N&every_ms=M        server-sent events\n"
    "  any  /cut?chunked=1                     breaks off in the middle of its answer\n"
    "  POST /receiver                          takes a webhook that is delivered, if it is signed\n"
    "  GET  /receiver                          the last ones that it took\n"
    "\n"
    "The key is " DEMO_KEY ", or what SALLYPORT_DEMO_KEY says; without it every\n"
    "call is answered 401, in the provider's way. /receiver takes none: webhooks are signed "
    "with\n" DEMO_WEBHOOK_SECRET ",\n"
    "or what SALLYPORT_DEMO_WEBHOOK_SECRET says.\n";

int command_demo(int argc, char **argv)
{
    const char *listen = DEFAULT_LISTEN;
    const char *key = getenv("SALLYPORT_DEMO_KEY");
    const char *webhooks = getenv("SALLYPORT_DEMO_WEBHOOK_SECRET");
    const struct command_option options[] = {
        {.name = "listen", .value = &listen},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_words_at_most(&line, 0, &result)) {
        return result;
    }
    struct error err;
    key = key == NULL || key[0] == '\0' ? DEMO_KEY : key;
    webhooks = webhooks == NULL || webhooks[0] == '\0' ? DEMO_WEBHOOK_SECRET : webhooks;
    if (demo_serve(listen, key, webhooks, &err) != STATUS_OK) {
        (void)command_failed(&line, "%s", err.message);
        return err.code == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    return EXIT_DONE;
}
