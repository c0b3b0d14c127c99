/* The result of every core call, and what went wrong.
 *
 * A function that can fail returns `enum cs_status` and fills the caller's
 * `struct cs_error` (which may be NULL). The core never prints and never
 * raises: the binding turns the struct into an exception, in one place.
 */
#ifndef CS_STATUS_H
#define CS_STATUS_H

enum cs_status {
    CS_OK = 0,
    CS_NONE,      /* there is no such instant, item or event; not a fault */
    CS_NOMEM,     /* an allocation failed */
    CS_SYNTAX,    /* text outside the grammar; `position` says where */
    CS_RANGE,     /* a value outside its range; `position` says where */
    CS_ZONE,      /* bytes that are not a usable time zone */
    CS_UNKNOWN,   /* a handle that names nothing (any more) */
    CS_EXISTS,    /* it is there already */
    CS_STATE,     /* called in a state that does not allow it */
    CS_SYSTEM,    /* a system call failed; `system` is its errno */
    CS_BUSY       /* somebody else holds it */
};

/* The seven fields of an expression, in the order they are written. */
enum cs_field {
    CS_FIELD_SECOND, CS_FIELD_MINUTE, CS_FIELD_HOUR, CS_FIELD_DAY,
    CS_FIELD_MONTH, CS_FIELD_WEEKDAY, CS_FIELD_YEAR,
    CS_FIELD_NONE   /* the fault belongs to no single field */
};

struct cs_error {
    enum cs_status status;
    enum cs_field field;
    int position;   /* byte offset of the fault in the text, or -1 */
    int length;     /* bytes at fault from there on, or 0 */
    int system;     /* errno, or 0 */
    char text[192]; /* what is wrong, one line, no full stop */
    char hint[128]; /* what to write instead, or empty */
};

#if defined(__GNUC__)
#define CS_PRINTF(text, first) __attribute__((__format__(printf, text, first)))
#else
#define CS_PRINTF(text, first)
#endif

/* Clear `error` (may be NULL), set its status and text; field NONE, position
 * -1. Returns `status`, so that a caller can `return cs_error_set(...)`. */
enum cs_status cs_error_set(struct cs_error *error, enum cs_status status,
                            const char *format, ...) CS_PRINTF(3, 4);

/* Like cs_error_set with CS_SYSTEM; keeps `number` (an errno) and appends
 * its text. */
enum cs_status cs_error_system(struct cs_error *error, int number,
                               const char *format, ...) CS_PRINTF(3, 4);

/* Add where the fault is to an error already set. `error` may be NULL. */
void cs_error_at(struct cs_error *error, enum cs_field field, int position,
                 int length);

/* Add what to write instead. `error` may be NULL. */
void cs_error_hint(struct cs_error *error, const char *format, ...)
    CS_PRINTF(2, 3);

#endif
