"""What a schedule means, and what in it is probably a mistake, in English.

    describe   a schedule as a sentence, made of `times` and `phrases`
    lint       findings, made of `steps` (uneven ones) and `moves` (clocks)
"""
