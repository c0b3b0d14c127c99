#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that is too long is cut, never refused: it is for people. */
static void format_into(char *text, size_t size, const char *format,
                        va_list arguments)
{
    (void)vsnprintf(text, size, format, arguments);
}

static void clear(struct cs_error *error, enum cs_status status)
{
    memset(error, 0, sizeof(*error));
    error->status = status;
    error->field = CS_FIELD_NONE;
    error->position = -1;
}

enum cs_status cs_error_set(struct cs_error *error, enum cs_status status,
                            const char *format, ...)
{
    va_list arguments;

    if (!error)
        return status;
    clear(error, status);
    va_start(arguments, format);
    format_into(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return status;
}

enum cs_status cs_error_system(struct cs_error *error, int number,
                               const char *format, ...)
{
    va_list arguments;
    size_t used;

    if (!error)
        return CS_SYSTEM;
    clear(error, CS_SYSTEM);
    error->system = number;
    va_start(arguments, format);
    format_into(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof(error->text) - used, ": %s",
                   strerror(number));
    return CS_SYSTEM;
}

void cs_error_at(struct cs_error *error, enum cs_field field, int position,
                 int length)
{
    if (!error)
        return;
    error->field = field;
    error->position = position;
    error->length = length;
}

void cs_error_hint(struct cs_error *error, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return;
    va_start(arguments, format);
    format_into(error->hint, sizeof(error->hint), format, arguments);
    va_end(arguments);
}
