#include "gateway/upstream/trust.h"

#include "base/memory.h"
#include "base/tls_identity.h"
#include "gateway/upstream/link.h"
#include "routes/origin.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/* Which version of a file it is. */
struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/* The files that a trust is made of. */
enum { CA_FILE, CERT_FILE, KEY_FILE, FILES };

struct trust {
    struct trust_list *list; /* borrowed: outlives it */
    struct trust *next;
    char *files[FILES]; /* owned; NULL: the system's, or none */
    struct version versions[FILES];
    unsigned users;
    CURLSH *share;     /* owned */
    X509_STORE *store; /* ref; NULL: not loaded yet */
    SSL_CTX *identity; /* owned; NULL: not loaded yet, or none is shown */
};

static struct version version_of(const char *path)
{
    struct stat found;
    if (path == NULL || stat(path, &found) != 0) {
        return (struct version){0};
    }
    return (struct version){found.st_dev, found.st_ino, found.st_size, found.st_ctim};
}

static bool same_version(const struct version *a, const struct version *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool same_file(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_files(const struct trust *trust, const char *const files[FILES])
{
    bool same = true;
    for (unsigned i = 0; i < FILES; i++) {
        same = same && same_file(trust->files[i], files[i]);
    }
    return same;
}

static bool is_current(const struct trust *trust)
{
    bool current = true;
    for (unsigned i = 0; i < FILES; i++) {
        struct version version = version_of(trust->files[i]);
        current = current && same_version(&trust->versions[i], &version);
    }
    return current;
}

static void free_trust(struct trust *trust)
{
    CURLSHcode code = curl_share_cleanup(trust->share);
    assert(code == CURLSHE_OK);
    (void)code;
    X509_STORE_free(trust->store);
    SSL_CTX_free(trust->identity);
    for (unsigned i = 0; i < FILES; i++) {
        memory_free(trust->files[i]);
    }
    memory_free(trust);
}

static struct trust *new_trust(struct trust_list *list, const char *const files[FILES])
{
    struct trust *trust = MEMORY_NEW(struct trust);
    trust->list = list;
    for (unsigned i = 0; i < FILES; i++) {
        trust->files[i] = files[i] == NULL ? NULL : memory_copy(slice_from(files[i]));
        trust->versions[i] = version_of(files[i]);
    }
    trust->share = curl_share_init();
    assert(trust->share != NULL); /* only for want of memory */
    curl_share_setopt(trust->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(trust->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return trust;
}

/* Takes *place out of its list: freed now, or with its last user. */
static void retire(struct trust **place)
{
    struct trust *trust = *place;
    struct trust_list *list = trust->list;
    *place = trust->next;
    if (trust->users == 0) {
        free_trust(trust);
        return;
    }
    trust->next = list->retired;
    list->retired = trust;
}

void trust_list_retire(struct trust_list *list)
{
    while (list->first != NULL) {
        retire(&list->first);
    }
}

void trust_list_fini(struct trust_list *list)
{
    trust_list_retire(list);
    assert(list->retired == NULL);
}

struct trust *trust_take(struct trust_list *list, const struct origin *origin)
{
    static const char *const none[FILES] = {NULL};
    const char *const given[FILES] = {
        [CA_FILE] = origin->ca_file,
        [CERT_FILE] = origin->cert_file,
        [KEY_FILE] = origin->key_file,
    };
    const char *const *files = origin->tls ? given : none;
    struct trust **place = &list->first;
    while (*place != NULL && !same_files(*place, files)) {
        place = &(*place)->next;
    }
    if (*place != NULL && !is_current(*place)) {
        retire(place);
        place = &list->first;
        while (*place != NULL) {
            place = &(*place)->next;
        }
    }
    if (*place == NULL) {
        *place = new_trust(list, files);
    }
    (*place)->users++;
    return *place;
}

void trust_give_back(struct trust *trust)
{
    if (--trust->users > 0) {
        return;
    }
    for (struct trust **place = &trust->list->retired; *place != NULL; place = &(*place)->next) {
        if (*place == trust) {
            *place = trust->next;
            free_trust(trust);
            return;
        }
    }
}

CURLSH *trust_share(struct trust *trust)
{
    return trust->share;
}

/* "0a775a30.0": certificates that are found by the hash of their name, as c_rehash(1) links them.
 */
static bool is_hashed(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
           name[9] <= '9';
}

static bool has_hashed_names(const char *path)
{
    bool found = false;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        found = is_hashed(entry->d_name);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

/* From a directory one by one, as they are needed: to read all that a system trusts takes as long
 * as hundreds of requests. SSL_CERT_FILE and SSL_CERT_DIR mean what they always do. */
static int load_system(X509_STORE *store)
{
    const char *directory = secure_getenv(X509_get_default_cert_dir_env());
    if (directory == NULL) {
        directory = X509_get_default_cert_dir();
    }
    bool by_file = secure_getenv(X509_get_default_cert_file_env()) != NULL;
    return by_file || !has_hashed_names(directory) ? X509_STORE_set_default_paths(store)
                                                   : X509_STORE_load_path(store, directory);
}

static enum status load(struct trust *trust, struct error *err)
{
    X509_STORE *store = X509_STORE_new();
    int loaded = 0;
    if (store != NULL) {
        ERR_clear_error();
        loaded = trust->files[CA_FILE] == NULL ? load_system(store)
                                               : X509_STORE_load_file(store, trust->files[CA_FILE]);
    }
    if (loaded != 1) {
        X509_STORE_free(store);
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: no certificates can be read from it; write PEM certificates into it, or correct "
             "the route's tls.ca",
             trust->files[CA_FILE] == NULL ? "the system's CA directory" : trust->files[CA_FILE]);
    }
    /* As libcurl does: a listed certificate is believed whether it is a root or not. */
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    trust->store = store;
    return STATUS_OK;
}

/* NOLINTNEXTLINE(readability-function-size): OpenSSL asks for seven parameters */
static void on_message(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *ctx)
{
    const unsigned char *alert = bytes;
    struct link *link = ctx;
    (void)version;
    link->ssl = ssl;
    if (sent == 0 && type == SSL3_RT_ALERT && len == 2 && alert[1] == SSL_AD_CLOSE_NOTIFY) {
        link->close_notify = true;
    } else if (sent == 0 && type == SSL3_RT_ALERT && len == 2) {
        link->alert = alert[1];
    }
    if (sent == 0 && type == SSL3_RT_HANDSHAKE) {
        link->buffers_linger = true;
    }
}

static enum status show_identity(struct trust *trust, SSL_CTX *ctx, struct error *err)
{
    const char *cert_file = trust->files[CERT_FILE];
    if (cert_file == NULL) {
        return STATUS_OK;
    }
    if (trust->identity == NULL) {
        TRY(tls_identity_new(cert_file, trust->files[KEY_FILE], &trust->identity, err));
    }
    if (tls_identity_copy(trust->identity, ctx) != STATUS_OK) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: OpenSSL does not take this certificate", cert_file);
    }
    return STATUS_OK;
}

enum status trust_apply(struct trust *trust, SSL_CTX *ctx, struct link *link, struct error *err)
{
    if (trust->store == NULL) {
        TRY(load(trust, err));
    }
    SSL_CTX_set1_cert_store(ctx, trust->store);
    TRY(show_identity(trust, ctx, err));
    /* Read ahead: one system call a record instead of two. The buffers are given back whenever
     * they are empty; what is written again after EAGAIN may lie elsewhere: see link.c. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    /* libcurl tells an ended session from a cut connection no more than a socket does. */
    SSL_CTX_set_msg_callback(ctx, on_message);
    SSL_CTX_set_msg_callback_arg(ctx, link);
    return STATUS_OK;
}
