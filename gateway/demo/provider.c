#include "gateway/demo/provider.h"

#include "gateway/demo/answers.h"

#include <stdio.h>

#include <event2/buffer.h>

/* A path that ends in '/' stands for whatever follows it. "GET" covers HEAD, NULL any method. */
/* clang-format off */
static const struct rule {
    const char *method;
    const char *path;
    call_function *answer;
} rules[] = {
    {"POST", "/v1/chat/completions", chat_complete},
    {"GET",  "/v1/models",           chat_list_models},
    {"GET",  "/v1/models/",          chat_show_model},
    {"POST", "/v1/payment_intents",  payments_create_intent},
    {"GET",  "/v1/payment_intents",  payments_list_intents},
    {"GET",  "/v1/payment_intents/", payments_show_intent},
    {"GET",  "/v1/customers",        payments_list_customers},
    {NULL,   "/echo",                echo_request},
    {NULL,   "/echo/",               echo_request},
    {NULL,   "/leak",                echo_leak},
    {NULL,   "/status/",             faults_status},
    {NULL,   "/slow",                faults_slow},
    {NULL,   "/bytes",               faults_bytes},
    {NULL,   "/stream",              faults_stream},
    {NULL,   "/cut",                 faults_cut},
};
/* clang-format on */

static bool path_matches(struct slice path, struct slice pattern)
{
    return pattern.ptr[pattern.len - 1] == '/'
               ? path.len > pattern.len && slice_starts_with(path, pattern)
               : slice_equal(path, pattern);
}

static bool method_matches(const struct call *call, const char *method)
{
    return method == NULL || call_is(call, method) ||
           (slice_equal(slice_from(method), SLICE("GET")) && call_is(call, "HEAD"));
}

/* What is delivered has a signature instead of a key. */
static bool receive(struct call *call)
{
    if (!slice_equal(call->path, SLICE("/receiver"))) {
        return false;
    }
    if (call_is(call, "POST")) {
        receiver_take(call);
    } else {
        receiver_show(call);
    }
    return true;
}

static void refuse_path(struct call *call, bool known)
{
    char message[300];
    int shown = call->path.len > 200 ? 200 : (int)call->path.len;
    (void)snprintf(message, sizeof(message),
                   known ? "Not allowed to %s on %.*s." : "Invalid URL (%s %.*s).", call->method,
                   shown, call->path.ptr);
    answers_refuse(call, &(struct refusal){.status = known ? 405 : 404,
                                           .type = "invalid_request_error",
                                           .code = known ? "method_not_supported" : NULL,
                                           .message = message});
}

void provider_answer(struct call *call)
{
    bool known = false;
    if (receive(call) || !answers_check_key(call)) {
        return;
    }
    if (call->body_too_large) {
        answers_refuse(call, &(struct refusal){.status = 413,
                                               .type = "invalid_request_error",
                                               .message = "The body is larger than 32 MiB."});
        return;
    }
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (path_matches(call->path, slice_from(rules[i].path))) {
            known = true;
            if (method_matches(call, rules[i].method)) {
                rules[i].answer(call);
                return;
            }
        }
    }
    refuse_path(call, known);
}
