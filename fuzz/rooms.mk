# Which rooms each fuzz target links; the parts of a room are those of the C
# tests.
include $(HERE)/../tests/c/rooms.mk

USES_fuzz_tzrule := tzrule civil $(base)
USES_fuzz_zone   := zone tzif tzrule civil $(base)
USES_fuzz_next   := next days $(expr) zone tzif tzrule civil offset mt19937 \
	digest $(base)
LIBS_fuzz_next   := -lcrypto
USES_fuzz_expr   := $(expr) status
