# Which rooms each C test program links. A room not named here does not exist
# for it: the arrows of the core, once more, as the linker sees them.
status   := status
mem      := mem
clock    := clock
base     := status mem clock
agenda   := agenda apps answer collect room run plan
sched    := sched sched_ask sched_manual sched_sign sched_gate loop owner thread
knock    := knock knock_round knock_judge knock_doors knock_sign
http     := http http_request http_answer http_reason http_socket http_ca
expr     := expr expr_field expr_rule expr_hint expr_stray expr_guess expr_format expr_zone

USES_test_mem     := mem
USES_test_heap    := heap
USES_test_ring    := ring $(base)
USES_test_table   := table $(base)
USES_test_civil   := civil
USES_test_clock   := $(base)
USES_test_alarm   := alarm $(base)
USES_test_digest  := digest $(base)
USES_test_mt19937 := mt19937
USES_test_offset  := offset mt19937 digest $(base)
USES_test_sign    := sign digest civil $(base)
USES_test_tzrule  := tzrule civil $(base)
USES_test_tzif    := tzif $(base)
USES_test_zone    := zone tzif tzrule civil $(base)
USES_test_expr    := $(expr) $(base)
USES_test_days    := days civil
USES_test_next    := next days $(expr) zone tzif tzrule civil offset mt19937 digest $(base)
USES_test_http    := $(http) thread $(base)
USES_test_knock   := $(knock) lease $(http) digest thread $(base)
USES_test_ca      := http_ca
USES_test_heartbeat := heartbeat pq thread $(base)
USES_test_lease   := lease digest $(base)
USES_test_agenda  := $(agenda) next days $(expr) zone tzif tzrule civil offset mt19937 digest heap table $(base)
USES_test_sched   := $(sched) $(agenda) next days $(expr) zone tzif tzrule civil offset mt19937 digest heap table ring alarm lease $(http) sign $(base)
USES_test_shared  := $(USES_test_sched)
USES_test_torture := $(USES_test_sched)

# What a test needs besides rooms, from tests/c.
EXTRA_test_http    := server.c
EXTRA_test_sched   := server.c
EXTRA_test_shared  := server.c
EXTRA_test_torture := server.c

# What only wheels define.
DEFINES_test_ca := -DCS_HTTP_FIND_CA

# Where libpq is looked for is the program itself.
LINK_test_heartbeat := -rdynamic -Wl,--wrap=cs_thread_start

# Functions that a test puts in the place of ours.
LINK_test_sched    := -Wl,--wrap=cs_thread_start
