#include "gateway/meter/stream_end.h"

#include "gateway/meter/json_text.h"
#include "gateway/meter/usage_scan_state.h"

static enum status write_text(struct slice before, const struct answer_text *text,
                              struct buffer *out)
{
    TRY(buffer_append(out, before));
    return json_text_write(answer_text_of(text), out);
}

/* ---- OpenAI chat, and legacy completions ---- */

static enum status begin_chunk(const struct answer_identity *identity, struct buffer *out)
{
    TRY(write_text(SLICE("data: {\"id\":"), &identity->id, out));
    TRY(buffer_append(out, identity->is_text_completion
                               ? SLICE(",\"object\":\"text_completion\"")
                               : SLICE(",\"object\":\"chat.completion.chunk\"")));
    TRY(buffer_append_with_number(out, SLICE(",\"created\":"), identity->created));
    TRY(write_text(SLICE(",\"model\":"), &identity->model, out));
    return buffer_append(out, SLICE(",\"choices\":["));
}

static enum status write_choice(const struct answer_identity *identity, unsigned index, bool first,
                                struct buffer *out)
{
    TRY(buffer_append_with_number(out, first ? SLICE("{\"index\":") : SLICE(",{\"index\":"),
                                  index));
    TRY(buffer_append(out, identity->is_text_completion ? SLICE(",\"text\":\"\"")
                                                        : SLICE(",\"delta\":{}")));
    return buffer_append(out, SLICE(",\"logprobs\":null,\"finish_reason\":\"length\"}"));
}

static bool is_open(const struct answer_identity *identity, unsigned index)
{
    return answer_index_has(&identity->begun, index) && !answer_index_has(&identity->ended, index);
}

static bool any_begun(const struct answer_identity *identity)
{
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof(identity->begun.words) / sizeof(identity->begun.words[0]); i++) {
        all |= identity->begun.words[i];
    }
    return all != 0;
}

/* Those that have begun and not stopped. Where none was seen, there is one all the same. */
static enum status write_choices(const struct answer_identity *identity, struct buffer *out)
{
    bool none_begun = !any_begun(identity);
    bool first = true;
    for (unsigned index = 0; index < ANSWER_INDEXES; index++) {
        if (is_open(identity, index) || (none_begun && index == 0)) {
            TRY(first ? begin_chunk(identity, out) : STATUS_OK);
            TRY(write_choice(identity, index, first, out));
            first = false;
        }
    }
    return first ? STATUS_OK : buffer_append(out, SLICE("]}\n\n"));
}

static enum status write_chat_usage(const struct usage *usage, struct buffer *out)
{
    TRY(buffer_append_with_number(out, SLICE("],\"usage\":{\"prompt_tokens\":"),
                                  usage_input(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"completion_tokens\":"), usage_output(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"total_tokens\":"), usage_tokens(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"prompt_tokens_details\":{\"cached_tokens\":"),
                                  usage->cache_read));
    TRY(buffer_append_with_number(
        out, SLICE("},\"completion_tokens_details\":{\"reasoning_tokens\":"), usage->reasoning));
    return buffer_append(out, SLICE("}}}\n\n"));
}

static enum status write_chat(const struct usage_scan *scan, const struct usage *usage,
                              bool include_usage, struct buffer *out)
{
    TRY(write_choices(&scan->identity, out));
    if (include_usage && !scan->usage_event) {
        TRY(begin_chunk(&scan->identity, out));
        TRY(write_chat_usage(usage, out));
    }
    return buffer_append(out, SLICE("data: [DONE]\n\n"));
}

/* ---- OpenAI responses ---- */

static enum status write_responses_usage(const struct usage *usage, struct buffer *out)
{
    TRY(buffer_append_with_number(out, SLICE(",\"usage\":{\"input_tokens\":"), usage_input(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"input_tokens_details\":{\"cached_tokens\":"),
                                  usage->cache_read));
    TRY(buffer_append_with_number(out, SLICE("},\"output_tokens\":"), usage_output(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"output_tokens_details\":{\"reasoning_tokens\":"),
                                  usage->reasoning));
    TRY(buffer_append_with_number(out, SLICE("},\"total_tokens\":"), usage_tokens(usage)));
    return buffer_append(out, SLICE("}"));
}

/* The text that was generated is not repeated: it went by. SDKs want "output" to be there. */
static enum status write_responses(const struct usage_scan *scan, const struct usage *usage,
                                   struct buffer *out)
{
    const struct answer_identity *identity = &scan->identity;
    TRY(buffer_append(out, SLICE("event: response.incomplete\n"
                                 "data: {\"type\":\"response.incomplete\"")));
    if (identity->has_sequence) {
        TRY(buffer_append_with_number(out, SLICE(",\"sequence_number\":"), identity->sequence + 1));
    }
    TRY(write_text(SLICE(",\"response\":{\"id\":"), &identity->id, out));
    TRY(buffer_append_with_number(out, SLICE(",\"object\":\"response\",\"created_at\":"),
                                  identity->created));
    TRY(write_text(SLICE(",\"status\":\"incomplete\",\"error\":null,"
                         "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"model\":"),
                   &identity->model, out));
    TRY(buffer_append(out, SLICE(",\"output\":[]")));
    TRY(write_responses_usage(usage, out));
    return buffer_append(out, SLICE("}}\n\n"));
}

/* ---- Anthropic ---- */

static enum status write_message_delta(const struct usage *usage, struct buffer *out)
{
    TRY(buffer_append_with_number(
        out,
        SLICE("event: message_delta\n"
              "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
              "\"max_tokens\",\"stop_sequence\":null},"
              "\"usage\":{\"output_tokens\":"),
        usage_output(usage)));
    return buffer_append(out, SLICE("}}\n\n"));
}

static enum status write_anthropic(const struct usage_scan *scan, const struct usage *usage,
                                   struct buffer *out)
{
    for (unsigned index = 0; index < ANSWER_INDEXES; index++) {
        if (is_open(&scan->identity, index)) {
            TRY(buffer_append_with_number(
                out,
                SLICE("event: content_block_stop\n"
                      "data: {\"type\":\"content_block_stop\",\"index\":"),
                index));
            TRY(buffer_append(out, SLICE("}\n\n")));
        }
    }
    if (!scan->identity.stop_told) {
        TRY(write_message_delta(usage, out));
    }
    return buffer_append(out, SLICE("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

/* ---- Gemini ---- */

static enum status write_gemini(const struct usage_scan *scan, const struct usage *usage,
                                struct buffer *out)
{
    TRY(buffer_append(out,
                      SLICE("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],"
                            "\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\",\"index\":0}],"
                            "\"usageMetadata\":{")));
    TRY(buffer_append_with_number(out, SLICE("\"promptTokenCount\":"), usage_input(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"candidatesTokenCount\":"), usage_output(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"totalTokenCount\":"), usage_tokens(usage)));
    TRY(write_text(SLICE("},\"modelVersion\":"), &scan->identity.model, out));
    TRY(write_text(SLICE(",\"responseId\":"), &scan->identity.id, out));
    return buffer_append(out, SLICE("}\r\n\r\n"));
}

/* ---- Cohere ---- */

static enum status write_cohere(const struct usage *usage, struct buffer *out)
{
    TRY(buffer_append_with_number(
        out,
        SLICE("event: message-end\n"
              "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":"
              "\"MAX_TOKENS\",\"usage\":{\"billed_units\":{\"input_tokens\":"),
        usage_input(usage)));
    TRY(buffer_append_with_number(out, SLICE(",\"output_tokens\":"), usage_output(usage)));
    return buffer_append(out, SLICE("}}}}\n\n"));
}

enum status stream_end_write(const struct usage_scan *scan, const struct usage *usage,
                             bool include_usage, struct buffer *out)
{
    if (scan->ended) {
        return STATUS_OK;
    }
    switch (scan->dialect) {
    case USAGE_OPENAI_CHAT:
        return write_chat(scan, usage, include_usage, out);
    case USAGE_OPENAI_RESPONSES:
        return scan->opened ? write_responses(scan, usage, out) : STATUS_OK;
    case USAGE_ANTHROPIC:
        return scan->opened ? write_anthropic(scan, usage, out) : STATUS_OK;
    case USAGE_GEMINI:
        return write_gemini(scan, usage, out);
    case USAGE_COHERE:
        return scan->body == SCAN_EVENTS ? write_cohere(usage, out) : STATUS_OK;
    case USAGE_BEDROCK:
    case USAGE_PLAIN:
    case USAGE_DIALECTS:
        return STATUS_OK; /* it can only be cut */
    }
    __builtin_unreachable();
}
