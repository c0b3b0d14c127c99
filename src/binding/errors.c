/* A core status becomes an exception here, and nowhere else. */
#include "binding/binding.h"

static PyObject *class_of(const struct binding_state *state,
                          enum cs_status status, PyObject *expression)
{
    if (status == CS_ZONE)
        return state->zone_error;
    if (expression && (status == CS_SYNTAX || status == CS_RANGE))
        return state->expression_error;
    return state->scheduler_error;
}

/* The text, what to write instead, and a line with a caret below it. New
 * reference. */
static PyObject *message_of(const struct cs_error *error, PyObject *expression)
{
    char carets[CS_EXPR_TEXT_SIZE];
    const char *colon = error->hint[0] ? ": " : "";
    int length = error->length > 0 ? error->length : 1;

    if (!expression || error->position < 0
        || error->position + length >= (int)sizeof(carets))
        return PyUnicode_FromFormat("%s%s%s", error->text, colon, error->hint);
    memset(carets, ' ', (size_t)error->position);
    memset(carets + error->position, '^', (size_t)length);
    carets[error->position + length] = '\0';
    return PyUnicode_FromFormat("%s%s%s\n  %U\n  %s", error->text, colon,
                                error->hint, expression, carets);
}

/* Steals `value`, which is NULL after an error. */
static int set_attribute(PyObject *object, const char *name, PyObject *value)
{
    int result = value ? PyObject_SetAttrString(object, name, value) : -1;

    Py_XDECREF(value);
    return result;
}

static PyObject *text_or_none(const char *text)
{
    return text[0] ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

static PyObject *int_or_none(int value)
{
    return value >= 0 ? PyLong_FromLong(value) : Py_NewRef(Py_None);
}

static int describe(PyObject *exception, const struct cs_error *error,
                    PyObject *expression)
{
    const char *field = error->field < CS_FIELD_NONE
                            ? cs_expr_field_name(error->field) : "";

    if (set_attribute(exception, "expression",
                      Py_NewRef(expression ? expression : Py_None)) < 0)
        return -1;
    if (set_attribute(exception, "field", text_or_none(field)) < 0)
        return -1;
    if (set_attribute(exception, "position", int_or_none(error->position)) < 0)
        return -1;
    if (set_attribute(exception, "length", int_or_none(error->length)) < 0)
        return -1;
    return set_attribute(exception, "hint", text_or_none(error->hint));
}

/* How many characters the first `bytes` of a UTF-8 text are. */
static int characters(const char *text, int bytes)
{
    int count = 0;

    for (; bytes > 0 && *text; bytes--, text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* The core counts bytes, and Python characters. */
static void count_characters(struct cs_error *error, PyObject *expression)
{
    const char *text = PyUnicode_AsUTF8(expression);
    int end = error->position + error->length;

    if (!text)
        PyErr_Clear();   /* then the core has not read it either */
    else if (error->position >= 0) {
        error->position = characters(text, error->position);
        error->length = characters(text, end) - error->position;
    }
}

void *binding_raise(const struct binding_state *state,
                    const struct cs_error *found, PyObject *expression)
{
    PyObject *class, *message, *exception = NULL;
    struct cs_error error = *found;

    if (error.status == CS_NOMEM)
        return PyErr_NoMemory();
    if (expression)
        count_characters(&error, expression);
    class = class_of(state, error.status, expression);
    message = message_of(&error, expression);
    if (message)
        exception = PyObject_CallOneArg(class, message);
    if (exception && describe(exception, &error, expression) == 0)
        PyErr_SetObject(class, exception);
    Py_XDECREF(message);
    Py_XDECREF(exception);
    return NULL;
}

void *binding_raise_status(const struct binding_state *state,
                           enum cs_status status, const char *text)
{
    struct cs_error error;

    (void)cs_error_set(&error, status, "%s", text);
    return binding_raise(state, &error, NULL);
}

/* The data that every CronError has, so that reading it never fails. */
static PyObject *error_defaults(const char *doc)
{
    return Py_BuildValue("{ss sO sO sO sO sO}", "__doc__", doc, "expression",
                         Py_None, "field", Py_None, "position", Py_None,
                         "length", Py_None, "hint", Py_None);
}

/* Steals `dict`. New reference, which the module shares. */
static PyObject *make_error(PyObject *module, const char *name,
                            PyObject *bases, PyObject *dict)
{
    PyObject *class = dict ? PyErr_NewException(name, bases, dict) : NULL;

    Py_XDECREF(dict);
    if (class && PyModule_AddType(module, (PyTypeObject *)class) < 0)
        Py_CLEAR(class);
    return class;
}

static PyObject *make_leaf(PyObject *module, const char *name, PyObject *base,
                           const char *doc)
{
    return make_error(module, name, base,
                      Py_BuildValue("{ss}", "__doc__", doc));
}

int binding_add_errors(PyObject *module, struct binding_state *state)
{
    PyObject *bases = PyTuple_Pack(2, PyExc_ValueError, PyExc_RuntimeError);

    if (!bases)
        return -1;
    state->cron_error = make_error(
        module, "cronsched.errors.CronError", bases,
        error_defaults("The root of all errors of cronsched."));
    Py_DECREF(bases);
    if (!state->cron_error)
        return -1;
    state->expression_error = make_leaf(
        module, "cronsched.errors.ExpressionError", state->cron_error,
        "A cron expression, or a field of one, that cannot be read.");
    state->zone_error = make_leaf(
        module, "cronsched.errors.ZoneError", state->cron_error,
        "A time zone that is unknown or cannot be read.");
    state->scheduler_error = make_leaf(
        module, "cronsched.errors.SchedulerError", state->cron_error,
        "The scheduler was asked for something it cannot do.");
    return state->expression_error && state->zone_error
                   && state->scheduler_error ? 0 : -1;
}
