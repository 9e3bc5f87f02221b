/* See config.h. */
#define _POSIX_C_SOURCE 200809L
#include "config.h"
#include <cms.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 256, COLUMNS = 16 };

/* A state that strings were read from; they are valid as long as it is open. */
struct state {
    cms_snapshot *snapshot;
    struct state *next;
};

struct ConfigArray {
    char key[KEY];
    enum ValueType type;
    size_t size, count;
    char *elements;
    struct ConfigArray *next;
};

struct ConfigTable {
    char name[KEY];
    Column columns[COLUMNS];
    size_t count;
    struct ConfigHashEntry row;
    struct ConfigTable *next;
};

struct ConfigStore {
    char name[KEY];
    cms_store *store;
    struct state *states;
    struct ConfigArray *arrays;
    struct ConfigTable *tables;
};

struct ConfigStore *config_store_init(const char *name, size_t size)
{
    struct ConfigStore *made = calloc(1, sizeof *made);
    cms_options options = {.size = sizeof options, .map_limit = size, .source = name};
    cms_status status;

    if (!made || cms_open(&options, &made->store) != CMS_OK) {
        free(made);
        return NULL;
    }
    snprintf(made->name, sizeof made->name, "%s", name);
    status = cms_add_package(made->store, name);
    if (status != CMS_OK && status != CMS_ERR_EXISTS) {
        config_store_close(made);
        return NULL;
    }
    return made;
}

void config_store_close(struct ConfigStore *store)
{
    struct state *state, *state_after;
    struct ConfigArray *array, *array_after;
    struct ConfigTable *table, *table_after;

    for (state = store->states; state; state = state_after) {
        state_after = state->next;
        cms_snapshot_close(state->snapshot);
        free(state);
    }
    for (array = store->arrays; array; array = array_after) {
        array_after = array->next;
        free(array->elements);
        free(array);
    }
    for (table = store->tables; table; table = table_after) {
        table_after = table->next;
        free(table);
    }
    cms_close(store->store);
    free(store);
}

/* The present state. A new one is opened only if something has changed. */
static cms_snapshot *now(struct ConfigStore *store)
{
    uint64_t present = 0, seen = 0;
    struct state *state;

    if (store->states) {
        cms_revision(store->store, &present);
        cms_snapshot_revision(store->states->snapshot, &seen);
        if (present == seen)
            return store->states->snapshot;
    }
    state = calloc(1, sizeof *state);
    if (!state || cms_snapshot_open(store->store, &state->snapshot) != CMS_OK) {
        free(state);
        return NULL;
    }
    state->next = store->states;
    store->states = state;
    return state->snapshot;
}

/* Writes PACKAGE.SECTION.OPTION, and ends the section's own key at `section_end`. */
static void key_of(const struct ConfigStore *store, const char *key, char to[3 * KEY], size_t *section_end)
{
    const char *dot = strrchr(key, '.');

    if (dot)
        *section_end = (size_t)snprintf(to, 3 * KEY, "%s.%.*s", store->name, (int)(dot - key), key);
    else
        *section_end = (size_t)snprintf(to, 3 * KEY, "%s.root", store->name);
    snprintf(to + *section_end, 3 * KEY - *section_end, ".%s", dot ? dot + 1 : key);
}

/* Begins a transaction, and makes the section of a key if it is not there. */
static cms_status begin(struct ConfigStore *store, const char *key, char to[3 * KEY], cms_txn **txn)
{
    size_t end;
    cms_status status = cms_begin(store->store, txn);

    if (status != CMS_OK)
        return status;
    key_of(store, key, to, &end);
    to[end] = 0;
    if (cms_txn_resolve(*txn, to, NULL, 0, NULL) == CMS_ERR_NOT_FOUND)
        status = cms_txn_set(*txn, to, "values");
    to[end] = '.';
    return status;
}

static int end(cms_txn *txn, cms_status status)
{
    if (status == CMS_OK)
        return (int)cms_txn_commit(txn, NULL);
    cms_txn_rollback(txn);
    return (int)status;
}

#define SETTER(name, type, set) \
    int config_set_##name(struct ConfigStore *store, const char *key, type value) \
    { \
        char whole[3 * KEY]; \
        cms_txn *txn = NULL; \
        cms_status status = begin(store, key, whole, &txn); \
        return end(txn, status == CMS_OK ? set(txn, whole, value) : status); \
    }
SETTER(string, const char *, cms_txn_set)
SETTER(int, int64_t, cms_txn_set_int)
SETTER(float, double, cms_txn_set_double)
SETTER(bool, bool, cms_txn_set_bool)

#define GETTER(name, type, held, get) \
    type config_get_##name(struct ConfigStore *store, const char *key, type fallback) \
    { \
        char whole[3 * KEY]; \
        size_t section; \
        held value = fallback; \
        key_of(store, key, whole, &section); \
        get(now(store), whole, fallback, &value); \
        return (type)value; \
    }
GETTER(int, int64_t, int64_t, cms_snapshot_get_int)
GETTER(float, double, double, cms_snapshot_get_double)
GETTER(bool, bool, int32_t, cms_snapshot_get_bool)

char *config_get_string(struct ConfigStore *store, const char *key, const char *fallback)
{
    char whole[3 * KEY];
    size_t section;
    const char *value;

    key_of(store, key, whole, &section);
    cms_snapshot_get_string(now(store), whole, fallback, &value);
    return (char *)value;
}

static struct ConfigArray *array_of(const struct ConfigStore *store, const char *key)
{
    struct ConfigArray *array = store->arrays;

    while (array && strcmp(array->key, key) != 0)
        array = array->next;
    return array;
}

struct ConfigArray *config_array_create(struct ConfigStore *store, const char *key, enum ValueType type, size_t size)
{
    struct ConfigArray *array = array_of(store, key);

    if (array)
        return array;
    array = calloc(1, sizeof *array);
    if (!array)
        return NULL;
    snprintf(array->key, sizeof array->key, "%s", key);
    array->type = type;
    array->size = size;
    array->next = store->arrays;
    return store->arrays = array;
}

/* Writes an element as text; the size decides between int and int64_t, float and double. */
static cms_status to_text(const struct ConfigArray *array, const char *element, char *text, size_t size)
{
    int64_t number;
    int narrow;
    double real;
    float narrow_real;

    switch (array->type) {
    case TYPE_INT:
        memcpy(&narrow, element, sizeof narrow);
        number = narrow;
        if (array->size == sizeof number)
            memcpy(&number, element, sizeof number);
        snprintf(text, size, "%lld", (long long)number);
        return CMS_OK;
    case TYPE_FLOAT:
        memcpy(&narrow_real, element, sizeof narrow_real);
        real = narrow_real;
        if (array->size == sizeof real)
            memcpy(&real, element, sizeof real);
        snprintf(text, size, "%.17g", real);
        return CMS_OK;
    case TYPE_BOOL:
        snprintf(text, size, "%d", *element != 0);
        return CMS_OK;
    default:
        return CMS_ERR_INVALID;
    }
}

static cms_status to_element(const struct ConfigArray *array, const char *text, char *element)
{
    int64_t number;
    double real;
    int32_t truth;
    int narrow;
    float narrow_real;
    cms_status status = CMS_ERR_INVALID;

    if (array->type == TYPE_INT && (status = cms_parse_int(text, &number)) == CMS_OK) {
        narrow = (int)number;
        if (array->size == sizeof narrow && narrow != number)
            return CMS_ERR_RANGE;
        memcpy(element, array->size == sizeof number ? (void *)&number : (void *)&narrow, array->size);
    } else if (array->type == TYPE_FLOAT && (status = cms_parse_double(text, &real)) == CMS_OK) {
        narrow_real = (float)real;
        memcpy(element, array->size == sizeof real ? (void *)&real : (void *)&narrow_real, array->size);
    } else if (array->type == TYPE_BOOL && (status = cms_parse_bool(text, &truth)) == CMS_OK) {
        *element = (char)truth;
    }
    return status;
}

int config_array_push(struct ConfigStore *store, const char *key, const void *elements, size_t count)
{
    const struct ConfigArray *array = array_of(store, key);
    char whole[3 * KEY], text[64];
    cms_txn *txn = NULL;
    cms_status status;
    size_t index;

    if (!array)
        return (int)CMS_ERR_NOT_FOUND;
    status = begin(store, key, whole, &txn);
    for (index = 0; status == CMS_OK && index < count; index++) {
        status = to_text(array, (const char *)elements + index * array->size, text, sizeof text);
        if (status == CMS_OK)
            status = cms_txn_add_list(txn, whole, text);
    }
    return end(txn, status);
}

/* Reads the elements again. */
static void load(struct ConfigStore *store, struct ConfigArray *array)
{
    char whole[3 * KEY];
    size_t section, room = 0;
    cms_bytes items, item;
    char *grown;

    array->count = 0;
    key_of(store, array->key, whole, &section);
    if (cms_snapshot_get_list(now(store), whole, &items) != CMS_OK)
        return;
    while (cms_bytes_next(&items, &item) == CMS_OK) {
        if (array->count == room) {
            room = room ? 2 * room : 16;
            grown = realloc(array->elements, room * array->size);
            if (!grown)
                return;
            array->elements = grown;
        }
        if (to_element(array, item.data, array->elements + array->count * array->size) != CMS_OK)
            return;
        array->count++;
    }
}

void *config_array_next(struct ConfigStore *store, const char *key, const void *previous)
{
    struct ConfigArray *array = array_of(store, key);
    size_t index = 0;

    if (!array)
        return NULL;
    if (previous)
        index = (size_t)((const char *)previous - array->elements) / array->size + 1;
    else
        load(store, array);
    return index < array->count ? array->elements + index * array->size : NULL;
}

static struct ConfigTable *table_of(const struct ConfigStore *store, const char *name)
{
    struct ConfigTable *table = store->tables;

    while (table && strcmp(table->name, name) != 0)
        table = table->next;
    return table;
}

struct ConfigTable *config_table_create(struct ConfigStore *store, const char *name, const Column *columns, size_t count)
{
    struct ConfigTable *table = table_of(store, name);

    if (table)
        return table;
    table = count <= COLUMNS ? calloc(1, sizeof *table) : NULL;
    if (!table)
        return NULL;
    snprintf(table->name, sizeof table->name, "%s", name);
    memcpy(table->columns, columns, count * sizeof *columns);
    table->count = count;
    table->next = store->tables;
    return store->tables = table;
}

static const Column *column_of(const struct ConfigTable *table, const char *name)
{
    size_t index;

    for (index = 0; index < table->count; index++)
        if (strcmp(table->columns[index].name, name) == 0)
            return &table->columns[index];
    return NULL;
}

static cms_status set_cell(cms_txn *txn, const char *key, const Column *column, const KeyValue *cell)
{
    switch (column->type) {
    case TYPE_INT:
        return cms_txn_set_int(txn, key, cell->value.int_value);
    case TYPE_FLOAT:
        return cms_txn_set_double(txn, key, cell->value.float_value);
    case TYPE_BOOL:
        return cms_txn_set_bool(txn, key, cell->value.int_value != 0);
    case TYPE_STRING:
        if (strlen(cell->value.str_value) >= column->size)
            return CMS_ERR_RANGE;
        return cms_txn_set(txn, key, cell->value.str_value);
    default:
        return CMS_ERR_INVALID;
    }
}

int config_table_insert(struct ConfigStore *store, const char *name, const KeyValue *cells, size_t count)
{
    const struct ConfigTable *table = table_of(store, name);
    const Column *column;
    char section[64], key[3 * KEY];
    cms_txn *txn = NULL;
    cms_status status;
    size_t index;

    if (!table)
        return (int)CMS_ERR_NOT_FOUND;
    status = cms_begin(store->store, &txn);
    if (status == CMS_OK)
        status = cms_txn_add_section(txn, store->name, name, section, sizeof section, NULL);
    for (index = 0; status == CMS_OK && index < count; index++) {
        column = column_of(table, cells[index].key);
        snprintf(key, sizeof key, "%s.%s.%s", store->name, section, cells[index].key);
        status = column ? set_cell(txn, key, column, &cells[index]) : CMS_ERR_INVALID;
    }
    return end(txn, status);
}

struct ConfigHashEntry *config_table_find_string(struct ConfigStore *store, const char *name, const char *column, const char *value)
{
    struct ConfigTable *table = table_of(store, name);
    struct ConfigHashEntry *found = NULL;
    char key[3 * KEY];
    const char *held;
    cms_section section = {.size = sizeof section};
    cms_section_iter *rows;
    cms_snapshot *state = now(store);

    if (!table || cms_section_iter_open(state, store->name, name, &rows) != CMS_OK)
        return NULL;
    while (!found && cms_section_iter_next(rows, &section) == CMS_OK) {
        snprintf(key, sizeof key, "%s.%s.%s", store->name, section.name.data, column);
        if (cms_snapshot_get_string(state, key, NULL, &held) == CMS_OK && strcmp(held, value) == 0) {
            snprintf(table->row.key, sizeof table->row.key, "%s", section.name.data);
            table->row.value_type = TYPE_TABLE;
            found = &table->row;
        }
    }
    cms_section_iter_close(rows);
    return found;
}

struct ConfigHashEntry *config_table_find_int(struct ConfigStore *store, const char *name, const char *column, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)value);
    return config_table_find_string(store, name, column, text);
}
