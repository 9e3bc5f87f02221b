/* Calls functions with NULL where it is not allowed: each refuses the call, names the argument, and writes nothing. Built
   as C and as C++. */
#define _POSIX_C_SOURCE 200112L
#include "check.h"

static void nulls_of_reads(cms_store *store, const cms_snapshot *snapshot)
{
    const char *keys[] = { "t.s.name", NULL };
    char buffer[8] = "before";
    cms_bytes bytes, values[2];
    cms_list *list;
    cms_key *key;
    size_t len = 7;
    int64_t number;

    REFUSED(cms_get(NULL, "t.s.name", buffer, sizeof buffer, &len), "store");
    REFUSED(cms_get(store, NULL, buffer, sizeof buffer, &len), "key");
    REFUSED(cms_get(store, "t.s.name", NULL, 1, &len), "buffer");
    REFUSED(cms_get(store, "t.s.none", NULL, 1, &len), "buffer");
    CHECK(len == 7 && strcmp(buffer, "before") == 0);
    REFUSED(cms_get_int(NULL, "t.s.number", 7, &number), "store");
    REFUSED(cms_get_int(store, NULL, 7, &number), "key");
    REFUSED(cms_get_bool(store, "t.s.truth", 0, NULL), "value");
    REFUSED(cms_get_double(store, "t.s.real", 0, NULL), "value");
    REFUSED(cms_get_size(store, "t.s.size", 0, NULL), "value");
    REFUSED(cms_refresh(NULL, NULL), "store");
    REFUSED(cms_flush(NULL), "store");
    REFUSED(cms_revision(store, NULL), "revision");
    REFUSED(cms_list_open(store, NULL, &list), "key");
    REFUSED(cms_list_open(store, "t.s.list", NULL), "list");
    REFUSED(cms_list_len(NULL, &len), "list");
    REFUSED(cms_snapshot_open(store, NULL), "snapshot");
    REFUSED(cms_snapshot_revision(snapshot, NULL), "revision");
    REFUSED(cms_snapshot_get(NULL, "t.s.name", &bytes), "snapshot");
    REFUSED(cms_snapshot_get(snapshot, NULL, &bytes), "key");
    REFUSED(cms_snapshot_get_list(snapshot, "t.s.list", NULL), "items");
    REFUSED(cms_snapshot_get_list(snapshot, NULL, &bytes), "key");
    REFUSED(cms_snapshot_get_many(snapshot, keys, 2, values), "one of keys");
    REFUSED(cms_snapshot_get_many(snapshot, NULL, 2, values), "keys");
    REFUSED(cms_snapshot_get_many(snapshot, keys, 1, NULL), "values");
    REFUSED(cms_bytes_next(NULL, &bytes), "items");
    REFUSED(cms_bytes_next(&bytes, NULL), "item");
    REFUSED(cms_key_open(store, NULL, &key), "text");
    REFUSED(cms_key_open(store, "t.s.name", NULL), "key");
    REFUSED(cms_key_get(NULL, &bytes), "key");
}

static void nulls_of_the_rest(cms_store *store, const cms_snapshot *snapshot)
{
    const char *keys[] = { "t.s.name", NULL };
    cms_section_iter *sections;
    cms_option_iter *options;
    cms_bytes bytes;
    cms_list *list;
    cms_txn *txn;
    char name[32];

    REFUSED(cms_package_iter_open(snapshot, NULL), "iter");
    REFUSED(cms_package_iter_next(NULL, &bytes), "iter");
    REFUSED(cms_section_iter_open(snapshot, NULL, NULL, &sections), "package");
    REFUSED(cms_section_iter_open(snapshot, "t", "\xff", &sections), "type");
    REFUSED(cms_section_iter_open(snapshot, "t", NULL, NULL), "iter");
    REFUSED(cms_section_iter_next(NULL, NULL), "section");
    REFUSED(cms_option_iter_open(snapshot, "t", NULL, &options), "section");
    REFUSED(cms_option_iter_next(NULL, NULL), "option");
    REFUSED(cms_begin(store, NULL), "txn");
    REFUSED(cms_txn_set(NULL, "t.s.name", "x"), "txn");
    CHECK(cms_begin(store, &txn) == CMS_OK);
    REFUSED(cms_txn_set(txn, NULL, "x"), "key");
    REFUSED(cms_txn_set(txn, "t.s.name", NULL), "value");
    REFUSED(cms_txn_set(txn, "\xff", "x"), "key");
    REFUSED(cms_txn_set_list(txn, "t.s.list", NULL, 1), "items");
    REFUSED(cms_txn_set_list(txn, "t.s.list", keys, 2), "one of items");
    REFUSED(cms_txn_list_open(txn, NULL, &list), "key");
    REFUSED(cms_txn_list_open(txn, "t.s.list", NULL), "list");
    REFUSED(cms_list_open_at(NULL, "t.s.list", 1, &list), "store");
    REFUSED(cms_list_open_at(store, "t.s.list", 1, NULL), "list");
    REFUSED(cms_txn_rename(txn, "t.s.name", NULL), "name");
    REFUSED(cms_txn_add_section(txn, NULL, "x", name, sizeof name, NULL), "package");
    REFUSED(cms_txn_add_section(txn, "t", NULL, name, sizeof name, NULL), "type");
    REFUSED(cms_txn_add_section(txn, "t", "x", NULL, 1, NULL), "buffer");
    REFUSED(cms_txn_delete(txn, NULL), "key");
    REFUSED(cms_txn_get(txn, NULL, name, sizeof name, NULL), "key");
    REFUSED(cms_txn_get(txn, "t.s.name", NULL, 1, NULL), "buffer");
    REFUSED(cms_txn_info(NULL, NULL, NULL, NULL), "txn");
    REFUSED(cms_txn_savepoint(txn, NULL), "savepoint");
    REFUSED(cms_txn_rollback_to(txn, 7), "savepoint");
    cms_txn_rollback(txn);
}

/* Runs the calls on a store. */
static void nulls(cms_store *store)
{
    cms_snapshot *snapshot;

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    nulls_of_reads(store, snapshot);
    nulls_of_the_rest(store, snapshot);
    cms_snapshot_close(snapshot);
}

int main(void)
{
    cms_options options;
    cms_store *store;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_dir = getenv("CMS_CONFIG_DIR");
    CHECK(cms_open(&options, &store) == CMS_OK);
    nulls(store);
    cms_close(store);
    puts("all good");
    return 0;
}
