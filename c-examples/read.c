/* Reads single values: as text, as numbers with defaults, and a list. */
#include <cms.h>
#include <inttypes.h>
#include <stdio.h>

static int fail(const char *what)
{
    char message[256];
    cms_last_message(message, sizeof message);
    fprintf(stderr, "%s: %s\n", what, message);
    return 1;
}

int main(void)
{
    cms_store *store = NULL;
    cms_list *list = NULL;
    char address[64];
    size_t length, count;
    int64_t mtu;
    int32_t enabled;
    cms_status status;

    if (cms_open(NULL, &store) != CMS_OK)
        return fail("open");

    status = cms_get(store, "network.lan.ipaddr", address, sizeof address, &length);
    if (status != CMS_OK)
        return fail("network.lan.ipaddr");
    if (length >= sizeof address)
        return fprintf(stderr, "the address is too long: %zu bytes\n", length), 1;
    printf("address %s\n", address);

    /* A missing option has its default; for one that is no number, print a message. */
    status = cms_get_int(store, "network.lan.mtu", 1500, &mtu);
    if (status != CMS_OK && status != CMS_ERR_NOT_FOUND)
        fail("network.lan.mtu");
    printf("mtu %" PRId64 "\n", mtu);

    if (cms_get_bool(store, "network.lan.force_link", 0, &enabled) == CMS_ERR_TYPE)
        fail("network.lan.force_link");
    printf("force_link %d\n", enabled);

    if (cms_list_open(store, "network.lan.dns", &list) == CMS_OK && cms_list_len(list, &count) == CMS_OK) {
        size_t index;
        for (index = 0; index < count; index++) {
            cms_bytes item;
            if (cms_list_item(list, index, &item) == CMS_OK)
                printf("dns %s\n", item.data);
        }
    }
    cms_list_close(list);
    cms_close(store);
    return 0;
}
