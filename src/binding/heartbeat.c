/* Heartbeat: the core's heartbeat as a Python object. It keeps the driver's
 * connection alive while the thread uses it, and the scheduler for as long as
 * it may tell it something.
 */
#include "binding/scheduler.h"

#include "core/base/mem.h"
#include "core/sched/heartbeat.h"

#define CAPSULE "psycopg2.connection.native_connection"

struct heartbeat_object {
    PyObject_HEAD
    struct cs_heartbeat *heartbeat;   /* Owned. */
    PyObject *scheduler;              /* Owned. */
    size_t granter;                   /* of the scheduler */
    /* Owned: what it beats over, last, or NULL. Threads may start and stop it
     * at once: what was started stays until a stop that began later has ended. */
    PyObject *connections;
};

static struct cs_heartbeat *heartbeat_of(PyObject *self)
{
    return ((struct heartbeat_object *)self)->heartbeat;
}

/* Called by the core's thread, without the GIL. */
static void on_valid(void *context, struct cs_mono until)
{
    const struct heartbeat_object *self = context;

    cs_sched_valid(binding_sched_of(self->scheduler), self->granter, until);
}

/* ------------------------------------------------------------------------ */
/* Its life                                                                  */

static PyObject *make(PyTypeObject *type, PyObject *scheduler, size_t granter,
                      struct cs_heartbeat_options *options)
{
    struct heartbeat_object *self;
    enum cs_status status;
    struct cs_error error;

    self = (struct heartbeat_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->scheduler = Py_NewRef(scheduler);
    self->granter = granter;
    options->valid = on_valid;
    options->context = self;
    status = cs_heartbeat_new(options, &self->heartbeat, &error);
    if (status == CS_OK)
        return (PyObject *)self;
    Py_DECREF(self);
    return binding_raise(PyType_GetModuleState(type), &error, NULL);
}

static PyObject *heartbeat_new(PyTypeObject *type, PyObject *arguments,
                               PyObject *keywords)
{
    static char *names[] = {"scheduler", "granter", "period", "hold",
                            "patience", "silence", NULL};
    struct binding_state *state = PyType_GetModuleState(type);
    struct cs_heartbeat_options options = {0};
    int64_t *const times[] = {&options.period_ns, &options.hold_ns,
                              &options.patience_ns, &options.silence_ns};
    double seconds[4];
    PyObject *scheduler;
    Py_ssize_t granter;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "O!n$dddd:Heartbeat", names,
            state->scheduler_type, &scheduler, &granter, &seconds[0],
            &seconds[1], &seconds[2], &seconds[3]))
        return NULL;
    for (int i = 0; i < 4; i++) {
        int32_t ms;

        if (binding_milliseconds(seconds[i], 1, names[i + 2], &ms) < 0)
            return NULL;
        *times[i] = ms * CS_NS_PER_MS;
    }
    return make(type, scheduler, (size_t)granter, &options);
}

static void heartbeat_dealloc(PyObject *self)
{
    struct heartbeat_object *object = (struct heartbeat_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    Py_BEGIN_ALLOW_THREADS
    cs_heartbeat_free(object->heartbeat);
    Py_END_ALLOW_THREADS
    Py_XDECREF(object->connections);
    Py_XDECREF(object->scheduler);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------ */
/* What it beats over                                                        */

/* A PGconn: psycopg 3 gives its address, psycopg2 a capsule. */
static void *address_of(PyObject *pointer)
{
    if (PyCapsule_CheckExact(pointer))
        return PyCapsule_GetPointer(pointer, CAPSULE);
    return PyLong_AsVoidPtr(pointer);
}

/* After start: the caller has had it until now. */
static int keep(struct heartbeat_object *object, PyObject *connection)
{
    if (!object->connections)
        object->connections = PyList_New(0);
    if (object->connections
        && PyList_Append(object->connections, connection) == 0)
        return 0;
    Py_BEGIN_ALLOW_THREADS
    cs_heartbeat_stop(object->heartbeat);
    Py_END_ALLOW_THREADS
    return -1;
}

static PyObject *heartbeat_start(PyObject *self, PyObject *arguments,
                                 PyObject *keywords)
{
    static char *names[] = {"connection", "pointer", "library", "statement",
                            "values", NULL};
    struct heartbeat_object *object = (struct heartbeat_object *)self;
    PyObject *connection, *pointer, *sequence, *items;
    const char *library, *statement, **values;
    enum cs_status status;
    struct cs_error error;
    void *address;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOssO:start",
                                     names, &connection, &pointer, &library,
                                     &statement, &sequence))
        return NULL;
    address = address_of(pointer);
    if (!address && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "pointer is null");
    if (!address)
        return NULL;
    values = binding_texts(sequence, &items);
    if (!values)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_heartbeat_start(object->heartbeat, library, address, statement,
                                values, (size_t)PyTuple_GET_SIZE(items),
                                &error);
    Py_END_ALLOW_THREADS
    PyMem_Free(values);
    Py_DECREF(items);
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    if (keep(object, connection) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *heartbeat_say(PyObject *self, PyObject *sequence)
{
    enum cs_status status;
    PyObject *items;
    const char **values = binding_texts(sequence, &items);

    if (!values)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_heartbeat_values(heartbeat_of(self), values,
                                 (size_t)PyTuple_GET_SIZE(items));
    Py_END_ALLOW_THREADS
    PyMem_Free(values);
    Py_DECREF(items);
    return binding_none_or_raise(self, status, "say");
}

static PyObject *heartbeat_stop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct heartbeat_object *object = (struct heartbeat_object *)self;
    PyObject *connections = object->connections;   /* Owned. */

    object->connections = NULL;
    Py_BEGIN_ALLOW_THREADS
    cs_heartbeat_stop(object->heartbeat);
    Py_END_ALLOW_THREADS
    Py_XDECREF(connections);
    Py_RETURN_NONE;
}

static PyObject *heartbeat_pause(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_heartbeat_pause(heartbeat_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *heartbeat_resume(PyObject *self,
                                  PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_heartbeat_resume(heartbeat_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------ */
/* What came                                                                 */

static PyObject *heartbeat_take(PyObject *self, PyObject *argument)
{
    struct cs_heartbeat_answer answer = {0};
    double timeout_s = PyFloat_AsDouble(argument);
    enum cs_status status;
    struct cs_error error;
    int32_t timeout_ms;
    PyObject *result;

    if (PyErr_Occurred()
        || binding_milliseconds(timeout_s, 0, "timeout", &timeout_ms) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_heartbeat_take(heartbeat_of(self), timeout_ms, &answer,
                               &error);
    Py_END_ALLOW_THREADS
    if (status == CS_NONE)
        Py_RETURN_NONE;
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    result = Py_BuildValue("(dddz)", binding_seconds(answer.began.ns),
                           binding_seconds(answer.ended.ns),
                           binding_seconds(answer.sent.ns), answer.text);
    cs_mem_free(answer.text);
    return result;
}

static PyMethodDef heartbeat_methods[] = {
    {"start", (PyCFunction)(void (*)(void))heartbeat_start,
     METH_VARARGS | METH_KEYWORDS,
     "start($self, /, connection, pointer, library, statement, values)\n"
     "--\n\n"
     "Beat over a connection that nobody else uses until stop()."},
    {"say", heartbeat_say, METH_O,
     "say($self, values, /)\n--\n\nOther values, from the next beat on."},
    {"take", heartbeat_take, METH_O,
     "take($self, timeout, /)\n--\n\n"
     "The newest answer, once: (began, ended, sent, text), or None."},
    {"pause", heartbeat_pause, METH_NOARGS,
     "End the thread, keep the connection: for a fork."},
    {"resume", heartbeat_resume, METH_NOARGS, "Go on after pause()."},
    {"stop", heartbeat_stop, METH_NOARGS,
     "End the thread; the connection is the caller's again, to be closed."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot heartbeat_slots[] = {
    {Py_tp_doc,
     "Heartbeat(scheduler, granter, *, period, hold, patience, silence)\n"
     "--\n\n"
     "A thread that says to a database, over a connection of a driver in\n"
     "Python, that this process lives, whoever has the GIL."},
    {Py_tp_new, heartbeat_new},
    {Py_tp_methods, heartbeat_methods},
    {Py_tp_dealloc, heartbeat_dealloc},
    {0, NULL}
};

PyType_Spec binding_heartbeat_spec = {
    .name = "cronsched._cronsched.Heartbeat",
    .basicsize = sizeof(struct heartbeat_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = heartbeat_slots,
};
