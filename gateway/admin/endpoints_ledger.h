/*
 * endpoints_ledger: what the ledger knows: a request, what it made, sums; and that its past was
 * priced anew. Internal to admin/.
 */
#pragma once

struct admin_answer;
struct admin_ops;
struct admin_request;

#define ENDPOINT_REQUESTS_PATH "/api/v1/requests/"

void endpoint_show_request(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer);
void endpoint_show_maker(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, struct admin_answer *answer);
void endpoint_show_usage(const struct admin_request *request, const struct admin_ops *ops,
                         void *ctx, struct admin_answer *answer);
void endpoint_show_objects(const struct admin_request *request, const struct admin_ops *ops,
                           void *ctx, struct admin_answer *answer);
void endpoint_note_repriced(const struct admin_request *request, const struct admin_ops *ops,
                            void *ctx, struct admin_answer *answer);
