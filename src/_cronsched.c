/* Module `cronsched._cronsched`: its functions, its state, its making. The
 * types are in src/binding/, one file each; see binding.h.
 */
#include "binding/binding.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "core/cron/offset.h"
#include "core/http/http.h"
#include "core/http/sign.h"

static struct binding_state *state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ------------------------------------------------------------------------ */
/* parse_cron                                                                */

static PyObject *raise_value(PyObject *module, PyObject *value,
                             const char *text, const char *hint)
{
    PyObject *shown = PyObject_Repr(value);
    struct cs_error error;

    if (!shown)
        return NULL;
    (void)cs_error_set(&error, CS_SYNTAX, "%s", text);
    cs_error_hint(&error, "%s", hint);
    cs_error_at(&error, CS_FIELD_NONE, 0, 1);
    binding_raise(state_of(module), &error, shown);
    Py_DECREF(shown);
    return NULL;
}

static PyObject *tuple_of_bits(uint64_t set)
{
    PyObject *tuple = PyTuple_New(__builtin_popcountll(set)), *number;

    for (Py_ssize_t i = 0; tuple && set; i++, set &= set - 1) {
        number = PyLong_FromLong(__builtin_ctzll(set));
        if (number)
            PyTuple_SET_ITEM(tuple, i, number);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* "hour" or "minute"; NotImplementedError for another, as the original. */
static int field_of(const char *type, enum cs_field *field)
{
    if (strcmp(type, "hour") == 0)
        *field = CS_FIELD_HOUR;
    else if (strcmp(type, "minute") == 0)
        *field = CS_FIELD_MINUTE;
    else {
        PyErr_Format(PyExc_NotImplementedError,
                     "type is 'hour' or 'minute', not '%s'", type);
        return -1;
    }
    return 0;
}

/* The original refuses a step that is larger than the field, which the
 * grammar of an expression allows. */
static int step_is_too_big(const char *text, enum cs_field field)
{
    long size = field == CS_FIELD_HOUR ? 24 : 60;

    return strncmp(text, "*/", 2) == 0 && strtol(text + 2, NULL, 10) > size;
}

static PyObject *parse_cron(PyObject *module, PyObject *arguments,
                            PyObject *keywords)
{
    static char *names[] = {"value", "type", NULL};
    PyObject *value, *text, *result = NULL;
    const char *type, *bytes;
    struct cs_error error;
    enum cs_field field;
    Py_ssize_t size;
    uint64_t set;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Os:parse_cron",
                                     names, &value, &type)
        || field_of(type, &field) < 0)
        return NULL;
    if (PyBool_Check(value) || !(PyLong_Check(value) || PyUnicode_Check(value)))
        return raise_value(module, value, "not a number or text",
                           "write 5, '*' or '*/5'");
    text = PyObject_Str(value);
    bytes = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (bytes && step_is_too_big(bytes, field))
        raise_value(module, value, "the step is larger than the field",
                    "write the one value that is meant");
    else if (bytes && cs_expr_parse_field(bytes, (size_t)size, field, &set,
                                          &error) == CS_OK)
        result = tuple_of_bits(set);
    else if (bytes)
        binding_raise(state_of(module), &error, text);
    Py_XDECREF(text);
    return result;
}

/* ------------------------------------------------------------------------ */
/* The offset, and the headers of a request                                  */

static PyObject *seeded_offset(PyObject *module, PyObject *const *args,
                               Py_ssize_t count)
{
    double most_s = count > 1 ? PyFloat_AsDouble(args[1]) : 30.0;
    enum cs_status status;
    int32_t offset_ms;
    const char *seed;
    Py_ssize_t size;

    if (PyErr_Occurred())
        return NULL;
    if (count < 1 || count > 2 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError,
                        "seeded_offset(seed: str, max_offset: float = 30.0)");
        return NULL;
    }
    seed = PyUnicode_AsUTF8AndSize(args[0], &size);
    if (!seed)
        return NULL;
    if (!(most_s >= 0 && most_s <= 2000000.0)) {
        PyErr_SetString(PyExc_ValueError,
                        "max_offset is 0 to 2,000,000 seconds");
        return NULL;
    }
    status = cs_offset_ms(seed, (size_t)size, (int32_t)lround(most_s * 1000),
                          &offset_ms);
    if (status != CS_OK)
        return binding_raise_status(state_of(module), status, "no offset");
    return PyFloat_FromDouble(offset_ms / 1000.0);
}

static PyObject *run_id(PyObject *module, PyObject *arguments)
{
    const char *application_id, *job;
    char id[CS_RUN_ID_SIZE];
    enum cs_status status;
    long long scheduled;

    if (!PyArg_ParseTuple(arguments, "ssL:run_id", &application_id, &job,
                          &scheduled))
        return NULL;
    status = cs_sign_run_id(application_id, job, scheduled, id);
    if (status != CS_OK)
        return binding_raise_status(state_of(module), status, "no run id");
    return PyUnicode_FromString(id);
}

static PyObject *sign_headers(PyObject *module, PyObject *arguments,
                              PyObject *keywords)
{
    static char *names[] = {"application_id", "job", "scheduled", "key",
                            "now", "attempt", "epoch", NULL};
    struct cs_sign_headers headers;
    struct cs_sign_request request;
    const char *application_id, *job, *key = NULL;
    long long scheduled, now = LLONG_MIN;
    Py_ssize_t key_size = 0;
    enum cs_status status;
    long long epoch = 0;
    int attempt = 1;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "ssL|$z#LiL:sign_headers", names,
            &application_id, &job, &scheduled, &key, &key_size, &now,
            &attempt, &epoch))
        return NULL;
    if (epoch < 0) {
        PyErr_SetString(PyExc_ValueError, "an epoch is not negative");
        return NULL;
    }
    if (now == LLONG_MIN) {
        PyErr_SetString(PyExc_TypeError, "sign_headers() needs now=");
        return NULL;
    }
    if (key && key_size != CS_SIGN_KEY_SIZE) {
        PyErr_Format(PyExc_ValueError, "a key has %d bytes",
                     CS_SIGN_KEY_SIZE);
        return NULL;
    }
    request = (struct cs_sign_request){application_id, job,
                                       (const uint8_t *)key, scheduled, now,
                                       attempt, (uint64_t)epoch};
    status = cs_sign(&request, &headers);
    if (status != CS_OK)
        return binding_raise_status(state_of(module), status, "not signed");
    return binding_headers(headers.list);
}

static PyObject *libraries(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    (void)module;
    return PyUnicode_FromString(cs_http_libraries());
}

/* ------------------------------------------------------------------------ */
/* Hooks that the Python half sets                                           */

/* Before 3.13 there was always a GIL. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

PyObject *binding_hook(struct binding_state *state, PyObject **hook)
{
    PyObject *found;

    (void)state;   /* not used where there is a GIL */
    Py_BEGIN_CRITICAL_SECTION(state->zones);
    found = Py_XNewRef(*hook);
    Py_END_CRITICAL_SECTION();
    return found;
}

/* None is not a hook. */
static PyObject *set_hook(struct binding_state *state, PyObject **hook,
                          PyObject *callable)
{
    PyObject *old;

    (void)state;   /* as above */
    Py_BEGIN_CRITICAL_SECTION(state->zones);
    old = *hook;
    *hook = callable == Py_None ? NULL : Py_NewRef(callable);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *set_zone_resolver(PyObject *module, PyObject *resolver)
{
    struct binding_state *state = state_of(module);

    return set_hook(state, &state->resolver, resolver);
}

static PyObject *forget_zones(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct binding_state *state = state_of(module);

    state->forgotten++;
    PyDict_Clear(state->zones);
    Py_RETURN_NONE;
}

static PyObject *set_fork_resume(PyObject *module, PyObject *resume)
{
    struct binding_state *state = state_of(module);

    state->resuming = false;   /* a forked child may have lost what was due */
    return set_hook(state, &state->fork_resume, resume);
}

/* Runs in the main thread, between two of its bytecodes. Steals `module`. */
static int call_resume(void *module)
{
    struct binding_state *state = state_of(module);
    PyObject *resume = binding_hook(state, &state->fork_resume);
    PyObject *result = NULL;

    state->resuming = false;
    if (resume)
        result = PyObject_CallNoArgs(resume);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(resume);
    Py_XDECREF(result);
    Py_XDECREF(resume);
    Py_DECREF((PyObject *)module);
    return 0;
}

/* Is this os.fork(), called by Python code of the main interpreter? Where a
 * server forks in C, below no Python code, there may never be a next step of
 * it; and pending calls run in the main interpreter only. */
static int can_be_put_off(void)
{
    return PyEval_GetFrame() != NULL
           && PyInterpreterState_Get() == PyInterpreterState_Main();
}

/* As the last hook after a fork this runs no bytecode, so that what it puts
 * off happens when os.fork() has counted the threads and returned. Once for
 * any number of forks: other threads may fork while the main one waits. */
static PyObject *resume_after_fork(PyObject *module,
                                   PyObject *Py_UNUSED(ignored))
{
    struct binding_state *state = state_of(module);

    if (!state->fork_resume || atomic_exchange(&state->resuming, true))
        Py_RETURN_NONE;
    if (!can_be_put_off()) {
        (void)call_resume(Py_NewRef(module));   /* always 0 */
        Py_RETURN_NONE;
    }
    if (Py_AddPendingCall(call_resume, Py_NewRef(module)) < 0) {
        state->resuming = false;
        Py_DECREF(module);
        PyErr_SetString(PyExc_RuntimeError, "too many pending calls");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------ */
/* The module                                                                */

static PyMethodDef functions[] = {
    {"parse_cron", (PyCFunction)(void (*)(void))parse_cron,
     METH_VARARGS | METH_KEYWORDS,
     "parse_cron(value, type)\n--\n\n"
     "The ints that `value` (an int, or text like '*', '*/20', '3', '8-18')\n"
     "means as an 'hour' or a 'minute', as a tuple. Raises CronError, and\n"
     "NotImplementedError for another type."},
    {"seeded_offset", (PyCFunction)(void (*)(void))seeded_offset,
     METH_FASTCALL,
     "seeded_offset(seed, max_offset=30.0, /)\n--\n\n"
     "Seconds, 0 to max_offset in steps of a millisecond; equal to\n"
     "random.Random(seed).randint(0, max_offset * 1000) / 1000."},
    {"run_id", run_id, METH_VARARGS,
     "run_id(application_id, job, scheduled, /)\n--\n\n"
     "The id of a run, the same for each attempt (webhook-id)."},
    {"sign_headers", (PyCFunction)(void (*)(void))sign_headers,
     METH_VARARGS | METH_KEYWORDS,
     "sign_headers(application_id, job, scheduled, *, key=None, now,\n"
     "             attempt=1, epoch=0)\n"
     "--\n\nThe headers of a request, by Standard Webhooks 1.0."},
    {"libraries", libraries, METH_NOARGS,
     "libraries($module, /)\n--\n\n"
     "The libcurl that was loaded and what it uses, with their versions."},
    {"set_zone_resolver", set_zone_resolver, METH_O, NULL},
    {"forget_zones", forget_zones, METH_NOARGS, NULL},
    {"set_fork_resume", set_fork_resume, METH_O, NULL},
    {"resume_after_fork", resume_after_fork, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);

    if (type && PyModule_AddType(module, (PyTypeObject *)type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static PyTypeObject *add_tuple(PyObject *module, PyStructSequence_Desc *desc)
{
    PyTypeObject *type = PyStructSequence_NewType(desc);

    if (type && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

static int add_types(PyObject *module, struct binding_state *state)
{
    state->zone_type = add_type(module, &binding_zone_spec);
    state->schedule_type = add_type(module, &binding_schedule_spec);
    state->scheduler_type = add_type(module, &binding_scheduler_spec);
    state->event_type = add_tuple(module, &binding_event_desc);
    state->delivery_type = add_tuple(module, &binding_delivery_desc);
    state->knock_type = add_type(module, &binding_knock_spec);
    state->news_type = add_tuple(module, &binding_news_desc);
    state->heartbeat_type = add_type(module, &binding_heartbeat_spec);
    if (!state->zone_type || !state->schedule_type || !state->scheduler_type
        || !state->event_type || !state->delivery_type || !state->knock_type
        || !state->news_type || !state->heartbeat_type)
        return -1;
    state->schedule_type->tp_vectorcall = binding_schedule_vectorcall;
    return 0;
}

static PyObject *import_attribute(const char *module, const char *name)
{
    PyObject *imported = PyImport_ImportModule(module), *attribute;

    if (!imported)
        return NULL;
    attribute = PyObject_GetAttrString(imported, name);
    Py_DECREF(imported);
    return attribute;
}

static int add_time(struct binding_state *state)
{
    state->time = PyImport_ImportModule("time");
    state->datetime = import_attribute("datetime", "datetime");
    state->zones = PyDict_New();
    state->utc = PyUnicode_InternFromString("UTC");
    if (!state->time || !state->datetime || !state->zones || !state->utc)
        return -1;
    binding_find_datetime(state);
    return 0;
}

static int module_exec(PyObject *module)
{
    struct binding_state *state = state_of(module);

    if (binding_add_errors(module, state) < 0 || add_types(module, state) < 0)
        return -1;
    return add_time(state);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct binding_state *state = state_of(module);

    Py_VISIT(state->zone_type);
    Py_VISIT(state->schedule_type);
    Py_VISIT(state->scheduler_type);
    Py_VISIT(state->event_type);
    Py_VISIT(state->delivery_type);
    Py_VISIT(state->knock_type);
    Py_VISIT(state->news_type);
    Py_VISIT(state->heartbeat_type);
    Py_VISIT(state->cron_error);
    Py_VISIT(state->expression_error);
    Py_VISIT(state->zone_error);
    Py_VISIT(state->scheduler_error);
    Py_VISIT(state->resolver);
    Py_VISIT(state->zones);
    Py_VISIT(state->fork_resume);
    Py_VISIT(state->time);
    Py_VISIT(state->datetime);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct binding_state *state = state_of(module);

    Py_CLEAR(state->zone_type);
    Py_CLEAR(state->schedule_type);
    Py_CLEAR(state->scheduler_type);
    Py_CLEAR(state->event_type);
    Py_CLEAR(state->delivery_type);
    Py_CLEAR(state->knock_type);
    Py_CLEAR(state->news_type);
    Py_CLEAR(state->heartbeat_type);
    Py_CLEAR(state->cron_error);
    Py_CLEAR(state->expression_error);
    Py_CLEAR(state->zone_error);
    Py_CLEAR(state->scheduler_error);
    Py_CLEAR(state->resolver);
    Py_CLEAR(state->zones);
    Py_CLEAR(state->fork_resume);
    Py_CLEAR(state->time);
    Py_CLEAR(state->datetime);
    Py_CLEAR(state->utc);
    return 0;
}

static void module_free(void *module)
{
    (void)module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "cronsched._cronsched",
    .m_doc = "The native part of cronsched.",
    .m_size = sizeof(struct binding_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__cronsched(void)
{
    return PyModuleDef_Init(&definition);
}
