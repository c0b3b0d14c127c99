/* Zone: TZif bytes as a Python object, and how a name becomes one. */
#include "binding/binding.h"

static PyObject *zone_wrap(PyTypeObject *type, struct cs_zone *zone,
                           PyObject *name, PyObject *tzinfo)
{
    struct zone_object *self = (struct zone_object *)type->tp_alloc(type, 0);

    if (!self) {
        cs_zone_unref(zone);
        return NULL;
    }
    self->zone = zone;
    self->name = Py_NewRef(name);
    self->tzinfo = Py_NewRef(tzinfo);
    return (PyObject *)self;
}

static PyObject *zone_from_tzif(PyObject *class, PyObject *arguments)
{
    PyTypeObject *type = (PyTypeObject *)class;
    PyObject *name, *tzinfo;
    enum cs_status status;
    struct cs_error error;
    struct cs_zone *zone;
    Py_buffer data;

    if (!PyArg_ParseTuple(arguments, "Uy*O:from_tzif", &name, &data, &tzinfo))
        return NULL;
    status = cs_zone_load(data.buf, (size_t)data.len, &zone, &error);
    PyBuffer_Release(&data);
    if (status != CS_OK)
        return binding_raise(PyType_GetModuleState(type), &error, NULL);
    return zone_wrap(type, zone, name, tzinfo);
}

static PyObject *zone_fixed(PyObject *class, PyObject *arguments)
{
    PyTypeObject *type = (PyTypeObject *)class;
    PyObject *name, *tzinfo;
    struct cs_error error;
    struct cs_zone *zone;
    int seconds;

    if (!PyArg_ParseTuple(arguments, "UiO:fixed", &name, &seconds, &tzinfo))
        return NULL;
    if (cs_zone_fixed(seconds, &zone, &error) != CS_OK)
        return binding_raise(PyType_GetModuleState(type), &error, NULL);
    return zone_wrap(type, zone, name, tzinfo);
}

static PyObject *instant_or_none(int64_t at, int64_t none)
{
    return at == none ? Py_NewRef(Py_None) : PyLong_FromLongLong(at);
}

static PyObject *zone_span_at(PyObject *self, PyObject *argument)
{
    long long epoch = PyLong_AsLongLong(argument);
    struct cs_zone_span span;

    if (epoch == -1 && PyErr_Occurred())
        return NULL;
    cs_zone_span_at(((struct zone_object *)self)->zone, epoch, &span);
    return Py_BuildValue("NNi", instant_or_none(span.start_s, INT64_MIN),
                         instant_or_none(span.end_s, INT64_MAX),
                         (int)span.offset_s);
}

static PyObject *zone_from_local(PyObject *self, PyObject *argument)
{
    static const char *const kinds[] = {"unique", "gap", "overlap"};
    long long local_s = PyLong_AsLongLong(argument);
    struct cs_zone_local local;

    if (local_s == -1 && PyErr_Occurred())
        return NULL;
    cs_zone_from_local(((struct zone_object *)self)->zone, local_s, &local);
    return Py_BuildValue("sLL", kinds[local.kind], (long long)local.first_s,
                         (long long)local.second_s);
}

static PyObject *zone_name(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct zone_object *)self)->name);
}

static PyObject *zone_tzinfo(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct zone_object *)self)->tzinfo);
}

static PyObject *zone_repr(PyObject *self)
{
    return PyUnicode_FromFormat("Zone(%R)",
                                ((struct zone_object *)self)->name);
}

static int zone_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct zone_object *)self)->tzinfo);
    return 0;
}

static int zone_clear(PyObject *self)
{
    Py_CLEAR(((struct zone_object *)self)->tzinfo);
    return 0;
}

static void zone_dealloc(PyObject *self)
{
    struct zone_object *zone = (struct zone_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)zone_clear(self);
    Py_XDECREF(zone->name);
    cs_zone_unref(zone->zone);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef zone_methods[] = {
    {"from_tzif", zone_from_tzif, METH_VARARGS | METH_CLASS,
     "from_tzif(name, data, tz): from the bytes of a TZif file (RFC 9636)."},
    {"fixed", zone_fixed, METH_VARARGS | METH_CLASS,
     "fixed(name, seconds, tz): always `seconds` east of UTC."},
    {"span_at", zone_span_at, METH_O,
     "span_at(epoch): (start, end, seconds east of UTC) around an instant."},
    {"from_local", zone_from_local, METH_O,
     "from_local(local): (kind, first, second), what a local time can mean."},
    {NULL, NULL, 0, NULL}
};

static PyGetSetDef zone_getset[] = {
    {"name", zone_name, NULL, "The name it was asked for by.", NULL},
    {"tzinfo", zone_tzinfo, NULL, "The tzinfo of returned datetimes.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyType_Slot zone_slots[] = {
    {Py_tp_doc, "The rules of one time zone, read-only."},
    {Py_tp_methods, zone_methods},
    {Py_tp_getset, zone_getset},
    {Py_tp_repr, zone_repr},
    {Py_tp_traverse, zone_traverse},
    {Py_tp_clear, zone_clear},
    {Py_tp_dealloc, zone_dealloc},
    {0, NULL}
};

PyType_Spec binding_zone_spec = {
    .name = "cronsched._cronsched.Zone",
    .basicsize = sizeof(struct zone_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = zone_slots,
};

/* The resolver's answer, or NULL with an exception. New reference. */
static PyObject *ask_resolver(struct binding_state *state, PyObject *timezone)
{
    PyObject *resolver = binding_hook(state, &state->resolver), *zone;

    if (!resolver) {
        PyErr_SetString(PyExc_RuntimeError, "no zone resolver is set");
        return NULL;
    }
    zone = PyObject_CallOneArg(resolver, timezone);
    Py_DECREF(resolver);
    if (zone && !Py_IS_TYPE(zone, state->zone_type)) {
        PyErr_Format(PyExc_TypeError, "the zone resolver returned %R", zone);
        Py_CLEAR(zone);
    }
    return zone;
}

/* New reference; NULL with or without an exception. */
static PyObject *known_zone(PyObject *zones, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *zone;

    (void)PyDict_GetItemRef(zones, name, &zone);   /* NULL when it fails */
    return zone;
#else
    return Py_XNewRef(PyDict_GetItemWithError(zones, name));
#endif
}

PyObject *binding_resolve_zone(struct binding_state *state,
                               PyObject *timezone)
{
    unsigned long forgotten = state->forgotten;
    PyObject *zone;

    if (Py_IS_TYPE(timezone, state->zone_type))
        return Py_NewRef(timezone);
    if (!PyUnicode_CheckExact(timezone))
        return ask_resolver(state, timezone);
    zone = known_zone(state->zones, timezone);
    if (zone || PyErr_Occurred())
        return zone;
    zone = ask_resolver(state, timezone);
    /* What was forgotten meanwhile may have been this answer. */
    if (zone && state->forgotten == forgotten
        && PyDict_SetItem(state->zones, timezone, zone) < 0)
        Py_CLEAR(zone);
    return zone;
}
