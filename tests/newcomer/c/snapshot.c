/* Task: read several options that belong together, while another program changes them; and one option again and again.
   From cms.h: "Snapshots: many values of one state", "Prepared keys". */
#include <cms.h>
#include <stdio.h>

int main(void)
{
    const char *keys[] = { "network.lan.ipaddr", "network.lan.netmask", "network.lan.gateway" };
    cms_bytes values[3], items, item, now;
    cms_store *store;
    cms_snapshot *snapshot;
    cms_key *key;
    int i;

    if (cms_open(NULL, &store) != CMS_OK || cms_snapshot_open(store, &snapshot) != CMS_OK
        || cms_key_open(store, keys[0], &key) != CMS_OK)
        return 1;
    if (cms_snapshot_get_many(snapshot, keys, 3, values) != CMS_OK || cms_set(store, keys[0], "10.9.9.9") != CMS_OK)
        return 1;
    /* The other program has changed the address, but not this snapshot. */
    if (cms_snapshot_get_many(snapshot, keys, 3, values) != CMS_OK)
        return 1;
    for (i = 0; i < 3; i++)
        printf("%s is %s\n", keys[i], values[i].data ? values[i].data : "not set");
    if (cms_snapshot_get_list(snapshot, "network.lan.dns", &items) == CMS_OK)
        while (cms_bytes_next(&items, &item) == CMS_OK)
            printf("dns %s\n", item.data);
    if (cms_key_get(key, &now) == CMS_OK)
        printf("now it is %s\n", now.data);
    cms_key_close(key);
    cms_snapshot_close(snapshot);
    cms_close(store);
    return 0;
}
