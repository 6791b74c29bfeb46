/* sallyport schema: the JSON Schema of the config. */
#include "base/buffer.h"
#include "config/schema.h"
#include "gateway/command.h"
#include "routes/profile.h"

static const char usage[] = "usage: sallyport schema [--profile]\n"
                            "\n"
                            "Prints the JSON Schema (draft 2020-12) of the config, made from the "
                            "tables that parse it: for\n"
                            "editors, which then complete keys and mark what is wrong, and for "
                            "pipelines. 'sallyport check'\n"
                            "knows more: names, files, and what values mean together.\n"
                            "\n"
                            "  --profile   that of a provider profile, a file of providers.path\n";

enum { SCHEMA_MAX_BYTES = 1024 * 1024 };

int command_schema(int argc, char **argv)
{
    bool profile = false;
    const struct command_option options[] = {
        {.name = "profile", .flag = &profile},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_words_at_most(&line, 0, &result)) {
        return result;
    }
    if (profile) {
        return command_print(&line, profile_schema());
    }
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, SCHEMA_MAX_BYTES);
    if (schema_write(&text) != STATUS_OK) {
        return command_failed(&line, "the schema is larger than planned");
    }
    return command_print(&line, buffer_bytes(&text));
}
