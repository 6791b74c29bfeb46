#include "gateway/ledger/ledger_ask.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/ledger/ledger_reader.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { LINE_MAX_BYTES = 16 * 1024 * 1024 };

struct asking {
    sqlite3_stmt *statement;
    bool json;
    FILE *out;
    struct buffer line;
    uint64_t rows;
};

static void asking_fini(struct asking *asking)
{
    (void)sqlite3_finalize(asking->statement);
    buffer_fini(&asking->line);
}

static struct slice text_of(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    return text == NULL ? SLICE("") : slice_from(text);
}

/* JSON has no word for what is no number. */
static enum status put_json_value(sqlite3_stmt *statement, int index, struct buffer *out)
{
    switch (sqlite3_column_type(statement, index)) {
    case SQLITE_NULL:
        return buffer_append(out, SLICE("null"));
    case SQLITE_INTEGER:
        return buffer_print(out, "%" PRId64, (int64_t)sqlite3_column_int64(statement, index));
    case SQLITE_FLOAT: {
        double value = sqlite3_column_double(statement, index);
        return isfinite(value) ? buffer_print(out, "%.17g", value)
                               : buffer_append(out, SLICE("null"));
    }
    default:
        return encode_json_string(text_of(statement, index), out);
    }
}

static enum status put_json_row(struct asking *asking)
{
    struct buffer *line = &asking->line;
    TRY(buffer_append(line, asking->rows == 0 ? SLICE("[{") : SLICE(",\n {")));
    for (int i = 0; i < sqlite3_column_count(asking->statement); i++) {
        TRY(buffer_append(line, i > 0 ? SLICE(",") : SLICE("")));
        TRY(encode_json_string(slice_from(sqlite3_column_name(asking->statement, i)), line));
        TRY(buffer_append(line, SLICE(":")));
        TRY(put_json_value(asking->statement, i, line));
    }
    return buffer_append(line, SLICE("}"));
}

/* Only of text may a spreadsheet take something for a formula. */
static enum status put_csv_row(struct asking *asking)
{
    int count = sqlite3_column_count(asking->statement);
    for (int i = 0; i < count; i++) {
        int type = sqlite3_column_type(asking->statement, i);
        struct slice text = text_of(asking->statement, i);
        TRY(buffer_append(&asking->line, i > 0 ? SLICE(",") : SLICE("")));
        TRY(type == SQLITE_INTEGER || type == SQLITE_FLOAT ? buffer_append(&asking->line, text)
                                                           : ledger_csv_text(text, &asking->line));
    }
    return buffer_append(&asking->line, SLICE("\r\n"));
}

static enum status put_csv_head(struct asking *asking)
{
    int count = sqlite3_column_count(asking->statement);
    for (int i = 0; i < count; i++) {
        TRY(buffer_append(&asking->line, i > 0 ? SLICE(",") : SLICE("")));
        TRY(ledger_csv_text(slice_from(sqlite3_column_name(asking->statement, i)), &asking->line));
    }
    return buffer_append(&asking->line, SLICE("\r\n"));
}

static enum status flush(struct asking *asking, enum status written, struct error *err)
{
    if (written != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "a line of the answer is longer than 16 MiB");
    }
    struct slice bytes = buffer_bytes(&asking->line);
    (void)fwrite(bytes.ptr, 1, bytes.len, asking->out);
    buffer_consume(&asking->line, bytes.len);
    return STATUS_OK;
}

static enum status prepare(struct ledger_reader *reader, const char *sql, struct asking *asking,
                           struct error *err)
{
    const char *rest = "";
    int code = sqlite3_prepare_v2(reader->db, sql, -1, &asking->statement, &rest);
    if (code != SQLITE_OK) {
        FAIL(err, STATUS_INVALID, "%s", sqlite3_errmsg(reader->db));
    }
    if (asking->statement == NULL || rest[strspn(rest, " \t\r\n;")] != '\0') {
        FAIL(err, STATUS_INVALID, "write one statement, such as SELECT * FROM requests LIMIT 10");
    }
    if (sqlite3_stmt_readonly(asking->statement) == 0 ||
        sqlite3_column_count(asking->statement) == 0) {
        FAIL(err, STATUS_INVALID, "the ledger is only read; write a SELECT");
    }
    return STATUS_OK;
}

static enum status answer(struct ledger_reader *reader, struct asking *asking, struct error *err)
{
    int code;
    if (!asking->json) {
        TRY(flush(asking, put_csv_head(asking), err));
    }
    while ((code = sqlite3_step(asking->statement)) == SQLITE_ROW) {
        TRY(flush(asking, asking->json ? put_json_row(asking) : put_csv_row(asking), err));
        asking->rows++;
    }
    if (code != SQLITE_DONE) {
        return ledger_sql_fail(reader->db, code, err);
    }
    if (asking->json) {
        (void)fputs(asking->rows == 0 ? "[]\n" : "]\n", asking->out);
    }
    return STATUS_OK;
}

enum status ledger_ask(struct ledger_reader *reader, const char *sql, bool json, FILE *out,
                       struct error *err)
{
    struct asking asking CLEANUP(asking_fini) = {.json = json, .out = out};
    buffer_init(&asking.line, LINE_MAX_BYTES);
    TRY(ledger_table_register(reader->db, err));
    TRY(prepare(reader, sql, &asking, err));
    return answer(reader, &asking, err);
}
