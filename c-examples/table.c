/* A table of users: inserts rows, finds one by a column, changes and deletes rows, prints them sorted. */
#include "check.h"

static void print(const cms_table *table, const char *column, const char *value, const char *sort)
{
    cms_section_iter *rows;
    cms_section row;
    cms_option cell;
    cms_status status;

    CHECK(cms_table_section_iter_open(table, column, value, sort, &rows) == CMS_OK);
    row.size = sizeof row;
    cell.size = sizeof cell;
    while ((status = cms_section_iter_next(rows, &row)) == CMS_OK) {
        CHECK(cms_table_get(table, row.name.data, "name", &cell) == CMS_OK);
        printf(" %s", cell.value.data);
    }
    CHECK(status == CMS_ERR_END);
    cms_section_iter_close(rows);
    printf("\n");
}

static void insert(const cms_table *table, cms_txn *txn, const char *row, const char *id, const char *name)
{
    const char *columns[2], *values[2];

    columns[0] = "id", values[0] = id;
    columns[1] = "name", values[1] = name;
    CHECK(cms_table_insert(table, txn, row, columns, values, 2, NULL, 0, NULL) == CMS_OK);
}

/* What is wrong is refused, and changes nothing. */
static void refusals(const cms_store *store, const cms_table *table)
{
    cms_txn *txn;
    cms_table *none;
    cms_option cell;
    size_t count;
    const char *column = "id", *bad = "not-a-name", *value = "9";

    cell.size = sizeof cell;
    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_table_insert(table, txn, "admin", &column, &value, 1, NULL, 0, NULL) == CMS_ERR_EXISTS);
    CHECK(cms_table_insert(table, txn, "other", &bad, &value, 1, NULL, 0, NULL) == CMS_ERR_INVALID);
    REFUSED(cms_table_insert(table, txn, "other", NULL, &value, 1, NULL, 0, NULL), "columns");
    REFUSED(cms_table_update(table, txn, "admin", &column, NULL, 1), "values");
    CHECK(cms_table_update(table, txn, "nobody", &column, &value, 1) == CMS_ERR_NOT_FOUND);
    CHECK(cms_table_delete(table, txn, "nobody") == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_info(txn, NULL, NULL, &count) == CMS_OK && count == 0);
    cms_txn_rollback(txn);
    CHECK(cms_table_get(table, "admin", "shoe_size", &cell) == CMS_ERR_NOT_FOUND);
    CHECK(cms_table_get(table, "nobody", "name", &cell) == CMS_ERR_NOT_FOUND);
    CHECK(cms_table_open(store, "no/package", "user", &none) == CMS_ERR_INVALID);
    CHECK(cms_table_open(store, "nothing", "user", &none) == CMS_OK);
    CHECK(cms_table_len(none, &count) == CMS_ERR_NOT_FOUND);
    cms_table_close(none);
}

int main(void)
{
    cms_store *store;
    cms_snapshot *snapshot;
    cms_table *table, *before;
    cms_txn *txn;
    cms_section row;
    cms_option cell;
    cms_list *columns;
    cms_bytes column;
    size_t count;
    int32_t changed;
    char name[32];
    const char *update[2], *values[2];

    CHECK(cms_open(NULL, &store) == CMS_OK);
    CHECK(cms_table_open(store, "users", "user", &table) == CMS_OK);
    CHECK(cms_begin(store, &txn) == CMS_OK);
    insert(table, txn, "admin", "1", "admin");
    insert(table, txn, NULL, "10", "guest");
    insert(table, txn, "root", "9", "root");
    CHECK(cms_table_insert(table, txn, NULL, NULL, NULL, 0, name, sizeof name, &count) == CMS_OK);
    CHECK(count == strlen(name) && cms_table_delete(table, txn, name) == CMS_OK);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_table_refresh(table, &changed) == CMS_OK && changed == 1);
    CHECK(cms_table_refresh(table, NULL) == CMS_OK);
    CHECK(cms_table_len(table, &count) == CMS_OK && count == 3);

    row.size = sizeof row;
    cell.size = sizeof cell;
    CHECK(cms_table_find(table, "id", "1", &row) == CMS_OK && strcmp(row.name.data, "admin") == 0);
    CHECK(cms_table_get(table, row.name.data, "name", &cell) == CMS_OK);
    printf("user 1 is %s\n", cell.value.data);
    CHECK(cms_table_find(table, "id", "2", &row) == CMS_ERR_NOT_FOUND);
    printf("by id:");
    print(table, NULL, NULL, "id");
    printf("by name:");
    print(table, NULL, NULL, "name");

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_snapshot_table_open(snapshot, "users", "user", &before) == CMS_OK);
    cms_snapshot_close(snapshot);
    CHECK(cms_begin(store, &txn) == CMS_OK);
    update[0] = "name", values[0] = "superuser";
    update[1] = "id", values[1] = NULL;
    CHECK(cms_table_update(table, txn, "root", update, values, 2) == CMS_OK);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_table_refresh(table, NULL) == CMS_OK);
    printf("before:");
    print(before, NULL, NULL, NULL);
    printf("now:");
    print(table, NULL, NULL, NULL);
    printf("guests:");
    print(table, "name", "guest", NULL);
    cms_table_close(before);

    CHECK(cms_table_list_open(table, &columns) == CMS_OK && cms_list_len(columns, &count) == CMS_OK && count == 2);
    CHECK(cms_list_item(columns, 0, &column) == CMS_OK && strcmp(column.data, "id") == 0);
    cms_list_close(columns);
    refusals(store, table);
    cms_table_close(table);
    cms_table_close(NULL);
    cms_close(store);
    return 0;
}
