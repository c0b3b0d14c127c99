/* Scheduler: what happened. */
#include "binding/scheduler.h"

#include "core/base/mem.h"

static PyStructSequence_Field event_fields[] = {
    {"kind", "owned disowned started retry ended skipped missed held clock "
             "fault"},
    {"outcome", "ok failed timed_out unreachable ..., or None"},
    {"app", "handle"},
    {"call", "handle"},
    {"job", "handle"},
    {"scheduled", "UTC seconds"},
    {"until", "missed: the last of them, UTC seconds"},
    {"count", "missed: how many, -1 for very many"},
    {"step", "clock: seconds the wall clock was set by"},
    {"due", "UTC seconds"},
    {"at", "UTC seconds at which it happened"},
    {"took", "seconds of the attempt"},
    {"attempt", "from 1"},
    {"status", "HTTP status, or 0"},
    {"detail", "text or None"},
    {"retry_at", "ended: when a further attempt is due, UTC seconds, or 0"},
    {"instead", "missed: the scheduled time that was sent for them, or 0"},
    {NULL, NULL}
};

PyStructSequence_Desc binding_event_desc = {
    "cronsched._cronsched.Event",
    "An event of the native thread.",
    event_fields,
    17,
};

static const char *kind_name(enum cs_event_kind kind)
{
    static const char *const names[] = {
        "owned", "disowned", "started", "retry", "ended", "skipped", "missed",
        "held", "clock", "fault"
    };

    return names[kind];
}

static PyObject *event_text(const char *text)
{
    size_t size = text ? strlen(text) : 0;

    if (!size)
        return Py_NewRef(Py_None);
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
}

static PyObject *event_object(const struct binding_state *state,
                              const struct cs_event *event)
{
    PyObject *items[] = {
        PyUnicode_InternFromString(kind_name(event->kind)),
        event_text(cs_outcome_name(event->outcome)),
        PyLong_FromUnsignedLongLong(event->app),
        PyLong_FromUnsignedLongLong(event->call),
        PyLong_FromUnsignedLongLong(event->job),
        PyLong_FromLongLong(event->scheduled_s),
        PyLong_FromLongLong(event->until_s),
        PyLong_FromLongLong(event->count),
        PyFloat_FromDouble(binding_seconds(event->step_ns)),
        PyFloat_FromDouble(binding_seconds(event->due.ns)),
        PyFloat_FromDouble(binding_seconds(event->at.ns)),
        PyFloat_FromDouble(binding_seconds(event->took_ns)),
        PyLong_FromLong(event->attempt),
        PyLong_FromLong(event->status),
        event_text(event->detail),
        PyFloat_FromDouble(binding_seconds(event->retry_at.ns)),
        PyLong_FromLongLong(event->instead_s),
    };

    return binding_fill(state->event_type, items, 17);
}

/* Frees the details of all events, also after a failure. */
static PyObject *list_of_events(const struct binding_state *state,
                                struct cs_event *events, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);

    for (size_t i = 0; i < count; i++) {
        PyObject *event = list ? event_object(state, &events[i]) : NULL;

        cs_event_fini(&events[i]);
        if (event)
            PyList_SET_ITEM(list, (Py_ssize_t)i, event);
        else
            Py_CLEAR(list);
    }
    return list;
}

PyObject *binding_scheduler_events(PyObject *self, PyObject *arguments,
                                   PyObject *keywords)
{
    static char *names[] = {"timeout", "most", NULL};
    struct cs_event *events;   /* Owned. */
    Py_ssize_t most = 256;
    double timeout_s = 0;
    int32_t timeout_ms;
    PyObject *list;
    size_t count;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|dn:events", names,
                                     &timeout_s, &most)
        || binding_milliseconds(timeout_s, 0, "timeout", &timeout_ms) < 0)
        return NULL;
    if (most < 1 || most > BINDING_MOST_EVENTS)
        most = BINDING_MOST_EVENTS;
    events = cs_mem_alloc((size_t)most * sizeof(*events));
    if (!events)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = cs_sched_events(binding_sched_of(self), events, (size_t)most,
                            timeout_ms);
    Py_END_ALLOW_THREADS
    list = list_of_events(binding_state_of(self), events, count);
    cs_mem_free(events);
    return list;
}
