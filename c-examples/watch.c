/* Watches an option: looks at the revision now and then, and at the option when that has grown.
   Ends after as many changes as its argument says. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    const struct timespec pause = { 0, 20 * 1000 * 1000 };
    int changes = argc > 1 ? atoi(argv[1]) : 1;
    uint64_t seen = 0;
    cms_store *store;
    cms_key *key;

    if (cms_open(NULL, &store) != CMS_OK || cms_key_new(store, "network.lan.ipaddr", &key) != CMS_OK)
        return 1;
    while (changes >= 0) {
        uint64_t now;
        cms_bytes value;

        /* Texts that were edited by hand are found by looking; commits are known at once. */
        if (cms_refresh(store, NULL) != CMS_OK || cms_revision(store, &now) != CMS_OK)
            return 1;
        if (now != seen) {
            if (cms_key_get(key, &value) != CMS_OK)
                return 1;
            printf("%s\n", value.data);
            fflush(stdout);
            seen = now;
            changes--;
        }
        nanosleep(&pause, NULL);
    }
    cms_key_free(key);
    cms_close(store);
    return 0;
}
