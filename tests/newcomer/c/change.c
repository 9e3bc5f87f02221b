/* Task: change an option; change several things together; handle it if another program was faster.
   From cms.h: "Changes in one call", "Transactions". */
#include <cms.h>
#include <stdio.h>
#include <string.h>

/* Adds one to a counter, however many programs do so at the same time. */
static cms_status count(const cms_store *store, int disturb)
{
    cms_status status;
    int tries = 0;

    do {
        cms_txn *txn;
        char old[32], fresh[32];
        int number = 0;

        if ((status = cms_begin(store, &txn)) != CMS_OK)
            return status;
        if (cms_txn_get(txn, "network.lan.count", old, sizeof old, NULL) == CMS_OK)
            sscanf(old, "%d", &number);
        if (tries++ < disturb)
            cms_set_int(store, "network.lan.count", 100); /* stands for the other program */
        sprintf(fresh, "%d", number + 1);
        if ((status = cms_txn_set(txn, "network.lan.count", fresh)) != CMS_OK) {
            cms_txn_rollback(txn);
            return status;
        }
        status = cms_txn_commit(txn, NULL);
    } while (status == CMS_ERR_CONFLICT && tries < 10);
    printf("counted after %d tries\n", tries);
    return status;
}

int main(void)
{
    const char *servers[] = { "9.9.9.9", "1.1.1.1" };
    cms_store *store;
    cms_txn *txn;
    char name[32], text[200];
    uint64_t revision;

    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    if (cms_set_int(store, "network.lan.mtu", 1280) != CMS_OK || cms_delete(store, "network.lan.label") != CMS_OK)
        return 1;

    /* All of it happens, or nothing. */
    if (cms_begin(store, &txn) != CMS_OK)
        return 1;
    if (cms_txn_set(txn, "network.guest", "interface") != CMS_OK
        || cms_txn_set(txn, "network.guest.ipaddr", "10.1.0.1") != CMS_OK
        || cms_txn_set_list(txn, "network.guest.dns", servers, 2) != CMS_OK
        || cms_txn_add_section(txn, "network", "route", name, sizeof name, NULL) != CMS_OK
        || cms_txn_set_message(txn, "a network for guests") != CMS_OK) {
        cms_txn_rollback(txn);
        return 1;
    }
    if (cms_txn_commit(txn, &revision) != CMS_OK || revision == 0)
        return 1;
    if (cms_get(store, "network.guest.ipaddr", text, sizeof text, NULL) == CMS_OK)
        printf("guest %s\n", text);

    if (count(store, 1) != CMS_OK || cms_get(store, "network.lan.count", text, sizeof text, NULL) != CMS_OK)
        return 1;
    printf("count %s\n", text);

    /* What is not allowed is refused, and the message says why. */
    if (cms_set(store, "network.lan.bad-name", "x") == CMS_ERR_INVALID) {
        cms_last_message(text, sizeof text);
        printf("%s\n", strstr(text, "bad-name") ? "the message names the option" : text);
    }
    cms_close(store);
    return 0;
}
