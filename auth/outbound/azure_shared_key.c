/*
 * azure_shared_key: Shared Key of Azure Storage for blobs, queues and files, service versions from
 * 2015-02-21 on; the secret is ACCOUNT:KEY, the key in base64.
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
#include "auth/outbound/signer_internal.h"
#include "base/calendar.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/memory.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_MAX = 256, DATE_MAX = 40, MAC_TEXT = (SHA256_BYTES + 2) / 3 * 4 };

/* In the order in which their values are signed; each stands on a line of its own. */
static const struct slice standard_fields[] = {
    SLICE_INIT("content-encoding"),
    SLICE_INIT("content-language"),
    SLICE_INIT("content-length"),
    SLICE_INIT("content-md5"),
    SLICE_INIT("content-type"),
    SLICE_INIT("date"),
    SLICE_INIT("if-modified-since"),
    SLICE_INIT("if-match"),
    SLICE_INIT("if-none-match"),
    SLICE_INIT("if-unmodified-since"),
    SLICE_INIT("range"),
};

static const struct slice own_prefix = SLICE_INIT("x-ms-");

enum status azure_shared_key_check(struct slice secret, struct error *err)
{
    struct signing_parts parts;
    unsigned char key[KEY_MAX];
    size_t len = 0;
    bool valid = signing_split(secret, 2, &parts) && parts.key.len <= KEY_MAX &&
                 decode_base64(parts.key, key, &len) == STATUS_OK && len > 0;
    for (size_t i = 0; valid && i < parts.id.len; i++) {
        valid = ascii_is_alphanumeric(parts.id.ptr[i]) || parts.id.ptr[i] == '-';
    }
    secret_wipe(key, sizeof(key));
    if (!valid) {
        FAIL(err, STATUS_INVALID,
             "a storage account is expected, as ACCOUNT:KEY with the key in base64");
    }
    return STATUS_OK;
}

/* RFC 9110, IMF-fixdate. */
static void write_date(usec_t now, char out[DATE_MAX])
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t day = now / SEC / DAY_SECONDS;
    int of_day = (int)(now / SEC % DAY_SECONDS);
    struct calendar_date date = calendar_date(day);
    (void)snprintf(out, DATE_MAX, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[day % 7], date.day,
                   months[date.month - 1], (int)date.year, of_day / 3600, of_day / 60 % 60,
                   of_day % 60);
}

/* The date is in x-ms-date, so that it is not looked for in Date; a length of 0 is left out. */
static enum status write_standard(const struct signing_request *request, struct buffer *out)
{
    const size_t count = sizeof(standard_fields) / sizeof(standard_fields[0]);
    TRY(buffer_append(out, request->method));
    TRY(buffer_append(out, SLICE("\n")));
    for (size_t i = 0; i < count; i++) {
        struct slice value = {NULL, 0};
        for (unsigned j = 0; j < request->field_count; j++) {
            if (slice_equal_nocase(request->fields[j].name, standard_fields[i])) {
                value = request->fields[j].value;
            }
        }
        bool left_out = slice_equal(standard_fields[i], SLICE("date")) ||
                        (slice_equal(standard_fields[i], SLICE("content-length")) &&
                         slice_equal(value, SLICE("0")));
        TRY(buffer_append(out, left_out ? SLICE("") : value));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return STATUS_OK;
}

static int compare_fields(const void *left, const void *right)
{
    const struct signing_field *a = left;
    const struct signing_field *b = right;
    int order = signing_compare_nocase(a->name, b->name);
    return order != 0 ? order : signing_compare(a->value, b->value);
}

static enum status write_own(const struct signing_request *request, struct slice date,
                             struct buffer *out)
{
    struct signing_field fields[SIGNING_FIELDS_MAX + 1];
    unsigned count = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        if (slice_starts_with_nocase(request->fields[i].name, own_prefix)) {
            fields[count++] = request->fields[i];
        }
    }
    fields[count++] = (struct signing_field){SLICE("x-ms-date"), date};
    qsort(fields, count, sizeof(*fields), compare_fields);
    for (unsigned i = 0; i < count; i++) {
        TRY(signing_append_lower(out, fields[i].name));
        TRY(buffer_append(out, SLICE(":")));
        TRY(buffer_append(out, slice_trim(fields[i].value)));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return STATUS_OK;
}

/* ---- the resource ---- */

/* Decoded, a '+' being a space. */
static struct slice decode_part(struct slice part, char **to)
{
    char *start = *to;
    for (size_t at = 0; at < part.len;) {
        bool plus = part.ptr[at] == '+';
        unsigned char byte = signing_take_decoded(part, &at);
        *(*to)++ = plus ? ' ' : (char)byte;
    }
    return slice_make(start, (size_t)(*to - start));
}

static enum status write_parameters(const struct signing_field *all, size_t count,
                                    struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && slice_equal_nocase(all[i - 1].name, all[i].name);
        if (!again) {
            TRY(buffer_append(out, SLICE("\n")));
            TRY(signing_append_lower(out, all[i].name));
        }
        TRY(buffer_append(out, again ? SLICE(",") : SLICE(":")));
        TRY(buffer_append(out, all[i].value));
    }
    return STATUS_OK;
}

static enum status write_query(struct slice query, struct buffer *out)
{
    char *bytes CLEANUP(memory_free_at) = memory_alloc(query.len + 1);
    char *to = bytes;
    size_t most = 1;
    for (size_t i = 0; i < query.len; i++) {
        most += query.ptr[i] == '&';
    }
    struct signing_field *all CLEANUP(memory_free_at) = memory_alloc(most * sizeof(*all));
    size_t count = 0;
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice parameter = slice_make(query.ptr, end);
        size_t equals = slice_find(parameter, '=');
        query = slice_skip(query, end + 1);
        if (parameter.len > 0) {
            all[count].name = decode_part(slice_make(parameter.ptr, equals), &to);
            all[count].value = decode_part(slice_skip(parameter, equals + 1), &to);
            count++;
        }
    }
    if (count > 1) {
        qsort(all, count, sizeof(*all), compare_fields);
    }
    return write_parameters(all, count, out);
}

static enum status write_resource(struct slice account, struct slice target, struct buffer *out)
{
    size_t mark = slice_find(target, '?');
    TRY(buffer_append(out, SLICE("/")));
    TRY(buffer_append(out, account));
    TRY(buffer_append(out, slice_make(target.ptr, mark)));
    return write_query(slice_skip(target, mark + 1), out);
}

enum status azure_shared_key_sign(const struct signing *it)
{
    struct signing_parts parts;
    unsigned char key_bytes[KEY_MAX];
    unsigned char mac[SHA256_BYTES];
    char mac_text[MAC_TEXT];
    char date[DATE_MAX];
    size_t key_len = 0;
    struct hmac_key key;
    (void)signing_split(it->secret, 2, &parts);
    write_date(it->request->now, date);
    TRY(write_standard(it->request, it->text));
    TRY(write_own(it->request, slice_from(date), it->text));
    TRY(write_resource(parts.id, it->request->target, it->text));
    TRY(decode_base64(parts.key, key_bytes, &key_len));
    hmac_key_init(&key, slice_make((const char *)key_bytes, key_len));
    hmac_sha256(&key, buffer_bytes(it->text), mac);
    secret_wipe(key_bytes, sizeof(key_bytes));
    secret_wipe(&key, sizeof(key));
    size_t mac_len = encode_base64(slice_make((const char *)mac, sizeof(mac)), mac_text);
    TRY(signing_line(it->out, SLICE("x-ms-date"), slice_from(date)));
    TRY(buffer_append(it->out, SLICE("Authorization: SharedKey ")));
    TRY(buffer_append(it->out, parts.id));
    TRY(buffer_append(it->out, SLICE(":")));
    TRY(buffer_append(it->out, slice_make(mac_text, mac_len)));
    return buffer_append(it->out, SLICE("\r\n"));
}
