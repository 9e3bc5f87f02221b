/* Changes two packages in one transaction, and shows the error of a transaction that cannot be made. */
#include <cms.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    cms_error error;

    error.size = sizeof error;
    if (cms_last_error(&error) == CMS_OK)
        fprintf(stderr, "%s: %s (%s)\n", what, error.message, cms_status_name(error.status));
    return 1;
}

int main(void)
{
    cms_store *store;
    cms_txn *txn;
    uint64_t revision;
    char name[64], key[96];

    if (cms_open(NULL, &store) != CMS_OK)
        return fail("open");
    if (cms_begin(store, &txn) != CMS_OK)
        return fail("begin");
    if (cms_txn_set(txn, "network.lan.ipaddr", "192.168.7.1") != CMS_OK
        || cms_txn_add_list(txn, "network.lan.dns", "9.9.9.9") != CMS_OK
        || cms_txn_set(txn, "system.@system[0].hostname", "seven") != CMS_OK
        || cms_txn_add_section(txn, "network", "route", name, sizeof name, NULL) != CMS_OK) {
        cms_txn_rollback(txn);
        return fail("change");
    }
    snprintf(key, sizeof key, "network.%s.target", name);
    if (cms_txn_set(txn, key, "10.9.0.0/16") != CMS_OK) {
        cms_txn_rollback(txn);
        return fail(key);
    }
    /* The transaction is freed here, even if the commit fails. */
    if (cms_txn_commit(txn, &revision) != CMS_OK)
        return fail("commit");
    printf("committed\n");

    if (cms_begin(store, &txn) != CMS_OK)
        return fail("begin");
    if (cms_txn_set(txn, "network.nowhere.proto", "static") != CMS_ERR_NOT_FOUND)
        return fail("a section that is not there");
    printf("refused\n");
    cms_txn_rollback(txn);
    cms_close(store);
    return 0;
}
