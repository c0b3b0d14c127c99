/* The one allocator seam. Nothing else in the core calls malloc or free, so
 * that a test can make the n-th allocation fail, for every n.
 */
#ifndef CS_MEM_H
#define CS_MEM_H

#include <stddef.h>

/* `size` bytes, uninitialised; NULL when out of memory. */
void *cs_mem_alloc(size_t size);

/* `count` x `size` zeroed bytes; NULL when out of memory or on overflow. */
void *cs_mem_zalloc(size_t count, size_t size);

/* As realloc(3); the old block survives a failure. */
void *cs_mem_realloc(void *block, size_t size);

/* A copy of `size` bytes of `text` and a NUL; NULL when out of memory. */
char *cs_mem_copy(const char *text, size_t size);

/* NULL is allowed. */
void cs_mem_free(void *block);

/* Tests only: let `count` more allocations succeed and every later one fail;
 * a negative count switches that off. Process-wide; built only with
 * CS_MEM_TORTURE defined. */
#ifdef CS_MEM_TORTURE
void cs_mem_fail_after(long count);
#endif

#endif
