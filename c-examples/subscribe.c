/* Keeps one option equal to another: a callback on a thread of the library writes to the store. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int calls;

static int set(cms_store *store, const char *key, const char *value)
{
    cms_txn *txn;

    if (cms_begin(store, &txn) != CMS_OK)
        return 0;
    if (cms_txn_set(txn, key, value) != CMS_OK) {
        cms_txn_rollback(txn);
        return 0;
    }
    return cms_txn_commit(txn, NULL) == CMS_OK;
}

static void changed(cms_event *event, cms_status status, void *data)
{
    cms_change change;
    int done;

    change.size = sizeof change;
    done = status == CMS_OK && cms_event_next_change(event, &change) == CMS_OK && change.new_items.data
        && set((cms_store *)data, "network.lan.copy", change.new_items.data);

    pthread_mutex_lock(&lock);
    calls += done;
    pthread_cond_signal(&told);
    pthread_mutex_unlock(&lock);
}

int main(void)
{
    char copy[64];
    cms_store *store;
    cms_subscription *subscription;

    if (cms_open(NULL, &store) != CMS_OK
        || cms_subscription_open(store, "network.lan.mtu", CMS_SINCE_NOW, changed, store, &subscription) != CMS_OK)
        return 1;
    if (!set(store, "network.lan.mtu", "9000"))
        return 1;
    pthread_mutex_lock(&lock);
    while (calls == 0)
        pthread_cond_wait(&told, &lock);
    pthread_mutex_unlock(&lock);
    /* From here on the callback is not running, and the data that it uses can be freed. */
    cms_subscription_close(subscription);
    if (cms_get(store, "network.lan.copy", copy, sizeof copy, NULL) == CMS_OK)
        printf("%s\n", copy);
    cms_close(store);
    return 0;
}
