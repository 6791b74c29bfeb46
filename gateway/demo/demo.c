#include "gateway/demo/demo.h"

#include "gateway/demo/answers.h"
#include "gateway/demo/front.h"
#include "gateway/demo/provider.h"

#include <signal.h>
#include <stdio.h>

#include <event2/event.h>

static void on_stop(evutil_socket_t number, short what, void *ctx)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak(ctx);
}

static void serve_until_stopped(struct event_base *base)
{
    struct event *terminate = evsignal_new(base, SIGTERM, on_stop, base);
    struct event *interrupt = evsignal_new(base, SIGINT, on_stop, base);
    (void)event_add(terminate, NULL);
    (void)event_add(interrupt, NULL);
    (void)event_base_dispatch(base);
    event_free(terminate);
    event_free(interrupt);
}

enum status demo_serve(const char *listen, const char *key, const char *webhook_secret,
                       struct error *err)
{
    struct receiver *receiver = receiver_new(webhook_secret);
    if (receiver == NULL) {
        FAIL(err, STATUS_INVALID,
             "the secret of webhooks is none: write whsec_ and base64, such "
             "as " DEMO_WEBHOOK_SECRET);
    }
    struct event_base *base = event_base_new();
    struct service service = {.key = key, .payments = payments_new(), .receiver = receiver};
    struct front *front = NULL;
    const struct front_settings settings = {
        .base = base, .listen = listen, .answer = provider_answer, .service = &service};
    enum status status = front_start(&settings, &front, err);
    if (status == STATUS_OK) {
        (void)printf("demo provider: listening on http://%s\n", front_address(front));
        (void)fflush(stdout);
        serve_until_stopped(base);
    }
    front_stop(front);
    event_base_free(base);
    payments_free(service.payments);
    receiver_free(receiver);
    return status;
}
