/* Scheduler: the native scheduler as a Python object: its life, and the table
 * of its methods. The GIL is released around every call that takes the core's
 * mutex.
 */
#include "binding/scheduler.h"

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
        && binding_instant(manual, "manual", &options.manual_wall) < 0)
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
/* The thread                                                                */

static PyObject *scheduler_start(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    enum cs_status status;
    struct cs_error error;

    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_start(binding_sched_of(self), &error);
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
        || binding_milliseconds(timeout_s, 0, "timeout", &timeout_ms) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = cs_sched_stop(binding_sched_of(self), timeout_ms);
    Py_END_ALLOW_THREADS
    if (status == CS_BUSY)
        return binding_raise_status(binding_state_of(self), status,
                                    "the thread did not end in time");
    return binding_none_or_raise(self, status, "stop");
}

static PyObject *scheduler_pause(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_sched_pause(binding_sched_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *scheduler_resume(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    cs_sched_resume(binding_sched_of(self));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *scheduler_interrupt(PyObject *self,
                                     PyObject *Py_UNUSED(ignored))
{
    cs_sched_interrupt(binding_sched_of(self));
    Py_RETURN_NONE;
}

static PyObject *scheduler_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct cs_sched_stats s;

    Py_BEGIN_ALLOW_THREADS
    cs_sched_stats(binding_sched_of(self), &s);
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
        "ownership", (unsigned long long)s.ownership,
        "running", (int)s.running);
}

/* ------------------------------------------------------------------------ */
/* The table                                                                 */

#define KEYWORDS(function) \
    ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef scheduler_methods[] = {
    {"define", KEYWORDS(binding_scheduler_define),
     "define($self, /, name, schedule, *, timeout=3600.0, connect_timeout=10.0, retries=0,\n"
     "       backoff=1.0, catch_up=600.0, overlap='skip', coalesce=True,\n"
     "       once=False, method='POST', claims=False)\n--\n\n"
     "A job: what to run. Times in seconds. Returns its handle."},
    {"redefine", binding_scheduler_redefine, METH_VARARGS,
     "redefine($self, job, schedule, /)\n--\n\nPlan all calls of a job anew."},
    {"open", KEYWORDS(binding_scheduler_open),
     "open($self, /, application_id, key=None, headers=())\n--\n\n"
     "An application id; `key` (32 bytes) signs its requests, `headers`\n"
     "('Name: value') go with them. Returns its handle, the same for the same\n"
     "id."},
    {"add", KEYWORDS(binding_scheduler_add),
     "add($self, /, app, job, url, *, offset=None, due=None)\n--\n\n"
     "Bind a job to an application id. Returns the call's handle."},
    {"offset", binding_scheduler_offset, METH_O,
     "offset($self, call, /)\n--\n\nThat of each run of a call, in seconds."},
    {"remove", binding_scheduler_remove, METH_O,
     "remove($self, call, /)\n--\n\n"},
    {"fire", KEYWORDS(binding_scheduler_fire),
     "fire($self, call, scheduled, /, *, attempt=1, at=None)\n--\n\n"
     "Fire one scheduled time, now or `at` (UTC seconds)."},
    {"skip", binding_scheduler_skip, METH_VARARGS,
     "skip($self, call, scheduled, /)\n--\n\n"
     "The scheduled time of a `held` event is not to be sent, for the run\n"
     "before it executes. False when it no longer waits."},
    {"owned", binding_scheduler_owned, METH_NOARGS,
     "The application ids owned here: handle to UTC seconds since when."},
    {"changes", KEYWORDS(binding_scheduler_changes),
     "changes($self, /, after=0, most=1024)\n--\n\n"
     "Who owns what, as (number, app, owned, since), by number."},
    {"share", binding_scheduler_share, METH_O,
     "share($self, app, /)\n--\n\n"
     "Several machines share it: it is fired while granted, and valid."},
    {"grant", binding_scheduler_grant, METH_VARARGS,
     "grant($self, app, epoch, /)\n--\n\nThis machine fires it."},
    {"revoke", binding_scheduler_revoke, METH_O,
     "revoke($self, app, /)\n--\n\nIt does no longer."},
    {"granter", binding_scheduler_granter, METH_NOARGS,
     "One more who grants: its number, for valid()."},
    {"valid", binding_scheduler_valid, METH_VARARGS,
     "valid($self, granter, until, /)\n--\n\n"
     "Until when what one has granted is good, by monotonic(); None when it\n"
     "has granted nothing."},
    {"monotonic", binding_scheduler_monotonic, METH_NOARGS,
     "Seconds of a clock that cannot be set."},
    {"leased", binding_scheduler_leased, METH_VARARGS,
     "leased($self, after=-1, /)\n--\n\n"
     "(number, shared application ids whose lease is ours); None when the\n"
     "number is still `after`."},
    {"start", scheduler_start, METH_NOARGS, "Start the native thread."},
    {"stop", KEYWORDS(scheduler_stop),
     "stop($self, /, timeout=2.0)\n--\n\nEnd the thread, give the leases back."},
    {"pause", scheduler_pause, METH_NOARGS,
     "End the thread, keep leases and transfers: for a fork."},
    {"resume", scheduler_resume, METH_NOARGS, "Go on after pause()."},
    {"events", KEYWORDS(binding_scheduler_events),
     "events($self, /, timeout=0.0, most=256)\n--\n\n"
     "What happened, oldest first; waits up to `timeout` seconds for the\n"
     "first."},
    {"interrupt", scheduler_interrupt, METH_NOARGS,
     "End a wait in events() at once."},
    {"stats", scheduler_stats, METH_NOARGS, "Statistics, as a dict."},
    {"advance", KEYWORDS(binding_scheduler_advance),
     "advance($self, /, elapsed, step=0.0)\n--\n\nMove the clocks of a manual one."},
    {"idle", binding_scheduler_idle, METH_NOARGS,
     "Seconds until something is due; None for never."},
    {"take", binding_scheduler_take, METH_NOARGS,
     "The next Delivery of a manual scheduler, or None."},
    {"complete", KEYWORDS(binding_scheduler_complete),
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
