/* Task: list all sections of a type with their options; once with iterators, once with callbacks. Find out the name of
   an anonymous section. From cms.h: "Iterating". */
#include <cms.h>
#include <stdio.h>

static int32_t print_option(const cms_option *option, void *data)
{
    cms_bytes items = option->items, item;

    printf("%s %s:", (const char *)data, option->name.data);
    while (cms_bytes_next(&items, &item) == CMS_OK)
        printf(" '%s'", item.data);
    putchar('\n');
    return 0;
}

static int with_iterators(const cms_store *store)
{
    cms_snapshot *snapshot;
    cms_section_iter *sections;
    cms_section section;
    char prefix[64];

    section.size = sizeof section;
    if (cms_snapshot_open(store, &snapshot) != CMS_OK)
        return -1;
    if (cms_section_iter_open(snapshot, "network", "interface", &sections) != CMS_OK)
        return -1;
    while (cms_section_iter_next(sections, &section) == CMS_OK) {
        cms_option_iter *options;
        cms_option option;

        option.size = sizeof option;
        snprintf(prefix, sizeof prefix, "interface %s", section.name.data);
        if (cms_option_iter_open(snapshot, "network", section.name.data, &options) != CMS_OK)
            return -1;
        while (cms_option_iter_next(options, &option) == CMS_OK)
            print_option(&option, prefix);
        cms_option_iter_close(options);
    }
    cms_section_iter_close(sections);
    cms_snapshot_close(snapshot);
    return 0;
}

int main(void)
{
    cms_store *store;
    char key[64], route[] = "route";

    if (cms_open(NULL, &store) != CMS_OK || with_iterators(store) != 0)
        return 1;
    /* A selector finds the section; its name goes on to mean it when others are added. */
    if (cms_resolve(store, "network.@route[0]", key, sizeof key, NULL) != CMS_OK)
        return 1;
    if (cms_foreach_option(store, "network", key + sizeof "network." - 1, print_option, route, NULL) != CMS_OK)
        return 1;
    cms_close(store);
    return 0;
}
