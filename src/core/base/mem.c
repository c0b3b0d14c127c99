#include "core/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef CS_MEM_TORTURE
#include <stdatomic.h>

/* Allocations that may still succeed; negative when all may. */
static _Atomic long allowed = -1;

void cs_mem_fail_after(long count)
{
    atomic_store(&allowed, count);
}

static int is_refused(void)
{
    long now = atomic_load(&allowed);

    while (now > 0)
        if (atomic_compare_exchange_weak(&allowed, &now, now - 1))
            return 0;
    return now == 0;
}
#else
static int is_refused(void)
{
    return 0;
}
#endif

void *cs_mem_alloc(size_t size)
{
    return is_refused() ? NULL : malloc(size ? size : 1);
}

void *cs_mem_zalloc(size_t count, size_t size)
{
    return is_refused() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *cs_mem_realloc(void *block, size_t size)
{
    return is_refused() ? NULL : realloc(block, size ? size : 1);
}

char *cs_mem_copy(const char *text, size_t size)
{
    char *copy = size < SIZE_MAX ? cs_mem_alloc(size + 1) : NULL;

    if (copy) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

void cs_mem_free(void *block)
{
    free(block);
}
