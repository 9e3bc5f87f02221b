/* Commits a value, and prints what the schema of its package says against it. */
#include <cms.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    cms_store *store;
    cms_violation found;
    cms_status status;
    size_t index;

    if (argc < 3 || cms_open(NULL, &store) != CMS_OK)
        return 1;
    status = cms_set(store, argv[1], argv[2]);
    found.size = sizeof found;
    for (index = 0; cms_last_violation(index, &found) == CMS_OK; index++)
        printf("%s: %s (rule %s, line %u)%s%s\n", found.key, found.message, found.rule, (unsigned)found.line,
               found.hint[0] ? "; " : "", found.hint);
    if (status == CMS_OK)
        puts("committed");
    cms_close(store);
    return status == CMS_OK ? 0 : 2;
}
