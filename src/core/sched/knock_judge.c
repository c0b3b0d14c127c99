/* What comes of a knock. A door that was closed without a byte is tried by
 * TLS, then again twice, as a worker may have been killed with our knock in
 * its hands; then never. One that has answered in HTTP, but not as one of us,
 * is tried again after two seconds, then each minute.
 */
#include "core/sched/knock_parts.h"

#include <stdio.h>
#include <string.h>

#define UNREACHED_NS (30 * CS_NS_PER_S)
#define AGAIN_NS (60 * CS_NS_PER_S)
#define CLOSED_MOST 3
#define TOLD_EACH 60          /* rounds of a minute */

/* -- news ----------------------------------------------------------------- */

/* Inside the gate. */
static void push(struct cs_knock *knock, const struct cs_knock_news *news)
{
    size_t at = (knock->news_first + knock->news_count) % CS_KNOCK_NEWS;

    knock->news[at] = *news;
    if (knock->news_count < CS_KNOCK_NEWS)
        knock->news_count++;
    else
        knock->news_first = (knock->news_first + 1) % CS_KNOCK_NEWS;
}

void cs_knock_tell(struct cs_knock *knock, struct cs_knock_news *news,
                   enum cs_knock_kind kind)
{
    news->kind = kind;
    cs_gate_enter(&knock->gate);
    push(knock, news);
    cs_gate_leave(&knock->gate);
    if (knock->tell)
        knock->tell(knock->context);
}

/* "http://host" as "https://host", if it does not talk plain HTTP. */
bool cs_door_url(const struct cs_door *door, char url[CS_KNOCK_URL_SIZE])
{
    int size = snprintf(url, CS_KNOCK_URL_SIZE, "%s%s%s",
                        door->tls ? "https" : "http", door->address + 4,
                        door->target->paths[door->path]);

    return size > 0 && size < CS_KNOCK_URL_SIZE;
}

/* -- answers -------------------------------------------------------------- */

static void forget_failures(struct cs_door *door)
{
    door->failures = door->closed = 0;
    door->refused.ns = 0;
    door->told.url[0] = '\0';
}

static void on_good(struct cs_knock *knock, struct cs_door *door, pid_t pid,
                    struct cs_mono now)
{
    struct cs_knock_news news = {.target = door->target->id};
    bool first = !door->good;

    door->http = door->good = true;
    forget_failures(door);
    door->not_before = now;
    if (pid != knock->pid)
        door->target->helped = true;
    if (first && cs_door_url(door, news.url))
        cs_knock_tell(knock, &news, CS_KNOCK_ANSWERED);
}

/* What is kept of a round: a 404 says less than any other answer. */
static void keep_refusal(struct cs_door *door,
                         const struct cs_http_answer *answer)
{
    struct cs_knock_news *told = &door->told;

    if (told->url[0] && told->status != 404)
        return;
    (void)cs_door_url(door, told->url);   /* it was called, so it fits */
    told->target = door->target->id;
    told->status = answer->status;
    (void)snprintf(told->location, sizeof told->location, "%s",
                   answer->location);
    (void)snprintf(told->outcome, sizeof told->outcome, "%s",
                   answer->outcome);
}

static bool is_to_be_told(int failures)
{
    return failures == 2 || failures == 3 || failures % TOLD_EACH == 0;
}

static void on_refused(struct cs_knock *knock, struct cs_door *door,
                       const struct cs_http_answer *answer,
                       struct cs_mono now)
{
    door->http = true;
    door->closed = 0;
    keep_refusal(door, answer);
    door->not_before = now;
    if (++door->path < door->target->path_count)
        return;
    door->path = 0;
    door->failures++;
    door->not_before.ns += door->failures == 1 ? CS_LOOK_NS : AGAIN_NS;
    if (is_to_be_told(door->failures))
        cs_knock_tell(knock, &door->told, CS_KNOCK_REFUSED);
    door->told.url[0] = '\0';
}

static bool is_local(const struct cs_door *door)
{
    return door->address[4] == '+';   /* http+unix */
}

static void on_closed(struct cs_knock *knock, struct cs_door *door,
                      struct cs_mono now)
{
    struct cs_knock_news news = {.target = door->target->id};

    door->not_before = now;
    if (door->http) {
        door->not_before.ns += CS_LOOK_NS;   /* it talks HTTP, so it died */
        return;
    }
    if (!door->tls && !is_local(door)) {
        door->tls = true;
        return;
    }
    door->tls = false;
    door->not_before.ns += CS_LOOK_NS;
    door->burnt = ++door->closed == CLOSED_MOST;
    if (door->burnt && cs_door_url(door, news.url))
        cs_knock_tell(knock, &news, CS_KNOCK_CLOSED);
}

static void on_unreached(struct cs_knock *knock, struct cs_door *door,
                         struct cs_mono now)
{
    struct cs_knock_news news = {.target = door->target->id};

    door->not_before.ns = now.ns + CS_LOOK_SOON_NS;
    if (door->refused.ns == 0)
        door->refused = now;
    if (now.ns - door->refused.ns < UNREACHED_NS)
        return;
    door->refused.ns = 0;
    door->not_before.ns = now.ns + AGAIN_NS;
    if (cs_door_url(door, news.url))
        cs_knock_tell(knock, &news, CS_KNOCK_UNREACHED);
}

/* Until the next look. Somebody who serves and is not to start anything (a
 * test) is asked again after a minute. */
static int64_t rest_after(const struct cs_door *door,
                          const struct cs_http_answer *answer)
{
    if (!door->good || answer->status != 204)
        return 0;
    return strcmp(answer->outcome, "off") == 0 ? AGAIN_NS : CS_LOOK_NS;
}

void cs_knock_judge(struct cs_knock *knock,
                    const struct cs_http_answer *answer, struct cs_mono now)
{
    struct cs_door *door = answer->tag;
    pid_t pid = 0;

    door->in_flight = false;
    if (answer->status == 204
        && cs_knock_is_proof(door->target->key, door->id, answer->knock,
                             &pid))
        on_good(knock, door, pid, now);
    else if (answer->status)
        on_refused(knock, door, answer, now);
    else if (answer->error == CS_HTTP_BROKEN
             || (answer->error == CS_HTTP_NOT_CONNECTED && door->tls))
        on_closed(knock, door, now);
    else
        on_unreached(knock, door, now);
    if (!door->target->recruiting)
        door->target->next_look.ns = now.ns + rest_after(door, answer);
}

