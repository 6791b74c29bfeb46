#include "gateway/ledger/ledger_ask.h"
#include "gateway/ledger/ledger_store.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct scratch_folder folder;
static struct ledger_reader *reader;
static struct error err;
static char *answer; /* owned */

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static void setup(void)
{
    struct ledger_store *store = NULL;
    struct ledger_row row;
    bool new = false;
    scratch_make(&folder);
    const char *path = scratch_path(&folder, "usage.db");
    OK(ledger_store_open(path, 0, &store, &err));
    OK(ledger_store_begin(store, &err));
    for (unsigned n = 1; n <= 3; n++) {
        fill_row(&row, n);
        LEDGER_TEXT(row.path, n == 1 ? SLICE("=1+1") : SLICE("a \"b\", c"));
        OK(ledger_store_add(store, &row, &new, &err));
    }
    OK(ledger_store_commit(store, &err));
    ledger_store_close(store);
    OK(ledger_reader_open(path, &reader, &err));
}

static void teardown(void)
{
    ledger_reader_close(reader);
    free(answer);
    scratch_remove(&folder);
}

TestSuite(ledger_ask, .init = setup, .fini = teardown);

static enum status ask(const char *sql, bool json)
{
    size_t len = 0;
    free(answer);
    answer = NULL;
    FILE *out = open_memstream(&answer, &len);
    enum status status = ledger_ask(reader, sql, json, out, &err);
    (void)fclose(out);
    return status;
}

Test(ledger_ask, answers_in_both_forms)
{
    OK(ask("SELECT path AS \"the \"\"path\"\"\", cost_nanousd, cost_nanousd / 2.0 AS half, "
           "object_amount FROM requests WHERE cost_nanousd < 3;\n",
           false));
    cr_expect_str_eq(answer, "\"the \"\"path\"\"\",cost_nanousd,half,object_amount\r\n"
                             "\"'=1+1\",1,0.5,\r\n\"a \"\"b\"\", c\",2,1.0,\r\n");
    OK(ask("SELECT path AS \"p\"\"\", -cost_nanousd AS n, 9e999 AS x, object_amount AS y "
           "FROM requests WHERE cost_nanousd < 3",
           true));
    cr_expect_str_eq(answer, "[{\"p\\\"\":\"=1+1\",\"n\":-1,\"x\":null,\"y\":null},\n "
                             "{\"p\\\"\":\"a \\\"b\\\", c\",\"n\":-2,\"x\":null,\"y\":null}]\n");
    OK(ask("SELECT id FROM requests WHERE cost_nanousd > 3", true));
    cr_expect_str_eq(answer, "[]\n");
    OK(ask("SELECT count(*) AS n FROM minutes", false));
    cr_expect_str_eq(answer, "n\r\n0\r\n");
}

Test(ledger_ask, only_one_question_and_no_change)
{
    static const struct {
        const char *sql, *message;
    } wrong[] = {
        {"", "write one statement"},
        {";", "write one statement"},
        {"SELECT 1; SELECT 2", "write one statement"},
        {"DELETE FROM minutes", "only read"},
        {"DELETE FROM requests", "may not be modified"},
        {"ATTACH 'x' AS y", "only read"},
        {"BEGIN", "only read"},
        {"SELEC 1", "syntax error"},
        {"SELECT absent FROM requests", "no such column: absent"},
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_expect_eq(ask(wrong[i].sql, true), STATUS_INVALID, "%s", wrong[i].sql);
        cr_expect_not_null(strstr(err.message, wrong[i].message), "%s: %s", wrong[i].sql,
                           err.message);
        cr_expect_str_eq(answer, "", "%s", wrong[i].sql);
    }
    OK(ask("SELECT count(*) AS n FROM requests", false));
    cr_expect_str_eq(answer, "n\r\n3\r\n");
}
