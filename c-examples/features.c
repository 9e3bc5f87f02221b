/* Asks which features the library was built with, and calls a function of each: one that is left out says so. */
#include <cms.h>
#include <stdio.h>

static int accept_all(cms_event *event, char *reason, size_t size, void *data)
{
    (void)event, (void)reason, (void)size, (void)data;
    return 0;
}

static void show(const char *feature, cms_status status)
{
    const int has = cms_has_feature(feature);
    printf("%s: %s", feature, has ? "built" : "left out");
    if (has != (status != CMS_ERR_UNSUPPORTED))
        printf(", but its function answers %s", cms_status_name((int)status));
    printf("\n");
}

int main(void)
{
    cms_store *store = NULL;
    cms_history *history = NULL;
    cms_archive_iter *labels = NULL;
    cms_verifier *verifier = NULL;
    cms_log_info info = {0};

    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    info.size = sizeof info;
    show("history", cms_history_open(store, NULL, 1, &history));
    show("archive", cms_archive_iter_open(store, &labels));
    show("audit", cms_log_check(store, &info, NULL));
    show("undo", cms_undo(store, 99, NULL, NULL));
    show("verify", cms_verifier_open(store, "none.**", accept_all, NULL, &verifier));
    if (cms_has_feature("none") || cms_has_feature(NULL))
        puts("there is a feature without a name");
    cms_history_close(history);
    cms_archive_iter_close(labels);
    cms_verifier_close(verifier);
    cms_close(store);
    return 0;
}
