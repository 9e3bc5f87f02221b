/* An addon for Node.js by its C interface, which is the same in all versions since 8: opens a store, reads and writes,
   and hands events to JavaScript. What to do for other languages is the same: handles are owned by an object of the
   language and closed with it, statuses become exceptions, and events come from a thread of the library. */
#define NAPI_VERSION 6
#include <node_api.h>

#include <cms.h>
#include <stdlib.h>
#include <string.h>

/* Throws the last error of this thread: `code` is the name of the status. */
static napi_value throw_last(napi_env env, cms_status status)
{
    char message[512];

    cms_last_message(message, sizeof message);
    napi_throw_error(env, cms_status_name((int32_t)status), message);
    return NULL;
}

/* Copies an argument as a string, to be freed. */
static char *text(napi_env env, napi_value value)
{
    size_t len;
    char *copy;

    if (napi_get_value_string_utf8(env, value, NULL, 0, &len) != napi_ok) {
        napi_throw_type_error(env, NULL, "expected a string");
        return NULL;
    }
    copy = malloc(len + 1);
    if (copy != NULL)
        napi_get_value_string_utf8(env, value, copy, len + 1, &len);
    return copy;
}

static napi_value string(napi_env env, const char *bytes, size_t len)
{
    napi_value made;

    return napi_create_string_utf8(env, bytes, len, &made) == napi_ok ? made : NULL;
}

static napi_value undefined(napi_env env)
{
    napi_value made;

    napi_get_undefined(env, &made);
    return made;
}

/* Gets the arguments and the store, which is the first of them. */
static cms_store *store_of(napi_env env, napi_callback_info info, size_t count, napi_value *arguments)
{
    void *store = NULL;
    size_t given = count;

    napi_get_cb_info(env, info, &given, arguments, NULL, NULL);
    if (given < count || napi_get_value_external(env, arguments[0], &store) != napi_ok)
        napi_throw_type_error(env, NULL, "expected a store, and as many arguments as there are");
    return store;
}

static void close_store(napi_env env, void *store, void *hint)
{
    (void)env;
    (void)hint;
    cms_close(store);
}

/* open() -> store, which is closed when nothing refers to it any more. */
static napi_value open_store(napi_env env, napi_callback_info info)
{
    cms_store *store;
    cms_status status = cms_open(NULL, &store);
    napi_value made;

    (void)info;
    if (status != CMS_OK)
        return throw_last(env, status);
    if (napi_create_external(env, store, close_store, NULL, &made) == napi_ok)
        return made;
    cms_close(store);
    return NULL;
}

/* get(store, key) -> a string, an array of strings, or undefined. */
static napi_value get(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], made, item;
    cms_store *store = store_of(env, info, 2, arguments);
    char *key = store != NULL ? text(env, arguments[1]) : NULL;
    cms_snapshot *snapshot = NULL;
    cms_bytes value, one;
    cms_status status;
    uint32_t index = 0;

    if (key == NULL)
        return NULL;
    status = cms_snapshot_open(store, &snapshot);
    if (status == CMS_OK)
        status = cms_snapshot_get(snapshot, key, &value);
    if (status == CMS_OK) {
        made = string(env, value.data, value.len);
    } else if (status == CMS_ERR_NOT_FOUND) {
        made = undefined(env);
    } else if (status == CMS_ERR_TYPE && (status = cms_snapshot_get_list(snapshot, key, &value)) == CMS_OK) {
        napi_create_array(env, &made);
        while (cms_bytes_next(&value, &one) == CMS_OK) {
            item = string(env, one.data, one.len);
            napi_set_element(env, made, index++, item);
        }
    } else {
        made = throw_last(env, status);
    }
    cms_snapshot_close(snapshot);
    free(key);
    return made;
}

/* set(store, key, value) */
static napi_value set(napi_env env, napi_callback_info info)
{
    napi_value arguments[3];
    cms_store *store = store_of(env, info, 3, arguments);
    char *key = store != NULL ? text(env, arguments[1]) : NULL;
    char *value = key != NULL ? text(env, arguments[2]) : NULL;
    napi_value made = NULL;

    if (value != NULL) {
        cms_status status = cms_set(store, key, value);

        made = status == CMS_OK ? undefined(env) : throw_last(env, status);
    }
    free(value);
    free(key);
    return made;
}

/* A subscription: the library calls on a thread of its own, and Node.js calls the function on its main thread. */
struct listener {
    napi_threadsafe_function function;
    cms_subscription *subscription;
    napi_ref store;
};

static void on_event(cms_event *event, cms_status status, void *data)
{
    const struct listener *listener = data;
    cms_change change;

    change.size = sizeof change;
    if (status != CMS_OK)
        return;
    while (cms_event_next_change(event, &change) == CMS_OK) {
        char *key = malloc(change.key.len + 1);

        if (key == NULL)
            return;
        memcpy(key, change.key.data, change.key.len + 1);
        if (napi_call_threadsafe_function(listener->function, key, napi_tsfn_blocking) != napi_ok)
            free(key);
    }
}

static void call(napi_env env, napi_value function, void *context, void *data)
{
    char *key = data;
    napi_value argument;

    (void)context;
    if (env != NULL && (argument = string(env, key, strlen(key))) != NULL)
        napi_call_function(env, undefined(env), function, 1, &argument, NULL);
    free(key);
}

static void stop(napi_env env, struct listener *listener)
{
    if (listener->subscription == NULL)
        return;
    /* Once this returns, on_event is not called again. */
    cms_subscription_close(listener->subscription);
    listener->subscription = NULL;
    napi_release_threadsafe_function(listener->function, napi_tsfn_release);
    napi_delete_reference(env, listener->store);
}

/* The function that ends the subscription. */
static napi_value end(napi_env env, napi_callback_info info)
{
    void *listener = NULL;

    napi_get_cb_info(env, info, NULL, NULL, NULL, &listener);
    stop(env, listener);
    return undefined(env);
}

static void free_listener(napi_env env, void *listener, void *hint)
{
    (void)hint;
    stop(env, listener);
    free(listener);
}

/* subscribe(store, pattern, function(key)) -> a function that ends it, as it does when nothing refers to it any more. */
static napi_value subscribe(napi_env env, napi_callback_info info)
{
    napi_value arguments[3], made;
    cms_store *store = store_of(env, info, 3, arguments);
    char *pattern = store != NULL ? text(env, arguments[1]) : NULL;
    struct listener *listener = pattern != NULL ? calloc(1, sizeof *listener) : NULL;
    cms_status status;

    if (listener == NULL) {
        free(pattern);
        return NULL;
    }
    if (napi_create_threadsafe_function(env, arguments[2], NULL, string(env, "cms", 3), 0, 1, NULL, NULL, NULL, call,
            &listener->function) != napi_ok) {
        napi_throw_type_error(env, NULL, "expected a function");
        free(listener);
        free(pattern);
        return NULL;
    }
    status = cms_subscription_open(store, pattern, CMS_SINCE_NOW, on_event, listener, &listener->subscription);
    free(pattern);
    if (status != CMS_OK) {
        napi_release_threadsafe_function(listener->function, napi_tsfn_abort);
        free(listener);
        return throw_last(env, status);
    }
    /* The store stays open as long as the subscription, and the listener as long as the function that ends it. */
    napi_create_reference(env, arguments[0], 1, &listener->store);
    napi_create_function(env, "end", NAPI_AUTO_LENGTH, end, listener, &made);
    napi_add_finalizer(env, made, listener, free_listener, NULL, NULL);
    return made;
}

NAPI_MODULE_INIT()
{
    const napi_property_descriptor functions[] = {
        { "open", NULL, open_store, NULL, NULL, NULL, napi_enumerable, NULL },
        { "get", NULL, get, NULL, NULL, NULL, napi_enumerable, NULL },
        { "set", NULL, set, NULL, NULL, NULL, napi_enumerable, NULL },
        { "subscribe", NULL, subscribe, NULL, NULL, NULL, napi_enumerable, NULL },
    };

    napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
    return exports;
}
