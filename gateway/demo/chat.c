/*
 * chat: OpenAI's chat completions, as JSON and as a stream, and the list of models. What it says is
 * made from the last message; usage counts four bytes a token, so that sums can be checked.
 */
#include "base/json.h"
#include "base/memory.h"
#include "gateway/demo/answers.h"
#include "gateway/demo/provider.h"

#include <stdio.h>

#include <event2/buffer.h>

enum {
    QUOTED_MAX_BYTES = 2000,
    DEPTH_MAX = 64,
    BYTES_A_TOKEN = 4,
    MODEL_MAX_BYTES = 100,
};

#define CHUNK_EVERY (30 * MSEC)

static const char *const models[] = {"sallyport-demo", "gpt-4o", "gpt-4o-mini", "gpt-4.1-mini"};

struct completion {
    char text[QUOTED_MAX_BYTES + 200];
    size_t text_len;
    size_t said; /* bytes of it */
    char id[DEMO_ID_BYTES];
    char model[MODEL_MAX_BYTES];
    long long created;
    size_t prompt_tokens;
    size_t completion_tokens;
    size_t max_tokens;
    bool with_usage;
    bool begun;
};

static void refuse(struct call *call, const char *code, const char *param, const char *message)
{
    answers_refuse(call, &(struct refusal){.status = 400,
                                           .type = "invalid_request_error",
                                           .code = code,
                                           .param = param,
                                           .message = message});
}

static bool model_known(struct slice name)
{
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        if (slice_equal(name, slice_from(models[i]))) {
            return true;
        }
    }
    return false;
}

static void refuse_model(struct call *call, struct slice name)
{
    char message[200];
    int shown = name.len > MODEL_MAX_BYTES ? MODEL_MAX_BYTES : (int)name.len;
    (void)snprintf(message, sizeof(message),
                   "The model `%.*s` does not exist or you do not have access to it.", shown,
                   name.ptr);
    answers_refuse(call, &(struct refusal){.status = 404,
                                           .type = "invalid_request_error",
                                           .code = "model_not_found",
                                           .message = message});
}

/* A message's content is a text, or parts of which some are texts. */
static struct slice content_text(const struct cJSON *message)
{
    const struct cJSON *content = json_get(message, "content");
    struct slice text = slice_make(NULL, 0);
    if (json_string(content, &text)) {
        return text;
    }
    for (const struct cJSON *part = json_first(content); part != NULL; part = json_next(part)) {
        if (json_string(json_get(part, "text"), &text)) {
            return text;
        }
    }
    return text;
}

static uint64_t number_in(const struct cJSON *object, const char *name, uint64_t fallback)
{
    uint64_t number = 0;
    return json_uint(json_get(object, name), &number) ? number : fallback;
}

static bool is_true(const struct cJSON *value)
{
    struct buffer text;
    buffer_init(&text, 16);
    bool yes = value != NULL && json_write(value, &text) == STATUS_OK &&
               slice_equal(buffer_bytes(&text), SLICE("true"));
    buffer_fini(&text);
    return yes;
}

static void compose(struct completion *completion, const struct cJSON *messages)
{
    struct slice last = slice_make("", 0);
    size_t bytes = 0;
    for (const struct cJSON *message = json_first(messages); message != NULL;
         message = json_next(message)) {
        last = content_text(message);
        bytes += last.len;
    }
    if (last.len > QUOTED_MAX_BYTES) {
        last.len = QUOTED_MAX_BYTES;
    }
    completion->prompt_tokens = bytes / BYTES_A_TOKEN + 3;
    completion->text_len = (size_t)snprintf(
        completion->text, sizeof(completion->text),
        "You said: \"%.*s\". This is the demo provider: it saw the key that the gateway put in.",
        SLICE_ARG(last));
}

/* The next word with the space behind it; empty at the end, or when max_tokens have been said. */
static struct slice next_word(struct completion *completion)
{
    struct slice rest =
        slice_skip(slice_make(completion->text, completion->text_len), completion->said);
    size_t len = slice_find(rest, ' ');
    len += len < rest.len; /* the space */
    if (len == 0 || completion->completion_tokens == completion->max_tokens) {
        return slice_make(rest.ptr, 0);
    }
    completion->said += len;
    completion->completion_tokens++;
    return slice_make(rest.ptr, len);
}

static const char *finish_reason(const struct completion *completion)
{
    return completion->said < completion->text_len ? "\"length\"" : "\"stop\"";
}

static void add_head(struct evbuffer *out, const struct completion *completion, const char *kind)
{
    (void)evbuffer_add_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":",
                              completion->id, kind, completion->created);
    answers_text(out, slice_from(completion->model));
    (void)evbuffer_add_printf(out, ",\"system_fingerprint\":\"fp_demo\"");
}

static void add_usage(struct evbuffer *out, const struct completion *completion)
{
    (void)evbuffer_add_printf(
        out, "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}",
        completion->prompt_tokens, completion->completion_tokens,
        completion->prompt_tokens + completion->completion_tokens);
}

static void answer_whole(struct call *call, struct completion *completion)
{
    struct evbuffer *out = evbuffer_new();
    while (next_word(completion).len > 0) {
    }
    add_head(out, completion, "chat.completion");
    (void)evbuffer_add_printf(
        out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    answers_text(out, slice_make(completion->text, completion->said));
    (void)evbuffer_add_printf(out, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":%s}],",
                              finish_reason(completion));
    add_usage(out, completion);
    (void)evbuffer_add(out, "}\n", 2);
    answers_json(call, 200, out);
    evbuffer_free(out);
}

static void send_event(struct call *call, struct evbuffer *event)
{
    size_t len = evbuffer_get_length(event);
    call_write(call, slice_make((const char *)evbuffer_pullup(event, -1), len));
    evbuffer_free(event);
}

/* `delta` opens the choice's members, `content` is the text behind it, if it has a pointer. */
static void send_choice(struct call *call, const char *delta, struct slice content,
                        const char *finish)
{
    const struct completion *completion = call->state;
    struct evbuffer *out = evbuffer_new();
    (void)evbuffer_add(out, "data: ", 6);
    add_head(out, completion, "chat.completion.chunk");
    (void)evbuffer_add_printf(out, ",\"choices\":[{\"index\":0,\"delta\":{%s", delta);
    if (content.ptr != NULL) {
        answers_text(out, content);
    }
    (void)evbuffer_add_printf(out, "},\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n", finish,
                              completion->with_usage ? ",\"usage\":null" : "");
    send_event(call, out);
}

static void send_usage(struct call *call)
{
    const struct completion *completion = call->state;
    struct evbuffer *out = evbuffer_new();
    (void)evbuffer_add(out, "data: ", 6);
    add_head(out, completion, "chat.completion.chunk");
    (void)evbuffer_add_printf(out, ",\"choices\":[],");
    add_usage(out, completion);
    (void)evbuffer_add(out, "}\n\n", 3);
    send_event(call, out);
}

static void stream_word(struct call *call)
{
    struct completion *completion = call->state;
    struct slice word = next_word(completion);
    if (word.len > 0) {
        send_choice(call, "\"content\":", word, "null");
        call_later(call, CHUNK_EVERY, stream_word);
        return;
    }
    send_choice(call, "", slice_make(NULL, 0), finish_reason(completion));
    if (completion->with_usage) {
        send_usage(call);
    }
    call_write(call, SLICE("data: [DONE]\n\n"));
    call_end(call);
}

static void answer_stream(struct call *call)
{
    char id[DEMO_ID_BYTES];
    call_add_header(call, "X-Request-Id", answers_id("req_", id));
    call_add_header(call, "Cache-Control", "no-cache");
    call_begin(call, 200, "text/event-stream; charset=utf-8", CALL_CHUNKED);
    if (!call->ended) {
        send_choice(call, "\"role\":\"assistant\",\"content\":\"\"", slice_make(NULL, 0), "null");
        call_later(call, CHUNK_EVERY, stream_word);
    }
}

static void begin(struct call *call, const struct cJSON *body, struct slice model)
{
    struct completion *completion = MEMORY_NEW(struct completion);
    const struct cJSON *options = json_get(body, "stream_options");
    memcpy(completion->model, model.ptr, model.len);
    (void)answers_id("chatcmpl-", completion->id);
    completion->created = (long long)(clock_wall() / SEC);
    completion->max_tokens = (size_t)number_in(body, "max_completion_tokens",
                                               number_in(body, "max_tokens", QUOTED_MAX_BYTES));
    completion->with_usage = is_true(json_get(options, "include_usage"));
    compose(completion, json_get(body, "messages"));
    call->state = completion;
    if (is_true(json_get(body, "stream"))) {
        answer_stream(call);
    } else {
        answer_whole(call, completion);
    }
}

void chat_complete(struct call *call)
{
    const struct json_limits limits = {
        .bytes = call->body.max, .depth = DEPTH_MAX, .names = JSON_NAMES_ANY};
    CLEANUP(json_free_at) struct cJSON *body = NULL;
    struct slice model = slice_make(NULL, 0);
    if (json_parse(buffer_bytes(&call->body), &limits, &body, NULL) != STATUS_OK ||
        !json_is_object(body)) {
        refuse(call, NULL, NULL, "We could not parse the JSON body of your request.");
    } else if (!json_string(json_get(body, "model"), &model)) {
        refuse(call, NULL, NULL, "you must provide a model parameter");
    } else if (json_count(json_get(body, "messages")) == 0) {
        refuse(call, "missing_required_parameter", "messages",
               "Missing required parameter: 'messages'.");
    } else if (!model_known(model)) {
        refuse_model(call, model);
    } else {
        begin(call, body, model);
    }
}

static void add_model(struct evbuffer *out, const char *name)
{
    (void)evbuffer_add_printf(
        out, "{\"id\":\"%s\",\"object\":\"model\",\"created\":1735689600,\"owned_by\":\"demo\"}",
        name);
}

void chat_list_models(struct call *call)
{
    struct evbuffer *out = evbuffer_new();
    (void)evbuffer_add_printf(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        (void)evbuffer_add(out, ",", i > 0);
        add_model(out, models[i]);
    }
    (void)evbuffer_add(out, "]}\n", 3);
    answers_json(call, 200, out);
    evbuffer_free(out);
}

void chat_show_model(struct call *call)
{
    struct slice name = slice_skip(call->path, SLICE("/v1/models/").len);
    if (!model_known(name)) {
        refuse_model(call, name);
        return;
    }
    char text[MODEL_MAX_BYTES];
    struct evbuffer *out = evbuffer_new();
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
    add_model(out, text);
    answers_json(call, 200, out);
    evbuffer_free(out);
}
