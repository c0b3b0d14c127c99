# Which rooms each C benchmark links, in the words of tests/c/rooms.mk.
USES_bench_expr := $(USES_test_expr)
USES_bench_next := $(USES_test_next)
