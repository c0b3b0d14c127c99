/* What the files of the knock share, and nobody else includes:
 *
 *   knock.c        new, arm, start, stop, fork
 *   knock_round.c  what the thread does: look, knock, sleep
 *   knock_judge.c  what comes of a knock
 *   knock_doors.c  the listening sockets of this process
 *   knock_sign.c   nonce, signature, proof
 *
 * An arrow goes down this list. Who may touch what:
 *   read only    pid, tell, context; of a target all but what is named below
 *   `gate`       targets, next, permitted, leaving, ended, news; of a target
 *                started and gone
 *   `life`       thread, alive
 *   the thread   the rest of a target, doors, listening, *http; without a
 *                thread, whoever is in `life`
 *   fork guard   http (the pointer), previous and next_knock: changed only
 *                inside it, too
 * Locks are taken in this order: life, gate, fork guard.
 */
#ifndef CS_KNOCK_PARTS_H
#define CS_KNOCK_PARTS_H

#include <sys/types.h>

#include "core/base/clock.h"
#include "core/base/thread.h"
#include "core/http/http.h"
#include "core/sched/knock.h"

#define CS_DOORS 8            /* listening sockets that are looked at */
#define CS_KNOCK_NEWS 16
#define CS_LOOK_SOON_NS (250 * CS_NS_PER_MS)
#define CS_LOOK_NS (2 * CS_NS_PER_S)
#define CS_KNOCK_ID_SIZE 39   /* with the NUL */

/* Where a target may be reached, and what came of trying. */
struct cs_door {
    char address[CS_KNOCK_ADDRESS_SIZE];
    bool listed;               /* it is still listening */
    bool in_flight, silent;    /* a knock is; that was said */
    bool tls;                  /* it does not talk plain HTTP */
    bool http, good;           /* it has answered; as one of us */
    bool burnt;                /* never again */
    int closed;                /* how often it was closed without a byte */
    int failures;              /* rounds of paths without a good answer */
    size_t path;               /* of the target, which is tried */
    struct cs_mono since;      /* of the knock in flight */
    struct cs_mono refused;    /* the first connection; 0 for none */
    struct cs_mono not_before;
    char id[CS_KNOCK_ID_SIZE]; /* of the knock in flight */
    struct cs_knock_news told; /* the most telling answer of this round */
    struct cs_knock_target *target;   /* Borrowed. */
};

struct cs_knock_target {
    struct cs_knock_target *next;     /* Owned. */
    uint64_t id;
    char *application_id;             /* Owned. */
    uint8_t key[CS_KNOCK_KEY_SIZE];
    char *lease_directory;            /* Owned. */
    int64_t position;                 /* of its byte in the lease */
    char **paths, **headers, **addresses;   /* Owned, NULL-terminated. */
    size_t path_count;
    bool started, gone;
    bool helped;                      /* another process has answered */
    bool recruiting;                  /* it has begun to */
    int64_t recruit_ns;               /* between two knocks for a standby */
    struct cs_mono armed, next_look;
    struct cs_door doors[CS_DOORS];
    size_t door_count;
};

struct cs_knock {
    pid_t pid;
    void (*tell)(void *context);
    void *context;                    /* Borrowed. */

    struct cs_gate gate;
    struct cs_knock_target *targets;  /* Owned; the newest first. */
    uint64_t last_id;
    bool permitted, asked;
    bool leaving, ended;
    struct cs_knock_news news[CS_KNOCK_NEWS];
    size_t news_first, news_count;

    struct cs_gate life;
    struct cs_thread thread;
    bool alive;
    struct cs_http *http;             /* Owned; NULL without a thread. */
    char listening[CS_DOORS][CS_KNOCK_ADDRESS_SIZE];
    size_t listening_count;

    struct cs_knock *previous, *next_knock;   /* Borrowed. */
};

/* -- knock_sign.c --------------------------------------------------------- */

struct cs_knock_signed {
    char id[64], timestamp[48], signature[88];
    char address[CS_KNOCK_URL_SIZE + 24];   /* "Name: value" each */
};

/* Sign a knock at `url`: a fresh `id` and the headers. CS_NOMEM. */
enum cs_status cs_knock_sign(const uint8_t key[CS_KNOCK_KEY_SIZE],
                             const char *url, int64_t now_s,
                             char id[CS_KNOCK_ID_SIZE],
                             struct cs_knock_signed *headers);

/* Is `proof` the answer of somebody with the key to the knock `id`? Then
 * `pid` is who that is. */
bool cs_knock_is_proof(const uint8_t key[CS_KNOCK_KEY_SIZE], const char *id,
                       const char *proof, pid_t *pid);

/* -- knock_judge.c -------------------------------------------------------- */

/* Note a piece of news and say so. */
void cs_knock_tell(struct cs_knock *knock, struct cs_knock_news *news,
                   enum cs_knock_kind kind);

/* The URL of the path that is tried at a door: "https://..." of one that does
 * not talk plain HTTP. False when it is too long. */
bool cs_door_url(const struct cs_door *door, char url[CS_KNOCK_URL_SIZE]);

/* What an answer, whose tag is a door, means. */
void cs_knock_judge(struct cs_knock *knock,
                    const struct cs_http_answer *answer, struct cs_mono now);

/* -- knock_round.c -------------------------------------------------------- */

/* The life of the thread, until `leaving`. */
void cs_knock_run(struct cs_knock *knock);

#endif
