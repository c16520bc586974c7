/* The list of findings, and what checks share. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"

const char *const finding_level_names[FINDING_LEVELS] = {"ok", "note", "warning", "problem"};

void doctor_add(struct doctor *d, enum finding_level level, const char *about, const char *todo, const char *fmt, ...)
{
    va_list ap;
    d->n_of[level]++;
    if (d->n == DOCTOR_MAX_FINDINGS)
        return;
    struct finding *f = &d->findings[d->n++];
    *f = (struct finding){.level = level, .about = about};
    snprintf(f->todo, sizeof f->todo, "%s", todo ? todo : "");
    va_start(ap, fmt);
    vsnprintf(f->says, sizeof f->says, fmt, ap);
    va_end(ap);
}

void doctor_nearest(char *path)
{
    while (access(path, F_OK) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            path[0] = '.';
            path[1] = '\0';
            return;
        }
        slash[slash == path] = '\0';
    }
}

void doctor_add_err(struct doctor *d, enum finding_level level, const char *about, const char *todo,
                    const struct err *err)
{
    char text[900];
    doctor_add(d, level, about, todo, "%.480s", err_format(err, text, sizeof text));
}
