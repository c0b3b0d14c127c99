/* Conversions: aware datetimes to UTC seconds and back, header lines. */
#include "binding/binding.h"

#include <math.h>

/* The header defines a static pointer that serves all interpreters alike;
 * ours is in the module's state, so that one stays unused. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <datetime.h>
#pragma GCC diagnostic pop

#include "core/zone/civil.h"

#define MOST_EPOCH_S 253402300800.0   /* the year 10000 */

void binding_find_datetime(struct binding_state *state)
{
    state->datetime_api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
    if (!state->datetime_api)
        PyErr_Clear();   /* epoch_us_by_method serves */
}

static int raise_naive(PyObject *at)
{
    PyErr_Format(PyExc_ValueError, "%R is naive: give it a time zone, for "
                 "example datetime.now(UTC)", at);
    return -1;
}

/* The UTC offset of an aware datetime in microseconds. A subclass may answer
 * with anything. */
static int utcoffset_us(const PyDateTime_CAPI *api, PyObject *at,
                        int64_t *offset_us)
{
    PyObject *delta = PyObject_CallMethod(at, "utcoffset", NULL);

    if (!delta)
        return -1;
    if (delta == Py_None) {
        Py_DECREF(delta);
        return raise_naive(at);
    }
    if (!PyObject_TypeCheck(delta, api->DeltaType)) {
        PyErr_Format(PyExc_TypeError, "%R has no timedelta as UTC offset",
                     at);
        Py_DECREF(delta);
        return -1;
    }
    *offset_us = (PyDateTime_DELTA_GET_DAYS(delta) * INT64_C(86400)
                  + PyDateTime_DELTA_GET_SECONDS(delta)) * 1000000
                 + PyDateTime_DELTA_GET_MICROSECONDS(delta);
    Py_DECREF(delta);
    return 0;
}

static int number_us(PyObject *seconds, int64_t *epoch_us)
{
    double value;

    if (!seconds)
        return -1;
    value = PyFloat_AsDouble(seconds);
    Py_DECREF(seconds);
    if (PyErr_Occurred())
        return -1;
    if (!(fabs(value) <= MOST_EPOCH_S)) {
        PyErr_SetString(PyExc_ValueError,
                        "a clock that shows no year from 1 to 9999");
        return -1;
    }
    *epoch_us = llround(value * 1e6);
    return 0;
}

/* Where there is no native datetime (3.12 subinterpreters with their own
 * GIL): slower, and the same. */
static int epoch_us_by_method(PyObject *at, int64_t *epoch_us)
{
    PyObject *tzinfo = PyObject_GetAttrString(at, "tzinfo");

    if (!tzinfo)
        return -1;
    Py_DECREF(tzinfo);
    if (tzinfo == Py_None)
        return raise_naive(at);
    return number_us(PyObject_CallMethod(at, "timestamp", NULL), epoch_us);
}

static int64_t local_seconds(PyObject *at)
{
    return cs_civil_days(PyDateTime_GET_YEAR(at), PyDateTime_GET_MONTH(at),
                         PyDateTime_GET_DAY(at)) * INT64_C(86400)
           + PyDateTime_DATE_GET_HOUR(at) * 3600
           + PyDateTime_DATE_GET_MINUTE(at) * 60
           + PyDateTime_DATE_GET_SECOND(at);
}

int binding_epoch_us(const struct binding_state *state,
                     const struct zone_object *zone, PyObject *at,
                     int64_t *epoch_us)
{
    const PyDateTime_CAPI *api = state->datetime_api;
    struct cs_zone_local local;
    int64_t offset_us, at_us;

    if (!api)
        return epoch_us_by_method(at, epoch_us);
    if (!PyObject_TypeCheck(at, api->DateTimeType)) {
        PyErr_Format(PyExc_TypeError, "an aware datetime is needed, not %R",
                     at);
        return -1;
    }
    at_us = PyDateTime_DATE_GET_MICROSECOND(at);
    if (PyDateTime_DATE_GET_TZINFO(at) == zone->tzinfo) {
        cs_zone_from_local(zone->zone, local_seconds(at), &local);
        if (local.kind != CS_ZONE_GAP) {
            *epoch_us = (PyDateTime_DATE_GET_FOLD(at) ? local.second_s
                                                      : local.first_s)
                            * 1000000 + at_us;
            return 0;
        }
    }
    if (utcoffset_us(api, at, &offset_us) < 0)
        return -1;
    *epoch_us = local_seconds(at) * 1000000 + at_us - offset_us;
    return 0;
}

int binding_instant_us(const struct binding_state *state,
                       const struct zone_object *zone, PyObject *at,
                       int64_t *epoch_us)
{
    if (at && at != Py_None)
        return binding_epoch_us(state, zone, at, epoch_us);
    return number_us(PyObject_CallMethod(state->time, "time", NULL), epoch_us);
}

PyObject *binding_datetime(const struct binding_state *state,
                           const struct zone_object *zone, int64_t epoch_s)
{
    const PyDateTime_CAPI *api = state->datetime_api;
    struct cs_zone_local local;
    struct cs_zone_span span;
    struct cs_date date;
    int32_t second;
    int fold;

    if (!api)
        return PyObject_CallMethod(state->datetime, "fromtimestamp", "LO",
                                   (long long)epoch_s, zone->tzinfo);
    cs_zone_span_at(zone->zone, epoch_s, &span);
    cs_zone_from_local(zone->zone, epoch_s + span.offset_s, &local);
    fold = local.kind == CS_ZONE_OVERLAP && epoch_s == local.second_s;
    date = cs_civil_date(cs_civil_split(epoch_s + span.offset_s, &second));
    return api->DateTime_FromDateAndTimeAndFold(
        date.year, date.month, date.day, second / 3600, second / 60 % 60,
        second % 60, 0, zone->tzinfo, fold, api->DateTimeType);
}

PyObject *binding_headers(const char *const *lines)
{
    PyObject *dict = PyDict_New(), *name, *value;
    const char *colon;

    for (; dict && *lines; lines++) {
        colon = strchr(*lines, ':');
        name = PyUnicode_FromStringAndSize(*lines, colon - *lines);
        value = PyUnicode_FromString(colon + 2);
        if (!name || !value || PyDict_SetItem(dict, name, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

/* ------------------------------------------------------------------------ */
/* Texts                                                                     */

const char **binding_texts(PyObject *sequence, PyObject **items)
{
    const char **texts;
    Py_ssize_t count;

    *items = PySequence_Tuple(sequence);
    if (!*items)
        return NULL;
    count = PyTuple_GET_SIZE(*items);
    texts = PyMem_Calloc((size_t)count + 1, sizeof *texts);
    for (Py_ssize_t i = 0; texts && i < count; i++) {
        texts[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(*items, i));
        if (!texts[i]) {
            PyMem_Free(texts);
            texts = NULL;
        }
    }
    if (!texts) {
        Py_CLEAR(*items);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
    }
    return texts;
}
