/* Changes an option, prints who changed it and when, undoes the change, and reads an earlier value. */
#include <cms.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what)
{
    cms_error error;

    error.size = sizeof error;
    cms_last_error(&error);
    fprintf(stderr, "%s: %s\n", what, error.message);
    return 1;
}

static void print_items(cms_bytes items)
{
    cms_bytes item;

    if (!items.data)
        fputs(" (none)", stdout);
    while (items.data && cms_bytes_next(&items, &item) == CMS_OK)
        printf(" '%s'", item.data);
}

static int print_history(const cms_store *store, const char *key)
{
    cms_history *history;
    cms_record record;
    cms_change change;

    record.size = sizeof record;
    change.size = sizeof change;
    if (cms_history_open(store, key, 10, &history) != CMS_OK)
        return fail("cms_history_open");
    while (cms_history_next(history, &record) == CMS_OK) {
        printf("%llu through %s: %s\n", (unsigned long long)record.revision, record.source.data,
               record.message.data);
        while (cms_history_next_change(history, &change) == CMS_OK) {
            printf("    %s:", change.key.data);
            print_items(change.old_items);
            fputs(" ->", stdout);
            print_items(change.new_items);
            putchar('\n');
        }
    }
    cms_history_close(history);
    return 0;
}

/* Prints for each line of a package the transaction that wrote it. */
static int print_blame(const cms_store *store, const char *package)
{
    cms_blame *blame;
    cms_bytes line;
    cms_record by;

    by.size = sizeof by;
    if (cms_blame_open(store, package, &blame) != CMS_OK)
        return fail("cms_blame_open");
    while (cms_blame_next(blame, &line, &by) == CMS_OK) {
        if (by.kind == CMS_BY_COMMIT || by.kind == CMS_BY_UNDO)
            printf("%llu wrote %s\n", (unsigned long long)by.revision, line.data);
    }
    cms_blame_close(blame);
    return 0;
}

static int print_changed(const cms_store *store, uint64_t revision)
{
    cms_package_iter *packages;
    cms_bytes name;
    char text[4096];

    if (cms_package_iter_open_changed(store, revision, &packages) != CMS_OK)
        return fail("cms_package_iter_open_changed");
    while (cms_package_iter_next(packages, &name) == CMS_OK) {
        size_t then, now;
        if (cms_text_at(store, name.data, revision, text, sizeof text, &then) != CMS_OK
            || cms_text_at(store, name.data, UINT64_MAX, NULL, 0, &now) != CMS_OK)
            return fail("cms_text_at");
        printf("%s had %zu bytes of text and has %zu\n", name.data, then, now);
    }
    cms_package_iter_close(packages);
    return 0;
}

static int print_snapshots(const cms_store *store)
{
    cms_archive_iter *archives;
    cms_archive archive;

    archive.size = sizeof archive;
    if (cms_archive_iter_open(store, &archives) != CMS_OK)
        return fail("cms_archive_iter_open");
    while (cms_archive_iter_next(archives, &archive) == CMS_OK) {
        if (!archive.automatic)
            printf("'%s' holds revision %llu\n", archive.label.data, (unsigned long long)archive.revision);
    }
    cms_archive_iter_close(archives);
    return 0;
}

static int print_audit(const cms_store *store)
{
    cms_log_info log;
    cms_report *report;
    cms_bytes problem;

    log.size = sizeof log;
    if (cms_log_check(store, &log, &report) != CMS_OK)
        return fail("cms_log_check");
    while (cms_report_next_problem(report, &problem) == CMS_OK)
        puts(problem.data);
    printf("the log has records from %llu on, and a chain of %zu digits\n", (unsigned long long)log.first,
           log.chain.len);
    cms_report_close(report);
    return 0;
}

int main(void)
{
    cms_options options;
    cms_store *store;
    cms_txn *txn;
    char value[64];
    uint64_t changed, undone;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.source = "history-example";
    if (cms_open(&options, &store) != CMS_OK)
        return fail("cms_open");
    if (cms_archive_create(store, "before", NULL) != CMS_OK)
        return fail("cms_archive_create");
    if (cms_begin(store, &txn) != CMS_OK
        || cms_txn_set(txn, "network.lan.ipaddr", "10.1.2.3") != CMS_OK
        || cms_txn_add_list(txn, "network.lan.dns", "9.9.9.9") != CMS_OK)
        return fail("change");
    if (cms_txn_commit(txn, &changed) != CMS_OK)
        return fail("cms_txn_commit");
    if (cms_find_revision(store, "now", &changed) != CMS_OK)
        return fail("cms_find_revision");
    if (cms_undo(store, changed, "it was only an example", &undone) != CMS_OK)
        return fail("cms_undo");
    if (print_history(store, "network.lan") != 0)
        return 1;
    if (cms_get_at(store, "network.lan.ipaddr", changed, value, sizeof value, NULL) != CMS_OK)
        return fail("cms_get_at");
    printf("at revision %llu it was %s\n", (unsigned long long)changed, value);
    if (cms_get(store, "network.lan.ipaddr", value, sizeof value, NULL) != CMS_OK)
        return fail("cms_get");
    printf("now it is %s\n", value);
    if (print_blame(store, "network") != 0 || print_changed(store, changed) != 0 || print_snapshots(store) != 0
        || print_audit(store) != 0)
        return 1;
    if (cms_undo(store, changed, NULL, NULL) != CMS_ERR_CONFLICT)
        return fail("it was undone already");
    if (cms_rollback(store, changed, NULL, &undone) != CMS_OK || cms_restore(store, "before", NULL) != CMS_OK)
        return fail("going back");
    if (cms_pending(store, NULL, NULL) != CMS_ERR_NOT_FOUND || cms_confirm(store, 0) != CMS_ERR_NOT_FOUND)
        return fail("nothing waits to be confirmed");
    if (cms_archive_delete(store, "before") != CMS_OK || cms_restore(store, "before", NULL) != CMS_ERR_NOT_FOUND)
        return fail("cms_archive_delete");
    if (cms_backup(store, "/nowhere/at/all") == CMS_OK)
        return 1;
    cms_close(store);
    return 0;
}
