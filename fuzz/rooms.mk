# Which rooms each fuzz target links.
base := status mem

USES_fuzz_tzrule := tzrule civil $(base)
USES_fuzz_zone   := zone tzif tzrule civil $(base)
