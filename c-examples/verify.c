/* Refuses a bad value: no interface gets an MTU that its card does not support, whichever program commits. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t check(cms_event *event, char *reason, size_t size, void *data)
{
    long most = *(long *)data;
    cms_change change;

    change.size = sizeof change;
    while (cms_event_next_change(event, &change) == CMS_OK) {
        /* Without data the option is deleted, which is allowed. */
        if (change.new_items.data && strtol(change.new_items.data, NULL, 10) > most) {
            snprintf(reason, size, "%s: %s is more than %ld", change.key.data, change.new_items.data, most);
            return 1;
        }
    }
    return 0;
}

static cms_status set(cms_store *store, const char *key, const char *value)
{
    cms_txn *txn;
    cms_status status = cms_begin(store, &txn);

    if (status != CMS_OK)
        return status;
    status = cms_txn_set(txn, key, value);
    if (status != CMS_OK) {
        cms_txn_rollback(txn);
        return status;
    }
    return cms_txn_commit(txn, NULL);
}

static int fail(void)
{
    char message[256];

    cms_last_message(message, sizeof message);
    fprintf(stderr, "%s\n", message);
    return 1;
}

/* Verifies until its standard input ends. With a value as argument it only commits that. */
int main(int argc, char **argv)
{
    long most = 9000;
    cms_store *store;
    cms_verifier *verifier;

    if (cms_open(NULL, &store) != CMS_OK)
        return fail();
    if (argc > 1) {
        cms_status status = set(store, "network.lan.mtu", argv[1]);

        cms_close(store);
        return status == CMS_OK ? 0 : fail();
    }
    if (cms_verifier_open(store, "network.*.mtu", check, &most, &verifier) != CMS_OK)
        return fail();
    puts("verifying");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    /* From here on the callback is not running, and the data that it uses can be freed. */
    cms_verifier_close(verifier);
    cms_close(store);
    return 0;
}
