/* What it costs to read an expression, to refuse one and to write one. */
#include "bench.h"

#include <string.h>

#include "core/cron/expr.h"

static uint64_t parse(const void *context, size_t rounds)
{
    const char *text = context;
    size_t size = strlen(text);
    uint64_t sum = 0;

    for (size_t i = 0; i < rounds; i++) {
        struct cs_expr expr;
        struct cs_error error;

        if (cs_expr_parse(text, size, "seed", 4, &expr, &error) == CS_OK)
            sum += expr.minute + expr.hour;
        else
            sum += (uint64_t)error.position;
    }
    return sum;
}

static uint64_t format(const void *context, size_t rounds)
{
    const char *text = context;
    struct cs_expr expr;
    char out[CS_EXPR_TEXT_SIZE];
    uint64_t sum = 0;

    if (cs_expr_parse(text, strlen(text), NULL, 0, &expr, NULL) != CS_OK)
        abort();
    for (size_t i = 0; i < rounds; i++)
        sum += cs_expr_format(&expr, out);
    return sum;
}

int main(void)
{
    bench_run("parse * * * * *", parse, "* * * * *", 30);
    bench_run("parse */10 12-20 ? DEC 3", parse, "*/10 12-20 ? DEC 3", 80);
    bench_run("parse 0 9 * * MON#1", parse, "0 9 * * MON#1", 0);
    bench_run("parse H H(0-7) * * *", parse, "H H(0-7) * * *", 0);
    bench_run("parse @daily", parse, "@daily", 0);
    bench_run("refuse 0 9 * * MON-FIR", parse, "0 9 * * MON-FIR", 0);
    bench_run("format */10 12-20 * 12 3", format, "*/10 12-20 * 12 3", 0);
    return 0;
}
