/* What the files of the binding share: the module's state and a few
 * conversions. The only file that includes Python.h.
 *
 * Each function of the binding does the same four things: parse its
 * arguments, release the GIL where the core may wait, make one call into the
 * core, convert what came back. A core status becomes an exception in one
 * place (binding_raise). State lives in the module (PEP 630) and types are
 * made from specs, so every interpreter has its own. The native thread
 * belongs to the core and never comes here.
 */
#ifndef CS_BINDING_H
#define CS_BINDING_H

#if defined __has_include
#if !__has_include(<Python.h>)
#error "cronsched needs Python's headers: on Debian, the package python3-dev"
#endif
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "core/cron/expr.h"
#include "core/base/status.h"
#include "core/zone/zone.h"

struct binding_state {
    /* Owned, all objects. */
    PyTypeObject *zone_type, *schedule_type, *scheduler_type;
    PyTypeObject *event_type, *delivery_type, *knock_type, *news_type;
    PyTypeObject *heartbeat_type;
    PyObject *cron_error, *expression_error, *zone_error, *scheduler_error;
    PyObject *resolver;      /* callable: anything -> Zone; or NULL */
    PyObject *zones;         /* dict: name -> Zone */
    atomic_ulong forgotten;  /* how often that was emptied */
    PyObject *fork_resume;   /* callable, or NULL */
    atomic_bool resuming;    /* it is going to be called */
    PyObject *time;          /* the module, so that a frozen clock acts */
    PyObject *datetime;      /* the class */
    PyObject *utc;           /* the str 'UTC' */

    /* Borrowed: a PyDateTime_CAPI, which convert.c alone looks into; NULL
     * where an interpreter has only the Python datetime. */
    void *datetime_api;
};

static inline struct binding_state *binding_state_of(PyObject *instance)
{
    return PyType_GetModuleState(Py_TYPE(instance));
}

/* _cronsched.c */

/* A hook of `state` that is about to be called: it may replace itself, and
 * without a GIL others may meanwhile. New reference, or NULL. */
PyObject *binding_hook(struct binding_state *state, PyObject **hook);

/* errors.c */

/* `expression` (may be NULL) is the text at fault. Always returns NULL. */
void *binding_raise(const struct binding_state *state,
                    const struct cs_error *error, PyObject *expression);

/* For core functions that fill no error. Always returns NULL. */
void *binding_raise_status(const struct binding_state *state,
                           enum cs_status status, const char *text);

/* The four exception classes, into `module` and `state`. */
int binding_add_errors(PyObject *module, struct binding_state *state);

/* convert.c */

/* {"Name": "value"} of lines "Name: value", NULL-terminated. New
 * reference. */
PyObject *binding_headers(const char *const *lines);

/* A list of the texts of a sequence of str, NULL-terminated; PyMem_Free it.
 * The texts are borrowed from `items`, which is a new reference. NULL with an
 * exception. */
const char **binding_texts(PyObject *sequence, PyObject **items);

/* zone.c */

struct zone_object {
    PyObject_HEAD
    struct cs_zone *zone;      /* Owned. */
    PyObject *name, *tzinfo;   /* Owned. */
};

extern PyType_Spec binding_zone_spec;

/* Any value that a caller may give as a time zone. New reference to a Zone. */
PyObject *binding_resolve_zone(struct binding_state *state,
                               PyObject *timezone);

/* convert.c, instants */

/* Finds the native datetime, if there is one. */
void binding_find_datetime(struct binding_state *state);

/* Microseconds since 1970 of an aware datetime; its tzinfo is asked, unless it
 * is the zone's own, whose rules we have. -1 with an exception. */
int binding_epoch_us(const struct binding_state *state,
                     const struct zone_object *zone, PyObject *at,
                     int64_t *epoch_us);

/* The same; NULL or None is now, by Python's clock. */
int binding_instant_us(const struct binding_state *state,
                       const struct zone_object *zone, PyObject *at,
                       int64_t *epoch_us);

/* An aware datetime in the zone. New reference. */
PyObject *binding_datetime(const struct binding_state *state,
                           const struct zone_object *zone, int64_t epoch_s);

/* schedule.c */

struct schedule_object {
    PyObject_HEAD
    struct cs_expr expr;
    struct zone_object *zone;      /* Owned. */
    PyObject *expression, *seed;   /* Owned; seed may be NULL. */
};

extern PyType_Spec binding_schedule_spec;
PyObject *binding_schedule_vectorcall(PyObject *type, PyObject *const *args,
                                      size_t nargsf, PyObject *names);

/* A str or None as UTF-8 (Borrowed; NULL for None). -1 with an exception. */
int binding_seed(PyObject *seed, const char **text, Py_ssize_t *size);

/* scheduler.c */

extern PyType_Spec binding_scheduler_spec;
extern PyStructSequence_Desc binding_event_desc, binding_delivery_desc;

/* knock.c */

extern PyType_Spec binding_knock_spec;
extern PyStructSequence_Desc binding_news_desc;

/* heartbeat.c */

extern PyType_Spec binding_heartbeat_spec;

#endif
