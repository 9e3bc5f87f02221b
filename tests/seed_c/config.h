/* The C interface that the first users of this library had in mind, as a thin layer over cms.h: only for the test in
   ffi/tests/seed.rs, which compiles their examples against it. Where cms.h lacked something, this layer would have to
   invent it. */
#ifndef SEED_CONFIG_H
#define SEED_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ValueType { TYPE_STRING, TYPE_INT, TYPE_FLOAT, TYPE_BOOL, TYPE_TABLE };

typedef struct Column {
    const char *name;
    enum ValueType type;
    size_t size;
} Column;

typedef struct KeyValue {
    const char *key;
    union {
        const char *str_value;
        int64_t int_value;
        double float_value;
        const void *ptr_value;
    } value;
} KeyValue;

/* A row: the key of its section. */
struct ConfigHashEntry {
    char key[128];
    enum ValueType value_type;
};

struct ConfigStore;
struct ConfigArray;
struct ConfigTable;

/* The package NAME; `size` limits its map. NULL on failure: cms_last_error tells why, as everywhere here. */
struct ConfigStore *config_store_init(const char *name, size_t size);
void config_store_close(struct ConfigStore *store);

/* `key` is OPTION or SECTION.OPTION. Each call commits, and returns a cms_status. */
int config_set_string(struct ConfigStore *store, const char *key, const char *value);
int config_set_int(struct ConfigStore *store, const char *key, int64_t value);
int config_set_float(struct ConfigStore *store, const char *key, double value);
int config_set_bool(struct ConfigStore *store, const char *key, bool value);

/* The string is valid until the store is closed. */
char *config_get_string(struct ConfigStore *store, const char *key, const char *fallback);
int64_t config_get_int(struct ConfigStore *store, const char *key, int64_t fallback);
double config_get_float(struct ConfigStore *store, const char *key, double fallback);
bool config_get_bool(struct ConfigStore *store, const char *key, bool fallback);

struct ConfigArray *config_array_create(struct ConfigStore *store, const char *key, enum ValueType type, size_t size);
int config_array_push(struct ConfigStore *store, const char *key, const void *elements, size_t count);
/* NULL begins again with the present elements; pointers into the old ones are not valid any more. */
void *config_array_next(struct ConfigStore *store, const char *key, const void *previous);

struct ConfigTable *config_table_create(struct ConfigStore *store, const char *name, const Column *columns, size_t count);
int config_table_insert(struct ConfigStore *store, const char *name, const KeyValue *cells, size_t count);
struct ConfigHashEntry *config_table_find_int(struct ConfigStore *, const char *name, const char *column, int64_t value);
struct ConfigHashEntry *config_table_find_string(struct ConfigStore *, const char *name, const char *column, const char *value);
#define config_table_find(store, name, column, value) \
    _Generic((value), char *: config_table_find_string, const char *: config_table_find_string, \
             default: config_table_find_int)(store, name, column, value)
#endif
