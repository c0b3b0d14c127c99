"""What a schedule means, and what its author may not have meant, in English.

    describe   a schedule as a sentence, made of `times` and `phrases`
    lint       findings, made of `steps` (uneven ones) and `moves` (clocks)
"""
