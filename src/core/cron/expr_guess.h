/* Which word was meant? Answers only when one is clearly closest. Words are
 * compared without case; the edits counted are a letter too many, too few,
 * wrong, or swapped with its neighbour.
 */
#ifndef CS_EXPR_GUESS_H
#define CS_EXPR_GUESS_H

#include <stddef.h>

#include "core/base/status.h"

/* The index in `words` of the one closest to `word`, at most `limit` edits
 * away, or -1: none, or two equally close. `cut` letters of each word are
 * compared; 0: all. */
int cs_guess_word(const char *word, size_t size, const char *const *words,
                  int count, int cut, int limit);

/* The index of the month or weekday that `word` names badly (MONDAY, FIR,
 * Okt), or -1. */
int cs_guess_name(enum cs_field field, const char *word, size_t size);

#endif
