/* Task: follow the changes of a package in an event loop that also reads the standard input, and end with it.
   From cms.h: "Events". */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    struct pollfd wait[2] = { { -1, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
    cms_store *store;
    cms_watch *watch;
    int32_t descriptor;
    int ended = 0;

    if (cms_open(NULL, &store) != CMS_OK || cms_watch_open(store, "network", CMS_SINCE_NOW, &watch) != CMS_OK
        || cms_watch_fd(watch, &descriptor) != CMS_OK)
        return 1;
    wait[0].fd = descriptor;
    puts("watching");
    fflush(stdout);
    while (!ended) {
        cms_event *event;
        cms_change change;
        cms_status status;

        if (poll(wait, 2, -1) < 0)
            return 1;
        ended = wait[1].revents != 0;
        change.size = sizeof change;
        while ((status = cms_watch_next(watch, 0, &event)) == CMS_OK)
            while (cms_event_next_change(event, &change) == CMS_OK)
                printf("%s is %s\n", change.key.data, change.new_items.data ? change.new_items.data : "deleted");
        if (status != CMS_ERR_END && status != CMS_ERR_STALE)
            return 1;
        fflush(stdout);
    }
    cms_watch_close(watch);
    cms_close(store);
    return 0;
}
