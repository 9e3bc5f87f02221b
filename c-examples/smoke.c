/* Calls the functions of the library but for those in values.c, changes.c and nulls.c, with valid arguments and with
   arguments that they have to refuse. Built as C and as C++; run under AddressSanitizer and valgrind. */
#define _POSIX_C_SOURCE 200112L
#include "check.h"

static int is(cms_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len + 1) == 0;
}

static void reads(cms_store *store)
{
    char buffer[8];
    size_t len = 99;
    int64_t number;
    int32_t truth;
    double real;
    uint64_t size;

    CHECK(cms_get(store, "t.s.name", buffer, sizeof buffer, &len) == CMS_OK && len == 5);
    CHECK(strcmp(buffer, "value") == 0);
    CHECK(cms_get(store, "t.s.name", buffer, 3, &len) == CMS_OK && len == 5 && strcmp(buffer, "va") == 0);
    CHECK(cms_get(store, "t.s.name", NULL, 0, &len) == CMS_OK && len == 5);
    CHECK(cms_get(store, "t.s.name", buffer, sizeof buffer, NULL) == CMS_OK);
    CHECK(cms_get(store, "t.s", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "thing") == 0);
    CHECK(cms_get(store, "t.s.none", buffer, sizeof buffer, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_get(store, "t.s.list", buffer, sizeof buffer, NULL) == CMS_ERR_TYPE);
    CHECK(cms_get(store, NULL, buffer, sizeof buffer, NULL) == CMS_ERR_INVALID);
    CHECK(cms_get(NULL, "t.s.name", buffer, sizeof buffer, NULL) == CMS_ERR_INVALID);
    CHECK(cms_get(store, "t", buffer, sizeof buffer, NULL) == CMS_ERR_INVALID);
    CHECK(cms_get(store, "t.s.\xff\xfe", buffer, sizeof buffer, NULL) == CMS_ERR_INVALID);
    CHECK(cms_get_int(store, "t.s.number", 7, &number) == CMS_OK && number == -42);
    CHECK(cms_get_int(store, "t.s.none", 7, &number) == CMS_ERR_NOT_FOUND && number == 7);
    CHECK(cms_get_int(store, "t.s.name", 7, &number) == CMS_ERR_TYPE && number == 7);
    CHECK(cms_get_int(store, "t.s.number", 7, NULL) == CMS_ERR_INVALID);
    CHECK(cms_get_bool(store, "t.s.truth", 0, &truth) == CMS_OK && truth == 1);
    CHECK(cms_get_double(store, "t.s.real", 0, &real) == CMS_OK && real > 30.4 && real < 30.6);
    CHECK(cms_get_size(store, "t.s.size", 0, &size) == CMS_OK && size == 2048);
    CHECK(cms_get_bool(store, "t.s.size", 1, &truth) == CMS_ERR_TYPE && truth == 1);
}

/* Structs that begin with their size: ffi/tests/layouts.rs tests all valid sizes, this function the refused ones. */
static void sizes_of_structs(void)
{
    struct { cms_options ours; char newer[8]; } longer;
    cms_options options;
    cms_error error;
    cms_store *store;
    size_t size;

    memset(&options, 0, sizeof options);
    options.config_dir = getenv("CMS_CONFIG_DIR");
    options.run_dir = "";
    for (size = 0; size <= sizeof options; size++) {
        options.size = size;
        if (size % sizeof(size_t) != 0 || size == 0) {
            CHECK(cms_open(&options, &store) == CMS_ERR_INVALID && blames("options"));
        } else {
            CHECK(cms_open(&options, &store) == CMS_OK);
            cms_close(store);
        }
    }
    options.size = (size_t) -1;
    CHECK(cms_open(&options, &store) == CMS_ERR_INVALID && blames("options"));
    memset(&longer, 0, sizeof longer);
    longer.ours.config_dir = options.config_dir;
    longer.ours.size = sizeof longer;
    CHECK(cms_open(&longer.ours, &store) == CMS_OK);
    cms_close(store);
    longer.newer[7] = 1;
    CHECK(cms_open(&longer.ours, &store) == CMS_ERR_INVALID && blames("options"));
    error.size = 0;
    CHECK(cms_last_error(&error) == CMS_ERR_INVALID);
    error.size = sizeof error - 1;
    CHECK(cms_last_error(&error) == CMS_ERR_INVALID && error.size == sizeof error - 1);
}

/* Reports whether a package's file holds a string. */
static int holds(const char *dir, const char *package, const char *wanted)
{
    char path[4096], text[8192];
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/%s", dir, package);
    file = fopen(path, "r");
    CHECK(file);
    len = fread(text, 1, sizeof text - 1, file);
    text[len] = 0;
    fclose(file);
    return strstr(text, wanted) != NULL;
}

static void texts_that_come_later(void)
{
    const char *dir = getenv("CMS_CONFIG_DIR");
    cms_options options;
    cms_store *store;
    cms_txn *txn;
    char text[64];
    int round;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_dir = dir;
    options.durability = "most";
    CHECK(cms_open(&options, &store) == CMS_ERR_INVALID);
    options.durability = "full,t=log";
    options.text_delay_ms = 3600000;
    CHECK(cms_open(&options, &store) == CMS_OK);
    CHECK(cms_get(store, "t.s.name", text, sizeof text, NULL) == CMS_OK);
    for (round = 0; round < 2; round++) {
        const char *value = round ? "later-2" : "later-1";
        CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "t.s.name", value) == CMS_OK);
        CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
        CHECK(cms_get(store, "t.s.name", text, sizeof text, NULL) == CMS_OK && strcmp(text, value) == 0);
        CHECK(!holds(dir, "t", value));
        if (round)
            cms_close(store);
        else
            CHECK(cms_flush(store) == CMS_OK);
        CHECK(holds(dir, "t", value));
    }
}

static void over_long(cms_store *store)
{
    size_t length = 200000;
    char *key = (char *)malloc(length + 1);
    cms_error error;

    error.size = sizeof error;
    CHECK(key);
    memset(key, 'a', length);
    memcpy(key, "t.s.", 4);
    key[length] = 0;
    CHECK(cms_get(store, key, NULL, 0, NULL) == CMS_ERR_INVALID);
    CHECK(cms_last_error(&error) == CMS_OK && error.status == CMS_ERR_INVALID && strlen(error.message) > 0);
    CHECK(cms_last_error(NULL) == CMS_ERR_INVALID);
    free(key);
}

/* Details of an error are for people, and for programs that show them to people. */
static void messages(cms_store *store)
{
    cms_txn *txn;
    cms_error error;
    char message[8];
    size_t len;

    error.size = sizeof error;
    CHECK(cms_get(store, "bad.s.a", NULL, 0, NULL) == CMS_ERR_PARSE && cms_last_error(&error) == CMS_OK);
    CHECK(error.status == CMS_ERR_PARSE && error.line == 2 && error.column == 9);
    CHECK(strstr(error.file, "/bad") && strstr(error.message, "/bad:2:9: ") && strlen(error.hint) > 0);
    len = strlen(error.message);
    CHECK(cms_last_message(message, sizeof message) == len && strlen(message) == sizeof message - 1);
    CHECK(cms_last_message(NULL, 0) == len && cms_last_message(message, 1) == len && !*message);
    CHECK(cms_get(store, "t.@thing[x].a", NULL, 0, NULL) == CMS_ERR_INVALID && cms_last_error(&error) == CMS_OK);
    CHECK(strcmp(error.key, "x") == 0 && strcmp(error.file, "") == 0 && error.line == 0);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "t.s.name", "a\nb\001") == CMS_ERR_INVALID);
    CHECK(cms_last_error(&error) == CMS_OK && strcmp(error.key, "t.s.name") == 0);
    CHECK(strcmp(error.value, "a\nb\001") == 0);
    /* The message is one line, whatever it quotes. */
    CHECK(strstr(error.message, "'a b '") && !strpbrk(error.message, "\n\001"));
    cms_txn_rollback(txn);
}

static void lists(cms_store *store)
{
    cms_list *list;
    cms_bytes item;
    size_t len;

    CHECK(cms_list_open(store, "t.s.list", &list) == CMS_OK);
    CHECK(cms_list_len(list, &len) == CMS_OK && len == 2);
    CHECK(cms_list_item(list, 1, &item) == CMS_OK && is(item, "b c"));
    CHECK(cms_list_item(list, 2, &item) == CMS_ERR_END);
    CHECK(cms_list_item(NULL, 0, &item) == CMS_ERR_INVALID && cms_list_len(list, NULL) == CMS_ERR_INVALID);
    cms_list_close(list);
    cms_list_close(NULL);
    CHECK(cms_list_open(store, "t.s.none", &list) == CMS_ERR_NOT_FOUND);
}

static void snapshots(cms_store *store)
{
    const char *keys[] = { "t.s.name", "t.s.none", "t.s.list", "t.s.number" };
    cms_snapshot *snapshot;
    cms_bytes value, items, values[4];
    uint64_t revision, now;

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_snapshot_get(snapshot, "t.s.name", &value) == CMS_OK && is(value, "value"));
    CHECK(cms_snapshot_get(snapshot, "t.s.list", &value) == CMS_ERR_TYPE);
    CHECK(cms_snapshot_get(snapshot, "t.s.name", NULL) == CMS_ERR_INVALID);
    CHECK(cms_snapshot_get_list(snapshot, "t.s.list", &items) == CMS_OK);
    CHECK(cms_bytes_next(&items, &value) == CMS_OK && is(value, "a"));
    CHECK(cms_bytes_next(&items, &value) == CMS_OK && is(value, "b c"));
    CHECK(cms_bytes_next(&items, &value) == CMS_ERR_END);
    CHECK(cms_snapshot_get_list(snapshot, "t.s.name", &items) == CMS_OK);
    CHECK(cms_bytes_next(&items, &value) == CMS_OK && is(value, "value"));
    CHECK(cms_bytes_next(&items, &value) == CMS_ERR_END);
    CHECK(cms_snapshot_get_many(snapshot, keys, 4, values) == CMS_OK);
    CHECK(is(values[0], "value") && !values[1].data && !values[2].data && is(values[3], "-42"));
    CHECK(cms_snapshot_get_many(snapshot, NULL, 4, values) == CMS_ERR_INVALID);
    CHECK(cms_snapshot_get_many(snapshot, NULL, 0, NULL) == CMS_OK);
    CHECK(cms_snapshot_revision(snapshot, &revision) == CMS_OK && cms_revision(store, &now) == CMS_OK);
    CHECK(revision == now);
    cms_snapshot_close(snapshot);
    cms_snapshot_close(NULL);
}

static void iterators(cms_store *store)
{
    cms_snapshot *snapshot;
    cms_package_iter *packages;
    cms_section_iter *sections;
    cms_option_iter *options;
    cms_section section;
    cms_option option;
    cms_bytes name;
    int count = 0;

    section.size = sizeof section;
    option.size = sizeof option;
    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_package_iter_open(snapshot, &packages) == CMS_OK);
    CHECK(cms_package_iter_next(packages, &name) == CMS_OK && is(name, "bad"));
    CHECK(cms_package_iter_next(packages, &name) == CMS_OK && is(name, "t"));
    CHECK(cms_package_iter_next(packages, &name) == CMS_ERR_END);
    cms_package_iter_close(packages);
    CHECK(cms_section_iter_open(snapshot, "t", "thing", &sections) == CMS_OK);
    CHECK(cms_section_iter_next(sections, &section) == CMS_OK && is(section.name, "s") && is(section.type, "thing"));
    CHECK(cms_section_iter_next(sections, &section) == CMS_ERR_END);
    cms_section_iter_close(sections);
    CHECK(cms_section_iter_open(snapshot, "t", NULL, &sections) == CMS_OK);
    CHECK(cms_option_iter_open(snapshot, "t", "s", &options) == CMS_OK);
    /* Strings from an iterator stay valid after the snapshot is closed. */
    cms_snapshot_close(snapshot);
    while (cms_section_iter_next(sections, &section) == CMS_OK)
        count++;
    CHECK(count == 2);
    for (count = 0; cms_option_iter_next(options, &option) == CMS_OK; count++)
        CHECK((option.kind == CMS_OPTION_LIST) == is(option.name, "list"));
    CHECK(count == 6);
    cms_section_iter_close(sections);
    cms_option_iter_close(options);
    cms_package_iter_close(NULL);
    cms_section_iter_close(NULL);
    cms_option_iter_close(NULL);
}

static void transactions(cms_store *store)
{
    cms_txn *txn;
    cms_key *key;
    cms_bytes value;
    char name[32];
    size_t len;
    uint64_t revision;
    int32_t changed;

    CHECK(cms_key_open(store, "t.s.name", &key) == CMS_OK);
    CHECK(cms_key_get(key, &value) == CMS_OK && is(value, "value"));
    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.s.name", "other") == CMS_OK);
    CHECK(cms_txn_add_section(txn, "t", "extra", name, sizeof name, &len) == CMS_OK && len == strlen(name));
    CHECK(cms_txn_add_list(txn, "t.s.list", "d") == CMS_OK);
    CHECK(cms_txn_del_list(txn, "t.s.list", "a") == CMS_OK);
    CHECK(cms_txn_rename(txn, "t.s.number", "count") == CMS_OK);
    CHECK(cms_txn_rename(txn, "t.s.count", "name") == CMS_ERR_EXISTS);
    CHECK(cms_txn_delete(txn, "t.s.truth") == CMS_OK && cms_txn_delete(txn, "t.s.truth") == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_reorder(txn, "t.@extra[0]", 0) == CMS_OK);
    CHECK(cms_txn_commit(txn, &revision) == CMS_OK && revision > 0);
    CHECK(cms_key_get(key, &value) == CMS_OK && is(value, "other"));
    cms_key_close(key);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "t.s.name", "never") == CMS_OK);
    cms_txn_rollback(txn);
    CHECK(cms_refresh(store, &changed) == CMS_OK && changed == 0);
    CHECK(cms_get(store, "t.s.name", name, sizeof name, NULL) == CMS_OK && strcmp(name, "other") == 0);
    CHECK(cms_key_open(store, "t.s.list", &key) == CMS_OK && cms_key_get(key, &value) == CMS_ERR_TYPE);
    cms_key_close(key);
    CHECK(cms_key_open(store, "no key", &key) == CMS_ERR_INVALID);
    cms_key_close(NULL);
    cms_txn_rollback(NULL);
    CHECK(cms_txn_commit(NULL, NULL) == CMS_ERR_INVALID);
}

static void transactions_beside_each_other(cms_store *store)
{
    cms_txn *txn, *other;
    cms_error error;
    char text[64];
    size_t len, count;
    uint64_t id, other_id, started, pending;
    uint32_t point, second;

    error.size = sizeof error;
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_begin(store, &other) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.o.one", "1") == CMS_OK && cms_txn_savepoint(txn, &point) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.o.one", "2") == CMS_OK && cms_txn_savepoint(txn, &second) == CMS_OK);
    CHECK(cms_txn_get(txn, "t.o.one", text, sizeof text, &len) == CMS_OK && strcmp(text, "2") == 0 && len == 1);
    CHECK(cms_txn_get(txn, "t.o.none", text, sizeof text, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_get(txn, "t.s.list", text, sizeof text, NULL) == CMS_ERR_TYPE);
    CHECK(cms_txn_rollback_to(txn, point) == CMS_OK && cms_txn_rollback_to(txn, second) == CMS_ERR_INVALID);
    CHECK(cms_txn_info(txn, &id, &started, &count) == CMS_OK && count == 1 && started > 0);
    CHECK(cms_txn_info(other, &other_id, NULL, NULL) == CMS_OK && other_id != id);
    CHECK(cms_txn_set_message(txn, "why") == CMS_OK && cms_txn_set_message(txn, "\xff") == CMS_ERR_INVALID);
    CHECK(cms_txn_set(other, "t.o.one", "3") == CMS_OK);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_txn_commit(other, NULL) == CMS_ERR_CONFLICT && cms_last_error(&error) == CMS_OK);
    CHECK(strcmp(error.key, "t.o.one") == 0 && strstr(error.message, "is '1' now"));
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_begin(store, &other) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.o.one", "4") == CMS_OK && cms_txn_set_confirm(txn, 3600000) == CMS_OK);
    CHECK(cms_txn_set(other, "t.o.one", "5") == CMS_OK && cms_txn_set_force(other, 1) == CMS_OK);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK && cms_pending(store, &pending, &started) == CMS_OK);
    CHECK(started <= 3600000 && cms_confirm(store, pending) == CMS_OK);
    CHECK(cms_txn_commit(other, NULL) == CMS_OK);
    CHECK(cms_get(store, "t.o.one", text, sizeof text, NULL) == CMS_OK && strcmp(text, "5") == 0);
}

/* Commits for another person, and finds the transaction of a request. */
static void commits_for_others(cms_store *store)
{
    const char *request = "0f8fad5b-d9cb-469f-a165-70867728950e", *plain = "0f8fad5bd9cb469fa16570867728950e";
    cms_attribution by;
    cms_store *other;
    cms_txn *txn;
    cms_history *history;
    cms_record record;
    uint64_t revision, found, undone;

    memset(&by, 0, sizeof by);
    memset(&record, 0, sizeof record);
    by.size = sizeof by;
    record.size = sizeof record;
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "t.o.one", "6") == CMS_OK);
    CHECK(cms_txn_set_author(txn, "alice@192.168.7.20") == CMS_OK && cms_txn_set_source(txn, "rest") == CMS_OK);
    CHECK(cms_txn_set_request(txn, "1234") == CMS_ERR_INVALID && cms_txn_set_request(txn, request) == CMS_OK);
    CHECK(cms_txn_set_author(txn, "\xff") == CMS_ERR_INVALID);
    CHECK(cms_find_request(store, request, &found) == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_commit(txn, &revision) == CMS_OK);
    CHECK(cms_find_request(store, plain, &found) == CMS_OK && found == revision);
    CHECK(cms_find_request(store, "no id", &found) == CMS_ERR_INVALID);
    /* Of this key: the history begins with edits by hand that it has found just now. */
    CHECK(cms_history_open(store, "t.o.one", 1, &history) == CMS_OK && cms_history_next(history, &record) == CMS_OK);
    CHECK(strcmp(record.author.data, "alice@192.168.7.20") == 0 && strcmp(record.source.data, "rest") == 0);
    CHECK(strcmp(record.request.data, plain) == 0 && record.decided_us == 0);
    cms_history_close(history);
    by.author = "bob";
    by.request = "no id";
    CHECK(cms_store_open_as(store, &by, &other) == CMS_ERR_INVALID);
    by.request = NULL;
    CHECK(cms_store_open_as(store, &by, &other) == CMS_OK);
    CHECK(cms_undo(other, revision, NULL, &undone) == CMS_OK);
    cms_close(other);
    CHECK(cms_history_open(store, NULL, 1, &history) == CMS_OK && cms_history_next(history, &record) == CMS_OK);
    CHECK(record.revision == undone && strcmp(record.author.data, "bob") == 0 && record.request.len == 0);
    cms_history_close(history);
}

static void what_was(cms_store *store)
{
    const char *before = "config thing 's'\n\toption a '1'\n";
    cms_blame *blame;
    cms_bytes line;
    cms_record by;
    cms_package_iter *packages;
    cms_txn *txn;
    char text[64];
    size_t len;
    uint64_t seen, revision;

    by.size = sizeof by;
    CHECK(cms_text_at(store, "w", UINT64_MAX, text, sizeof text, &len) == CMS_OK && len == strlen(before));
    CHECK(strcmp(text, before) == 0 && cms_find_revision(store, "now", &seen) == CMS_OK);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "w.s.b", "2") == CMS_OK);
    CHECK(cms_txn_set_message(txn, "why") == CMS_OK && cms_txn_commit(txn, &revision) == CMS_OK);
    CHECK(cms_find_revision(store, "now", &revision) == CMS_OK && revision == seen + 1);
    CHECK(cms_text_at(store, "w", seen, text, 8, &len) == CMS_OK && len == strlen(before) && strlen(text) == 7);
    CHECK(cms_text_at(store, "w", revision, NULL, 0, &len) == CMS_OK && len > strlen(before));
    CHECK(cms_text_at(store, "none", revision, NULL, 0, &len) == CMS_ERR_NOT_FOUND);
    CHECK(cms_text_at(store, "../config/w", revision, NULL, 0, &len) == CMS_ERR_NOT_FOUND);
    REFUSED(cms_text_at(store, NULL, revision, NULL, 0, &len), "package");
    REFUSED(cms_text_at(store, "\xff", revision, NULL, 0, &len), "package");
    REFUSED(cms_text_at(store, "w", revision, NULL, 1, &len), "buffer");
    REFUSED(cms_text_at(NULL, "w", revision, NULL, 0, &len), "store");

    CHECK(cms_package_iter_open_changed(store, seen, &packages) == CMS_OK);
    CHECK(cms_package_iter_next(packages, &line) == CMS_OK && is(line, "w"));
    CHECK(cms_package_iter_next(packages, &line) == CMS_ERR_END);
    cms_package_iter_close(packages);
    CHECK(cms_package_iter_open_changed(store, revision, &packages) == CMS_OK);
    CHECK(cms_package_iter_next(packages, &line) == CMS_ERR_END);
    cms_package_iter_close(packages);
    REFUSED(cms_package_iter_open_changed(store, 0, NULL), "iter");
    REFUSED(cms_package_iter_open_changed(NULL, 0, &packages), "store");

    CHECK(cms_blame_open(store, "w", &blame) == CMS_OK);
    CHECK(cms_blame_next(blame, &line, &by) == CMS_OK && is(line, "config thing 's'"));
    CHECK(by.revision == 0 && by.kind == 0 && is(by.source, "") && is(by.message, ""));
    CHECK(cms_blame_next(blame, &line, NULL) == CMS_OK && is(line, "\toption a '1'"));
    CHECK(cms_blame_next(blame, &line, &by) == CMS_OK && is(line, "\toption b '2'"));
    CHECK(by.revision == revision && by.kind == CMS_BY_COMMIT && is(by.message, "why"));
    CHECK(cms_blame_next(blame, &line, &by) == CMS_ERR_END);
    REFUSED(cms_blame_next(blame, NULL, &by), "line");
    REFUSED(cms_blame_next(NULL, &line, &by), "blame");
    cms_blame_close(blame);
    cms_blame_close(NULL);
    CHECK(cms_blame_open(store, "none", &blame) == CMS_ERR_NOT_FOUND);
    REFUSED(cms_blame_open(store, NULL, &blame), "package");
    REFUSED(cms_blame_open(store, "w", NULL), "blame");
    REFUSED(cms_blame_open(NULL, "w", &blame), "store");
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void the_log(cms_store *store, const char *package)
{
    cms_archive_iter *archives;
    cms_archive archive;
    cms_log_info log;
    cms_report *report;
    cms_repaired repaired;
    cms_bytes problem;
    uint64_t revision;

    archive.size = sizeof archive;
    log.size = sizeof log;
    repaired.size = sizeof repaired;
    CHECK(cms_archive_iter_open(store, &archives) == CMS_OK);
    CHECK(cms_archive_iter_next(archives, &archive) == CMS_ERR_END);
    cms_archive_iter_close(archives);
    CHECK(cms_archive_create(store, "one", &revision) == CMS_OK && cms_archive_iter_open(store, &archives) == CMS_OK);
    CHECK(cms_archive_iter_next(archives, &archive) == CMS_OK);
    CHECK(is(archive.label, "one") && is(archive.source, "smoke"));
    CHECK(archive.revision == revision && archive.time_us > 0 && archive.file_size > 100 && !archive.automatic);
    CHECK(cms_archive_iter_next(archives, &archive) == CMS_ERR_END);
    REFUSED(cms_archive_iter_next(archives, NULL), "archive");
    REFUSED(cms_archive_iter_next(NULL, &archive), "iter");
    cms_archive_iter_close(archives);
    cms_archive_iter_close(NULL);
    REFUSED(cms_archive_iter_open(store, NULL), "iter");
    REFUSED(cms_archive_iter_open(NULL, &archives), "store");
    CHECK(cms_archive_delete(store, "one") == CMS_OK && cms_archive_delete(store, "one") == CMS_ERR_NOT_FOUND);
    CHECK(cms_archive_delete(store, "../one") == CMS_ERR_INVALID);
    REFUSED(cms_archive_delete(store, NULL), "label");
    REFUSED(cms_archive_delete(NULL, "one"), "store");

    CHECK(cms_log_check(store, &log, &report) == CMS_OK && log.first == 1 && log.last >= revision);
    CHECK(log.chain.len == 32 && strlen(log.chain.data) == 32);
    CHECK(cms_report_next_problem(report, &problem) == CMS_ERR_END);
    CHECK(cms_report_next_repaired(report, &repaired) == CMS_ERR_END);
    REFUSED(cms_report_next_problem(report, NULL), "problem");
    REFUSED(cms_report_next_problem(NULL, &problem), "report");
    REFUSED(cms_report_next_repaired(report, NULL), "repaired");
    REFUSED(cms_report_next_repaired(NULL, &repaired), "report");
    cms_report_close(report);
    cms_report_close(NULL);
    REFUSED(cms_log_check(store, NULL, &report), "info");
    REFUSED(cms_log_check(store, &log, NULL), "report");
    REFUSED(cms_log_check(NULL, &log, &report), "store");

    write_file(package, "config thing 's'\n\toption 'open\n");
    CHECK(cms_repair(store, &report) == CMS_OK && cms_report_next_repaired(report, &repaired) == CMS_OK);
    CHECK(is(repaired.package, "w") && repaired.text_revision == revision && repaired.revision > revision);
    CHECK(cms_report_next_repaired(report, &repaired) == CMS_ERR_END);
    CHECK(cms_report_next_problem(report, &problem) == CMS_ERR_END);
    cms_report_close(report);
    CHECK(cms_get(store, "w.s.b", NULL, 0, NULL) == CMS_OK);
    REFUSED(cms_repair(store, NULL), "report");
    REFUSED(cms_repair(NULL, &report), "store");
}

/* Use another configuration: the first one has a package with errors, and the log has no text of it without errors.
 * */
static void looking_back(void)
{
    const char *dir = getenv("CMS_SMOKE_DIR");
    char config[4096], state[4096], package[4160];
    cms_options options;
    cms_store *store;

    CHECK(dir);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    snprintf(config, sizeof config, "%s/config", dir);
    snprintf(state, sizeof state, "%s/state", dir);
    snprintf(package, sizeof package, "%s/w", config);
    write_file(package, "config thing 's'\n\toption a '1'\n");
    options.config_dir = config;
    options.state_dir = state;
    options.run_dir = "";
    options.source = "smoke";
    CHECK(cms_open(&options, &store) == CMS_OK);
    what_was(store);
    the_log(store, package);
    cms_close(store);
}

int main(void)
{
    cms_options options;
    cms_store *store;
    cms_error error;

    error.size = sizeof error;
    CHECK(cms_last_error(&error) == CMS_ERR_NOT_FOUND);
    CHECK(cms_version_number() == CMS_VERSION_NUMBER && strcmp(cms_version(), CMS_VERSION) == 0);
    CHECK(strcmp(cms_status_name(CMS_ERR_STALE), "CMS_ERR_STALE") == 0);
    CHECK(strcmp(cms_status_name(CMS_ERR_INTERNAL), "CMS_ERR_INTERNAL") == 0);
    CHECK(strcmp(cms_status_name(-1), "CMS_ERR_UNKNOWN") == 0 && strcmp(cms_status_name(999), "CMS_ERR_UNKNOWN") == 0);
    memset(&options, 0, sizeof options);
    CHECK(cms_open(&options, &store) == CMS_ERR_INVALID);
    options.size = sizeof options;
    options.flags = 1u << 31;
    CHECK(cms_open(&options, &store) == CMS_ERR_INVALID && cms_open(NULL, NULL) == CMS_ERR_INVALID);
    options.flags = 0;
    options.config_dir = "/nowhere";
    CHECK(cms_open(&options, &store) == CMS_ERR_NOT_FOUND);
    options.config_dir = "/dev/null";
    CHECK(cms_open(&options, &store) == CMS_ERR_IO);
    options.config_dir = getenv("CMS_CONFIG_DIR");
    options.size = offsetof(cms_options, flags);
    CHECK(cms_open(&options, &store) == CMS_OK);
    reads(store);
    over_long(store);
    messages(store);
    lists(store);
    snapshots(store);
    iterators(store);
    transactions(store);
    commits_for_others(store);
    transactions_beside_each_other(store);
    cms_close(store);
    sizes_of_structs();
    texts_that_come_later();
    looking_back();
    options.size = sizeof options;
    options.flags = CMS_OPEN_PRIVATE;
    CHECK(cms_open(&options, &store) == CMS_OK);
    cms_close(store);
    cms_close(NULL);
    puts("all good");
    return 0;
}
