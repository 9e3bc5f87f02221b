/* What the examples that test share: CHECK ends the program if something does not hold, and says what. */
#ifndef CHECK_H
#define CHECK_H
#include <cms.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what) check((what) != 0, #what, __LINE__)
/* The call is refused because of that argument. */
#define REFUSED(call, what) CHECK((call) == CMS_ERR_INVALID && blames(what))

static void check(int good, const char *what, int line)
{
    if (!good) {
        char message[256];
        cms_last_message(message, sizeof message);
        fprintf(stderr, "line %d: %s (last error: %s)\n", line, what, message);
        exit(1);
    }
}

static int blames(const char *what)
{
    cms_error error;

    error.size = sizeof error;
    return cms_last_error(&error) == CMS_OK && error.status == CMS_ERR_INVALID
        && strncmp(error.message, what, strlen(what)) == 0 && error.message[strlen(what)] == ':';
}
#endif
