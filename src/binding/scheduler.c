/* Scheduler: the native scheduler as a Python object. The GIL is released
 * around every call that takes the core's mutex.
 */
#include "binding/binding.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>

#include "core/base/mem.h"
#include "core/cron/offset.h"
#include "core/sched/sched.h"

#define MOST_EVENTS 1024

struct scheduler_object {
    PyObject_HEAD
    struct cs_sched *sched;   /* Owned. */
    PyObject *taken;          /* Owned: set of ints, the runs handed out */
};

static struct cs_sched *sched_of(PyObject *self)
{
    return ((struct scheduler_object *)self)->sched;
}

/* ------------------------------------------------------------------------ */
/* Units                                                                     */

/* Seconds to milliseconds, at least `least` and within an int32. */
static int milliseconds(double seconds, int32_t least, const char *name,
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

/* UTC seconds to an instant, rounded to the microsecond: what a double of
 * today's size holds. */
static int instant(PyObject *number, const char *name, struct cs_wall *at)
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

/* A duration, which may be negative; infinity and NaN are none. */
static int nanoseconds(double seconds, const char *name, int64_t *value_ns)
{
    if (!(fabs(seconds) <= CS_ZONE_END_S)) {
        PyErr_Format(PyExc_ValueError,
                     "%s is a number of seconds, at most 230 years", name);
        return -1;
    }
    *value_ns = llround(seconds * 1e9);
    return 0;
}

static double seconds_of(int64_t ns)
{
    return (double)ns / 1e9;
}

/* ------------------------------------------------------------------------ */
/* Making one                                                                */

static PyObject *scheduler_make(PyTypeObject *type,
                                const struct cs_sched_options *options)
{
    struct scheduler_object *self;
    enum cs_status status;
    struct cs_error error;

    self = (struct scheduler_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->taken = PySet_New(NULL);
    if (!self->taken) {
        Py_DECREF(self);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_new(options, &self->sched, &error);
    Py_END_ALLOW_THREADS
    if (status == CS_OK)
        return (PyObject *)self;
    self->sched = NULL;
    Py_DECREF(self);
    return binding_raise(PyType_GetModuleState(type), &error, NULL);
}

static PyObject *scheduler_new(PyTypeObject *type, PyObject *arguments,
                               PyObject *keywords)
{
    static char *names[] = {"max_concurrency", "max_per_application",
                            "events", "lease_directory", "user_agent",
                            "manual", NULL};
    int concurrency = 32, per_application = 4, events = 8192;
    struct cs_sched_options options = {0};
    PyObject *manual = Py_None;

    if (!PyArg_ParseTupleAndKeywords(
            arguments, keywords, "|$iiizzO:Scheduler", names, &concurrency,
            &per_application, &events, &options.lease_directory,
            &options.user_agent, &manual))
        return NULL;
    options.manual = manual != Py_None;
    if (options.manual
        && instant(manual, "manual", &options.manual_wall) < 0)
        return NULL;
    if (concurrency < 1 || per_application < 1 || events < 1) {
        PyErr_SetString(PyExc_ValueError, "max_concurrency, "
                        "max_per_application and events are at least 1");
        return NULL;
    }
    options.limits.per_process = (uint32_t)concurrency;
    options.limits.per_application = (uint32_t)per_application;
    options.events = (size_t)events;
    return scheduler_make(type, &options);
}

static void scheduler_dealloc(PyObject *self)
{
    struct scheduler_object *object = (struct scheduler_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    if (object->sched) {
        Py_BEGIN_ALLOW_THREADS
        cs_sched_free(object->sched);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(object->taken);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------ */
/* Jobs, application ids, calls                                              */

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
    if (milliseconds(options->timeout, 1, "timeout", &policy->timeout_ms) < 0
        || milliseconds(options->connect_timeout, 1, "connect_timeout",
                        &policy->connect_timeout_ms) < 0
        || milliseconds(options->backoff, 0, "backoff", &policy->backoff_ms)
               < 0
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

static PyObject *scheduler_define(PyObject *self, PyObject *arguments,
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
    status = cs_sched_define(sched_of(self), name, &schedule->expr,
                             schedule->zone->zone, &policy, &job, &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    return PyLong_FromUnsignedLongLong(job);
}

/* None, or an exception that says what `status` means here. */
static PyObject *none_or_raise(PyObject *self, enum cs_status status,
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

static PyObject *scheduler_redefine(PyObject *self, PyObject *arguments)
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
    status = cs_sched_redefine(sched_of(self), job, &schedule->expr,
                               schedule->zone->zone);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "redefine");
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
        status = cs_sched_send_with(sched_of(self), app, texts, error);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(texts);
    Py_XDECREF(items);
    return status;
}

static PyObject *scheduler_open(PyObject *self, PyObject *arguments,
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
    status = cs_sched_open(sched_of(self), application_id,
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
        return PyErr_Occurred() ? -1
                                : milliseconds(seconds, 0, "offset", offset_ms);
    }
    status = cs_offset_ms(url, strlen(url), CS_OFFSET_DEFAULT_MAX_MS,
                          offset_ms);
    if (status == CS_OK)
        return 0;
    binding_raise_status(binding_state_of(self), status, "no offset");
    return -1;
}

static PyObject *scheduler_add(PyObject *self, PyObject *arguments,
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
    if (due != Py_None && instant(due, "due", &spec.due) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_add(sched_of(self), &spec, &call, &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    return PyLong_FromUnsignedLongLong(call);
}

static PyObject *scheduler_remove(PyObject *self, PyObject *argument)
{
    unsigned long long call = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_remove(sched_of(self), call);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "remove");
}

static PyObject *scheduler_fire(PyObject *self, PyObject *arguments,
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
        || (at != Py_None && instant(at, "at", &spec.at) < 0))
        return NULL;
    spec.call = call;
    spec.scheduled_s = scheduled;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_fire(sched_of(self), &spec);
    Py_END_ALLOW_THREADS
    if (status == CS_BUSY)
        return binding_raise_status(binding_state_of(self), status,
                                    "fire: too many runs of this call wait");
    return none_or_raise(self, status, "fire");
}

static PyObject *scheduler_skip(PyObject *self, PyObject *arguments)
{
    unsigned long long call;
    enum cs_status status;
    long long scheduled;

    if (!PyArg_ParseTuple(arguments, "KL:skip", &call, &scheduled))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_skip(sched_of(self), call, scheduled);
    Py_END_ALLOW_THREADS
    if (status == CS_OK || status == CS_NONE)
        return PyBool_FromLong(status == CS_OK);
    return none_or_raise(self, status, "skip");
}

/* ------------------------------------------------------------------------ */
/* Who owns what                                                             */

static PyObject *change_object(const struct cs_ownership *change)
{
    return Py_BuildValue("(KKOd)", (unsigned long long)change->number,
                         (unsigned long long)change->app,
                         change->owned ? Py_True : Py_False,
                         seconds_of(change->since.ns));
}

static PyObject *scheduler_changes(PyObject *self, PyObject *arguments,
                                   PyObject *keywords)
{
    static char *names[] = {"after", "most", NULL};
    struct cs_ownership *changes;   /* Owned. */
    unsigned long long after = 0;
    Py_ssize_t most = MOST_EVENTS;
    PyObject *list;
    size_t count;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|Kn:changes", names,
                                     &after, &most))
        return NULL;
    if (most < 1 || most > MOST_EVENTS)
        most = MOST_EVENTS;
    changes = cs_mem_alloc((size_t)most * sizeof(*changes));
    if (!changes)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = cs_sched_changes(sched_of(self), after, changes, (size_t)most);
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
    PyObject *since = PyFloat_FromDouble(seconds_of(change->since.ns));
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

static PyObject *scheduler_owned(PyObject *self, PyObject *Py_UNUSED(ignored))
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
        count = cs_sched_changes(sched_of(self), after, changes, 64);
        Py_END_ALLOW_THREADS
    } while (owned && count);
    return owned;
}

/* ------------------------------------------------------------------------ */
/* What several machines share                                               */

static PyObject *scheduler_share(PyObject *self, PyObject *argument)
{
    unsigned long long app = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_share(sched_of(self), app);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "share");
}

static PyObject *scheduler_grant(PyObject *self, PyObject *arguments)
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
    status = cs_sched_grant(sched_of(self), app, (uint64_t)epoch);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "grant");
}

static PyObject *scheduler_revoke(PyObject *self, PyObject *argument)
{
    unsigned long long app = PyLong_AsUnsignedLongLong(argument);
    enum cs_status status;

    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_revoke(sched_of(self), app);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "revoke");
}

static PyObject *scheduler_valid(PyObject *self, PyObject *argument)
{
    double until = PyFloat_AsDouble(argument);
    struct cs_mono at = {0};

    if (PyErr_Occurred() || nanoseconds(until, "until", &at.ns) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    cs_sched_valid(sched_of(self), at);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *scheduler_monotonic(PyObject *self,
                                     PyObject *Py_UNUSED(ignored))
{
    struct cs_mono now;

    Py_BEGIN_ALLOW_THREADS
    now = cs_sched_now(sched_of(self));
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(seconds_of(now.ns));
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

static PyObject *scheduler_leased(PyObject *self, PyObject *arguments)
{
    unsigned long long after = ULLONG_MAX;
    uint64_t apps[256], number, newer;
    size_t cursor = 0, count = 0;
    PyObject *list;

    if (!PyArg_ParseTuple(arguments, "|K:leased", &after))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    (void)cs_sched_leased(sched_of(self), &cursor, apps, 0, &number);
    Py_END_ALLOW_THREADS
    if (number == after)
        Py_RETURN_NONE;
    list = PyList_New(0);
    do {
        if (list && append_apps(list, apps, count) < 0)
            Py_CLEAR(list);
        Py_BEGIN_ALLOW_THREADS
        count = cs_sched_leased(sched_of(self), &cursor, apps, 256, &newer);
        Py_END_ALLOW_THREADS
    } while (list && count);
    return list ? Py_BuildValue("(KN)", (unsigned long long)number, list)
                : NULL;
}

/* ------------------------------------------------------------------------ */
/* The thread                                                                */

static PyObject *scheduler_start(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    enum cs_status status;
    struct cs_error error;

    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_start(sched_of(self), &error);
    Py_END_ALLOW_THREADS
    if (status != CS_OK)
        return binding_raise(binding_state_of(self), &error, NULL);
    Py_RETURN_NONE;
}

static PyObject *scheduler_stop(PyObject *self, PyObject *arguments,
                                PyObject *keywords)
{
    static char *names[] = {"timeout", NULL};
    enum cs_status status;
    double timeout_s = 2.0;
    int32_t timeout_ms;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|d:stop", names,
                                     &timeout_s)
        || milliseconds(timeout_s, 0, "timeout", &timeout_ms) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_stop(sched_of(self), timeout_ms);
    Py_END_ALLOW_THREADS
    if (status == CS_BUSY)
        return binding_raise_status(binding_state_of(self), status,
                                    "the thread did not end in time");
    return none_or_raise(self, status, "stop");
}

static PyObject *scheduler_pause(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_sched_pause(sched_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *scheduler_resume(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_sched_resume(sched_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *scheduler_interrupt(PyObject *self,
                                     PyObject *Py_UNUSED(ignored))
{
    cs_sched_interrupt(sched_of(self));
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------ */
/* Events and figures                                                        */

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
    "What the native thread has to tell.",
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

/* Puts `count` new references into a new tuple of `type`; a NULL among them
 * is an exception. */
static PyObject *fill(PyTypeObject *type, PyObject **items, Py_ssize_t count)
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
        PyFloat_FromDouble(seconds_of(event->step_ns)),
        PyFloat_FromDouble(seconds_of(event->due.ns)),
        PyFloat_FromDouble(seconds_of(event->at.ns)),
        PyFloat_FromDouble(seconds_of(event->took_ns)),
        PyLong_FromLong(event->attempt),
        PyLong_FromLong(event->status),
        event_text(event->detail),
        PyFloat_FromDouble(seconds_of(event->retry_at.ns)),
        PyLong_FromLongLong(event->instead_s),
    };

    return fill(state->event_type, items, 17);
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

static PyObject *scheduler_events(PyObject *self, PyObject *arguments,
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
        || milliseconds(timeout_s, 0, "timeout", &timeout_ms) < 0)
        return NULL;
    if (most < 1 || most > MOST_EVENTS)
        most = MOST_EVENTS;
    events = cs_mem_alloc((size_t)most * sizeof(*events));
    if (!events)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = cs_sched_events(sched_of(self), events, (size_t)most, timeout_ms);
    Py_END_ALLOW_THREADS
    list = list_of_events(binding_state_of(self), events, count);
    cs_mem_free(events);
    return list;
}

static PyObject *scheduler_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct cs_sched_stats s;

    Py_BEGIN_ALLOW_THREADS
    cs_sched_stats(sched_of(self), &s);
    Py_END_ALLOW_THREADS
    return Py_BuildValue(
        "{sn sn sn sn sn sn sn sn sK sK sK sK sK sK sK si}",
        "jobs", (Py_ssize_t)s.agenda.jobs, "apps", (Py_ssize_t)s.agenda.apps,
        "owned", (Py_ssize_t)s.agenda.owned,
        "calls", (Py_ssize_t)s.agenda.calls,
        "waiting", (Py_ssize_t)s.agenda.waiting,
        "in_flight", (Py_ssize_t)s.agenda.in_flight,
        "backing_off", (Py_ssize_t)s.agenda.backing_off,
        "lingering", (Py_ssize_t)s.agenda.lingering,
        "started", (unsigned long long)s.agenda.started,
        "ended", (unsigned long long)s.agenda.ended,
        "skipped", (unsigned long long)s.agenda.skipped,
        "missed", (unsigned long long)s.agenda.missed,
        "events_dropped", (unsigned long long)s.events_dropped,
        "turns", (unsigned long long)s.turns,
        "ownership", (unsigned long long)s.ownership, "running", (int)s.running);
}

/* ------------------------------------------------------------------------ */
/* A clock moved by hand                                                     */

static PyObject *scheduler_advance(PyObject *self, PyObject *arguments,
                                   PyObject *keywords)
{
    static char *names[] = {"elapsed", "step", NULL};
    int64_t elapsed_ns, step_ns;
    double elapsed_s, step_s = 0;
    enum cs_status status;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "d|d:advance", names,
                                     &elapsed_s, &step_s)
        || nanoseconds(elapsed_s, "elapsed", &elapsed_ns) < 0
        || nanoseconds(step_s, "step", &step_ns) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_advance(sched_of(self), elapsed_ns, step_ns);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "advance");
}

static PyObject *scheduler_idle(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t idle_ns;

    Py_BEGIN_ALLOW_THREADS
    idle_ns = cs_sched_idle_ns(sched_of(self));
    Py_END_ALLOW_THREADS
    if (idle_ns == INT64_MAX)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(seconds_of(idle_ns));
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
        PyFloat_FromDouble(seconds_of(attempt->due.ns)),
        PyLong_FromLong(attempt->attempt),
        PyFloat_FromDouble(attempt->policy->timeout_ms / 1000.0),
    };

    return fill(state->delivery_type, items, 13);
}

static PyObject *scheduler_take(PyObject *self, PyObject *Py_UNUSED(ignored))
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
        return none_or_raise(self, status, "take");
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

static PyObject *scheduler_complete(PyObject *self, PyObject *arguments,
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
        || nanoseconds(took_s, "took", &result.took_ns) < 0)
        return NULL;
    run = claim_run(self, handle);
    if (!run)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_complete(sched_of(self), run, &result);
    Py_END_ALLOW_THREADS
    return none_or_raise(self, status, "complete");
}

/* ------------------------------------------------------------------------ */

#define KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef scheduler_methods[] = {
    {"define", KEYWORDS(scheduler_define),
     "define($self, /, name, schedule, *, timeout=3600.0, connect_timeout=10.0, retries=0,\n"
     "       backoff=1.0, catch_up=600.0, overlap='skip', coalesce=True,\n"
     "       once=False, method='POST', claims=False)\n--\n\n"
     "A job: what to run. Times in seconds. Returns its handle."},
    {"redefine", scheduler_redefine, METH_VARARGS,
     "redefine($self, job, schedule, /)\n--\n\nPlan all calls of a job anew."},
    {"open", KEYWORDS(scheduler_open),
     "open($self, /, application_id, key=None, headers=())\n--\n\n"
     "An application id; `key` (32 bytes) signs its requests, `headers`\n"
     "('Name: value') go with them. Returns its handle, the same for the same\n"
     "id."},
    {"add", KEYWORDS(scheduler_add),
     "add($self, /, app, job, url, *, offset=None, due=None)\n--\n\n"
     "Bind a job to an application id. Returns the call's handle."},
    {"remove", scheduler_remove, METH_O, "remove($self, call, /)\n--\n\n"},
    {"fire", KEYWORDS(scheduler_fire),
     "fire($self, call, scheduled, /, *, attempt=1, at=None)\n--\n\n"
     "Fire one scheduled time, now or `at` (UTC seconds)."},
    {"skip", scheduler_skip, METH_VARARGS,
     "skip($self, call, scheduled, /)\n--\n\n"
     "The scheduled time of a `held` event is not to be sent, for the run\n"
     "before it executes. False when it no longer waits."},
    {"owned", scheduler_owned, METH_NOARGS,
     "The application ids owned here: handle to UTC seconds since when."},
    {"changes", KEYWORDS(scheduler_changes),
     "changes($self, /, after=0, most=1024)\n--\n\n"
     "Who owns what, as (number, app, owned, since), by number."},
    {"share", scheduler_share, METH_O,
     "share($self, app, /)\n--\n\n"
     "Several machines share it: it is fired while granted, and valid."},
    {"grant", scheduler_grant, METH_VARARGS,
     "grant($self, app, epoch, /)\n--\n\nThis machine fires it."},
    {"revoke", scheduler_revoke, METH_O,
     "revoke($self, app, /)\n--\n\nIt does no longer."},
    {"valid", scheduler_valid, METH_O,
     "valid($self, until, /)\n--\n\n"
     "Until when what was granted is good, by monotonic()."},
    {"monotonic", scheduler_monotonic, METH_NOARGS,
     "Seconds of a clock that cannot be set."},
    {"leased", scheduler_leased, METH_VARARGS,
     "leased($self, after=-1, /)\n--\n\n"
     "(number, shared application ids whose lease is ours); None when the\n"
     "number is still `after`."},
    {"start", scheduler_start, METH_NOARGS, "Start the native thread."},
    {"stop", KEYWORDS(scheduler_stop),
     "stop($self, /, timeout=2.0)\n--\n\nEnd the thread, give the leases back."},
    {"pause", scheduler_pause, METH_NOARGS,
     "End the thread, keep leases and transfers: for a fork."},
    {"resume", scheduler_resume, METH_NOARGS, "Go on after pause()."},
    {"events", KEYWORDS(scheduler_events),
     "events($self, /, timeout=0.0, most=256)\n--\n\n"
     "What happened, oldest first; waits up to `timeout` seconds for the\n"
     "first."},
    {"interrupt", scheduler_interrupt, METH_NOARGS,
     "End a wait in events() at once."},
    {"stats", scheduler_stats, METH_NOARGS, "Figures, as a dict."},
    {"advance", KEYWORDS(scheduler_advance),
     "advance($self, /, elapsed, step=0.0)\n--\n\nMove the clocks of a manual one."},
    {"idle", scheduler_idle, METH_NOARGS,
     "Seconds until something is due; None for never."},
    {"take", scheduler_take, METH_NOARGS,
     "The next Delivery of a manual scheduler, or None."},
    {"complete", KEYWORDS(scheduler_complete),
     "complete($self, /, run, status=200, *, delivery='answered', retry_after=None,\n"
     "         outcome='', detail='', took=0.0)\n--\n\n"
     "What came back for a Delivery."},
    {NULL, NULL, 0, NULL}
};

static PyType_Slot scheduler_slots[] = {
    {Py_tp_doc,
     "Scheduler(*, max_concurrency=32, max_per_application=4, events=8192,\n"
     "          lease_directory=None, user_agent=None, manual=None)\n--\n\n"
     "The native scheduler: one thread for all application ids. With `manual`\n"
     "(UTC seconds) it has no thread, and its clock is moved by hand."},
    {Py_tp_new, scheduler_new},
    {Py_tp_methods, scheduler_methods},
    {Py_tp_dealloc, scheduler_dealloc},
    {0, NULL}
};

PyType_Spec binding_scheduler_spec = {
    .name = "cronsched.Scheduler",
    .basicsize = sizeof(struct scheduler_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = scheduler_slots,
};
