/*
 * secret_source: where secrets are kept: a sealed file, environment variables, a directory; or a
 * store that is asked over the network, of which only the name is known here (secret_remote.h).
 *
 * Blocking (small local files); called from the main thread at start and on refresh, never from a
 * worker.
 */
#pragma once

#include "base/secret.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum secret_source_kind {
    SECRET_SOURCE_SEALED,
    SECRET_SOURCE_ENV,
    SECRET_SOURCE_DIRECTORY,
    SECRET_SOURCE_SYSTEMD, /* the directory that $CREDENTIALS_DIRECTORY names */
    SECRET_SOURCE_VAULT,   /* this one and those behind it are remote */
    SECRET_SOURCE_AWS_SECRETS_MANAGER,
    SECRET_SOURCE_AWS_SSM,
    SECRET_SOURCE_GCP_SECRET_MANAGER,
    SECRET_SOURCE_AZURE_KEY_VAULT,
    SECRET_SOURCE_KINDS
};

struct secret_source {
    enum secret_source_kind kind;
    const char *path;     /* sealed: the file; directory: the folder */
    const char *key_file; /* sealed; or its passphrase's file: */
    bool by_passphrase;
    const char *prefix;     /* env; "SALLYPORT_SECRET_" */
    const char *id;         /* remote: the same for sources that are set alike; else NULL */
    const char *where;      /* remote: what it is, for people */
    const char *credential; /* remote: its own secret, from the sources above it; NULL: none */
};

/* By enum secret_source_kind, as the config has them ("vault"); NULL behind the last. */
extern const char *const secret_source_types[SECRET_SOURCE_KINDS + 1];
bool secret_source_remote(const struct secret_source *source);

/* The opened sealed file of one source, for reading many names: opened anew when the file has
 * changed. Zero-initialized is empty. */
struct sealed_file;
struct secret_source_cache {
    struct sealed_file *opened; /* owned */
    uint64_t stamp;             /* of what was opened */
};

/* Of a source that is not remote. STATUS_NOT_FOUND: this source has no such name (or its file,
 * folder or variable is not there, or the variable is empty), ask the next. Any other failure ends
 * the search. env: "openai-key" with prefix P is P + OPENAI_KEY. directory, systemd: the file of
 * that name, one trailing newline removed, 64 KiB at most; one that everybody may write to is
 * refused. */
MUST_USE enum status secret_source_read(const struct secret_source *source,
                                        struct secret_source_cache *cache, const char *name,
                                        struct secret **ret, struct error *err);
void secret_source_cache_fini(struct secret_source_cache *cache);

/* "sealed FILE", "variable NAME", "file PATH" or a remote one: where the source looks for the name;
 * for messages.
 */
void secret_source_describe(const struct secret_source *source, const char *name, char *out,
                            size_t size);

/* Changes whenever the source's contents may have (file times and sizes); cheap. 0 for env and
 * remote ones. */
uint64_t secret_source_stamp(const struct secret_source *source, const char *name);
