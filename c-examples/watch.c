/* Watches an option with poll(2), together with other descriptors of a program: each change is delivered once, in
   order, as soon as its data can be read. Ends after as many changes as its argument says. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static const char *or_nothing(cms_bytes items)
{
    return items.data ? items.data : "(nothing)";
}

static int show(cms_event *event)
{
    cms_record record;
    cms_change change;
    int shown = 0;

    record.size = sizeof record;
    change.size = sizeof change;
    if (cms_event_record(event, &record) != CMS_OK)
        return 0;
    while (cms_event_next_change(event, &change) == CMS_OK) {
        printf("%s: %s -> %s (%s)\n", change.key.data, or_nothing(change.old_items),
            or_nothing(change.new_items), record.kind == CMS_BY_EDIT ? "edited" : "committed");
        shown++;
    }
    fflush(stdout);
    return shown;
}

int main(int argc, char **argv)
{
    int changes = argc > 1 ? atoi(argv[1]) : 1;
    char address[64];
    struct pollfd wait = { -1, POLLIN, 0 };
    cms_store *store;
    cms_watch *watch;
    cms_event *event;

    if (cms_open(NULL, &store) != CMS_OK
        || cms_watch_open(store, "network.lan.ipaddr", CMS_SINCE_NOW, &watch) != CMS_OK
        || cms_watch_fd(watch, &wait.fd) != CMS_OK)
        return 1;
    /* Open the watch first, so that no change is missed in between. */
    if (cms_get(store, "network.lan.ipaddr", address, sizeof address, NULL) == CMS_OK) {
        printf("%s\n", address);
        fflush(stdout);
    }
    while (changes > 0 && poll(&wait, 1, -1) >= 0) {
        cms_status status;

        while ((status = cms_watch_next(watch, 0, &event)) == CMS_OK)
            changes -= show(event);
        if (status != CMS_ERR_END && status != CMS_ERR_STALE)
            return 1;
    }
    cms_watch_close(watch);
    cms_close(store);
    return 0;
}
