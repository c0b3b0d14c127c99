/* Scheduler: who owns what, in this process and among several machines. */
#include "binding/scheduler.h"

#include "core/base/mem.h"

static PyObject *change_object(const struct cs_ownership *change)
{
    return Py_BuildValue("(KKOd)", (unsigned long long)change->number,
                         (unsigned long long)change->app,
                         change->owned ? Py_True : Py_False,
                         binding_seconds(change->since.ns));
}

PyObject *binding_scheduler_changes(PyObject *self, PyObject *arguments,
                                    PyObject *keywords)
{
    static char *names[] = {"after", "most", NULL};
    struct cs_ownership *changes;   /* Owned. */
    unsigned long long after = 0;
    Py_ssize_t most = BINDING_MOST_EVENTS;
    PyObject *list;
    size_t count;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|Kn:changes", names,
                                     &after, &most))
        return NULL;
    if (most < 1 || most > BINDING_MOST_EVENTS)
        most = BINDING_MOST_EVENTS;
    changes = cs_mem_alloc((size_t)most * sizeof(*changes));
    if (!changes)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = cs_sched_changes(binding_sched_of(self), after, changes,
                             (size_t)most);
    Py_END_ALLOW_THREADS
    list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *change = change_object(&changes[i]);

        if (change)
            PyList_SET_ITEM(list, (Py_ssize_t)i, change);
        else
            Py_CLEAR(list);
    }
    cs_mem_free(changes);
    return list;
}

static int add_owned(PyObject *owned, const struct cs_ownership *change)
{
    PyObject *app = PyLong_FromUnsignedLongLong(change->app);
    PyObject *since = PyFloat_FromDouble(binding_seconds(change->since.ns));
    int result = -1;

    if (app && since)
        result = change->owned ? PyDict_SetItem(owned, app, since)
                               : PyDict_Contains(owned, app);
    if (result == 1)
        result = PyDict_DelItem(owned, app);
    Py_XDECREF(app);
    Py_XDECREF(since);
    return result;
}

PyObject *binding_scheduler_owned(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct cs_ownership changes[64];
    PyObject *owned = PyDict_New();
    uint64_t after = 0;
    size_t count = 0;

    do {
        for (size_t i = 0; owned && i < count; i++)
            if (add_owned(owned, &changes[i]) < 0)
                Py_CLEAR(owned);
        after = count ? changes[count - 1].number : after;
        Py_BEGIN_ALLOW_THREADS
        count = cs_sched_changes(binding_sched_of(self), after, changes, 64);
        Py_END_ALLOW_THREADS
    } while (owned && count);
    return owned;
}

/* ------------------------------------------------------------------------ */
/* What several machines share                                               */

PyObject *binding_scheduler_share(PyObject *self, PyObject *argument)
{
    unsigned long long app = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_share(binding_sched_of(self), app);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "share");
}

PyObject *binding_scheduler_grant(PyObject *self, PyObject *arguments)
{
    unsigned long long app;
    enum cs_status status;
    long long epoch;

    if (!PyArg_ParseTuple(arguments, "KL:grant", &app, &epoch))
        return NULL;
    if (epoch < 1) {
        PyErr_SetString(PyExc_ValueError, "an epoch is from 1");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_grant(binding_sched_of(self), app, (uint64_t)epoch);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "grant");
}

PyObject *binding_scheduler_revoke(PyObject *self, PyObject *argument)
{
    unsigned long long app = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_revoke(binding_sched_of(self), app);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "revoke");
}

PyObject *binding_scheduler_granter(PyObject *self,
                                    PyObject *Py_UNUSED(ignored))
{
    enum cs_status status;
    size_t granter = 0;

    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_granter(binding_sched_of(self), &granter);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_none_or_raise(self, status, "granter");
    return PyLong_FromSize_t(granter);
}

PyObject *binding_scheduler_valid(PyObject *self, PyObject *arguments)
{
    struct cs_mono at = {INT64_MAX};
    PyObject *until;
    Py_ssize_t granter;

    if (!PyArg_ParseTuple(arguments, "nO:valid", &granter, &until))
        return NULL;
    if (until != Py_None) {
        double until_s = PyFloat_AsDouble(until);

        if (PyErr_Occurred()
            || binding_nanoseconds(until_s, "until", &at.ns) < 0)
            return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    cs_sched_valid(binding_sched_of(self), (size_t)granter, at);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

PyObject *binding_scheduler_monotonic(PyObject *self,
                                      PyObject *Py_UNUSED(ignored))
{
    struct cs_mono now;

    Py_BEGIN_ALLOW_THREADS
    now = cs_sched_now(binding_sched_of(self));
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(binding_seconds(now.ns));
}

static int append_apps(PyObject *list, const uint64_t *apps, size_t count)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < count; i++) {
        PyObject *app = PyLong_FromUnsignedLongLong(apps[i]);

        result = app ? PyList_Append(list, app) : -1;
        Py_XDECREF(app);
    }
    return result;
}

PyObject *binding_scheduler_leased(PyObject *self, PyObject *arguments)
{
    unsigned long long after = ULLONG_MAX;
    uint64_t apps[256], number, newer;
    size_t cursor = 0, count = 0;
    PyObject *list;

    if (!PyArg_ParseTuple(arguments, "|K:leased", &after))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    (void)cs_sched_leased(binding_sched_of(self), &cursor, apps, 0, &number);
    Py_END_ALLOW_THREADS
    if (number == after)
        Py_RETURN_NONE;
    list = PyList_New(0);
    do {
        if (list && append_apps(list, apps, count) < 0)
            Py_CLEAR(list);
        Py_BEGIN_ALLOW_THREADS
        count = cs_sched_leased(binding_sched_of(self), &cursor, apps, 256,
                                &newer);
        Py_END_ALLOW_THREADS
    } while (list && count);
    return list ? Py_BuildValue("(KN)", (unsigned long long)number, list)
                : NULL;
}
