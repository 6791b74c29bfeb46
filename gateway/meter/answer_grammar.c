/* From the providers' references: OpenAI's "chat/streaming", "responses-streaming" and
 * "completions", Anthropic's "messages-streaming", Gemini's "generateContent", Cohere's
 * "chat-stream", Bedrock's "ConverseStream". */
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

static const struct answer_grammar chat = {{
    [ANSWER_TOP] = OBJECT(chat_top),
    [ANSWER_CHOICE] = OBJECT(chat_choice),
    [ANSWER_GENERATED] = OBJECT(chat_generated),
}};

/* ---- OpenAI responses ---- */

static const struct member responses_top[] = {
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
};

static const struct answer_grammar responses = {{
    [ANSWER_TOP] = OBJECT(responses_top),
    [ANSWER_GENERATED] = OBJECT(responses_generated),
}};
static const struct answer_grammar responses_events = {{
    [ANSWER_TOP] = OBJECT(responses_event),
    [ANSWER_RESPONSE] = OBJECT(responses_response),
}};

/* ---- Anthropic ---- */

static const struct member anthropic_top[] = {
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
};

static const struct answer_grammar anthropic = {{
    [ANSWER_TOP] = OBJECT(anthropic_top),
    [ANSWER_GENERATED] = OBJECT(anthropic_generated),
}};
static const struct answer_grammar anthropic_events = {{
    [ANSWER_TOP] = OBJECT(anthropic_event),
    [ANSWER_GENERATED] = OBJECT(anthropic_generated),
}};

/* ---- Gemini: whole answers, chunks, and lists of chunks ---- */

static const struct member gemini_top[] = {
    MEMBER("candidates", CHOICES),
    MEMBER("responseId", ID),
    MEMBER("modelVersion", MODEL),
};
static const struct member gemini_choice[] = {
    MEMBER("content", GENERATED),
    MEMBER("index", INDEX),
    MEMBER("finishReason", STOP),
};
static const struct member gemini_generated[] = {
    MEMBER("text", TEXT),
    MEMBER("name", TEXT),
    MEMBER("args", ALL),
    MEMBER("code", TEXT),
};

static const struct answer_grammar gemini = {{
    [ANSWER_TOP] = OBJECT(gemini_top),
    [ANSWER_CHOICE] = OBJECT(gemini_choice),
    [ANSWER_GENERATED] = OBJECT(gemini_generated),
}};

/* ---- Cohere: chat, and the first version of it ---- */

static const struct member cohere_top[] = {
    MEMBER("type", TYPE),
    MEMBER("event_type", TYPE),
    MEMBER("id", ID),
    MEMBER("delta", GENERATED),
    MEMBER("message", GENERATED),
    MEMBER("text", TEXT),
    MEMBER("tool_calls", GENERATED),
};
static const struct member cohere_generated[] = {
    MEMBER("text", TEXT),
    MEMBER("thinking", TEXT),
    MEMBER("tool_plan", TEXT),
    MEMBER("name", TEXT),
    MEMBER("arguments", TEXT),
    MEMBER("parameters", ALL),
    MEMBER("finish_reason", STOP),
};

static const struct answer_grammar cohere = {{
    [ANSWER_TOP] = OBJECT(cohere_top),
    [ANSWER_GENERATED] = OBJECT(cohere_generated),
}};

/* ---- Bedrock: converse, and what models say by themselves ---- */

static const struct member bedrock_top[] = {
    MEMBER("delta", GENERATED),
    MEMBER("start", GENERATED),
    MEMBER("output", GENERATED),
    MEMBER("content", GENERATED),
    MEMBER("contentBlockDelta", GENERATED),
    MEMBER("completion", TEXT),
    MEMBER("generation", TEXT),
    MEMBER("outputText", TEXT),
    MEMBER("choices", GENERATED),
    MEMBER("outputs", GENERATED),
};
static const struct member bedrock_generated[] = {
    MEMBER("text", TEXT),
    MEMBER("input", ALL),
    MEMBER("name", TEXT),
    MEMBER("partial_json", TEXT),
    MEMBER("thinking", TEXT),
    MEMBER("content", TEXT),
    MEMBER("data", TEXT),
};

static const struct answer_grammar bedrock = {{
    [ANSWER_TOP] = OBJECT(bedrock_top),
    [ANSWER_GENERATED] = OBJECT(bedrock_generated),
}};

/* ---- calls that generate no text; their streams still end ---- */

static const struct member plain_top[] = {
    MEMBER("type", TYPE),
};

static const struct answer_grammar plain = {{
    [ANSWER_TOP] = OBJECT(plain_top),
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
    case USAGE_GEMINI:
        return &gemini;
    case USAGE_COHERE:
        return &cohere;
    case USAGE_BEDROCK:
        return &bedrock;
    case USAGE_PLAIN:
    case USAGE_DIALECTS:
        return &plain;
    }
    __builtin_unreachable();
}

/* Within what was generated, what is not known may still lead to text. */
static enum answer_part within(enum answer_part outer)
{
    return outer == ANSWER_GENERATED || outer == ANSWER_ALL ? outer : ANSWER_OTHER;
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
    return within(outer);
}

enum answer_part answer_item(const struct answer_grammar *grammar, enum answer_part outer)
{
    if (outer == ANSWER_CHOICES) {
        return ANSWER_CHOICE;
    }
    if (outer == ANSWER_TOP && grammar == &gemini) {
        return ANSWER_TOP; /* a list of chunks */
    }
    return within(outer);
}
