// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const class_names[EF_CLASS_COUNT] = {
    [EF_CLASS_NONE] = "none",     [EF_CLASS_TRANSIENT] = "transient",
    [EF_CLASS_BUSY] = "busy",     [EF_CLASS_UNCERTAIN] = "uncertain",
    [EF_CLASS_RECORD] = "record", [EF_CLASS_DESTINATION] = "destination",
    [EF_CLASS_OUTAGE] = "outage", [EF_CLASS_FENCED] = "fenced",
    [EF_CLASS_CONFIG] = "config", [EF_CLASS_FATAL] = "fatal",
};

const char *ef_class_name(enum ef_class class)
{
    return (unsigned)class < EF_CLASS_COUNT ? class_names[class] : "unknown";
}

bool ef_error_set(struct ef_error *err, enum ef_class class, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list ap;
    err->class = class;
    err->code = 0;
    err->name[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return false;
}

bool ef_error_errno(struct ef_error *err, enum ef_class class, int errnum, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list ap;
    err->class = class;
    err->code = errnum;
    err->name[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    char reason[128];
    /* GNU strerror_r: returns the text, perhaps not in the buffer */
    snprintf(err->text + used, sizeof(err->text) - used, ": %s",
             strerror_r(errnum, reason, sizeof(reason)));
    return false;
}

bool ef_error_prefix(struct ef_error *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char rest[sizeof(err->text)];
    memcpy(rest, err->text, sizeof(rest));
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    size_t room = sizeof(err->text) - used;
    size_t len = strlen(rest);
    if (room > 3) { /* a cut tail is better than a lost beginning */
        memcpy(err->text + used, ": ", 2);
        if (len > room - 3)
            len = room - 3;
        memcpy(err->text + used + 2, rest, len);
        err->text[used + 2 + len] = '\0';
    }
    return false;
}

void ef_error_code(struct ef_error *err, int code, const char *name)
{
    if (!err)
        return;
    err->code = code;
    snprintf(err->name, sizeof(err->name), "%s", name ? name : "");
}

void ef_error_clear(struct ef_error *err)
{
    if (err)
        *err = (struct ef_error){0};
}
