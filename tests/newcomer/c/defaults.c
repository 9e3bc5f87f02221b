/* Task: read options of each kind; where one is missing or wrong, go on with a default and say what is wrong.
   From cms.h: "Reading values", "Errors". */
#include <cms.h>
#include <stdio.h>

static void complain(void)
{
    cms_error error;

    error.size = sizeof error;
    if (cms_last_error(&error) == CMS_OK)
        printf("  %s, key '%s'\n", cms_status_name((int32_t)error.status), error.key);
}

int main(void)
{
    cms_store *store;
    char name[16];
    int64_t mtu;
    int32_t enabled;
    double weight;
    uint64_t buffer;
    size_t len;

    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    if (cms_get_int(store, "network.lan.mtu", 1500, &mtu) == CMS_OK)
        printf("mtu %d\n", (int)mtu);
    if (cms_get_int(store, "network.lan.metric", 10, &mtu) == CMS_ERR_NOT_FOUND)
        printf("metric %d by default\n", (int)mtu);
    if (cms_get_bool(store, "network.lan.enabled", 0, &enabled) == CMS_OK)
        printf("enabled %d\n", (int)enabled);
    if (cms_get_size(store, "network.lan.buffer", 4096, &buffer) == CMS_OK)
        printf("buffer %lu\n", (unsigned long)buffer);
    if (cms_get_double(store, "network.lan.weight", 0.5, &weight) == CMS_ERR_TYPE) {
        printf("weight %.1f by default\n", weight);
        complain();
    }
    /* A value that is longer than the buffer is cut off, and its length says so. */
    if (cms_get(store, "network.lan.label", name, sizeof name, &len) == CMS_OK && len >= sizeof name)
        printf("label '%s' and %d bytes more\n", name, (int)(len - sizeof name + 1));
    if (cms_get_int_range(store, "network.lan.mtu", 68, 1280, 1280, &mtu) == CMS_ERR_RANGE) {
        cms_error error;

        error.size = sizeof error;
        if (cms_last_error(&error) == CMS_OK)
            printf("mtu '%s' in line %u is refused; using %d\n", error.value, error.line, (int)mtu);
    }
    if (cms_get_string(store, "network.lan.proto", "static", name, sizeof name, NULL) == CMS_ERR_NOT_FOUND)
        printf("proto %s by default\n", name);
    cms_close(store);
    return 0;
}
