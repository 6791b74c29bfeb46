/*
 * provider: which handler answers which request of the pretend provider.
 */
#pragma once

#include "gateway/demo/call.h"

/* For front_settings.answer; call->service is a struct service. */
void provider_answer(struct call *call);

/* The handlers, a file a kind. */

/* chat.c: OpenAI's chat completions and models. */
void chat_complete(struct call *call);
void chat_list_models(struct call *call);
void chat_show_model(struct call *call);

/* payments.c: Stripe's payment intents and customers. */
void payments_create_intent(struct call *call);
void payments_list_intents(struct call *call);
void payments_show_intent(struct call *call);
void payments_list_customers(struct call *call);
struct payments *payments_new(void);
void payments_free(struct payments *payments);

/* receiver.c: where webhooks are delivered. No key is asked for. */
void receiver_take(struct call *call);
void receiver_show(struct call *call);
/* NULL: the secret is no base64, with or without "whsec_" before it. */
struct receiver *receiver_new(const char *secret);
void receiver_free(struct receiver *receiver);

/* echo.c: what was received. */
void echo_request(struct call *call);
void echo_leak(struct call *call);

/* faults.c: statuses, slowness, sizes, streams and broken answers on request. */
void faults_status(struct call *call);
void faults_slow(struct call *call);
void faults_bytes(struct call *call);
void faults_stream(struct call *call);
void faults_cut(struct call *call);
