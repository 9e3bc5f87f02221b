/* Values with types: what UCI text makes of typed writes, types of values, sums, and changes under a condition. */
#define _POSIX_C_SOURCE 200112L
#include "check.h"

static void types_are_written_and_read(const cms_store *store)
{
    const char *bits[] = { "on", "off" };
    cms_snapshot *snapshot;
    char buffer[32];
    cms_type type = CMS_TYPE_NULL;
    int32_t truth;
    cms_txn *txn;
    cms_key *key;

    CHECK(cms_set_typed(store, "t.s.truth", CMS_TYPE_BOOL, "yes") == CMS_OK);
    CHECK(cms_get(store, "t.s.truth", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "1") == 0);
    CHECK(cms_get_bool(store, "t.s.truth", 0, &truth) == CMS_OK && truth == 1);
    CHECK(cms_set_typed(store, "t.s.number", CMS_TYPE_INT, "many") == CMS_ERR_TYPE);
    CHECK(cms_set_typed(store, "t.s.number", CMS_TYPE_LIST, "1") == CMS_ERR_INVALID);
    REFUSED(cms_set_typed(store, "t.s.number", 99, "1"), "type");
    CHECK(cms_set_typed_list(store, "t.s.bits", CMS_TYPE_BOOL_LIST, bits, 2) == CMS_OK);
    CHECK(cms_set_typed_list(store, "t.s.bits", CMS_TYPE_INT_LIST, bits, 2) == CMS_ERR_TYPE);
    /* UCI text has strings and lists. */
    CHECK(cms_get_type(store, "t.s.truth", &type) == CMS_OK && type == CMS_TYPE_STRING);
    CHECK(cms_get_type(store, "t.s.bits", &type) == CMS_OK && type == CMS_TYPE_LIST);
    CHECK(cms_get_type(store, "t.s.none", &type) == CMS_ERR_NOT_FOUND && type == CMS_TYPE_LIST);
    CHECK(strcmp(cms_type_name(CMS_TYPE_INT_LIST), "int-list") == 0 && *cms_type_name(99) == 0);

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_snapshot_get_type(snapshot, "t.s.list", &type) == CMS_OK && type == CMS_TYPE_LIST);
    cms_snapshot_close(snapshot);
    CHECK(cms_key_open(store, "t.s.name", &key) == CMS_OK);
    CHECK(cms_key_get_type(key, &type) == CMS_OK && type == CMS_TYPE_STRING);
    cms_key_close(key);
    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set_typed(txn, "t.s.real", CMS_TYPE_FLOAT, "2") == CMS_OK);
    CHECK(cms_txn_get_type(txn, "t.s.real", &type) == CMS_OK && type == CMS_TYPE_STRING);
    CHECK(cms_txn_get(txn, "t.s.real", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "2.0") == 0);
    CHECK(cms_txn_set_typed_list(txn, "t.s.bits", CMS_TYPE_LIST, NULL, 0) == CMS_OK);
    cms_txn_rollback(txn);
    REFUSED(cms_get_type(store, "t.s.name", NULL), "type");
    REFUSED(cms_set_typed(store, "t.s.name", CMS_TYPE_INT, NULL), "value");
}

static void sums_and_conditions(const cms_store *store)
{
    uint64_t revision;
    int64_t sum = 0;
    cms_txn *txn;

    CHECK(cms_set_int(store, "t.s.number", -42) == CMS_OK);
    CHECK(cms_add_int(store, "t.s.number", 50, &sum) == CMS_OK && sum == 8);
    CHECK(cms_add_int(store, "t.s.counter", 1, NULL) == CMS_OK);
    CHECK(cms_add_int(store, "t.s.name", 1, &sum) == CMS_ERR_TYPE && sum == 8);
    CHECK(cms_add_int(store, "t.s.number", INT64_MAX, &sum) == CMS_ERR_RANGE && sum == 8);
    CHECK(cms_set_if(store, "t.s.number", "9", "7") == CMS_ERR_CONFLICT);
    CHECK(cms_set_if(store, "t.s.number", "9", "8") == CMS_OK);
    CHECK(cms_set_if(store, "t.s.number", "10", NULL) == CMS_ERR_CONFLICT);
    CHECK(cms_set_if(store, "t.s.fresh", "1", NULL) == CMS_OK);
    CHECK(cms_revision(store, &revision) == CMS_OK);
    CHECK(cms_set_if_revision(store, "t.s.fresh", "2", revision) == CMS_OK);
    CHECK(cms_set_if_revision(store, "t.s.fresh", "3", revision) == CMS_ERR_CONFLICT);
    CHECK(cms_set_if_revision(store, "t.s.fresh", "3", revision + 100) == CMS_ERR_INVALID);

    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_expect(txn, "t.s.fresh", "2") == CMS_OK);
    CHECK(cms_txn_expect(txn, "t.s.fresh", "1") == CMS_ERR_CONFLICT);
    CHECK(cms_txn_expect_revision(txn, "t.s.fresh", revision) == CMS_ERR_CONFLICT);
    CHECK(cms_txn_add_int(txn, "t.s.counter", 5, &sum) == CMS_OK && sum == 6);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    REFUSED(cms_add_int(store, NULL, 1, &sum), "key");
    REFUSED(cms_set_if(store, "t.s.number", NULL, "8"), "value");
}

int main(void)
{
    cms_store *store;

    CHECK(cms_open(NULL, &store) == CMS_OK);
    types_are_written_and_read(store);
    sums_and_conditions(store);
    cms_close(store);
    puts("all good");
    return 0;
}
