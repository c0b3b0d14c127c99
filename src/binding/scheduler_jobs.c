/* Scheduler: jobs, application ids, calls, and what is fired beside their
 * schedule. */
#include "binding/scheduler.h"

#include <limits.h>

#include "core/cron/offset.h"

static int overlap_of(const char *name, uint8_t *overlap)
{
    static const char *const names[] = {"skip", "queue", "allow"};

    for (uint8_t i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *overlap = i;
            return 0;
        }
    PyErr_Format(PyExc_ValueError,
                 "overlap is 'skip', 'queue' or 'allow', not '%s'", name);
    return -1;
}

static int method_of(const char *name, bool *post)
{
    *post = strcmp(name, "POST") == 0;
    if (*post || strcmp(name, "GET") == 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "method is 'POST' or 'GET', not '%s'",
                 name);
    return -1;
}

/* Seconds; None is "never too late". */
static int catch_up_of(PyObject *value, int32_t *catch_up_s)
{
    double seconds;

    if (!value)
        return 0;
    if (value == Py_None) {
        *catch_up_s = -1;
        return 0;
    }
    seconds = PyFloat_AsDouble(value);
    if (PyErr_Occurred())
        return -1;
    if (!(seconds >= 0 && seconds <= INT32_MAX)) {
        PyErr_SetString(PyExc_ValueError, "catch_up is at least 0 seconds, or "
                        "None for never too late");
        return -1;
    }
    *catch_up_s = (int32_t)seconds;
    return 0;
}

struct options {
    double timeout, connect_timeout, backoff;
    PyObject *catch_up;   /* Borrowed, or NULL. */
    const char *overlap, *method;
    int retries, coalesce, once, claims;
};

static int policy_of(const struct options *options, struct cs_policy *policy)
{
    cs_policy_default(policy);
    if (binding_milliseconds(options->timeout, 1, "timeout",
                             &policy->timeout_ms) < 0
        || binding_milliseconds(options->connect_timeout, 1, "connect_timeout",
                                &policy->connect_timeout_ms) < 0
        || binding_milliseconds(options->backoff, 0, "backoff",
                                &policy->backoff_ms) < 0
        || catch_up_of(options->catch_up, &policy->catch_up_s) < 0
        || overlap_of(options->overlap, &policy->overlap) < 0
        || method_of(options->method, &policy->post) < 0)
        return -1;
    if (options->retries < 0 || options->retries > 1000) {
        PyErr_SetString(PyExc_ValueError, "retries is 0 to 1000");
        return -1;
    }
    policy->retries = (uint16_t)options->retries;
    policy->coalesce = options->coalesce;
    policy->once = options->once;
    policy->claims = options->claims;
    return 0;
}

/* Borrowed; NULL with an exception when `object` is no Schedule. */
static struct schedule_object *schedule_of(PyObject *self, PyObject *object)
{
    if (Py_IS_TYPE(object, binding_state_of(self)->schedule_type))
        return (struct schedule_object *)object;
    PyErr_Format(PyExc_TypeError, "a Schedule is needed, not %R", object);
    return NULL;
}

PyObject *binding_scheduler_define(PyObject *self, PyObject *arguments,
                                   PyObject *keywords)
{
    static char *names[] = {"name", "schedule", "timeout", "connect_timeout",
                            "retries", "backoff", "catch_up", "overlap",
                            "coalesce", "once", "method", "claims", NULL};
    struct options options = {3600, 10, 1, NULL, "skip", "POST", 0, 1, 0, 0};
    struct schedule_object *schedule;
    struct cs_policy policy;
    struct cs_error error;
    enum cs_status status;
    const char *name;
    PyObject *object;
    uint64_t job;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "sO|$ddidOsppsp:define", names, &name,
            &object, &options.timeout, &options.connect_timeout,
            &options.retries, &options.backoff, &options.catch_up,
            &options.overlap, &options.coalesce, &options.once,
            &options.method, &options.claims))
        return NULL;
    schedule = schedule_of(self, object);
    if (!schedule || policy_of(&options, &policy) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_define(binding_sched_of(self), name, &schedule->expr,
                             schedule->zone->zone, &policy, &job, &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    return PyLong_FromUnsignedLongLong(job);
}

PyObject *binding_scheduler_redefine(PyObject *self, PyObject *arguments)
{
    struct schedule_object *schedule;
    unsigned long long job;
    enum cs_status status;
    PyObject *object;

    if (!PyArg_ParseTuple(arguments, "KO:redefine", &job, &object))
        return NULL;
    schedule = schedule_of(self, object);
    if (!schedule)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_redefine(binding_sched_of(self), job, &schedule->expr,
                               schedule->zone->zone);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "redefine");
}

/* Headers count where the application id is new. */
static enum cs_status send_with(PyObject *self, uint64_t app,
                                PyObject *headers, struct cs_error *error)
{
    enum cs_status status = CS_NOMEM;
    PyObject *items = NULL;
    const char **texts = binding_texts(headers, &items);

    (void)cs_error_set(error, CS_NOMEM, "out of memory");
    if (texts) {
        Py_BEGIN_ALLOW_THREADS
        status = cs_sched_send_with(binding_sched_of(self), app, texts, error);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(texts);
    Py_XDECREF(items);
    return status;
}

PyObject *binding_scheduler_open(PyObject *self, PyObject *arguments,
                                 PyObject *keywords)
{
    static char *names[] = {"application_id", "key", "headers", NULL};
    const char *application_id, *key = NULL;
    PyObject *headers = NULL;
    Py_ssize_t key_size = 0;
    enum cs_status status;
    struct cs_error error;
    uint64_t app;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s|z#O:open", names,
                                     &application_id, &key, &key_size,
                                     &headers))
        return NULL;
    if (key && key_size != CS_KEY_SIZE) {
        PyErr_Format(PyExc_ValueError, "a key has %d bytes", CS_KEY_SIZE);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_open(binding_sched_of(self), application_id,
                           (const uint8_t *)key, &app, &error);
    Py_END_ALLOW_THREADS
    if (status == CS_OK && headers && PyObject_IsTrue(headers) > 0)
        status = send_with(self, app, headers, &error);
    if (PyErr_Occurred())
        return NULL;
    if (status != CS_OK && status != CS_EXISTS)
        return binding_raise(binding_state_of(self), &error, NULL);
    return PyLong_FromUnsignedLongLong(app);
}

/* What was given, else seeded by the URL. */
static int offset_of(PyObject *self, PyObject *offset, const char *url,
                     int32_t *offset_ms)
{
    enum cs_status status;
    double seconds;

    if (offset != Py_None) {
        seconds = PyFloat_AsDouble(offset);
        if (PyErr_Occurred())
            return -1;
        return binding_milliseconds(seconds, 0, "offset", offset_ms);
    }
    status = cs_offset_ms(url, strlen(url), CS_OFFSET_DEFAULT_MAX_MS,
                          offset_ms);
    if (status == CS_OK)
        return 0;
    binding_raise_status(binding_state_of(self), status, "no offset");
    return -1;
}

PyObject *binding_scheduler_add(PyObject *self, PyObject *arguments,
                                PyObject *keywords)
{
    static char *names[] = {"app", "job", "url", "offset", "due", NULL};
    PyObject *offset = Py_None, *due = Py_None;
    unsigned long long app, job;
    struct cs_call_spec spec;
    enum cs_status status;
    struct cs_error error;
    uint64_t call;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "KKs|$OO:add", names,
                                     &app, &job, &spec.url, &offset, &due)
        || offset_of(self, offset, spec.url, &spec.offset_ms) < 0)
        return NULL;
    spec.app = app;
    spec.job = job;
    spec.due = (struct cs_wall){-1};
    if (due != Py_None && binding_instant(due, "due", &spec.due) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_add(binding_sched_of(self), &spec, &call, &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    return PyLong_FromUnsignedLongLong(call);
}

PyObject *binding_scheduler_offset(PyObject *self, PyObject *argument)
{
    unsigned long long call = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;
    int32_t offset_ms;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_offset(binding_sched_of(self), call, &offset_ms);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_none_or_raise(self, status, "offset");
    return PyFloat_FromDouble(offset_ms / 1000.0);
}

PyObject *binding_scheduler_remove(PyObject *self, PyObject *argument)
{
    unsigned long long call = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_remove(binding_sched_of(self), call);
    Py_END_ALLOW_THREADS
    return binding_none_or_raise(self, status, "remove");
}

PyObject *binding_scheduler_fire(PyObject *self, PyObject *arguments,
                                 PyObject *keywords)
{
    static char *names[] = {"", "", "attempt", "at", NULL};
    struct cs_fire_spec spec = {.attempt = 1};
    unsigned long long call;
    enum cs_status status;
    PyObject *at = Py_None;
    long long scheduled;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "KL|$iO:fire",
                                     names, &call, &scheduled, &spec.attempt,
                                     &at)
        || (at != Py_None && binding_instant(at, "at", &spec.at) < 0))
        return NULL;
    spec.call = call;
    spec.scheduled_s = scheduled;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_fire(binding_sched_of(self), &spec);
    Py_END_ALLOW_THREADS
    if (status == CS_BUSY)
        return binding_raise_status(binding_state_of(self), status,
                                    "fire: too many runs of this call wait");
    return binding_none_or_raise(self, status, "fire");
}

PyObject *binding_scheduler_skip(PyObject *self, PyObject *arguments)
{
    unsigned long long call;
    enum cs_status status;
    long long scheduled;

    if (!PyArg_ParseTuple(arguments, "KL:skip", &call, &scheduled))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_skip(binding_sched_of(self), call, scheduled);
    Py_END_ALLOW_THREADS
    if (status == CS_OK || status == CS_NONE)
        return PyBool_FromLong(status == CS_OK);
    return binding_none_or_raise(self, status, "skip");
}
