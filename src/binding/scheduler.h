/* What the files of Scheduler share: the object, its methods, and the
 * conversions that several of them need.
 */
#ifndef CS_BINDING_SCHEDULER_H
#define CS_BINDING_SCHEDULER_H

#include "binding/binding.h"

#include "core/sched/sched.h"

/* Of events, or changes, in one call. */
#define BINDING_MOST_EVENTS 1024

struct scheduler_object {
    PyObject_HEAD
    struct cs_sched *sched;   /* Owned. */
    PyObject *taken;          /* Owned: set of ints, the runs handed out */
};

static inline struct cs_sched *binding_sched_of(PyObject *self)
{
    return ((struct scheduler_object *)self)->sched;
}

/* scheduler_units.c: 0, or -1 with an exception */

/* Seconds to milliseconds, at least `least` and within an int32. */
int binding_milliseconds(double seconds, int32_t least, const char *name,
                         int32_t *value_ms);

/* UTC seconds to an instant, rounded to the microsecond: what a double of
 * today's size holds. */
int binding_instant(PyObject *number, const char *name, struct cs_wall *at);

/* A duration, which may be negative; infinity and NaN are none. */
int binding_nanoseconds(double seconds, const char *name, int64_t *value_ns);

double binding_seconds(int64_t ns);

/* None, or an exception that says what `status` means here. */
PyObject *binding_none_or_raise(PyObject *self, enum cs_status status,
                                const char *what);

/* Puts `count` new references into a new tuple of `type`; a NULL among them
 * is an exception. */
PyObject *binding_fill(PyTypeObject *type, PyObject **items,
                       Py_ssize_t count);

/* scheduler_jobs.c: methods */

PyObject *binding_scheduler_define(PyObject *self, PyObject *arguments,
                                   PyObject *keywords);
PyObject *binding_scheduler_redefine(PyObject *self, PyObject *arguments);
PyObject *binding_scheduler_open(PyObject *self, PyObject *arguments,
                                 PyObject *keywords);
PyObject *binding_scheduler_add(PyObject *self, PyObject *arguments,
                                PyObject *keywords);
PyObject *binding_scheduler_offset(PyObject *self, PyObject *argument);
PyObject *binding_scheduler_remove(PyObject *self, PyObject *argument);
PyObject *binding_scheduler_fire(PyObject *self, PyObject *arguments,
                                 PyObject *keywords);
PyObject *binding_scheduler_skip(PyObject *self, PyObject *arguments);

/* scheduler_owner.c: methods */

PyObject *binding_scheduler_changes(PyObject *self, PyObject *arguments,
                                    PyObject *keywords);
PyObject *binding_scheduler_owned(PyObject *self, PyObject *ignored);
PyObject *binding_scheduler_share(PyObject *self, PyObject *argument);
PyObject *binding_scheduler_grant(PyObject *self, PyObject *arguments);
PyObject *binding_scheduler_revoke(PyObject *self, PyObject *argument);
PyObject *binding_scheduler_granter(PyObject *self, PyObject *ignored);
PyObject *binding_scheduler_valid(PyObject *self, PyObject *arguments);
PyObject *binding_scheduler_monotonic(PyObject *self, PyObject *ignored);
PyObject *binding_scheduler_leased(PyObject *self, PyObject *arguments);

/* scheduler_events.c: methods */

PyObject *binding_scheduler_events(PyObject *self, PyObject *arguments,
                                   PyObject *keywords);

/* scheduler_manual.c: methods */

PyObject *binding_scheduler_advance(PyObject *self, PyObject *arguments,
                                    PyObject *keywords);
PyObject *binding_scheduler_idle(PyObject *self, PyObject *ignored);
PyObject *binding_scheduler_take(PyObject *self, PyObject *ignored);
PyObject *binding_scheduler_complete(PyObject *self, PyObject *arguments,
                                     PyObject *keywords);

#endif
