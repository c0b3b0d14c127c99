/* Schedule: an expression in a zone as a Python object. */
#include "binding/binding.h"

#include <stdbool.h>

#include "core/cron/next.h"

/* ------------------------------------------------------------------------ */
/* Making one                                                                */

int binding_seed(PyObject *seed, const char **text, Py_ssize_t *size)
{
    *text = NULL;
    *size = 0;
    if (!seed || seed == Py_None)
        return 0;
    if (!PyUnicode_Check(seed)) {
        PyErr_Format(PyExc_TypeError, "seed must be a str, not %R", seed);
        return -1;
    }
    *text = PyUnicode_AsUTF8AndSize(seed, size);
    return *text ? 0 : -1;
}

/* Steals `zone`. */
static PyObject *schedule_wrap(PyTypeObject *type, const struct cs_expr *expr,
                               PyObject *zone, PyObject *expression,
                               PyObject *seed)
{
    struct schedule_object *self;

    self = (struct schedule_object *)type->tp_alloc(type, 0);
    if (!self) {
        Py_DECREF(zone);
        return NULL;
    }
    self->expr = *expr;
    self->zone = (struct zone_object *)zone;
    self->expression = Py_NewRef(expression);
    self->seed = seed == Py_None ? NULL : Py_XNewRef(seed);
    return (PyObject *)self;
}

/* The expression as UTF-8 (Borrowed), or NULL with an exception; a lone
 * surrogate is a fault of the expression like any other. */
static const char *expression_text(struct binding_state *state,
                                   PyObject *expression, Py_ssize_t *size)
{
    const char *text = PyUnicode_AsUTF8AndSize(expression, size);
    struct cs_error error;

    if (text || !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return text;
    PyErr_Clear();
    (void)cs_error_set(&error, CS_SYNTAX,
                       "the expression has half of a character (a lone "
                       "surrogate)");
    cs_error_hint(&error, "write numbers, names and * / , - only");
    return binding_raise(state, &error, expression);
}

static PyObject *schedule_make(PyTypeObject *type, PyObject *expression,
                               PyObject *timezone, PyObject *seed)
{
    struct binding_state *state = PyType_GetModuleState(type);
    const char *text, *seed_text;
    Py_ssize_t size, seed_size;
    struct cs_error error;
    struct cs_expr expr;
    PyObject *zone;

    if (!PyUnicode_Check(expression)) {
        PyErr_Format(PyExc_TypeError, "a cron expression is a str, not %R",
                     expression);
        return NULL;
    }
    text = expression_text(state, expression, &size);
    if (!text || binding_seed(seed, &seed_text, &seed_size) < 0)
        return NULL;
    if (cs_expr_parse(text, (size_t)size, seed_text, (size_t)seed_size, &expr,
                      &error) != CS_OK)
        return binding_raise(state, &error, expression);
    zone = binding_resolve_zone(state, timezone ? timezone : state->utc);
    if (!zone)
        return NULL;
    return schedule_wrap(type, &expr, zone, expression, seed);
}

/* Where keyword `name` belongs among the three; -1 with an exception. */
static int keyword_slot(PyObject *name)
{
    static const char *const names[] = {"expression", "timezone", "seed"};

    for (int i = 0; i < 3; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return i;
    PyErr_Format(PyExc_TypeError, "Schedule() has no argument %R; there are "
                 "expression, timezone and seed", name);
    return -1;
}

/* Making a schedule is as hot as asking it: no tuple, no dict. */
PyObject *binding_schedule_vectorcall(PyObject *type, PyObject *const *args,
                                      size_t nargsf, PyObject *names)
{
    PyObject *values[3] = {NULL, NULL, NULL};   /* Borrowed. */
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    Py_ssize_t keywords = names ? PyTuple_GET_SIZE(names) : 0;

    for (Py_ssize_t i = 0; i < count && i < 3; i++)
        values[i] = args[i];
    for (Py_ssize_t i = 0; i < keywords; i++) {
        int slot = keyword_slot(PyTuple_GET_ITEM(names, i));

        if (slot < 0)
            return NULL;
        if (values[slot])
            count = 4;   /* given twice: the error below */
        else
            values[slot] = args[PyVectorcall_NARGS(nargsf) + i];
    }
    if (count > 3 || !values[0]) {
        PyErr_SetString(PyExc_TypeError, "Schedule(expression, "
                        "timezone='UTC', *, seed=None): each once");
        return NULL;
    }
    return schedule_make((PyTypeObject *)type, values[0], values[1],
                         values[2]);
}

/* The same for callers that come through __new__. */
static PyObject *schedule_new(PyTypeObject *type, PyObject *arguments,
                              PyObject *keywords)
{
    static char *names[] = {"expression", "timezone", "seed", NULL};
    PyObject *expression, *timezone = NULL, *seed = NULL;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OO:Schedule",
                                     names, &expression, &timezone, &seed))
        return NULL;
    return schedule_make(type, expression, timezone, seed);
}

/* ------------------------------------------------------------------------ */
/* What it was made from                                                     */

static PyObject *schedule_expression(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct schedule_object *)self)->expression);
}

static PyObject *schedule_timezone(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct schedule_object *)self)->zone->tzinfo);
}

static PyObject *schedule_zone(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct schedule_object *)self)->zone);
}

static PyObject *schedule_seed(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *seed = ((struct schedule_object *)self)->seed;

    return Py_NewRef(seed ? seed : Py_None);
}

/* Appends and steals `item`; false when it is NULL or memory is short. */
static bool append(PyObject *list, PyObject *item)
{
    bool done = item && PyList_Append(list, item) == 0;

    Py_XDECREF(item);
    return done;
}

/* Steals `list`, which may be NULL. New reference. */
static PyObject *tuple_of_list(PyObject *list, bool complete)
{
    PyObject *tuple = list && complete ? PyList_AsTuple(list) : NULL;

    Py_XDECREF(list);
    return tuple;
}

/* The members of a bit set, each plus `base`. New reference. */
static PyObject *tuple_of_set(const uint64_t *words, int bits, int base)
{
    PyObject *list = PyList_New(0);
    bool complete = list != NULL;

    for (int bit = 0; complete && bit < bits; bit++)
        if (words[bit / 64] >> (bit % 64) & 1)
            complete = append(list, PyLong_FromLong(bit + base));
    return tuple_of_list(list, complete);
}

static PyObject *tuple_of_word(uint64_t word)
{
    return tuple_of_set(&word, 64, 0);
}

/* MON#1 and its like as (weekday, n) pairs. */
static PyObject *tuple_of_nth(const struct cs_expr *expr)
{
    PyObject *list = PyList_New(0);
    bool complete = list != NULL;

    for (int i = 0; complete && i < 5 * 7; i++)
        if (expr->weekday_nth[i / 7] >> (i % 7) & 1)
            complete = append(list, Py_BuildValue("ii", i % 7, i / 7 + 1));
    return tuple_of_list(list, complete);
}

static PyObject *flag(const struct cs_expr *expr, int bit)
{
    return PyBool_FromLong((expr->flags & bit) != 0);
}

static PyObject *number_if(bool there, int number)
{
    return there ? PyLong_FromLong(number) : Py_NewRef(Py_None);
}

static PyObject *schedule_parts(PyObject *self, void *Py_UNUSED(closure))
{
    const struct cs_expr *e = &((struct schedule_object *)self)->expr;
    bool nearest = e->flags & CS_EXPR_NEAREST;
    bool last = (e->flags & CS_EXPR_LAST_DAY) && !nearest;

    return Py_BuildValue(
        "{sN sN sN sN sN sN sN sN sN sN sN sN sN sN sN sN sN sN}",
        "second", tuple_of_word(e->second),
        "minute", tuple_of_word(e->minute),
        "hour", tuple_of_word(e->hour),
        "day", tuple_of_word(e->day),
        "month", tuple_of_word(e->month),
        "weekday", tuple_of_word(e->weekday),
        "year", tuple_of_set(e->year, CS_EXPR_YEARS, CS_EXPR_FIRST_YEAR),
        "weekday_last", tuple_of_word(e->weekday_last),
        "weekday_nth", tuple_of_nth(e),
        "last_minus", number_if(last, e->last_minus),
        "nearest", number_if(nearest, e->nearest),
        "last_day", flag(e, CS_EXPR_LAST_DAY),
        "day_any", flag(e, CS_EXPR_DAY_ANY),
        "weekday_any", flag(e, CS_EXPR_WEEKDAY_ANY),
        "both_days", flag(e, CS_EXPR_BOTH_DAYS),
        "interval", flag(e, CS_EXPR_INTERVAL),
        "reboot", flag(e, CS_EXPR_REBOOT),
        "seconds", flag(e, CS_EXPR_SECONDS));
}

/* ------------------------------------------------------------------------ */
/* Searching, in UTC seconds                                                 */

typedef enum cs_status (*search)(const struct cs_expr *expr,
                                 const struct cs_zone *zone, int64_t from,
                                 int64_t *at);

static PyObject *search_epoch(PyObject *self, PyObject *argument, search find)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    long long from = PyLong_AsLongLong(argument);
    int64_t at;

    if (from == -1 && PyErr_Occurred())
        return NULL;
    if (find(&schedule->expr, schedule->zone->zone, from, &at) != CS_OK)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(at);
}

static PyObject *schedule_next_epoch(PyObject *self, PyObject *argument)
{
    return search_epoch(self, argument, cs_next_after);
}

static PyObject *schedule_previous_epoch(PyObject *self, PyObject *argument)
{
    return search_epoch(self, argument, cs_next_before);
}

static PyObject *schedule_matches_epoch(PyObject *self, PyObject *argument)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    long long at = PyLong_AsLongLong(argument);

    if (at == -1 && PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(
        cs_next_matches(&schedule->expr, schedule->zone->zone, at));
}

/* ------------------------------------------------------------------------ */
/* Searching, in datetimes                                                   */

/* Whole seconds at or before. */
static int64_t floor_s(int64_t epoch_us)
{
    return epoch_us / 1000000 - (epoch_us % 1000000 < 0);
}

/* The only argument of next() or previous(), by position or by `name`. */
static int one_argument(PyObject *const *args, Py_ssize_t count,
                        PyObject *names, const char *name, PyObject **value)
{
    Py_ssize_t keywords = names ? PyTuple_GET_SIZE(names) : 0;

    *value = count + keywords ? args[0] : NULL;
    if (count + keywords > 1
        || (keywords && PyUnicode_CompareWithASCIIString(
                            PyTuple_GET_ITEM(names, 0), name) != 0)) {
        PyErr_Format(PyExc_TypeError, "one argument at most: %s", name);
        return -1;
    }
    return 0;
}

static PyObject *schedule_next(PyObject *self, PyObject *const *args,
                               Py_ssize_t count, PyObject *names)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    struct binding_state *state = binding_state_of(self);
    int64_t after_us, at;
    PyObject *after;

    if (one_argument(args, count, names, "after", &after) < 0
        || binding_instant_us(state, schedule->zone, after, &after_us) < 0)
        return NULL;
    if (cs_next_after(&schedule->expr, schedule->zone->zone,
                      floor_s(after_us), &at) != CS_OK)
        Py_RETURN_NONE;
    return binding_datetime(state, schedule->zone, at);
}

static PyObject *schedule_previous(PyObject *self, PyObject *const *args,
                                   Py_ssize_t count, PyObject *names)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    struct binding_state *state = binding_state_of(self);
    int64_t before_us, at;
    PyObject *before;

    if (one_argument(args, count, names, "before", &before) < 0
        || binding_instant_us(state, schedule->zone, before, &before_us) < 0)
        return NULL;
    /* Before a fraction of a second, that second is included: round up. */
    if (cs_next_before(&schedule->expr, schedule->zone->zone,
                       -floor_s(-before_us), &at) != CS_OK)
        Py_RETURN_NONE;
    return binding_datetime(state, schedule->zone, at);
}

static PyObject *schedule_matches(PyObject *self, PyObject *at)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    int64_t epoch_us;

    if (binding_epoch_us(binding_state_of(self), schedule->zone, at, &epoch_us)
        < 0)
        return NULL;
    return PyBool_FromLong(
        epoch_us % 1000000 == 0
        && cs_next_matches(&schedule->expr, schedule->zone->zone,
                           epoch_us / 1000000));
}

/* ------------------------------------------------------------------------ */
/* A value among values                                                      */

static PyObject *schedule_str(PyObject *self)
{
    char text[CS_EXPR_TEXT_SIZE];
    size_t size = cs_expr_format(&((struct schedule_object *)self)->expr,
                                 text);

    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
}

static PyObject *schedule_repr(PyObject *self)
{
    struct schedule_object *schedule = (struct schedule_object *)self;

    if (!schedule->seed)
        return PyUnicode_FromFormat("Schedule(%R, timezone=%R)",
                                    schedule->expression,
                                    schedule->zone->name);
    return PyUnicode_FromFormat("Schedule(%R, timezone=%R, seed=%R)",
                                schedule->expression, schedule->zone->name,
                                schedule->seed);
}

static Py_hash_t schedule_hash(PyObject *self)
{
    PyObject *text = schedule_str(self);
    Py_hash_t hash, zone;

    if (!text)
        return -1;
    hash = PyObject_Hash(text);
    Py_DECREF(text);
    zone = PyObject_Hash(((struct schedule_object *)self)->zone->name);
    if (hash == -1 || zone == -1)
        return -1;
    hash ^= zone;
    return hash == -1 ? -2 : hash;
}

static PyObject *schedule_richcompare(PyObject *self, PyObject *other, int op)
{
    struct schedule_object *one = (struct schedule_object *)self;
    struct schedule_object *two = (struct schedule_object *)other;
    int same;

    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (op != Py_EQ && op != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    same = PyObject_RichCompareBool(one->zone->name, two->zone->name, Py_EQ);
    if (same < 0)
        return NULL;
    same = same && cs_expr_equal(&one->expr, &two->expr);
    return PyBool_FromLong(op == Py_EQ ? same : !same);
}

static PyObject *schedule_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct schedule_object *schedule = (struct schedule_object *)self;

    return Py_BuildValue("O(OOO)", Py_TYPE(self), schedule->expression,
                         schedule->zone->tzinfo,
                         schedule->seed ? schedule->seed : Py_None);
}

static int schedule_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct schedule_object *)self)->zone);
    return 0;
}

static void schedule_dealloc(PyObject *self)
{
    struct schedule_object *schedule = (struct schedule_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_XDECREF(schedule->zone);
    Py_XDECREF(schedule->expression);
    Py_XDECREF(schedule->seed);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef schedule_methods[] = {
    {"next", (PyCFunction)(void (*)(void))schedule_next,
     METH_FASTCALL | METH_KEYWORDS,
     "next($self, /, after=None)\n--\n\n"
     "The first instant strictly after `after` (aware datetime; default now,\n"
     "by Python's clock) as an aware datetime in the schedule's zone, or None\n"
     "when there is none before 2200."},
    {"previous", (PyCFunction)(void (*)(void))schedule_previous,
     METH_FASTCALL | METH_KEYWORDS,
     "previous($self, /, before=None)\n--\n\n"
     "The last instant strictly before `before`, or None when there is none\n"
     "since 1970."},
    {"matches", schedule_matches, METH_O,
     "matches($self, at, /)\n--\n\nIs this aware datetime one of the instants?"},
    {"next_epoch", schedule_next_epoch, METH_O,
     "next_epoch($self, after, /)\n--\n\nAs next(), in whole UTC seconds."},
    {"previous_epoch", schedule_previous_epoch, METH_O,
     "previous_epoch($self, before, /)\n--\n\nAs previous(), in whole UTC seconds."},
    {"matches_epoch", schedule_matches_epoch, METH_O,
     "matches_epoch($self, at, /)\n--\n\nAs matches(), in whole UTC seconds."},
    {"__reduce__", schedule_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}
};

static PyGetSetDef schedule_getset[] = {
    {"expression", schedule_expression, NULL, "The text it was made from.",
     NULL},
    {"timezone", schedule_timezone, NULL, "The tzinfo of its instants.",
     NULL},
    {"zone", schedule_zone, NULL, "The native zone.", NULL},
    {"seed", schedule_seed, NULL, "What H was chosen by, or None.", NULL},
    {"parts", schedule_parts, NULL, "What was read, as a dict.", NULL},
    {NULL, NULL, NULL, NULL, NULL}
};

static PyType_Slot schedule_slots[] = {
    {Py_tp_doc,
     "Schedule(expression, timezone='UTC', seed=None)\n--\n\n"
     "A cron expression (Open Cron Pattern Specification 1.0 to 1.4, with\n"
     "LW, L-3 and H) with a time zone (IANA name or tzinfo). Immutable,\n"
     "hashable, picklable. `seed` says what H means. Raises ExpressionError\n"
     "and ZoneError."},
    {Py_tp_new, schedule_new},
    {Py_tp_methods, schedule_methods},
    {Py_tp_getset, schedule_getset},
    {Py_tp_str, schedule_str},
    {Py_tp_repr, schedule_repr},
    {Py_tp_hash, schedule_hash},
    {Py_tp_richcompare, schedule_richcompare},
    {Py_tp_traverse, schedule_traverse},
    {Py_tp_dealloc, schedule_dealloc},
    {0, NULL}
};

/* Not immutable as a type: cronsched.schedule joins the methods to it that
 * are written in Python. */
PyType_Spec binding_schedule_spec = {
    .name = "cronsched.Schedule",
    .basicsize = sizeof(struct schedule_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = schedule_slots,
};
