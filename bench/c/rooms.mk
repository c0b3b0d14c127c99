# Which rooms each C benchmark links, in the words of tests/c/rooms.mk.
USES_bench_expr := $(USES_test_expr)
USES_bench_next := $(USES_test_next)

USES_bench_http := $(USES_test_http)
USES_bench_lease := $(USES_test_lease)
USES_bench_wake :=
# It needs a server to talk to.
RUN_bench_http  := $(TOP)/bench/nginx.sh
