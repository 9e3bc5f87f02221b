/* One function for each fault that was found in the C library, named by its id in the list of faults. Run under
   AddressSanitizer on a copy of the store that smoke.c uses. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(what) check((what) != 0, #what, __LINE__)

static void check(int good, const char *what, int line)
{
    if (!good) {
        char message[256];
        cms_last_message(message, sizeof message);
        fprintf(stderr, "line %d: %s (last error: %s)\n", line, what, message);
        exit(1);
    }
}

/* Reads the file of a package. */
static const char *text_of(const char *package)
{
    static char text[8192];
    char path[4096];
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/%s", getenv("CMS_CONFIG_DIR"), package);
    file = fopen(path, "r");
    CHECK(file);
    len = fread(text, 1, sizeof text - 1, file);
    text[len] = 0;
    fclose(file);
    return text;
}

/* Writes the items of a list, with a bar after each, and closes it. */
static const char *shown(cms_list *list)
{
    static char text[256];
    cms_bytes item;
    size_t index, len = 0;

    for (index = 0; cms_list_item(list, index, &item) == CMS_OK; index++)
        len += (size_t) snprintf(text + len, sizeof text - len, "%s|", item.data);
    text[len] = 0;
    cms_list_close(list);
    return text;
}

/* Lists are read as lists, with unchanged items: from the store, a snapshot and a transaction, and at a revision. */
static void m14_lists_come_back_as_lists(cms_store *store)
{
    const char *items[] = { "a", "b c", "" };
    char text[64] = "untouched";
    cms_snapshot *snapshot;
    uint64_t before, after;
    cms_bytes all, item;
    cms_list *list;
    cms_txn *txn;

    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_get(txn, "t.s.list", text, sizeof text, NULL) == CMS_ERR_TYPE && strcmp(text, "untouched") == 0);
    CHECK(cms_txn_list_open(txn, "t.s.list", &list) == CMS_OK && strcmp(shown(list), "a|b c|") == 0);
    CHECK(cms_txn_list_open(txn, "t.s.name", &list) == CMS_OK && strcmp(shown(list), "value|") == 0);
    CHECK(cms_txn_list_open(txn, "t.s.none", &list) == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_set(txn, "t.s.number", "1") == CMS_OK && cms_txn_commit(txn, &before) == CMS_OK);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set_list(txn, "t.s.list", items, 3) == CMS_OK);
    CHECK(cms_txn_list_open(txn, "t.s.list", &list) == CMS_OK && strcmp(shown(list), "a|b c||") == 0);
    CHECK(cms_txn_commit(txn, &after) == CMS_OK);
    CHECK(cms_list_open(store, "t.s.list", &list) == CMS_OK && strcmp(shown(list), "a|b c||") == 0);
    CHECK(cms_get_at(store, "t.s.list", before, text, sizeof text, NULL) == CMS_ERR_TYPE);
    /* A revision that does not exist yet has no values. */
    CHECK(cms_get_at(store, "t.s.name", after + 1, text, sizeof text, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_text_at(store, "t", after + 1, text, sizeof text, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_list_open_at(store, "t.s.list", after + 1, &list) == CMS_ERR_NOT_FOUND);
    CHECK(cms_list_open_at(store, "t.s.list", before, &list) == CMS_OK && strcmp(shown(list), "a|b c|") == 0);
    CHECK(cms_list_open_at(store, "t.s.list", after, &list) == CMS_OK && strcmp(shown(list), "a|b c||") == 0);
    CHECK(cms_list_open_at(store, "t.s.name", before, &list) == CMS_OK && strcmp(shown(list), "value|") == 0);
    CHECK(cms_list_open_at(store, "t.s.none", before, &list) == CMS_ERR_NOT_FOUND);
    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_snapshot_get_list(snapshot, "t.s.list", &all) == CMS_OK);
    CHECK(cms_bytes_next(&all, &item) == CMS_OK && strcmp(item.data, "a") == 0);
    CHECK(cms_bytes_next(&all, &item) == CMS_OK && strcmp(item.data, "b c") == 0);
    CHECK(cms_bytes_next(&all, &item) == CMS_OK && item.len == 0);
    CHECK(cms_bytes_next(&all, &item) == CMS_ERR_END);
    cms_snapshot_close(snapshot);
}

/* Writing a value that was read changes nothing: neither the text nor the kind of the value, and no transaction is
 * made. */
static void s21_what_was_read_can_be_written_back(cms_store *store)
{
    char before[8192], text[64];
    const char *items[8];
    cms_section section;
    cms_option option;
    cms_snapshot *snapshot;
    cms_section_iter *sections;
    cms_option_iter *options;
    cms_bytes rest, item;
    char key[128];
    cms_txn *txn;
    size_t count;

    section.size = sizeof section;
    option.size = sizeof option;
    strcpy(before, text_of("t"));
    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK && cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_section_iter_open(snapshot, "t", NULL, &sections) == CMS_OK);
    while (cms_section_iter_next(sections, &section) == CMS_OK) {
        snprintf(key, sizeof key, "t.%s", section.name.data);
        CHECK(cms_txn_set(txn, key, section.type.data) == CMS_OK);
        CHECK(cms_option_iter_open(snapshot, "t", section.name.data, &options) == CMS_OK);
        while (cms_option_iter_next(options, &option) == CMS_OK) {
            snprintf(key, sizeof key, "t.%s.%s", section.name.data, option.name.data);
            if (option.kind == CMS_OPTION_STRING) {
                CHECK(cms_txn_get(txn, key, text, sizeof text, NULL) == CMS_OK);
                CHECK(cms_txn_set(txn, key, text) == CMS_OK);
                continue;
            }
            rest = option.items;
            for (count = 0; cms_bytes_next(&rest, &item) == CMS_OK; count++)
                items[count] = item.data;
            CHECK(cms_txn_set_list(txn, key, items, count) == CMS_OK);
        }
        cms_option_iter_close(options);
    }
    cms_section_iter_close(sections);
    CHECK(cms_txn_info(txn, NULL, NULL, &count) == CMS_OK && count == 0);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK && strcmp(before, text_of("t")) == 0);
    cms_snapshot_close(snapshot);
}

/* Values are bytes, names are not. */
static void m7_values_are_bytes(cms_store *store)
{
    const char *items[] = { "\xfe", "\xc3\xa9" };
    char value[16];
    cms_list *list;
    cms_txn *txn;

    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set(txn, "t.o.latin", "caf\xe9") == CMS_OK);
    CHECK(cms_txn_set_list(txn, "t.o.bytes", items, 2) == CMS_OK);
    CHECK(cms_txn_add_list(txn, "t.o.bytes", "\xff") == CMS_OK);
    CHECK(cms_txn_del_list(txn, "t.o.bytes", "\xfe") == CMS_OK);
    CHECK(cms_txn_set(txn, "t.o.caf\xe9", "x") == CMS_ERR_INVALID);
    CHECK(cms_txn_rename(txn, "t.o.latin", "caf\xe9") == CMS_ERR_INVALID);
    CHECK(cms_txn_set(txn, "t.o", "caf\xe9") == CMS_ERR_INVALID);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_get(store, "t.o.latin", value, sizeof value, NULL) == CMS_OK && strcmp(value, "caf\xe9") == 0);
    CHECK(cms_list_open(store, "t.o.bytes", &list) == CMS_OK && strcmp(shown(list), "\xc3\xa9|\xff|") == 0);
    CHECK(strstr(text_of("t"), "option latin 'caf\xe9'"));
}

/* A program creates a package only by writing to it. */
static void m13_writing_creates_a_package(cms_store *store)
{
    char name[32], path[4096], value[16];
    cms_error error;
    uint64_t revision;
    cms_txn *txn;

    error.size = sizeof error;
    snprintf(path, sizeof path, "%s/fresh", getenv("CMS_CONFIG_DIR"));
    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set(txn, "fresh.a.o", "1") == CMS_ERR_NOT_FOUND && cms_last_error(&error) == CMS_OK);
    CHECK(!strstr(error.hint, "'cms"));
    CHECK(cms_txn_set(txn, "../fresh.a", "t") == CMS_ERR_INVALID && cms_txn_set(txn, ".fresh.a", "t") != CMS_OK);
    CHECK(cms_txn_get(txn, "fresh.a.o", value, sizeof value, NULL) == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_set(txn, "fresh.a", "t") == CMS_OK && cms_txn_set(txn, "fresh.a.o", "1") == CMS_OK);
    CHECK(cms_txn_get(txn, "fresh.a.o", value, sizeof value, NULL) == CMS_OK && strcmp(value, "1") == 0);
    CHECK(fopen(path, "r") == NULL);
    cms_txn_rollback(txn);
    CHECK(fopen(path, "r") == NULL);
    CHECK(cms_begin(store, &txn) == CMS_OK && cms_txn_set(txn, "fresh.a", "t") == CMS_OK);
    CHECK(cms_txn_set(txn, "fresh.a.o", "1") == CMS_OK && cms_txn_commit(txn, &revision) == CMS_OK);
    CHECK(cms_get(store, "fresh.a.o", value, sizeof value, NULL) == CMS_OK && strcmp(value, "1") == 0);
    CHECK(strcmp(text_of("fresh"), "config t 'a'\n\toption o '1'\n") == 0);
    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_add_section(txn, "other", "t", name, sizeof name, NULL) == CMS_OK);
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_get(store, "other.@t[0]", value, sizeof value, NULL) == CMS_OK && strcmp(value, "t") == 0);
}

/* The messages that on_message got. */
struct told {
    int count;
    int32_t level;
    char message[256];
};

static void tell(int32_t level, const char *message, void *data)
{
    struct told *told = (struct told *) data;

    told->count++;
    told->level = level;
    snprintf(told->message, sizeof told->message, "%s", message);
}

/* The library calls the store's log hook once for each warning. */
static void a6_warnings_are_told_to_the_message_hook(void)
{
    char path[4096];
    struct told told;
    cms_options options;
    cms_package_iter *iter;
    cms_store *store;
    cms_bytes name;
    cms_snapshot *snapshot;
    int round;

    snprintf(path, sizeof path, "%s/pipe", getenv("CMS_CONFIG_DIR"));
    CHECK(mkfifo(path, 0600) == 0);
    memset(&told, 0, sizeof told);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.on_message = tell;
    options.message_data = &told;
    CHECK(cms_open(&options, &store) == CMS_OK);
    for (round = 0; round < 2; round++) {
        CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
        CHECK(cms_package_iter_open(snapshot, &iter) == CMS_OK);
        while (cms_package_iter_next(iter, &name) == CMS_OK)
            CHECK(strcmp(name.data, "pipe") != 0);
        cms_package_iter_close(iter);
        cms_snapshot_close(snapshot);
        CHECK(told.count == 1 && told.level == CMS_MESSAGE_WARNING && strstr(told.message, "pipe is skipped"));
    }
    cms_close(store);
    /* Without a hook the library drops the warning. */
    CHECK(cms_open(NULL, &store) == CMS_OK);
    cms_close(store);
    CHECK(told.count == 1 && unlink(path) == 0);
}

int main(void)
{
    cms_store *store;

    CHECK(cms_open(NULL, &store) == CMS_OK);
    s21_what_was_read_can_be_written_back(store);
    m14_lists_come_back_as_lists(store);
    m7_values_are_bytes(store);
    m13_writing_creates_a_package(store);
    a6_warnings_are_told_to_the_message_hook();
    s21_what_was_read_can_be_written_back(store);
    cms_close(store);
    puts("all good");
    return 0;
}
