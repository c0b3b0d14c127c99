# Which rooms each fuzz target links.
base := status mem
expr := expr expr_field expr_rule expr_hint expr_stray expr_guess expr_format

USES_fuzz_tzrule := tzrule civil $(base)
USES_fuzz_zone   := zone tzif tzrule civil $(base)
USES_fuzz_next   := next days expr expr_field expr_rule expr_hint expr_stray \
	expr_guess expr_format zone tzif tzrule civil offset mt19937 digest \
	$(base) clock
LIBS_fuzz_next   := -lcrypto
USES_fuzz_expr   := $(expr) status
