/* The headers of a request, the same with a thread and without. */
#include "core/sched/sched_parts.h"

enum cs_status cs_sched_sign(const struct cs_sched *sched,
                             const struct cs_attempt *attempt,
                             struct cs_sign_headers *headers,
                             const char *list[CS_HEADERS])
{
    struct cs_sign_request request = {
        .application_id = attempt->application_id, .job = attempt->job_name,
        .key = attempt->key, .scheduled_s = attempt->scheduled_s,
        .now_s = cs_wall_seconds(cs_sched_wall(sched)),
        .attempt = attempt->attempt, .epoch = attempt->epoch,
    };
    enum cs_status status = cs_sign(&request, headers);
    const char *const *more = attempt->headers;
    size_t i;

    if (status != CS_OK)
        return status;
    list[0] = sched->user_agent;
    for (i = 0; headers->list[i]; i++)
        list[i + 1] = headers->list[i];
    for (; more && *more; more++)
        list[++i] = *more;
    list[i + 1] = NULL;
    return CS_OK;
}
