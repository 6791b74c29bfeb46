/* sallyport demo: a pretend provider to try the gateway with, until it is told to stop. */
#include "gateway/command.h"
#include "gateway/demo/demo.h"

#include <getopt.h>
#include <stdio.h>
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
    "\n"
    "The key is " DEMO_KEY ", or what SALLYPORT_DEMO_KEY says; without it every\n"
    "call is answered 401, in the provider's way.\n";

/* *ret_listen is NULL if help is wanted. */
static int parse(int argc, char **argv, const char **ret_listen)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option = -1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) == 'l') {
        *ret_listen = optarg;
    }
    if (option == 'h') {
        *ret_listen = NULL;
        return EXIT_DONE;
    }
    if (option != -1 || optind != argc) {
        (void)fputs("sallyport demo: unknown arguments; see 'sallyport demo --help'\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

int command_demo(int argc, char **argv)
{
    struct error err;
    const char *listen = DEFAULT_LISTEN;
    const char *key = getenv("SALLYPORT_DEMO_KEY");
    if (parse(argc, argv, &listen) != EXIT_DONE) {
        return EXIT_USAGE;
    }
    if (listen == NULL) {
        (void)fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (demo_serve(listen, key == NULL || key[0] == '\0' ? DEMO_KEY : key, &err) != STATUS_OK) {
        (void)fprintf(stderr, "sallyport demo: %s\n", err.message);
        return err.code == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    return EXIT_DONE;
}
