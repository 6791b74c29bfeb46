#include "gateway/ledger/ledger_rows.h"

#include "base/buffer.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_sql.h"

enum status ledger_rows_select(const char *behind, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("SELECT ")));
    TRY(ledger_sql_columns(out));
    TRY(buffer_append(out, SLICE(" FROM requests ")));
    return buffer_append(out, slice_from(behind));
}

static void read_column(sqlite3_stmt *statement, int index, const struct ledger_column *column,
                        struct ledger_row *row)
{
    void *at = (char *)row + column->offset;
    int64_t number =
        column->kind == LEDGER_COLUMN_TEXT ? 0 : sqlite3_column_int64(statement, index);
    switch (column->kind) {
    case LEDGER_COLUMN_TEXT:
        ledger_text(at, column->size,
                    slice_from((const char *)sqlite3_column_text(statement, index)));
        break;
    case LEDGER_COLUMN_SHORT:
        *(uint16_t *)at = (uint16_t)number;
        break;
    case LEDGER_COLUMN_FLAGS:
        *(uint32_t *)at = (uint32_t)number;
        break;
    case LEDGER_COLUMN_COUNT:
        *(uint64_t *)at = (uint64_t)number;
        break;
    case LEDGER_COLUMN_TIME:
        *(int64_t *)at = number;
        break;
    case LEDGER_COLUMN_MONEY:
        *(int64_t *)at = number;
        row->object.has_amount = sqlite3_column_type(statement, index) != SQLITE_NULL;
        break;
    }
}

void ledger_rows_read(sqlite3_stmt *statement, struct ledger_row *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < ledger_column_count; i++) {
        read_column(statement, (int)i, &ledger_columns[i], ret);
    }
}

void ledger_rows_bind(sqlite3_stmt *statement, const struct ledger_filter *filter, usec_t unit)
{
    int64_t until = filter->until == 0 ? INT64_MAX : (filter->until + unit - 1) / unit;
    (void)sqlite3_bind_int64(statement, 1, filter->since / unit);
    (void)sqlite3_bind_int64(statement, 2, until);
    (void)sqlite3_bind_text(statement, 3, filter->tenant, -1, SQLITE_STATIC); /* NULL: any */
    (void)sqlite3_bind_text(statement, 4, filter->route, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 5, filter->model, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(statement) >= 6) {
        (void)sqlite3_bind_int64(statement, 6, filter->utc_offset);
    }
}
