/* The thread of a scheduler, for sched.c. */
#ifndef CS_LOOP_H
#define CS_LOOP_H

#include "core/base/status.h"

struct cs_sched;

/* What the thread needs besides memory: connections, the alarm, the lease. */
enum cs_status cs_loop_open(struct cs_sched *sched, struct cs_error *error);

/* Disown all, cut all transfers, give all of that back. */
void cs_loop_close(struct cs_sched *sched);

/* The life of the thread: until `leaving` is not CS_STAYING. */
void cs_loop_run(struct cs_sched *sched);

#endif
