/* Task: print who changed an option, from what to what and why; read its value of before; take the last change back.
   From cms.h: "History: who changed what", "Earlier states", "Undo, rollback and confirmation". */
#include <cms.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    cms_options options;
    cms_store *store;
    cms_txn *txn;
    cms_history *history;
    cms_record record;
    cms_change change;
    char value[64];
    uint64_t before, changed;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.source = "newcomer";
    record.size = sizeof record;
    change.size = sizeof change;
    if (cms_open(&options, &store) != CMS_OK || cms_find_revision(store, "now", &before) != CMS_OK)
        return 1;
    if (cms_begin(store, &txn) != CMS_OK || cms_txn_set(txn, "network.lan.ipaddr", "10.5.5.5") != CMS_OK
        || cms_txn_set_message(txn, "moved") != CMS_OK || cms_txn_commit(txn, &changed) != CMS_OK)
        return 1;
    if (cms_history_open(store, "network.lan.ipaddr", 1, &history) != CMS_OK)
        return 1;
    while (cms_history_next(history, &record) == CMS_OK)
        while (cms_history_next_change(history, &change) == CMS_OK)
            printf("%s by %s (%s): %s -> %s\n", change.key.data, record.source.data, record.message.data,
                change.old_items.data, change.new_items.data);
    cms_history_close(history);
    if (cms_get_at(store, "network.lan.ipaddr", before, value, sizeof value, NULL) == CMS_OK)
        printf("before it was %s\n", value);
    if (cms_undo(store, changed, "a mistake", NULL) == CMS_OK
        && cms_get(store, "network.lan.ipaddr", value, sizeof value, NULL) == CMS_OK)
        printf("now it is %s again\n", value);
    cms_close(store);
    return 0;
}
