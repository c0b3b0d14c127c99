/* A host, or a database, whose clock is wrong: put before the C library
 * (LD_PRELOAD), so that Python, PostgreSQL and the native thread see it alike.
 * FLEET_CLOCK names a file of eight bytes, the seconds by which it is wrong.
 * They may change at any time: the clock is set then, and the timers that ask
 * for it (TFD_TIMER_CANCEL_ON_SET) hear of it as from the kernel.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TIMERS 16
#define LOOK_NS 20000000

static const volatile int64_t right = 0;
static const volatile int64_t *skew = &right;

static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_set)(int, int, const struct itimerspec *,
                       struct itimerspec *);
static ssize_t (*real_read)(int, void *, size_t);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int timers[TIMERS];
static volatile int cancelled[TIMERS];
static volatile int count;
static pid_t watcher_of;
static int64_t known;   /* that the watcher has told of */

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("FLEET_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found;

    *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    *(void **)&real_set = dlsym(RTLD_NEXT, "timerfd_settime");
    *(void **)&real_read = dlsym(RTLD_NEXT, "read");
    if (fd < 0)
        return;
    found = mmap(NULL, sizeof(*skew), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED)
        skew = found;
}

/* -- the time -------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result;

    if (!real_clock)
        open_clock();
    result = real_clock(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        now->tv_sec += *skew;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec found;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* -- timers ---------------------------------------------------------------- */

static void ring_all(void)
{
    const struct itimerspec at_once = {{0, 0}, {0, 1}};
    int i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < count; i++)
        if (real_set(timers[i], TFD_TIMER_ABSTIME, &at_once, NULL) == 0)
            cancelled[i] = 1;
    pthread_mutex_unlock(&lock);
}

static void *watch(void *unused)
{
    const struct timespec pause = {0, LOOK_NS};

    (void)unused;
    for (;;) {
        nanosleep(&pause, NULL);
        if (*skew != known) {
            known = *skew;
            ring_all();
        }
    }
    return NULL;
}

/* Inside the lock. Of a forked child, the first timer begins it anew. */
static void begin_watch(void)
{
    sigset_t all, before;
    pthread_t thread;

    if (watcher_of == getpid() || skew == &right)
        return;
    watcher_of = getpid();
    known = *skew;   /* here: the thread may begin after the next step */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void remember(int fd)
{
    int i;

    pthread_mutex_lock(&lock);
    begin_watch();
    for (i = 0; i < count && timers[i] != fd; i++)
        ;
    if (i < TIMERS) {
        timers[i] = fd;
        if (i == count)
            count++;
    }
    pthread_mutex_unlock(&lock);
}

/* The kernel's clock is right: an instant of ours is another one there. */
int timerfd_settime(int fd, int flags, const struct itimerspec *at,
                    struct itimerspec *old)
{
    struct itimerspec moved = *at;

    if (flags & TFD_TIMER_CANCEL_ON_SET)
        remember(fd);
    if (flags & TFD_TIMER_ABSTIME && (at->it_value.tv_sec
                                      || at->it_value.tv_nsec)) {
        moved.it_value.tv_sec -= *skew;
        if (moved.it_value.tv_sec < 0)
            moved.it_value.tv_sec = 0;
    }
    return real_set(fd, flags, &moved, old);
}

/* Whether the clock was set since the last read of this timer. */
static int was_set(int fd)
{
    int i, found = 0;

    pthread_mutex_lock(&lock);
    for (i = 0; i < count; i++)
        if (timers[i] == fd) {
            found = cancelled[i];
            cancelled[i] = 0;
        }
    pthread_mutex_unlock(&lock);
    return found;
}

static int is_timer(int fd)
{
    int i;

    for (i = 0; i < count; i++)
        if (timers[i] == fd)
            return 1;
    return 0;
}

ssize_t read(int fd, void *to, size_t size)
{
    if (!real_read)
        open_clock();
    if (is_timer(fd) && was_set(fd)) {
        (void)real_read(fd, to, size);
        errno = ECANCELED;
        return -1;
    }
    return real_read(fd, to, size);
}
