/* M28: typed values of a store, a snapshot, a prepared key and a transaction, with a default and within limits; and the
   value, the file and the line in the error where one does not fit. Built as C and as C++. */
#define _POSIX_C_SOURCE 200112L
#include "check.h"

/* Reports whether the last call failed with that status because of that value, in that line of the package t. */
static int tells(cms_status status, const char *key, const char *value, uint32_t line)
{
    cms_error error;
    const char *end;

    error.size = sizeof error;
    if (cms_last_error(&error) != CMS_OK)
        return 0;
    end = strrchr(error.file, '/');
    return error.status == status && strcmp(error.key, key) == 0 && strcmp(error.value, value) == 0
        && error.line == line && end && strcmp(end, "/t") == 0 && strstr(error.message, key)
        && strstr(error.message, value) && (line == 0 || strstr(error.message, "/t:"));
}

static void values_of_a_store(const cms_store *store)
{
    char buffer[16];
    size_t len;
    int64_t number;
    double real;
    uint64_t size;
    int32_t truth;

    CHECK(cms_get_string(store, "t.s.name", "none", buffer, sizeof buffer, &len) == CMS_OK);
    CHECK(strcmp(buffer, "value") == 0 && len == 5);
    CHECK(cms_get_string(store, "t.s.none", "none", buffer, sizeof buffer, &len) == CMS_ERR_NOT_FOUND);
    CHECK(strcmp(buffer, "none") == 0 && len == 4);
    CHECK(cms_get_string(store, "t.s.list", NULL, buffer, sizeof buffer, &len) == CMS_ERR_TYPE);
    CHECK(strcmp(buffer, "") == 0 && len == 0 && tells(CMS_ERR_TYPE, "t.s.list", "", 7));
    CHECK(cms_get_string(NULL, "t.s.name", "none", buffer, 3, &len) == CMS_ERR_INVALID && len == 4);
    CHECK(strcmp(buffer, "no") == 0);
    CHECK(cms_get_int_range(store, "t.s.number", -50, 0, 7, &number) == CMS_OK && number == -42);
    CHECK(cms_get_int_range(store, "t.s.number", -42, -42, 7, &number) == CMS_OK && number == -42);
    CHECK(cms_get_int_range(store, "t.s.number", 0, 50, 7, &number) == CMS_ERR_RANGE && number == 7);
    CHECK(tells(CMS_ERR_RANGE, "t.s.number", "-42", 3));
    REFUSED(cms_get_int_range(store, "t.s.number", 50, -50, 7, &number), "least");
    CHECK(cms_get_int_range(store, "t.s.name", 0, 50, 7, &number) == CMS_ERR_TYPE && number == 7);
    CHECK(tells(CMS_ERR_TYPE, "t.s.name", "value", 2));
    CHECK(cms_get_int(store, "t.@thing[0].name", 7, &number) == CMS_ERR_TYPE);
    CHECK(tells(CMS_ERR_TYPE, "t.@thing[0].name", "value", 2));
    CHECK(cms_get_int(store, "t.s", 7, &number) == CMS_ERR_TYPE && tells(CMS_ERR_TYPE, "t.s", "thing", 1));
    CHECK(cms_get_bool(store, "t.s.size", 1, &truth) == CMS_ERR_TYPE && tells(CMS_ERR_TYPE, "t.s.size", "2k", 6));
    CHECK(cms_get_double_range(store, "t.s.real", 30, 31, 0, &real) == CMS_OK && real > 30.4 && real < 30.6);
    CHECK(cms_get_double_range(store, "t.s.real", 31, 32, 1, &real) == CMS_ERR_RANGE && real < 1.1);
    CHECK(tells(CMS_ERR_RANGE, "t.s.real", "30.5", 5));
    CHECK(cms_get_size_range(store, "t.s.size", 2048, 4096, 0, &size) == CMS_OK && size == 2048);
    CHECK(cms_get_size_range(store, "t.s.size", 0, 2047, 9, &size) == CMS_ERR_RANGE && size == 9);
    CHECK(cms_get_int_range(NULL, "t.s.number", 0, 1, 7, &number) == CMS_ERR_INVALID && number == 7);
    REFUSED(cms_get_int_range(store, NULL, 0, 1, 7, &number), "key");
    REFUSED(cms_get_int_range(store, "t.s.number", 0, 1, 7, NULL), "value");
    REFUSED(cms_get_string(store, "t.s.name", "", NULL, 1, NULL), "buffer");
    CHECK(strcmp(cms_status_message(CMS_ERR_RANGE), "The number is not within the limits.") == 0);
    CHECK(strcmp(cms_status_message(CMS_OK), "All is well.") == 0 && *cms_status_message(-1) && *cms_status_message(99));
    CHECK(strcmp(cms_status_name(CMS_ERR_RANGE), "CMS_ERR_RANGE") == 0);
}

static void values_of_a_snapshot(const cms_store *store)
{
    cms_snapshot *snapshot;
    const char *text;
    int64_t number;
    double real;
    uint64_t size;
    int32_t truth;

    CHECK(cms_snapshot_open(store, &snapshot) == CMS_OK);
    CHECK(cms_snapshot_get_string(snapshot, "t.s.name", "none", &text) == CMS_OK && strcmp(text, "value") == 0);
    CHECK(cms_snapshot_get_string(snapshot, "t.s.none", "none", &text) == CMS_ERR_NOT_FOUND);
    CHECK(strcmp(text, "none") == 0);
    CHECK(cms_snapshot_get_string(snapshot, "t.s.list", NULL, &text) == CMS_ERR_TYPE && text == NULL);
    CHECK(tells(CMS_ERR_TYPE, "t.s.list", "", 7));
    REFUSED(cms_snapshot_get_string(NULL, "t.s.name", "none", &text), "snapshot");
    CHECK(strcmp(text, "none") == 0 && cms_snapshot_get_string(snapshot, "t.s.name", NULL, NULL) == CMS_OK);
    CHECK(cms_snapshot_get_int(snapshot, "t.s.number", 7, &number) == CMS_OK && number == -42);
    CHECK(cms_snapshot_get_int(snapshot, "t.s.none", 7, &number) == CMS_ERR_NOT_FOUND && number == 7);
    CHECK(cms_snapshot_get_int_range(snapshot, "t.s.number", 0, 1, 7, &number) == CMS_ERR_RANGE && number == 7);
    CHECK(tells(CMS_ERR_RANGE, "t.s.number", "-42", 3));
    CHECK(cms_snapshot_get_bool(snapshot, "t.s.truth", 0, &truth) == CMS_OK && truth == 1);
    CHECK(cms_snapshot_get_double(snapshot, "t.s.real", 0, &real) == CMS_OK && real > 30.4 && real < 30.6);
    CHECK(cms_snapshot_get_double_range(snapshot, "t.s.real", 0, 1, 0, &real) == CMS_ERR_RANGE);
    CHECK(cms_snapshot_get_size(snapshot, "t.s.size", 0, &size) == CMS_OK && size == 2048);
    CHECK(cms_snapshot_get_size_range(snapshot, "t.s.size", 0, 1, 5, &size) == CMS_ERR_RANGE && size == 5);
    CHECK(cms_snapshot_get_size(snapshot, "t.s.name", 0, &size) == CMS_ERR_TYPE);
    CHECK(tells(CMS_ERR_TYPE, "t.s.name", "value", 2));
    /* The text is newer than the snapshot: its line is not that of the value. */
    CHECK(cms_set(store, "t.s.name", "changed") == CMS_OK);
    CHECK(cms_snapshot_get_size(snapshot, "t.s.name", 0, &size) == CMS_ERR_TYPE);
    CHECK(tells(CMS_ERR_TYPE, "t.s.name", "value", 0));
    CHECK(cms_set(store, "t.s.name", "value") == CMS_OK);
    cms_snapshot_close(snapshot);
}

static void values_of_a_key(const cms_store *store)
{
    cms_key *name, *number, *list;
    cms_bytes items, item;
    const char *text;
    int64_t integer;
    double real;
    uint64_t size;
    int32_t truth;

    CHECK(cms_key_open(store, "t.s.name", &name) == CMS_OK && cms_key_open(store, "t.s.number", &number) == CMS_OK);
    CHECK(cms_key_open(store, "t.s.list", &list) == CMS_OK);
    CHECK(cms_key_get_string(name, "none", &text) == CMS_OK && strcmp(text, "value") == 0);
    CHECK(cms_key_get_string(list, "none", &text) == CMS_ERR_TYPE && strcmp(text, "none") == 0);
    REFUSED(cms_key_get_string(NULL, "none", &text), "key");
    CHECK(strcmp(text, "none") == 0);
    CHECK(cms_key_get_int(number, 7, &integer) == CMS_OK && integer == -42);
    CHECK(cms_key_get_int(name, 7, &integer) == CMS_ERR_TYPE && integer == 7);
    CHECK(tells(CMS_ERR_TYPE, "t.s.name", "value", 2));
    CHECK(cms_key_get_int_range(number, 1, 2, 7, &integer) == CMS_ERR_RANGE && integer == 7);
    CHECK(tells(CMS_ERR_RANGE, "t.s.number", "-42", 3));
    CHECK(cms_key_get_bool(number, 1, &truth) == CMS_ERR_TYPE && truth == 1);
    CHECK(cms_key_get_double(number, 0, &real) == CMS_OK && real < -41.9 && real > -42.1);
    CHECK(cms_key_get_double_range(number, 0, 1, 0.5, &real) == CMS_ERR_RANGE && real > 0.4);
    CHECK(cms_key_get_size(number, 3, &size) == CMS_ERR_TYPE && size == 3);
    CHECK(cms_key_get_size_range(name, 0, 1, 3, &size) == CMS_ERR_TYPE && size == 3);
    CHECK(cms_key_get_list(list, &items) == CMS_OK);
    CHECK(cms_bytes_next(&items, &item) == CMS_OK && strcmp(item.data, "a") == 0);
    CHECK(cms_bytes_next(&items, &item) == CMS_OK && strcmp(item.data, "b c") == 0);
    CHECK(cms_bytes_next(&items, &item) == CMS_ERR_END);
    CHECK(cms_key_get_list(name, &items) == CMS_OK && cms_bytes_next(&items, &item) == CMS_OK);
    CHECK(strcmp(item.data, "value") == 0 && cms_bytes_next(&items, &item) == CMS_ERR_END);
    REFUSED(cms_key_get_list(name, NULL), "items");
    cms_key_close(name), cms_key_close(number), cms_key_close(list);
}

static void values_of_a_transaction(const cms_store *store)
{
    cms_txn *txn;
    char buffer[64];
    size_t len;
    int64_t number;
    double real;
    uint64_t size;
    int32_t truth;

    CHECK(cms_begin(store, &txn) == CMS_OK);
    CHECK(cms_txn_set_int(txn, "t.o.int", INT64_MIN) == CMS_OK && cms_txn_set_bool(txn, "t.o.yes", 5) == CMS_OK);
    CHECK(cms_txn_set_bool(txn, "t.o.no", 0) == CMS_OK && cms_txn_set_size(txn, "t.o.size", UINT64_MAX) == CMS_OK);
    CHECK(cms_txn_set_double(txn, "t.o.real", 0.1) == CMS_OK && cms_txn_set_double(txn, "t.o.one", 1) == CMS_OK);
    real = 1e308;
    REFUSED(cms_txn_set_double(txn, "t.o.real", real * 10), "value");
    REFUSED(cms_txn_set_int(txn, NULL, 1), "key");
    REFUSED(cms_txn_set_int(NULL, "t.o.int", 1), "txn");
    CHECK(cms_txn_set_int(txn, "t.none.int", 1) == CMS_ERR_NOT_FOUND);
    CHECK(cms_txn_get_int(txn, "t.o.int", 0, &number) == CMS_OK && number == INT64_MIN);
    CHECK(cms_txn_get_int_range(txn, "t.o.int", 0, 1, 7, &number) == CMS_ERR_RANGE && number == 7);
    CHECK(tells(CMS_ERR_RANGE, "t.o.int", "-9223372036854775808", 0));
    CHECK(cms_txn_get_bool(txn, "t.o.yes", 0, &truth) == CMS_OK && truth == 1);
    CHECK(cms_txn_get_bool(txn, "t.o.no", 1, &truth) == CMS_OK && truth == 0);
    CHECK(cms_txn_get_size(txn, "t.o.size", 0, &size) == CMS_OK && size == UINT64_MAX);
    CHECK(cms_txn_get_size_range(txn, "t.o.size", 0, 1, 4, &size) == CMS_ERR_RANGE && size == 4);
    CHECK(cms_txn_get_double(txn, "t.o.real", 0, &real) == CMS_OK && real > 0.09 && real < 0.11);
    CHECK(cms_txn_get_double_range(txn, "t.o.real", 1, 2, 1.5, &real) == CMS_ERR_RANGE && real > 1.4);
    CHECK(cms_txn_get_string(txn, "t.o.one", "", buffer, sizeof buffer, &len) == CMS_OK && strcmp(buffer, "1.0") == 0);
    CHECK(cms_txn_get_string(txn, "t.o.none", "no", buffer, sizeof buffer, &len) == CMS_ERR_NOT_FOUND && len == 2);
    CHECK(cms_txn_get_string(txn, "t.s.list", "no", buffer, sizeof buffer, &len) == CMS_ERR_TYPE && len == 2);
    CHECK(tells(CMS_ERR_TYPE, "t.s.list", "", 7));
    CHECK(cms_txn_get_int(txn, "t.s.name", 7, &number) == CMS_ERR_TYPE && tells(CMS_ERR_TYPE, "t.s.name", "value", 2));
    CHECK(cms_txn_commit(txn, NULL) == CMS_OK);
    CHECK(cms_get(store, "t.o.real", buffer, sizeof buffer, NULL) == CMS_OK && strcmp(buffer, "0.1") == 0);
}

static void text_and_lines(const cms_store *store)
{
    char file[256], long_value[200];
    size_t len;
    int64_t number;
    double real;
    uint64_t size;
    uint32_t line;
    int32_t truth;
    cms_error error;

    CHECK(cms_parse_int("0x10", &number) == CMS_OK && number == 16);
    number = 3;
    CHECK(cms_parse_int("ten", &number) == CMS_ERR_TYPE && number == 3);
    CHECK(cms_parse_bool("on", &truth) == CMS_OK && truth == 1 && cms_parse_bool("2", &truth) == CMS_ERR_TYPE);
    CHECK(cms_parse_double("1e3", &real) == CMS_OK && real > 999 && cms_parse_double("", &real) == CMS_ERR_TYPE);
    CHECK(cms_parse_size("2MiB", &size) == CMS_OK && size == 2 << 20 && cms_parse_size("-1", &size) == CMS_ERR_TYPE);
    error.size = sizeof error;
    CHECK(cms_last_error(&error) == CMS_OK && strcmp(error.value, "-1") == 0 && error.line == 0);
    REFUSED(cms_parse_int(NULL, &number), "text");
    REFUSED(cms_parse_int("1", NULL), "value");

    CHECK(cms_find_line(store, "t.s.number", file, sizeof file, &len, &line) == CMS_OK && line == 3);
    CHECK(strlen(file) == len && strcmp(file + len - 2, "/t") == 0);
    CHECK(cms_find_line(store, "t.@thing[-1]", NULL, 0, NULL, &line) == CMS_OK && line == 1);
    CHECK(cms_find_line(store, "t.s.none", NULL, 0, NULL, &line) == CMS_ERR_NOT_FOUND);
    CHECK(cms_find_line(store, "none.s", NULL, 0, NULL, &line) == CMS_ERR_NOT_FOUND);
    CHECK(cms_find_line(store, "t", NULL, 0, NULL, &line) == CMS_ERR_INVALID);
    REFUSED(cms_find_line(store, NULL, NULL, 0, NULL, &line), "key");
    REFUSED(cms_find_line(store, "t.s", NULL, 0, NULL, NULL), "line");
    REFUSED(cms_find_line(store, "t.s", NULL, 1, NULL, &line), "buffer");

    /* The message names a long value by its beginning; the error has all of it. */
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = 0;
    CHECK(cms_set(store, "t.s.long", long_value) == CMS_OK);
    CHECK(cms_get_int(store, "t.s.long", 0, &number) == CMS_ERR_TYPE && cms_last_error(&error) == CMS_OK);
    CHECK(strcmp(error.value, long_value) == 0 && strstr(error.message, "xxx...'"));
    CHECK(strstr(error.message, long_value) == NULL);
}

int main(void)
{
    cms_store *store;

    CHECK(cms_open(NULL, &store) == CMS_OK);
    values_of_a_store(store);
    values_of_a_snapshot(store);
    values_of_a_key(store);
    values_of_a_transaction(store);
    text_and_lines(store);
    cms_close(store);
    puts("all good");
    return 0;
}
