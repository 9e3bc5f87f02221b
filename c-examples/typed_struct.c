/* Fills a struct from a section. One table lists the fields; the struct and the reading are made from it. */
#include <cms.h>
#include <inttypes.h>
#include <stdio.h>

/* field, how it is read, its type, its default */
#define INTERFACE_FIELDS(FIELD)           \
    FIELD(mtu, int, int64_t, 1500)        \
    FIELD(metric, int, int64_t, 0)        \
    FIELD(force_link, bool, int32_t, 0)   \
    FIELD(weight, double, double, 1.0)    \
    FIELD(buffer, size, uint64_t, 65536)

struct interface {
#define MEMBER(name, read, type, fallback) type name;
    INTERFACE_FIELDS(MEMBER)
#undef MEMBER
};

/* Returns the number of malformed options, which get their defaults. */
static int read_interface(const cms_store *store, const char *section, struct interface *interface)
{
    int malformed = 0;
    char key[128];

#define READ(name, read, type, fallback)                                              \
    snprintf(key, sizeof key, "network.%s." #name, section);                          \
    if (cms_get_##read(store, key, fallback, &interface->name) == CMS_ERR_TYPE) {     \
        char message[256];                                                            \
        cms_last_message(message, sizeof message);                                    \
        fprintf(stderr, "%s\n", message);                                             \
        malformed++;                                                                  \
    }
    INTERFACE_FIELDS(READ)
#undef READ
    return malformed;
}

int main(void)
{
    struct interface lan;
    cms_store *store;
    int malformed;

    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    malformed = read_interface(store, "lan", &lan);
    printf("mtu %" PRId64 " metric %" PRId64 " force_link %d weight %.1f buffer %" PRIu64 "\n", lan.mtu,
           lan.metric, (int)lan.force_link, lan.weight, lan.buffer);
    printf("malformed %d\n", malformed);
    cms_close(store);
    return 0;
}
