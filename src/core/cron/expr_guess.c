/* Optimal string alignment on short words: three rows of a table. */
#include "core/cron/expr_guess.h"

#include <stdbool.h>
#include <string.h>

#include "core/cron/expr_rule.h"

#define LONGEST 12

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Edits that turn `a` into `b`; neither is longer than LONGEST. */
static int distance(const char *a, int a_size, const char *b, int b_size)
{
    int row[3][LONGEST + 1];

    for (int j = 0; j <= b_size; j++)
        row[0][j] = j;
    for (int i = 1; i <= a_size; i++) {
        int *now = row[i % 3], *up = row[(i + 2) % 3], *far = row[(i + 1) % 3];

        now[0] = i;
        for (int j = 1; j <= b_size; j++) {
            bool same = upper(a[i - 1]) == upper(b[j - 1]);

            now[j] = least(least(up[j], now[j - 1]) + 1, up[j - 1] + !same);
            if (i > 1 && j > 1 && upper(a[i - 1]) == upper(b[j - 2])
                && upper(a[i - 2]) == upper(b[j - 1]))
                now[j] = least(now[j], far[j - 2] + 1);
        }
    }
    return row[a_size % 3][b_size];
}

int cs_guess_word(const char *word, size_t size, const char *const *words,
                  int count, int cut, int limit)
{
    int best = limit + 1, found = -1;

    if (size < 2 || size > LONGEST)
        return -1;
    for (int i = 0; i < count; i++) {
        int length = cut ? cut : (int)strlen(words[i]), edits;

        edits = distance(word, (int)size, words[i], length);
        if (edits == best)
            found = -1;
        if (edits < best) {
            best = edits;
            found = i;
        }
    }
    return found;
}

/* Is the whole of `word`, three letters or more, the beginning of `full`? */
static bool begins(const char *full, const char *word, size_t size)
{
    if (size < 3 || size > strlen(full))
        return false;
    for (size_t i = 0; i < size; i++)
        if (upper(word[i]) != full[i])
            return false;
    return true;
}

int cs_guess_name(enum cs_field field, const char *word, size_t size)
{
    const struct cs_expr_rule *rule = &cs_expr_rules[field];
    int found;

    for (int i = 0; i < rule->names; i++)
        if (begins(rule->words[i], word, size))
            return i;
    found = cs_guess_word(word, size, rule->words, rule->names, 3, 1);
    if (found < 0 && size > 3)
        found = cs_guess_word(word, size, rule->words, rule->names, 0, 2);
    return found;
}
