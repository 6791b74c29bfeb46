#include "gateway/command_answer.h"

#include "base/buffer.h"
#include "base/json.h"
#include "config/snapshot.h"
#include "gateway/command.h"

int command_ask(const struct command_line *line, const char *config, enum admin_call call,
                const char *target, struct buffer *out)
{
    struct error err;
    struct snapshot *snapshot = command_load_config(config);
    if (snapshot == NULL) {
        return EXIT_USAGE;
    }
    enum status status = admin_client_call(snapshot, call, target, out, &err);
    snapshot_unref(snapshot);
    return status == STATUS_OK ? EXIT_DONE : command_failed(line, "%s", err.message);
}

int command_parse_answer(const struct command_line *line, const struct buffer *answer,
                         struct cJSON **ret)
{
    static const struct json_limits limits = {.bytes = COMMAND_ANSWER_MAX_BYTES, .depth = 16};
    struct error err;
    if (json_parse(buffer_bytes(answer), &limits, ret, &err) != STATUS_OK) {
        return command_failed(line, "the gateway's answer is no JSON: %s", err.message);
    }
    return EXIT_DONE;
}

int command_show(const struct command_line *line, const struct command_question *question)
{
    struct buffer answer CLEANUP(buffer_fini);
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    buffer_init(&answer, COMMAND_ANSWER_MAX_BYTES);
    int code = command_ask(line, question->config, question->call, question->target, &answer);
    if (code != EXIT_DONE || question->json) {
        return code == EXIT_DONE ? command_print(line, buffer_bytes(&answer)) : code;
    }
    code = command_parse_answer(line, &answer, &parsed);
    if (code == EXIT_DONE) {
        question->print(parsed);
        code = command_print(line, SLICE(""));
    }
    return code;
}

struct slice command_text_of(const struct cJSON *item, const char *name)
{
    struct slice text = {0};
    (void)json_string(json_get(item, name), &text);
    return text;
}

uint64_t command_number_of(const struct cJSON *item, const char *name)
{
    uint64_t number = 0;
    (void)json_uint(json_get(item, name), &number);
    return number;
}
