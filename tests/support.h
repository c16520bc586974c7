/* What every test program shares: cmocka with its headers in order, the shared material, and error-to-text. */
#ifndef RUNG_TESTS_SUPPORT_H
#define RUNG_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

/* Path of `name` under the shared material (environment RUNG_SHARED, else ../shared beside the project), or NULL when it is not
 * there; the caller then skips: `if (!path) { print_message("skip: no shared/%s\n", name); skip(); }`. Static storage, one of 8. */
static inline const char *shared_path(const char *name)
{
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];
    const char *root = getenv("RUNG_SHARED");
    if (root)
        snprintf(path, sizeof paths[0], "%s/%s", root, name);
    else
        snprintf(path, sizeof paths[0], "%s/../shared/%s", RUNG_ROOT, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

#define SKIP_WITHOUT_SHARED(path, name)                                       \
    const char *path = shared_path(name);                                     \
    if (!path) {                                                              \
        print_message("skip %s: no shared/%s here\n", __func__, name);        \
        skip();                                                               \
    }

/* Assert that a call succeeded; its error is printed when it did not. */
#define assert_ok(call, err)                                                  \
    do {                                                                      \
        if (!(call)) {                                                        \
            char text_[900];                                                  \
            fail_msg("%s: %s", #call, err_format(&(err), text_, sizeof text_)); \
        }                                                                     \
    } while (0)

#endif
