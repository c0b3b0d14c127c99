/* Knock: the core's knock as a Python object, and how its thread, which never
 * attaches to Python, has something told: by a pending call, which the main
 * thread makes between two of its bytecodes.
 */
#include "binding/binding.h"

#include <stdatomic.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/sched/knock.h"

#define NEWS_FIELDS 6

struct knock_object {
    PyObject_HEAD
    struct cs_knock *knock;   /* Owned. */
    PyObject *told;           /* Owned: called when there is news */
    atomic_bool pending;      /* a call of it is on its way */
    atomic_bool running;      /* the thread may ask for one */
};

static struct cs_knock *knock_of(PyObject *self)
{
    return ((struct knock_object *)self)->knock;
}

/* ------------------------------------------------------------------------ */
/* News                                                                      */

/* The thread cannot count references. So there is one from start() on, for
 * the call that may be on its way; whoever finds that none will come any more,
 * stop() or the last call, gives it back. */
static int call_told(void *context)
{
    struct knock_object *self = context;
    bool is_last = !atomic_load(&self->running);
    PyObject *result;

    Py_INCREF((PyObject *)self);
    atomic_store(&self->pending, false);
    result = PyObject_CallNoArgs(self->told);
    if (!result)
        PyErr_WriteUnraisable(self->told);
    Py_XDECREF(result);
    if (is_last)
        Py_DECREF((PyObject *)self);
    Py_DECREF((PyObject *)self);
    return 0;
}

/* Called by the core's thread, without the GIL. */
static void on_news(void *context)
{
    struct knock_object *self = context;

    if (atomic_exchange(&self->pending, true))
        return;
    if (Py_AddPendingCall(call_told, self) < 0)
        atomic_store(&self->pending, false);   /* the next news tries again */
}

PyStructSequence_Desc binding_news_desc = {
    "cronsched._cronsched.News",
    "The result of a knock.",
    (PyStructSequence_Field[]){
        {"target", "as arm() returned it"},
        {"kind", "ask refused silent closed unreached answered"},
        {"status", "HTTP status, or 0"},
        {"url", "what was called"},
        {"location", "of the answer, or an empty text"},
        {"outcome", "of the answer, or an empty text"},
        {NULL, NULL}},
    NEWS_FIELDS,
};

static PyObject *news_object(const struct binding_state *state,
                             const struct cs_knock_news *news)
{
    static const char *const kinds[] = {"ask", "refused", "silent", "closed",
                                        "unreached", "answered"};
    PyObject *items[NEWS_FIELDS] = {
        PyLong_FromUnsignedLongLong(news->target),
        PyUnicode_FromString(kinds[news->kind]),
        PyLong_FromLong(news->status),
        PyUnicode_FromString(news->url),
        /* The answer may come from anywhere and hold any bytes. */
        PyUnicode_DecodeLatin1(news->location,
                               (Py_ssize_t)strlen(news->location), NULL),
        PyUnicode_DecodeLatin1(news->outcome,
                               (Py_ssize_t)strlen(news->outcome), NULL),
    };
    PyObject *object = PyStructSequence_New(state->news_type);

    for (int i = 0; i < NEWS_FIELDS; i++) {
        if (!items[i])
            Py_CLEAR(object);
        if (object)
            PyStructSequence_SetItem(object, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    return object;
}

static PyObject *knock_take(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct cs_knock_news news;
    enum cs_status status;

    Py_BEGIN_ALLOW_THREADS
    status = cs_knock_take(knock_of(self), &news);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        Py_RETURN_NONE;
    return news_object(binding_state_of(self), &news);
}

/* ------------------------------------------------------------------------ */
/* Making one                                                                */

static PyObject *knock_new(PyTypeObject *type, PyObject *arguments,
                           PyObject *keywords)
{
    static char *names[] = {"told", NULL};
    struct knock_object *self;
    enum cs_status status;
    struct cs_error error;
    PyObject *told;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:Knock", names,
                                     &told))
        return NULL;
    self = (struct knock_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->told = Py_NewRef(told);
    Py_BEGIN_ALLOW_THREADS
    status = cs_knock_new(on_news, self, &self->knock, &error);
    Py_END_ALLOW_THREADS
    if (status == CS_OK)
        return (PyObject *)self;
    self->knock = NULL;
    Py_DECREF(self);
    return binding_raise(PyType_GetModuleState(type), &error, NULL);
}

static void knock_dealloc(PyObject *self)
{
    struct knock_object *object = (struct knock_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    Py_BEGIN_ALLOW_THREADS
    cs_knock_free(object->knock);
    Py_END_ALLOW_THREADS
    Py_XDECREF(object->told);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------ */
/* Who is looked for                                                         */

#define LISTS 3   /* paths, headers, addresses */

static PyObject *arm(PyObject *self, struct cs_knock_spec *spec,
                     PyObject *const lists[LISTS])
{
    const char *const **places[LISTS] = {&spec->paths, &spec->headers,
                                         &spec->addresses};
    PyObject *items[LISTS] = {NULL};
    enum cs_status status = CS_OK;
    struct cs_error error;
    uint64_t target = 0;
    int i;

    for (i = 0; status == CS_OK && i < LISTS; i++) {
        *places[i] = lists[i] ? binding_texts(lists[i], &items[i]) : NULL;
        if (lists[i] && !*places[i])
            status = CS_NOMEM;   /* the exception is set */
    }
    if (status == CS_OK) {
        Py_BEGIN_ALLOW_THREADS
        status = cs_knock_arm(knock_of(self), spec, &target, &error);
        Py_END_ALLOW_THREADS
        if (status != CS_OK)
            binding_raise(binding_state_of(self), &error, NULL);
    }
    for (i = 0; i < LISTS; i++) {
        PyMem_Free((void *)*places[i]);
        Py_XDECREF(items[i]);
    }
    return status == CS_OK ? PyLong_FromUnsignedLongLong(target) : NULL;
}

static PyObject *knock_arm(PyObject *self, PyObject *arguments,
                           PyObject *keywords)
{
    static char *names[] = {"application_id", "key", "lease_directory",
                            "paths", "headers", "addresses", NULL};
    PyObject *lists[LISTS] = {NULL};
    struct cs_knock_spec spec = {0};
    Py_ssize_t key_size;
    const char *key;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "sy#sO|OO:arm", names, &spec.application_id,
            &key, &key_size, &spec.lease_directory, &lists[0], &lists[1],
            &lists[2]))
        return NULL;
    if (key_size != CS_KNOCK_KEY_SIZE) {
        PyErr_Format(PyExc_ValueError, "a key has %d bytes",
                     CS_KNOCK_KEY_SIZE);
        return NULL;
    }
    spec.key = (const uint8_t *)key;
    return arm(self, &spec, lists);
}

/* None, or an exception; `mark` is one of the two functions below. */
static PyObject *mark_target(PyObject *self, PyObject *argument,
                             enum cs_status (*mark)(struct cs_knock *,
                                                    uint64_t))
{
    unsigned long long target = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = mark(knock_of(self), target);
    Py_END_ALLOW_THREADS
    if (status == CS_UNKNOWN)
        return binding_raise_status(binding_state_of(self), status,
                                    "no such target");
    Py_RETURN_NONE;
}

static PyObject *knock_started(PyObject *self, PyObject *target)
{
    return mark_target(self, target, cs_knock_started);
}

static PyObject *knock_disarm(PyObject *self, PyObject *target)
{
    return mark_target(self, target, cs_knock_disarm);
}

static PyObject *knock_permit(PyObject *self, PyObject *permitted)
{
    int truth = PyObject_IsTrue(permitted);

    if (truth < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    cs_knock_permit(knock_of(self), truth);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------ */
/* The thread                                                                */

static PyObject *knock_start(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct knock_object *object = (struct knock_object *)self;
    enum cs_status status;
    struct cs_error error;

    if (!atomic_exchange(&object->running, true))
        Py_INCREF(self);
    Py_BEGIN_ALLOW_THREADS
    status = cs_knock_start(object->knock, &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    Py_RETURN_NONE;
}

static PyObject *knock_stop(PyObject *self, PyObject *arguments)
{
    struct knock_object *object = (struct knock_object *)self;
    double timeout_s = 2.0;
    enum cs_status status;

    if (!PyArg_ParseTuple(arguments, "|d:stop", &timeout_s))
        return NULL;
    if (!(timeout_s >= 0 && timeout_s <= 3600)) {
        PyErr_SetString(PyExc_ValueError, "timeout is 0 to 3600 seconds");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = cs_knock_stop(object->knock, (int32_t)(timeout_s * 1000));
    Py_END_ALLOW_THREADS
    if (status == CS_OK && atomic_exchange(&object->running, false)
        && !atomic_load(&object->pending))
        Py_DECREF(self);   /* the caller has another one */
    return PyBool_FromLong(status == CS_OK);
}

#define SOCKETS_MOST 64

static PyObject *knock_listening(PyObject *Py_UNUSED(type),
                                 PyObject *Py_UNUSED(ignored))
{
    char (*found)[CS_KNOCK_ADDRESS_SIZE];   /* Owned. */
    PyObject *list = NULL, *text;
    size_t count = 0;

    found = PyMem_Calloc(SOCKETS_MOST, sizeof *found);
    if (!found)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = cs_knock_listening(found, SOCKETS_MOST);
    Py_END_ALLOW_THREADS
    list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++) {
        text = PyUnicode_FromString(found[i]);
        if (!text || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    PyMem_Free(found);
    return list;
}

static PyMethodDef knock_methods[] = {
    {"arm", (PyCFunction)(void (*)(void))knock_arm,
     METH_VARARGS | METH_KEYWORDS,
     "arm($self, /, application_id, key, lease_directory, paths, headers=(),\n"
     "    addresses=())\n"
     "--\n\nLook for whoever serves this application id. Returns the target."},
    {"started", knock_started, METH_O,
     "started($self, target, /)\n--\n\nThis process has started it."},
    {"disarm", knock_disarm, METH_O,
     "disarm($self, target, /)\n--\n\nLook for it no more."},
    {"permit", knock_permit, METH_O,
     "permit($self, permitted, /)\n--\n\nWhether sockets may be knocked at."},
    {"take", knock_take, METH_NOARGS, "The next News, or None."},
    {"listening", knock_listening, METH_NOARGS | METH_STATIC,
     "listening()\n--\n\n"
     "The addresses of the sockets that listen in this process, TCP before\n"
     "Unix, as this process reaches them."},
    {"start", knock_start, METH_NOARGS, "Start the thread."},
    {"stop", knock_stop, METH_VARARGS,
     "stop($self, timeout=2.0, /)\n--\n\n"
     "End the thread; start() goes on. False when it did not end in time."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot knock_slots[] = {
    {Py_tp_doc,
     "Knock(told)\n--\n\n"
     "Finds who serves an application id, by knocking at the listening\n"
     "sockets of this process. `told` is called in the main thread when\n"
     "there is news to take()."},
    {Py_tp_new, knock_new},
    {Py_tp_methods, knock_methods},
    {Py_tp_dealloc, knock_dealloc},
    {0, NULL}
};

PyType_Spec binding_knock_spec = {
    .name = "cronsched._cronsched.Knock",
    .basicsize = sizeof(struct knock_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = knock_slots,
};
