/* Scheduler: a clock moved by hand, and attempts that the caller delivers. */
#include "binding/scheduler.h"

#include <limits.h>

PyObject *binding_scheduler_advance(PyObject *self, PyObject *arguments,
                                    PyObject *keywords)
{
    static char *names[] = {"elapsed", "step", NULL};
    int64_t elapsed_ns, step_ns;
    double elapsed_s, step_s = 0;
    enum cs_status status;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "d|d:advance", names,
                                     &elapsed_s, &step_s)
        || binding_nanoseconds(elapsed_s, "elapsed", &elapsed_ns) < 0
        || binding_nanoseconds(step_s, "step", &step_ns) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_advance(binding_sched_of(self), elapsed_ns, step_ns);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "advance");
}

PyObject *binding_scheduler_idle(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t idle_ns;

    Py_BEGIN_ALLOW_THREADS
    idle_ns = cs_sched_idle_ns(binding_sched_of(self));
    Py_END_ALLOW_THREADS
    if (idle_ns == INT64_MAX)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(binding_seconds(idle_ns));
}

static PyStructSequence_Field delivery_fields[] = {
    {"run", "to complete it with"},
    {"app", "handle"},
    {"call", "handle"},
    {"job", "handle"},
    {"application_id", "str"},
    {"job_name", "str"},
    {"url", "str"},
    {"method", "POST or GET"},
    {"headers", "dict of str"},
    {"scheduled", "UTC seconds"},
    {"due", "UTC seconds"},
    {"attempt", "from 1"},
    {"timeout", "seconds"},
    {NULL, NULL}
};

PyStructSequence_Desc binding_delivery_desc = {
    "cronsched._cronsched.Delivery",
    "One attempt of a manual scheduler, to be completed.",
    delivery_fields,
    13,
};

static PyObject *delivery_object(const struct binding_state *state,
                                 const struct cs_delivery_out *delivery)
{
    const struct cs_attempt *attempt = &delivery->attempt;
    PyObject *items[] = {
        PyLong_FromVoidPtr(attempt->run),
        PyLong_FromUnsignedLongLong(attempt->app),
        PyLong_FromUnsignedLongLong(attempt->call),
        PyLong_FromUnsignedLongLong(attempt->job),
        PyUnicode_FromString(attempt->application_id),
        PyUnicode_FromString(attempt->job_name),
        PyUnicode_FromString(attempt->url),
        PyUnicode_FromString(attempt->policy->post ? "POST" : "GET"),
        binding_headers((const char *const *)delivery->headers),
        PyLong_FromLongLong(attempt->scheduled_s),
        PyFloat_FromDouble(binding_seconds(attempt->due.ns)),
        PyLong_FromLong(attempt->attempt),
        PyFloat_FromDouble(attempt->policy->timeout_ms / 1000.0),
    };

    return binding_fill(state->delivery_type, items, 13);
}

PyObject *binding_scheduler_take(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct scheduler_object *object = (struct scheduler_object *)self;
    struct cs_delivery_out delivery;
    enum cs_status status;
    PyObject *taken;

    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_take(object->sched, &delivery);
    Py_END_ALLOW_THREADS
    if (status == CS_NONE)
        Py_RETURN_NONE;
    if (status != CS_OK)
        return binding_none_or_raise(self, status, "take");
    taken = delivery_object(binding_state_of(self), &delivery);
    cs_sched_delivery_fini(&delivery);
    if (taken && PySet_Add(object->taken, PyStructSequence_GetItem(taken, 0))
                     < 0)
        Py_CLEAR(taken);
    return taken;
}

static int delivery_of(const char *name, enum cs_delivery *delivery)
{
    static const char *const names[] = {"answered", "timed_out",
                                        "not_connected", "broken"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *delivery = (enum cs_delivery)i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError, "delivery is answered, timed_out, "
                 "not_connected or broken, not '%s'", name);
    return -1;
}

/* Seconds of a Retry-After; None for none. More than an int32 is as much. */
static int retry_after_of(PyObject *value, int32_t *retry_after_s)
{
    int overflow;
    long long seconds;

    if (value == Py_None)
        return 0;
    seconds = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (PyErr_Occurred())
        return -1;
    if (overflow < 0 || (!overflow && seconds < 0)) {
        PyErr_SetString(PyExc_ValueError,
                        "retry_after is at least 0 seconds, or None");
        return -1;
    }
    *retry_after_s = overflow || seconds > INT32_MAX ? INT32_MAX
                                                     : (int32_t)seconds;
    return 0;
}

/* The run behind a handle that take() gave and nobody completed. The handle
 * is an address, so it has to be the very number: a subclass of int may say
 * that it equals any other. */
static void *claim_run(PyObject *self, PyObject *handle)
{
    int there = PyLong_CheckExact(handle)
                    ? PySet_Discard(((struct scheduler_object *)self)->taken,
                                    handle)
                    : 0;

    if (there == 0)
        binding_raise_status(binding_state_of(self), CS_UNKNOWN,
                             "complete: no such run, or completed already");
    return there == 1 ? PyLong_AsVoidPtr(handle) : NULL;
}

PyObject *binding_scheduler_complete(PyObject *self, PyObject *arguments,
                                     PyObject *keywords)
{
    static char *names[] = {"run", "status", "delivery", "retry_after",
                            "outcome", "detail", "took", NULL};
    struct cs_result result = {CS_ANSWERED, 200, -1, "", "", 0};
    PyObject *handle, *retry_after = Py_None;
    const char *delivery = "answered";
    enum cs_status status;
    double took_s = 0;
    void *run;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "O!|i$sOssd:complete", names, &PyLong_Type,
            &handle, &result.status, &delivery, &retry_after, &result.outcome,
            &result.detail, &took_s)
        || delivery_of(delivery, &result.delivery) < 0
        || retry_after_of(retry_after, &result.retry_after_s) < 0
        || binding_nanoseconds(took_s, "took", &result.took_ns) < 0)
        return NULL;
    run = claim_run(self, handle);
    if (!run)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_complete(binding_sched_of(self), run, &result);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "complete");
}
