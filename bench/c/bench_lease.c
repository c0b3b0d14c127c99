/* What a standby pays to ask for one position, with so many held by another
 * process: the kernel keeps the locks of a file in a list. And what the owner
 * paid to take them all.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "core/sched/lease.h"

struct probe {
    struct cs_lease *lease;
    int64_t *positions;
    size_t held;
};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static uint64_t ask(const void *context, size_t rounds)
{
    const struct probe *probe = context;
    uint64_t busy = 0;

    for (size_t i = 0; i < rounds; i++)
        busy += cs_lease_take(probe->lease,
                              probe->positions[i * 7919 % probe->held], NULL)
            == CS_BUSY;
    if (busy != rounds)
        die("a position was free");
    return busy;
}

static uint64_t look(const void *context, size_t rounds)
{
    const struct probe *probe = context;
    uint64_t current = 0;

    for (size_t i = 0; i < rounds; i++)
        current += cs_lease_is_current(probe->lease);
    return current;
}

/* In a process of its own: take `probe->held` positions, say so, stay. */
static void hold(const struct probe *probe, const char *directory, int out)
{
    struct cs_lease lease;
    double began, took;

    if (cs_lease_open(&lease, directory, NULL))
        die("open");
    began = bench_now_ns();
    for (size_t i = 0; i < probe->held; i++)
        if (cs_lease_take(&lease, probe->positions[i], NULL))
            die("take");
    took = bench_now_ns() - began;
    if (write(out, &took, sizeof took) != (ssize_t)sizeof took)
        die("write");
    for (;;)
        pause();
}

static void measure(struct probe *probe, const char *directory)
{
    char name[64];
    double took;
    int ends[2];
    pid_t owner;

    if (pipe(ends))
        die("pipe");
    owner = fork();
    if (owner < 0)
        die("fork");
    if (owner == 0) {
        cs_lease_close(probe->lease);
        hold(probe, directory, ends[1]);
    }
    if (read(ends[0], &took, sizeof took) != (ssize_t)sizeof took)
        die("read");
    snprintf(name, sizeof name, "take, refused, %zu held by another",
             probe->held);
    bench_run(name, ask, probe, 0);
    printf("  the other took them all in %.3f ms\n", took / 1e6);
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    static const size_t HELD[] = {1, 100, 1000, 10000};
    static int64_t positions[10000];
    char directory[] = "/tmp/bench_lease.XXXXXX", path[64];
    struct cs_lease lease = {.fd = -1};
    struct probe probe = {&lease, positions, 1};
    char name[32];

    if (!mkdtemp(directory) || cs_lease_open(&lease, directory, NULL))
        die("open");
    for (int i = 0; i < 10000; i++) {
        int size = snprintf(name, sizeof name, "town_%d", i);

        if (cs_lease_position(name, (size_t)size, &positions[i]))
            die("position");
    }
    bench_run("is_current", look, &probe, 0);
    for (size_t i = 0; i < sizeof HELD / sizeof *HELD; i++) {
        probe.held = HELD[i];
        measure(&probe, directory);
    }
    cs_lease_close(&lease);
    for (int i = 0; i < CS_LEASE_FILES; i++) {
        snprintf(path, sizeof path, "%s/lease.%x", directory, (unsigned)i);
        unlink(path);
    }
    rmdir(directory);
    return 0;
}
