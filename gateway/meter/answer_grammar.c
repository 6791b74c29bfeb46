/* From the providers' references: OpenAI's "chat/streaming", "responses-streaming" and
 * "completions", Anthropic's "messages-streaming". */
#include "gateway/meter/answer_grammar.h"

struct member {
    struct slice name;
    enum answer_part part;
};

struct object {
    const struct member *members;
    unsigned count;
};

/* The objects that are known, by what they are. */
struct answer_grammar {
    struct object objects[ANSWER_PARTS];
};

#define MEMBER(name, part)                                                                         \
    {                                                                                              \
        SLICE_INIT(name), ANSWER_##part                                                            \
    }
#define OBJECT(members)                                                                            \
    {                                                                                              \
        (members), sizeof(members) / sizeof((members)[0])                                          \
    }

/* clang-format off */

/* ---- OpenAI chat, and legacy completions ---- */

static const struct member chat_top[] = {
    MEMBER("choices", CHOICES),
    MEMBER("usage", USAGE),
    MEMBER("id", ID),
    MEMBER("model", MODEL),
    MEMBER("created", CREATED),
    MEMBER("object", OBJECT),
};
static const struct member chat_choice[] = {
    MEMBER("delta", GENERATED),
    MEMBER("index", INDEX),
    MEMBER("finish_reason", STOP),
    MEMBER("text", TEXT),
    MEMBER("message", GENERATED),
};
/* "reasoning" and "thinking" are what some who speak the dialect call it; "content" may be a list
 * of parts. */
static const struct member chat_generated[] = {
    MEMBER("content", TEXT),
    MEMBER("arguments", TEXT),
    MEMBER("name", TEXT),
    MEMBER("refusal", TEXT),
    MEMBER("reasoning_content", TEXT),
    MEMBER("reasoning", TEXT),
    MEMBER("thinking", TEXT),
    MEMBER("text", TEXT),
};
static const struct member chat_usage[] = {
    MEMBER("prompt_tokens", FIGURE_INPUT),
    MEMBER("completion_tokens", FIGURE_OUTPUT),
    MEMBER("total_tokens", FIGURE_TOTAL),
    MEMBER("prompt_tokens_details", INPUT_DETAILS),
    MEMBER("completion_tokens_details", OUTPUT_DETAILS),
};
static const struct member openai_input_details[] = {
    MEMBER("cached_tokens", FIGURE_CACHE_READ),
};
static const struct member openai_output_details[] = {
    MEMBER("reasoning_tokens", FIGURE_REASONING),
};

static const struct answer_grammar chat = {{
    [ANSWER_TOP] = OBJECT(chat_top),
    [ANSWER_CHOICE] = OBJECT(chat_choice),
    [ANSWER_GENERATED] = OBJECT(chat_generated),
    [ANSWER_USAGE] = OBJECT(chat_usage),
    [ANSWER_INPUT_DETAILS] = OBJECT(openai_input_details),
    [ANSWER_OUTPUT_DETAILS] = OBJECT(openai_output_details),
}};

/* ---- OpenAI responses ---- */

static const struct member responses_usage[] = {
    MEMBER("input_tokens", FIGURE_INPUT),
    MEMBER("output_tokens", FIGURE_OUTPUT),
    MEMBER("input_tokens_details", INPUT_DETAILS),
    MEMBER("output_tokens_details", OUTPUT_DETAILS),
};
static const struct member responses_top[] = {
    MEMBER("usage", USAGE),
    MEMBER("output", GENERATED),
};
static const struct member responses_generated[] = {
    MEMBER("text", TEXT),
    MEMBER("arguments", TEXT),
    MEMBER("refusal", TEXT),
    MEMBER("input", TEXT),
    MEMBER("code", TEXT),
};
/* Every kind of delta has been generated; what is done repeats it. */
static const struct member responses_event[] = {
    MEMBER("type", TYPE),
    MEMBER("sequence_number", SEQUENCE),
    MEMBER("delta", TEXT),
    MEMBER("response", RESPONSE),
};
static const struct member responses_response[] = {
    MEMBER("id", ID),
    MEMBER("model", MODEL),
    MEMBER("created_at", CREATED),
    MEMBER("usage", USAGE),
};

static const struct answer_grammar responses = {{
    [ANSWER_TOP] = OBJECT(responses_top),
    [ANSWER_GENERATED] = OBJECT(responses_generated),
    [ANSWER_USAGE] = OBJECT(responses_usage),
    [ANSWER_INPUT_DETAILS] = OBJECT(openai_input_details),
    [ANSWER_OUTPUT_DETAILS] = OBJECT(openai_output_details),
}};
static const struct answer_grammar responses_events = {{
    [ANSWER_TOP] = OBJECT(responses_event),
    [ANSWER_RESPONSE] = OBJECT(responses_response),
    [ANSWER_USAGE] = OBJECT(responses_usage),
    [ANSWER_INPUT_DETAILS] = OBJECT(openai_input_details),
    [ANSWER_OUTPUT_DETAILS] = OBJECT(openai_output_details),
}};

/* ---- Anthropic ---- */

static const struct member anthropic_usage[] = {
    MEMBER("input_tokens", FIGURE_INPUT),
    MEMBER("output_tokens", FIGURE_OUTPUT),
    MEMBER("cache_creation_input_tokens", FIGURE_CACHE_WRITE),
    MEMBER("cache_read_input_tokens", FIGURE_CACHE_READ),
};
static const struct member anthropic_top[] = {
    MEMBER("usage", USAGE),
    MEMBER("content", GENERATED),
};
/* The stop reason is that of message_delta; "data" is thinking that is not shown. */
static const struct member anthropic_generated[] = {
    MEMBER("text", TEXT),
    MEMBER("partial_json", TEXT),
    MEMBER("thinking", TEXT),
    MEMBER("data", TEXT),
    MEMBER("name", TEXT),
    MEMBER("stop_reason", STOP),
};
static const struct member anthropic_event[] = {
    MEMBER("type", TYPE),
    MEMBER("index", INDEX),
    MEMBER("delta", GENERATED),
    MEMBER("content_block", GENERATED),
    MEMBER("message", MESSAGE),
    MEMBER("usage", USAGE),
};
static const struct member anthropic_message[] = {
    MEMBER("usage", USAGE),
};

static const struct answer_grammar anthropic = {{
    [ANSWER_TOP] = OBJECT(anthropic_top),
    [ANSWER_GENERATED] = OBJECT(anthropic_generated),
    [ANSWER_USAGE] = OBJECT(anthropic_usage),
}};
static const struct answer_grammar anthropic_events = {{
    [ANSWER_TOP] = OBJECT(anthropic_event),
    [ANSWER_GENERATED] = OBJECT(anthropic_generated),
    [ANSWER_MESSAGE] = OBJECT(anthropic_message),
    [ANSWER_USAGE] = OBJECT(anthropic_usage),
}};

/* clang-format on */

const struct answer_grammar *answer_grammar_of(enum usage_dialect dialect, bool event)
{
    switch (dialect) {
    case USAGE_OPENAI_CHAT:
        return &chat;
    case USAGE_OPENAI_RESPONSES:
        return event ? &responses_events : &responses;
    case USAGE_ANTHROPIC:
        return event ? &anthropic_events : &anthropic;
    }
    __builtin_unreachable();
}

enum answer_part answer_member(const struct answer_grammar *grammar, enum answer_part outer,
                               struct slice name)
{
    const struct object *object = &grammar->objects[outer];
    for (unsigned i = 0; i < object->count; i++) {
        if (slice_equal(object->members[i].name, name)) {
            return object->members[i].part;
        }
    }
    return outer == ANSWER_GENERATED ? ANSWER_GENERATED : ANSWER_OTHER;
}

enum answer_part answer_item(enum answer_part outer)
{
    if (outer == ANSWER_CHOICES) {
        return ANSWER_CHOICE;
    }
    return outer == ANSWER_GENERATED ? ANSWER_GENERATED : ANSWER_OTHER;
}
