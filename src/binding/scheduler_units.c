/* Units, and the other conversions of Scheduler's methods. */
#include "binding/scheduler.h"

#include <limits.h>
#include <math.h>

int binding_milliseconds(double seconds, int32_t least, const char *name,
                         int32_t *value_ms)
{
    double ms = round(seconds * 1000.0);

    if (!(ms >= least && ms <= INT32_MAX)) {
        PyErr_Format(PyExc_ValueError,
                     "%s is %s seconds, at most 2,147,483", name,
                     least > 0 ? "more than 0" : "at least 0");
        return -1;
    }
    *value_ms = (int32_t)ms;
    return 0;
}

int binding_instant(PyObject *number, const char *name, struct cs_wall *at)
{
    double seconds = PyFloat_AsDouble(number);

    if (PyErr_Occurred())
        return -1;
    if (!(seconds >= CS_ZONE_FIRST_S && seconds < CS_ZONE_END_S)) {
        PyErr_Format(PyExc_ValueError,
                     "%s is UTC seconds, in the years 1970 to 2199", name);
        return -1;
    }
    at->ns = llround(seconds * 1e6) * 1000;
    return 0;
}

int binding_nanoseconds(double seconds, const char *name, int64_t *value_ns)
{
    if (!(fabs(seconds) <= CS_ZONE_END_S)) {
        PyErr_Format(PyExc_ValueError,
                     "%s is a number of seconds, at most 230 years", name);
        return -1;
    }
    *value_ns = llround(seconds * 1e9);
    return 0;
}

double binding_seconds(int64_t ns)
{
    return (double)ns / 1e9;
}

PyObject *binding_none_or_raise(PyObject *self, enum cs_status status,
                                const char *what)
{
    char text[160];

    if (status == CS_OK)
        Py_RETURN_NONE;
    if (status == CS_UNKNOWN)
        (void)PyOS_snprintf(text, sizeof(text), "%s: no such handle", what);
    else if (status == CS_STATE)
        (void)PyOS_snprintf(text, sizeof(text),
                            "%s: not possible in this state", what);
    else if (status == CS_RANGE)
        (void)PyOS_snprintf(text, sizeof(text),
                            "%s: time goes forward, from 1970 to 2199", what);
    else
        (void)PyOS_snprintf(text, sizeof(text), "%s failed", what);
    return binding_raise_status(binding_state_of(self), status, text);
}

PyObject *binding_fill(PyTypeObject *type, PyObject **items, Py_ssize_t count)
{
    PyObject *tuple = PyStructSequence_New(type);
    bool complete = tuple != NULL;

    for (Py_ssize_t i = 0; i < count; i++) {
        complete = complete && items[i];
        if (tuple)
            PyStructSequence_SetItem(tuple, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    if (!complete)
        Py_CLEAR(tuple);
    return tuple;
}
