/* Task: tell the user where the mistake in a configuration file is, and what to do about it.
   From cms.h: "Errors". */
#include <cms.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void print(cms_status status)
{
    cms_error error;

    error.size = sizeof error;
    if (status == CMS_OK || cms_last_error(&error) != CMS_OK || error.status != status) {
        puts("there should be an error");
        return;
    }
    printf("%s:", cms_status_name((int32_t)status));
    if (error.line != 0)
        printf(" %s, line %u;", name_of(error.file), error.line);
    if (error.column != 0)
        printf(" column %u;", error.column);
    printf(" %s\n", error.hint[0] != '\0' ? "with a hint" : "without a hint");
}

int main(void)
{
    cms_options options;
    cms_store *store;
    char text[32];

    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    print(cms_get(store, "broken.a.b", text, sizeof text, NULL));
    print(cms_get(store, "network.lan.nothing", text, sizeof text, NULL));
    print(cms_get(store, "network.lan.dns", text, sizeof text, NULL));
    print(cms_get(store, "not a key", text, sizeof text, NULL));
    cms_close(store);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_dir = "/no/such/directory";
    print(cms_open(&options, &store));
    return 0;
}
