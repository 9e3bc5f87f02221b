/* Prints everything, as one state: all packages, their sections and options, in the order of the files. */
#include <cms.h>
#include <stdio.h>

static cms_status print_option(const cms_section *section, const cms_option *option)
{
    cms_bytes items = option->items, item;

    printf("  %s.%s", section->name.data, option->name.data);
    while (cms_bytes_next(&items, &item) == CMS_OK)
        printf(" '%s'", item.data);
    printf(option->kind == CMS_OPTION_LIST ? " (list)\n" : "\n");
    return CMS_OK;
}

static cms_status print_section(const cms_snapshot *snapshot, const char *package, const cms_section *section)
{
    cms_option_iter *options;
    cms_option option;
    cms_status status = cms_option_iter_open(snapshot, package, section->name.data, &options);

    option.size = sizeof option;
    if (status != CMS_OK)
        return status;
    printf(" %s %s%s\n", section->type.data, section->name.data, section->anonymous ? " (anonymous)" : "");
    while ((status = cms_option_iter_next(options, &option)) == CMS_OK)
        print_option(section, &option);
    cms_option_iter_close(options);
    return status == CMS_ERR_END ? CMS_OK : status;
}

static cms_status print_package(const cms_snapshot *snapshot, const char *package)
{
    cms_section_iter *sections;
    cms_section section;
    cms_status status = cms_section_iter_open(snapshot, package, NULL, &sections);

    section.size = sizeof section;
    if (status != CMS_OK)
        return status;
    printf("%s\n", package);
    while ((status = cms_section_iter_next(sections, &section)) == CMS_OK)
        if ((status = print_section(snapshot, package, &section)) != CMS_OK)
            break;
    cms_section_iter_close(sections);
    return status == CMS_ERR_END ? CMS_OK : status;
}

int main(void)
{
    cms_store *store;
    cms_snapshot *snapshot;
    cms_package_iter *packages;
    cms_bytes name;

    if (cms_open(NULL, &store) != CMS_OK || cms_snapshot_open(store, &snapshot) != CMS_OK
        || cms_package_iter_open(snapshot, &packages) != CMS_OK)
        return 1;
    while (cms_package_iter_next(packages, &name) == CMS_OK) {
        /* A package with errors does not keep the others from being printed. */
        if (print_package(snapshot, name.data) != CMS_OK) {
            char message[256];
            cms_last_message(message, sizeof message);
            fprintf(stderr, "%s\n", message);
        }
    }
    cms_package_iter_close(packages);
    cms_snapshot_close(snapshot);
    cms_close(store);
    return 0;
}
