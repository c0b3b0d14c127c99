/* The thread of the knock. A look at a target ends at once when there is
 * nothing to ask: this process has started it and somebody stands by, or it
 * has an owner. Otherwise one door after the other is knocked at. A knock
 * stays as long as its connection does: a worker that still imports answers
 * when it serves, and each knock that was given up would stay in its queue.
 */
#include "core/sched/knock_parts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/sched/lease.h"

#define HEADERS_MOST 24
#define SOON_FOR_NS (10 * CS_NS_PER_S)
#define SILENT_NS (10 * CS_NS_PER_S)
#define RECRUIT_NS (5 * CS_NS_PER_S)
#define RECRUIT_MOST_NS (600 * CS_NS_PER_S)
#define PATIENCE_MS (600 * 1000)
#define CONNECT_MS (30 * 1000)
#define REAPED 8              /* answers in one turn */

/* -- doors ---------------------------------------------------------------- */

static struct cs_door *door_at(struct cs_knock_target *target,
                               const char *address)
{
    struct cs_door *door;

    for (size_t i = 0; i < target->door_count; i++)
        if (strcmp(target->doors[i].address, address) == 0)
            return &target->doors[i];
    if (target->door_count == CS_DOORS)
        return NULL;
    door = &target->doors[target->door_count++];
    memset(door, 0, sizeof *door);
    (void)snprintf(door->address, sizeof door->address, "%s", address);
    door->target = target;
    return door;
}

static void list_door(struct cs_knock_target *target, const char *address)
{
    struct cs_door *door = door_at(target, address);

    if (door)
        door->listed = true;
}

/* Doors keep their order, and what is known of them. */
static void refresh_doors(const struct cs_knock *knock,
                          struct cs_knock_target *target)
{
    for (size_t i = 0; i < target->door_count; i++)
        target->doors[i].listed = false;
    for (size_t i = 0; target->addresses[i]; i++)
        list_door(target, target->addresses[i]);
    for (size_t i = 0; !target->addresses[0] && i < knock->listening_count;
         i++)
        list_door(target, knock->listening[i]);
}

static void list_headers(const struct cs_knock_target *target,
                         const struct cs_knock_signed *headers,
                         const char *list[HEADERS_MOST + 1])
{
    size_t count = 0;

    list[count++] = headers->id;
    list[count++] = headers->timestamp;
    list[count++] = headers->signature;
    list[count++] = headers->address;
    list[count++] = "User-Agent: cronsched";
    list[count++] = "Connection: close";
    for (char **more = target->headers;
         more && *more && count < HEADERS_MOST; more++)
        list[count++] = *more;
    list[count] = NULL;
}

static void knock_at(struct cs_knock *knock, struct cs_door *door,
                     struct cs_mono now)
{
    struct cs_wall wall = cs_clock_system.wall(NULL);
    char url[CS_KNOCK_URL_SIZE];
    struct cs_knock_signed headers;
    const char *list[HEADERS_MOST + 1];
    struct cs_http_request request = {
        .url = url, .headers = list, .post = true, .unverified = true,
        .timeout_ms = PATIENCE_MS, .connect_timeout_ms = CONNECT_MS,
        .tag = door,
    };

    door->not_before.ns = now.ns + CS_LOOK_NS;
    if (!cs_door_url(door, url)
        || cs_knock_sign(door->target->key, url, cs_wall_seconds(wall),
                         door->id, &headers) != CS_OK)
        return;
    list_headers(door->target, &headers, list);
    if (cs_http_submit(knock->http, &request, NULL) != CS_OK)
        return;
    door->in_flight = true;
    door->silent = false;
    door->since = now;
}

/* -- a look --------------------------------------------------------------- */

/* May sockets be knocked at? If that is not decided yet, ask, one question
 * at a time. */
static bool is_permitted(struct cs_knock *knock,
                         const struct cs_knock_target *target)
{
    struct cs_knock_news news = {.target = target->id};
    bool permitted, asked;

    cs_gate_enter(&knock->gate);
    permitted = knock->permitted;
    asked = knock->asked;
    knock->asked = !permitted;
    cs_gate_leave(&knock->gate);
    if (!permitted && !asked)
        cs_knock_tell(knock, &news, CS_KNOCK_ASK);
    return permitted;
}

static bool has_owner(const struct cs_knock_target *target)
{
    bool held;

    cs_fork_enter();   /* a child is not to inherit the file */
    held = cs_lease_is_held(target->lease_directory, target->position);
    cs_fork_leave();
    return held;
}

/* Is a knock of this target in flight that deserves to be waited for? One that
 * has been silent for long stays, beside others. */
static bool is_waiting(struct cs_knock *knock, struct cs_knock_target *target,
                       struct cs_mono now)
{
    struct cs_knock_news news = {.target = target->id};
    bool waiting = false;

    for (size_t i = 0; i < target->door_count; i++) {
        struct cs_door *door = &target->doors[i];

        if (!door->in_flight)
            continue;
        if (now.ns - door->since.ns < SILENT_NS)
            waiting = true;
        else if (!door->silent && cs_door_url(door, news.url)) {
            door->silent = true;
            cs_knock_tell(knock, &news, CS_KNOCK_SILENT);
        }
    }
    return waiting;
}

/* The door to knock at now; NULL for none. */
static struct cs_door *choose(struct cs_knock_target *target,
                              struct cs_mono now)
{
    struct cs_door *found = NULL;

    for (size_t i = 0; i < target->door_count; i++) {
        struct cs_door *door = &target->doors[i];

        if (!door->listed || door->burnt || door->in_flight
            || door->not_before.ns > now.ns)
            continue;
        if (!found || (door->good && !found->good))
            found = door;
    }
    return found;
}

/* For a process that has started the target: is it time to knock for somebody
 * who stands by? */
static bool recruits(struct cs_knock_target *target, struct cs_mono now)
{
    if (target->helped) {
        target->next_look.ns = INT64_MAX;
        return false;
    }
    if (!target->recruiting) {
        target->recruiting = true;
        target->recruit_ns = RECRUIT_NS;
        target->next_look.ns = now.ns + RECRUIT_NS;
        return false;
    }
    if (target->recruit_ns < RECRUIT_MOST_NS)
        target->recruit_ns *= 2;
    target->next_look.ns = now.ns + target->recruit_ns;
    return true;
}

static void look(struct cs_knock *knock, struct cs_knock_target *target,
                 bool started, struct cs_mono now)
{
    struct cs_door *door;

    target->next_look.ns = now.ns + (now.ns - target->armed.ns < SOON_FOR_NS
                                     ? CS_LOOK_SOON_NS : CS_LOOK_NS);
    if (started ? !recruits(target, now) : has_owner(target))
        return;
    refresh_doors(knock, target);
    if (is_waiting(knock, target, now))
        return;
    door = choose(target, now);
    if (door && is_permitted(knock, target))
        knock_at(knock, door, now);
}

/* -- a turn --------------------------------------------------------------- */

struct view { bool started, gone; };

/* The target after `target`, or the first; NULL at the end. */
static struct cs_knock_target *next_of(struct cs_knock *knock,
                                       struct cs_knock_target *target,
                                       struct view *view)
{
    cs_gate_enter(&knock->gate);
    target = target ? target->next : knock->targets;
    if (target)
        *view = (struct view){target->started, target->gone};
    cs_gate_leave(&knock->gate);
    return target;
}

static void break_off(struct cs_knock *knock, struct cs_knock_target *target)
{
    for (size_t i = 0; i < target->door_count; i++) {
        struct cs_door *door = &target->doors[i];

        if (door->in_flight)
            (void)cs_http_cancel(knock->http, door);   /* it is there */
        door->in_flight = false;
        door->not_before.ns = door->refused.ns = 0;
    }
    target->next_look.ns = 0;
}

/* Whether anything is to be looked at now. */
static bool is_due(struct cs_knock *knock, struct cs_mono now)
{
    struct cs_knock_target *target = NULL;
    struct view view;

    while ((target = next_of(knock, target, &view)))
        if (!view.gone && target->next_look.ns <= now.ns)
            return true;
    return false;
}

static void list_sockets(struct cs_knock *knock)
{
    cs_fork_enter();   /* a child is not to inherit the directory */
    knock->listening_count = cs_knock_listening(knock->listening, CS_DOORS);
    cs_fork_leave();
}

/* Look at what is due. Returns until when there is nothing. */
static int64_t look_at_all(struct cs_knock *knock, struct cs_mono now)
{
    struct cs_knock_target *target = NULL;
    int64_t until_ns = INT64_MAX;
    struct view view;

    while ((target = next_of(knock, target, &view))) {
        if (view.gone)
            continue;
        if (view.started && !target->recruiting)
            target->next_look = now;
        if (target->next_look.ns <= now.ns)
            look(knock, target, view.started, now);
        if (target->next_look.ns < until_ns)
            until_ns = target->next_look.ns;
    }
    return until_ns;
}

static bool is_staying(struct cs_knock *knock)
{
    bool staying;

    cs_gate_enter(&knock->gate);
    staying = !knock->leaving;
    cs_gate_leave(&knock->gate);
    return staying;
}

/* The sleep failed, for want of memory perhaps: rest. */
static void rest(struct cs_knock *knock)
{
    cs_gate_enter(&knock->gate);
    if (!knock->leaving)
        (void)cs_gate_wait(&knock->gate, cs_gate_deadline(100));
    cs_gate_leave(&knock->gate);
}

static void sleep_until(struct cs_knock *knock, int64_t until_ns,
                        struct cs_mono now)
{
    int64_t ms = until_ns == INT64_MAX ? 60000
        : (until_ns - now.ns) / CS_NS_PER_MS + 1;

    if (cs_http_poll(knock->http, -1, ms < 0 ? 0 : ms > 60000 ? 60000
                                                              : (int)ms)
        != CS_OK)
        rest(knock);
}

void cs_knock_run(struct cs_knock *knock)
{
    struct cs_knock_target *target = NULL;
    struct cs_http_answer answer;
    struct view view;

    while (is_staying(knock)) {
        struct cs_mono now = cs_clock_system.mono(NULL);

        for (int i = 0; i < REAPED
             && cs_http_reap(knock->http, &answer) == CS_OK; i++)
            cs_knock_judge(knock, &answer, now);
        if (is_due(knock, now))
            list_sockets(knock);
        sleep_until(knock, look_at_all(knock, now), now);
    }
    while ((target = next_of(knock, target, &view)))
        break_off(knock, target);
}
