/* M28: changes in one call, packages that are made and deleted, names in place of selectors, and callbacks for each
   package, section and option. Built as C and as C++. Also what is iterated over in a transaction, undo and redo, and
   what waits to be confirmed. */
#define _POSIX_C_SOURCE 200112L
#include "check.h"
#include <sys/stat.h>
#include <unistd.h>

static int reads(const cms_store *store, const char *key, const char *value)
{
    char buffer[64];

    return cms_get(store, key, buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, value) == 0;
}

static int lists(const cms_store *store, const char *key, const char *joined)
{
    char buffer[64] = "";
    cms_list *list;
    cms_bytes item;
    size_t index;

    if (cms_list_open(store, key, &list) != CMS_OK)
        return 0;
    for (index = 0; cms_list_item(list, index, &item) == CMS_OK; index++)
        snprintf(buffer + strlen(buffer), sizeof buffer - strlen(buffer), "%s|", item.data);
    cms_list_close(list);
    return strcmp(buffer, joined) == 0;
}

static void changes_in_one_call(const cms_store *store)
{
    static const char *const items[] = {"x", "", "y z"};
    char buffer[64], name[32];
    size_t len;
    uint64_t before, after;
    double infinite = 1e308;

    CHECK(cms_revision(store, &before) == CMS_OK);
    CHECK(cms_set(store, "t.s.name", "new") == CMS_OK && reads(store, "t.s.name", "new"));
    CHECK(cms_revision(store, &after) == CMS_OK && after > before);
    CHECK(cms_set(store, "t.made", "thing") == CMS_OK && reads(store, "t.made", "thing"));
    CHECK(cms_set_int(store, "t.made.int", -3) == CMS_OK && reads(store, "t.made.int", "-3"));
    CHECK(cms_set_bool(store, "t.made.bool", 1) == CMS_OK && reads(store, "t.made.bool", "1"));
    CHECK(cms_set_double(store, "t.made.real", 2.5) == CMS_OK && reads(store, "t.made.real", "2.5"));
    REFUSED(cms_set_double(store, "t.made.real", infinite * 10), "value");
    CHECK(cms_set_size(store, "t.made.size", 4096) == CMS_OK && reads(store, "t.made.size", "4096"));
    CHECK(cms_set_list(store, "t.made.list", items, 3) == CMS_OK && lists(store, "t.made.list", "x||y z|"));
    CHECK(cms_add_list(store, "t.made.list", "end") == CMS_OK && lists(store, "t.made.list", "x||y z|end|"));
    CHECK(cms_del_list(store, "t.made.list", "x") == CMS_OK && lists(store, "t.made.list", "|y z|end|"));
    CHECK(cms_set_list(store, "t.made.list", NULL, 0) == CMS_OK);
    CHECK(cms_get(store, "t.made.list", buffer, sizeof buffer, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_rename(store, "t.made.int", "whole") == CMS_OK && reads(store, "t.made.whole", "-3"));
    CHECK(cms_rename(store, "t.made.whole", "bool") == CMS_ERR_EXISTS);
    CHECK(cms_reorder(store, "t.made", 0) == CMS_OK && reads(store, "t.@[0].whole", "-3"));
    CHECK(cms_add_section(store, "t", "thing", name, sizeof name, &len) == CMS_OK && strlen(name) == len);
    snprintf(buffer, sizeof buffer, "t.%s", name);
    CHECK(reads(store, buffer, "thing") && cms_delete(store, buffer) == CMS_OK);
    CHECK(cms_delete(store, buffer) == CMS_ERR_NOT_FOUND && cms_delete(store, "t.made") == CMS_OK);
    CHECK(cms_set(store, "t.none.name", "x") == CMS_ERR_NOT_FOUND);
    CHECK(cms_set(store, "t.s.name", "\x01") == CMS_ERR_INVALID && reads(store, "t.s.name", "new"));
    REFUSED(cms_set(NULL, "t.s.name", "x"), "store");
    REFUSED(cms_set(store, NULL, "x"), "key");
    REFUSED(cms_set(store, "t.s.name", NULL), "value");
    REFUSED(cms_set_int(NULL, "t.s.name", 1), "store");
    REFUSED(cms_set_list(store, "t.s.list", NULL, 1), "items");
    REFUSED(cms_rename(store, "t.s.name", NULL), "name");
    REFUSED(cms_add_section(store, "t", NULL, NULL, 0, NULL), "type");
    REFUSED(cms_add_section(store, "t", "thing", NULL, 1, NULL), "buffer");
}

static void packages(const cms_store *store)
{
    char path[300], staged[300];
    struct stat found;
    cms_txn *txn;
    uint64_t revision;
    FILE *file;

    snprintf(path, sizeof path, "%s/new", getenv("CMS_CONFIG_DIR"));
    CHECK(cms_add_package(store, "new") == CMS_OK && stat(path, &found) == 0 && found.st_size == 0);
    CHECK(cms_add_package(store, "new") == CMS_ERR_EXISTS && cms_add_package(store, "a/b") == CMS_ERR_INVALID);
    CHECK(cms_set(store, "new.s", "a") == CMS_OK);
    /* Staged changes stay. */
    snprintf(staged, sizeof staged, "%s/new", getenv("CMS_SAVE_DIR"));
    mkdir(getenv("CMS_SAVE_DIR"), 0700);
    file = fopen(staged, "w");
    CHECK(file && fputs("new.s.x='1'\n", file) >= 0 && fclose(file) == 0);
    CHECK(cms_delete_package(store, "new") == CMS_OK && stat(path, &found) != 0);
    CHECK(stat(staged, &found) == 0 && found.st_size == 12 && remove(staged) == 0);
    CHECK(cms_delete_package(store, "new") == CMS_ERR_NOT_FOUND);
    CHECK(cms_revision(store, &revision) == CMS_OK);
    if (cms_has_feature("undo")) {
        CHECK(cms_undo(store, revision, NULL, NULL) == CMS_OK && reads(store, "new.s", "a"));
        CHECK(cms_delete_package(store, "new") == CMS_OK);
    }
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_add_package(txn, "new") == CMS_OK);
    CHECK(cms_txn_add_package(txn, "t") == CMS_ERR_EXISTS && cms_txn_delete_package(txn, "none") == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_set(txn, "other.s", "a") == CMS_OK && cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(stat(path, &found) == 0 && reads(store, "other.s", "a"));
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_delete_package(txn, "new") == CMS_OK);
    CHECK(cms_txn_delete_package(txn, "other") == CMS_OK && cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(stat(path, &found) != 0);
    REFUSED(cms_add_package(store, NULL), "package");
    REFUSED(cms_delete_package(NULL, "t"), "store");
    REFUSED(cms_txn_add_package(NULL, "t"), "txn");
}

static void names(const cms_store *store)
{
    char buffer[64];
    size_t len;
    cms_snapshot *snapshot;
    cms_txn *txn;

    CHECK(cms_resolve(store, "t.@thing[0].name", buffer, sizeof buffer, &len) == CMS_OK);
    CHECK(strcmp(buffer, "t.s.name") == 0 && len == 8);
    CHECK(cms_resolve(store, "t.@[-1]", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "t.o") == 0);
    CHECK(cms_resolve(store, "t.@thing[real=30.5].none", buffer, sizeof buffer, NULL) == CMS_OK);
    CHECK(strcmp(buffer, "t.s.none") == 0);
    CHECK(cms_resolve(store, "t.s", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "t.s") == 0);
    CHECK(cms_resolve(store, "t.@thing[9]", buffer, sizeof buffer, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_resolve(store, "t", buffer, sizeof buffer, NULL) == CMS_ERR_INVALID);
    CHECK(cms_resolve(store, "none.@a[0]", buffer, sizeof buffer, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK && cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.second", "thing") == CMS_OK);
    CHECK(cms_txn_resolve(txn, "t.@thing[-1]", buffer, sizeof buffer, NULL) == CMS_OK);
    CHECK(strcmp(buffer, "t.second") == 0);
    CHECK(cms_txn_resolve(txn, "t.@thing[5]", buffer, sizeof buffer, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_snapshot_resolve(snapshot, "t.@thing[-1]", buffer, sizeof buffer, NULL) == CMS_OK);
    CHECK(strcmp(buffer, "t.s") == 0);
    REFUSED(cms_resolve(store, NULL, buffer, sizeof buffer, NULL), "key");
    REFUSED(cms_snapshot_resolve(snapshot, "t.s", NULL, 1, NULL), "buffer");
    REFUSED(cms_txn_resolve(NULL, "t.s", buffer, sizeof buffer, NULL), "txn");
    cms_txn_rollback(txn);
    cms_snapshot_close(snapshot);
}

/* What the callbacks have seen; they end the iteration once they have seen `most`. */
struct seen {
    char text[256];
    int count, most;
};

static int32_t see(struct seen *seen, cms_bytes name)
{
    snprintf(seen->text + strlen(seen->text), sizeof seen->text - strlen(seen->text), "%s ", name.data);
    return ++seen->count == seen->most ? 42 : 0;
}

static int32_t see_package(const cms_bytes *name, void *data)
{
    return see((struct seen *)data, *name);
}

static int32_t see_section(const cms_section *section, void *data)
{
    CHECK(section->size == sizeof *section && section->type.len > 0);
    return see((struct seen *)data, section->name);
}

static int32_t see_option(const cms_option *option, void *data)
{
    CHECK(option->kind == (strcmp(option->name.data, "list") ? CMS_OPTION_STRING : CMS_OPTION_LIST));
    return see((struct seen *)data, option->name);
}

static struct seen nothing(int most)
{
    struct seen seen;

    memset(&seen, 0, sizeof seen);
    seen.most = most;
    return seen;
}

static void callbacks(const cms_store *store)
{
    struct seen seen = nothing(0);
    cms_snapshot *snapshot;
    int32_t result = 7;

    CHECK(cms_foreach_package(store, see_package, &seen, &result) == CMS_OK && result == 0);
    CHECK(strcmp(seen.text, "bad t ") == 0);
    seen = nothing(1);
    CHECK(cms_foreach_package(store, see_package, &seen, &result) == CMS_OK && result == 42);
    CHECK(strcmp(seen.text, "bad ") == 0);
    seen = nothing(0);
    CHECK(cms_foreach_section(store, "t", NULL, see_section, &seen, NULL) == CMS_OK);
    CHECK(strcmp(seen.text, "s o ") == 0);
    seen = nothing(0);
    CHECK(cms_foreach_section(store, "t", "thing", see_section, &seen, &result) == CMS_OK && result == 0);
    CHECK(strcmp(seen.text, "s ") == 0);
    seen = nothing(3);
    CHECK(cms_foreach_option(store, "t", "s", see_option, &seen, &result) == CMS_OK && result == 42);
    CHECK(strcmp(seen.text, "name number truth ") == 0);
    CHECK(cms_foreach_section(store, "none", NULL, see_section, &seen, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_foreach_option(store, "t", "none", see_option, &seen, NULL) == CMS_ERR_NOT_FOUND);
    REFUSED(cms_foreach_package(store, NULL, NULL, NULL), "callback");
    REFUSED(cms_foreach_section(store, NULL, NULL, see_section, NULL, NULL), "package");
    REFUSED(cms_foreach_option(store, "t", NULL, see_option, NULL, NULL), "section");

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_set(store, "t.later", "thing") == CMS_OK);
    seen = nothing(0);
    CHECK(cms_snapshot_foreach_section(snapshot, "t", "thing", see_section, &seen, &result) == CMS_OK);
    CHECK(result == 0 && strcmp(seen.text, "s ") == 0);
    seen = nothing(2);
    CHECK(cms_snapshot_foreach_option(snapshot, "t", "s", see_option, &seen, &result) == CMS_OK && result == 42);
    seen = nothing(0);
    CHECK(cms_snapshot_foreach_package(snapshot, see_package, &seen, NULL) == CMS_OK && seen.count == 2);
    REFUSED(cms_snapshot_foreach_package(NULL, see_package, &seen, NULL), "snapshot");
    cms_snapshot_close(snapshot);
    CHECK(cms_delete(store, "t.later") == CMS_OK);
}

/* Iterating over what a transaction sees, its own changes included. */
static void iteration_in_a_transaction(const cms_store *store)
{
    cms_txn *txn;
    cms_package_iter *packages;
    cms_section_iter *sections;
    cms_option_iter *options;
    cms_bytes name;
    cms_section section;
    cms_option option;

    section.size = sizeof section, option.size = sizeof option;
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_add_package(txn, "new") == CMS_OK);
    CHECK(cms_txn_set(txn, "new.a", "thing") == CMS_OK && cms_txn_set_int(txn, "new.a.x", 1) == CMS_OK);
    CHECK(cms_txn_delete_package(txn, "t") == CMS_OK);
    CHECK(cms_txn_package_iter_open(txn, &packages) == CMS_OK);
    CHECK(cms_package_iter_next(packages, &name) == CMS_OK && strcmp(name.data, "bad") == 0);
    CHECK(cms_package_iter_next(packages, &name) == CMS_OK && strcmp(name.data, "new") == 0);
    CHECK(cms_package_iter_next(packages, &name) == CMS_ERR_END);
    CHECK(cms_txn_section_iter_open(txn, "new", NULL, &sections) == CMS_OK);
    CHECK(cms_section_iter_next(sections, &section) == CMS_OK && strcmp(section.name.data, "a") == 0);
    CHECK(cms_section_iter_next(sections, &section) == CMS_ERR_END);
    CHECK(cms_txn_option_iter_open(txn, "new", "a", &options) == CMS_OK);
    CHECK(cms_option_iter_next(options, &option) == CMS_OK && strcmp(option.value.data, "1") == 0);
    CHECK(cms_option_iter_next(options, &option) == CMS_ERR_END);
    CHECK(cms_txn_section_iter_open(txn, "t", NULL, &sections) == CMS_ERR_NOT_FOUND);
    REFUSED(cms_txn_package_iter_open(NULL, &packages), "txn");
    REFUSED(cms_txn_section_iter_open(txn, NULL, NULL, &sections), "package");
    REFUSED(cms_txn_option_iter_open(txn, "new", NULL, &options), "section");
    cms_txn_rollback(txn);
    /* The iterators outlive it. */
    cms_package_iter_close(packages), cms_section_iter_close(sections), cms_option_iter_close(options);
}

/* Undoes a change and makes it again. Commits while another commit waits to be confirmed, and reads the warning. */
static void undone_and_pending(const cms_store *store)
{
    cms_txn *txn;
    cms_history *waiting;
    cms_record record;
    cms_watch *watch;
    uint64_t set, undone, redone, seen;
    char notice[400];

    record.size = sizeof record;
    CHECK(cms_watch_open(store, "t.*", CMS_SINCE_NOW, &watch) == CMS_OK);
    CHECK(cms_set(store, "t.s.name", "once") == CMS_OK && cms_revision(store, &set) == CMS_OK);
    CHECK(cms_watch_revision(watch, &seen) == CMS_OK && seen < set);
    REFUSED(cms_watch_revision(watch, NULL), "revision");
    cms_watch_close(watch);
    if (cms_has_feature("undo")) {
        CHECK(cms_undo(store, set, NULL, &undone) == CMS_OK && undone > set && reads(store, "t.s.name", "new"));
        CHECK(cms_redo(store, set, NULL, &redone) == CMS_OK && redone > undone && reads(store, "t.s.name", "once"));
        REFUSED(cms_redo(NULL, 0, NULL, NULL), "store");
    }
    CHECK(cms_history_open_pending(store, &waiting)
          == (cms_has_feature("history") ? CMS_ERR_NOT_FOUND : CMS_ERR_UNSUPPORTED));
    CHECK(cms_pending_notice(store, set, notice, sizeof notice, NULL) == CMS_ERR_END);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "t.s.name", "perhaps") == CMS_OK);
    CHECK(cms_txn_set_confirm(txn, 3600000) == CMS_OK && cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_set(store, "t.s.number", "1") == CMS_OK && cms_revision(store, &set) == CMS_OK);
    CHECK(cms_pending_notice(store, set, notice, sizeof notice, NULL) == CMS_OK && strstr(notice, "waits to be confirmed"));
    if (cms_has_feature("history")) {
        CHECK(cms_history_open_pending(store, &waiting) == CMS_OK);
        CHECK(cms_history_next(waiting, &record) == CMS_OK && record.confirm_within_ms == 3600000);
        CHECK(cms_history_next(waiting, &record) == CMS_ERR_END);
        cms_history_close(waiting);
    }
    CHECK(cms_confirm(store, 0) == CMS_OK);
    if (cms_has_feature("history")) {
        REFUSED(cms_history_open_pending(store, NULL), "history");
    }
    REFUSED(cms_pending_notice(store, set, NULL, 1, NULL), "buffer");
}

int main(void)
{
    cms_store *store;

    CHECK(cms_open(NULL, &store) == CMS_OK);
    changes_in_one_call(store);
    packages(store);
    names(store);
    callbacks(store);
    iteration_in_a_transaction(store);
    undone_and_pending(store);
    cms_close(store);
    puts("all good");
    return 0;
}
