/* Real processes: a helper process holds positions and does what it is told
 * over a pair of pipes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "core/sched/lease.h"
#include "core/base/mem.h"

static char directory[64];

static char *in_directory(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void remove_all(void)
{
    char name[] = "lease.0";

    for (int i = 0; i <= CS_LEASE_FILES; i++) {
        name[sizeof name - 2] = "0123456789abcdefp"[i];
        unlink(in_directory(name));
    }
    CHECK_INT(rmdir(directory), 0);
}

static struct cs_lease open_lease(void)
{
    struct cs_lease lease = {.fd = -1};
    struct cs_error error = {.text = ""};

    if (!CHECK_INT(cs_lease_open(&lease, directory, &error), CS_OK))
        fprintf(stderr, "%s\n", error.text);
    return lease;
}

/* -- another process ------------------------------------------------------ */

struct helper {
    pid_t pid;
    int to, from;
};

/* Obeys: 't' take, 'r' release, 'c' close, 'f' fork a child that only keeps
 * what it inherited; each followed by a position. Answers with the status of
 * take, the child's pid, or 0. */
static void obey(struct cs_lease *lease, int in, int out)
{
    struct { char order; int64_t position; } what;

    while (read(in, &what, sizeof what) == (ssize_t)sizeof what) {
        int answer = 0;

        if (what.order == 't')
            answer = (int)cs_lease_take(lease, what.position, NULL);
        else if (what.order == 'r')
            cs_lease_release(lease, what.position);
        else if (what.order == 'c')
            cs_lease_close(lease);
        else if ((answer = (int)fork()) == 0)
            for (;;)
                pause();
        if (write(out, &answer, sizeof answer) != (ssize_t)sizeof answer)
            break;
    }
    _exit(0);
}

/* With `inherited`, the helper works on that lease, else on one of its own. */
static struct helper start_helper(struct cs_lease *inherited)
{
    struct helper helper;
    int to[2], from[2];

    if (pipe(to) || pipe(from))
        exit(2);
    helper = (struct helper){fork(), to[1], from[0]};
    if (helper.pid == 0) {
        struct cs_lease own = inherited ? *inherited : open_lease();

        close(to[1]);
        close(from[0]);
        obey(&own, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    return helper;
}

static int tell(const struct helper *helper, char order, int64_t position)
{
    struct { char order; int64_t position; } what;
    int answer = -1;

    memset(&what, 0, sizeof what);   /* the padding too: it is written */
    what.order = order;
    what.position = position;
    CHECK_INT(write(helper->to, &what, sizeof what), sizeof what);
    CHECK_INT(read(helper->from, &answer, sizeof answer), sizeof answer);
    return answer;
}

static void kill_helper(struct helper *helper)
{
    kill(helper->pid, SIGKILL);
    waitpid(helper->pid, NULL, 0);
    close(helper->to);
    close(helper->from);
}

/* -- holding -------------------------------------------------------------- */

static void test_one_process_holds_and_the_other_is_refused(void)
{
    struct helper helper = start_helper(NULL);
    struct cs_lease lease = open_lease();

    CHECK_INT(tell(&helper, 't', 7), CS_OK);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_BUSY);
    CHECK_INT(cs_lease_take(&lease, 8, NULL), CS_OK);
    CHECK_INT(tell(&helper, 't', 8), CS_BUSY);
    CHECK_INT(tell(&helper, 't', 7), CS_OK);   /* still */
    CHECK_INT(tell(&helper, 'r', 7), 0);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_OK);
    cs_lease_close(&lease);
    CHECK_INT(tell(&helper, 't', 7), CS_OK);
    CHECK_INT(tell(&helper, 't', 8), CS_OK);
    kill_helper(&helper);
}

static void test_the_death_of_the_owner_frees_its_positions(void)
{
    struct helper helper = start_helper(NULL);
    struct cs_lease lease = open_lease();

    CHECK_INT(tell(&helper, 't', 7), CS_OK);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_BUSY);
    kill_helper(&helper);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_OK);
    cs_lease_close(&lease);
}

static void test_a_second_lease_in_one_process_is_another_holder(void)
{
#ifdef F_OFD_SETLK
    struct cs_lease one = open_lease(), two = open_lease();

    CHECK_INT(cs_lease_take(&one, 7, NULL), CS_OK);
    CHECK_INT(cs_lease_take(&two, 7, NULL), CS_BUSY);
    cs_lease_close(&two);   /* a close elsewhere in the process */
    two = open_lease();
    CHECK_INT(cs_lease_take(&two, 7, NULL), CS_BUSY);
    cs_lease_close(&one);
    CHECK_INT(cs_lease_take(&two, 7, NULL), CS_OK);
    cs_lease_close(&two);
#endif
}

/* -- fork ----------------------------------------------------------------- */

static void test_a_child_that_closes_leaves_the_parents_lock(void)
{
    struct cs_lease lease = open_lease();
    struct helper child, other;

    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_OK);
    child = start_helper(&lease);
    other = start_helper(NULL);
    CHECK_INT(tell(&child, 'c', 0), 0);
    CHECK_INT(tell(&other, 't', 7), CS_BUSY);
    kill_helper(&child);
    CHECK_INT(tell(&other, 't', 7), CS_BUSY);
    /* `other` was forked while we held it, and has not closed what it
     * inherited: after our close the lock is still there. */
    cs_lease_close(&lease);
    CHECK_INT(tell(&other, 't', 7), CS_BUSY);
    kill_helper(&other);
}

/* Why a child must close: this is what happens when it does not. */
static void test_a_child_that_keeps_the_descriptor_outlives_the_owner(void)
{
    struct helper owner = start_helper(NULL);
    struct cs_lease lease = open_lease();
    pid_t child;

    CHECK_INT(tell(&owner, 't', 7), CS_OK);
    child = tell(&owner, 'f', 0);
    kill_helper(&owner);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_BUSY);
    kill(child, SIGKILL);
    for (int i = 0; i < 5000 && kill(child, 0) == 0
             && cs_lease_take(&lease, 7, NULL) == CS_BUSY; i++)
        usleep(1000);
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_OK);
    cs_lease_close(&lease);
}

static void test_the_descriptors_end_at_exec(void)
{
    struct cs_lease lease = open_lease();

    CHECK(fcntl(lease.fd, F_GETFD) & FD_CLOEXEC);
    for (int i = 0; i <= CS_LEASE_FILES; i++)
        CHECK(fcntl(lease.files[i].fd, F_GETFD) & FD_CLOEXEC);
    cs_lease_close(&lease);
}

/* -- the file ------------------------------------------------------------- */

static void test_a_removed_file_is_not_current(void)
{
    struct cs_lease lease = open_lease(), next;
    struct cs_error error;

    CHECK(cs_lease_is_current(&lease));
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_OK);
    unlink(in_directory("lease.7"));
    CHECK(!cs_lease_is_current(&lease));
    CHECK_INT(cs_lease_take(&lease, 7 + 16, &error), CS_STATE);
    CHECK_INT(cs_lease_take(&lease, 8, &error), CS_OK);
    next = open_lease();
    CHECK(cs_lease_is_current(&next));
    CHECK(!cs_lease_is_current(&lease));
    CHECK_INT(cs_lease_take(&next, 7, NULL), CS_OK);
    cs_lease_close(&lease);
    cs_lease_close(&next);
    CHECK(!cs_lease_is_current(&next));
}

static void test_a_replaced_file_is_not_current(void)
{
    struct cs_lease lease = open_lease();
    char other[128];

    snprintf(other, sizeof other, "%s", in_directory("other"));
    close(open(other, O_CREAT | O_WRONLY, 0600));
    CHECK(cs_lease_is_current(&lease));
    CHECK_INT(rename(other, in_directory("lease.7")), 0);
    CHECK(!cs_lease_is_current(&lease));
    CHECK_INT(cs_lease_take(&lease, 7, NULL), CS_STATE);
    cs_lease_close(&lease);
}

static void test_the_file_is_private_and_never_truncated(void)
{
    int fd = open(in_directory("lease.7"), O_CREAT | O_WRONLY, 0600);
    struct cs_lease lease;
    struct stat found;

    CHECK_INT(write(fd, "kept", 4), 4);
    close(fd);
    lease = open_lease();
    CHECK_INT(stat(in_directory("lease.7"), &found), 0);
    CHECK_INT(found.st_size, 4);
    cs_lease_close(&lease);
    unlink(in_directory("lease.7"));
    lease = open_lease();
    CHECK_INT(stat(in_directory("lease.7"), &found), 0);
    CHECK_INT(found.st_mode & 0777, 0600);
    cs_lease_close(&lease);
}

static void check_refused(const char *path, enum cs_status expected)
{
    struct cs_lease lease = {.fd = -7};
    struct cs_error error = {.text = ""};

    CHECK_INT(cs_lease_open(&lease, path, &error), expected);
    CHECK(error.text[0]);
    CHECK_INT(lease.fd, -7);   /* untouched */
}

static void test_a_linked_file_is_refused(void)
{
    unlink(in_directory("lease.7"));
    CHECK_INT(symlink("target", in_directory("lease.7")), 0);
    check_refused(directory, CS_STATE);
    CHECK(access(in_directory("target"), F_OK) != 0);
    unlink(in_directory("lease.7"));
}

static void test_something_else_than_a_file_is_refused(void)
{
    CHECK_INT(mkfifo(in_directory("lease.7"), 0600), 0);
    check_refused(directory, CS_STATE);
    unlink(in_directory("lease.7"));
}

static void test_a_file_that_others_can_open_is_refused(void)
{
    close(open(in_directory("lease.7"), O_CREAT | O_WRONLY, 0600));
    CHECK_INT(chmod(in_directory("lease.7"), 0604), 0);
    check_refused(directory, CS_STATE);
    unlink(in_directory("lease.7"));
}

static void test_a_directory_that_others_can_write_is_refused(void)
{
    static const mode_t MODES[] = {0770, 0707, 01777};
    struct cs_lease lease;

    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
        CHECK_INT(chmod(directory, MODES[i]), 0);
        check_refused(directory, CS_STATE);
    }
    CHECK_INT(chmod(directory, 0755), 0);
    lease = open_lease();
    cs_lease_close(&lease);
    CHECK_INT(chmod(directory, 0700), 0);
}

static void test_a_directory_of_another_user_is_refused(void)
{
    if (geteuid() == 0) {
        CHECK_INT(chown(directory, 65534, -1), 0);
        check_refused(directory, CS_STATE);
        CHECK_INT(chown(directory, 0, -1), 0);
    } else
        check_refused("/", CS_STATE);
}

static void test_a_linked_directory_is_refused(void)
{
    char path[160];

    snprintf(path, sizeof path, "%s", in_directory("link"));
    CHECK_INT(symlink(directory, path), 0);
    check_refused(path, CS_STATE);
    strcat(path, "//");
    check_refused(path, CS_STATE);
    unlink(in_directory("link"));
    check_refused("", CS_SYSTEM);
    check_refused("/proc/absent/leases", CS_SYSTEM);
}

static void test_an_absent_directory_is_made_for_us_alone(void)
{
    struct cs_lease lease = {.fd = -1};
    struct cs_error error;
    struct stat found;
    char path[160];
    int i;

    snprintf(path, sizeof path, "%s", in_directory("absent"));
    strcat(path, "/too/");
    CHECK_INT(cs_lease_open(&lease, path, &error), CS_OK);
    cs_lease_close(&lease);
    for (i = 0; i <= CS_LEASE_FILES; i++) {
        char name[200];

        snprintf(name, sizeof name, "%s/lease.%c", path,
                 "0123456789abcdefp"[i]);
        CHECK_INT(unlink(name), 0);
    }
    CHECK_INT(stat(path, &found), 0);
    CHECK_INT(found.st_mode & 0777, 0700);
    CHECK_INT(rmdir(path), 0);
    CHECK_INT(stat(in_directory("absent"), &found), 0);
    CHECK_INT(found.st_mode & 0777, 0700);
    CHECK_INT(rmdir(in_directory("absent")), 0);
}

static void test_others_are_seen_to_come_change_and_go(void)
{
    struct cs_lease lease = open_lease(), other;
    uint64_t alone = cs_lease_others(&lease), with, changed;

    CHECK_INT(alone, 0);
    other = open_lease();
    with = cs_lease_others(&lease);
    CHECK(with != alone);
    CHECK_INT(cs_lease_others(&lease), with);
    CHECK(cs_lease_others(&other) != 0);
    cs_lease_announce(&other);
    changed = cs_lease_others(&lease);
    CHECK(changed != with && changed != alone);
    cs_lease_announce(&lease);
    CHECK_INT(cs_lease_others(&lease), changed);
    cs_lease_close(&other);
    CHECK_INT(cs_lease_others(&lease), alone);
    cs_lease_close(&lease);
}

/* -- positions ------------------------------------------------------------ */

static int64_t position_of(const char *application_id)
{
    int64_t position = -1;

    CHECK_INT(cs_lease_position(application_id, strlen(application_id),
                                &position), CS_OK);
    CHECK(position >= 0 && position < INT64_C(1) << 62);
    return position;
}

static void test_each_application_id_has_its_own_position(void)
{
    CHECK(position_of("a/b") != position_of("a-b"));
    CHECK(position_of("") != position_of("a"));
    CHECK_INT(position_of("a/b"), position_of("a/b"));
    /* SHA-512("abc") begins with ddaf35a193617aba. */
    CHECK_INT(position_of("abc"), INT64_C(0xddaf35a193617aba >> 2));
}

static void test_one_lease_holds_ten_thousand_positions(void)
{
    struct helper helper = start_helper(NULL);
    struct cs_lease lease = open_lease();
    int held = 0, probe, fd = dup(lease.fd);
    char name[32];

    close(fd);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "town_%d", i);
        held += cs_lease_take(&lease, position_of(name), NULL) == CS_OK;
    }
    CHECK_INT(held, 10000);
    probe = dup(lease.fd);
    CHECK_INT(probe, fd);   /* no descriptor was used up */
    close(probe);
    CHECK_INT(tell(&helper, 't', position_of("town_0")), CS_BUSY);
    CHECK_INT(tell(&helper, 't', position_of("town_9999")), CS_BUSY);
    CHECK_INT(tell(&helper, 't', position_of("town_10000")), CS_OK);
    cs_lease_release(&lease, position_of("town_5000"));
    CHECK_INT(tell(&helper, 't', position_of("town_4999")), CS_BUSY);
    CHECK_INT(tell(&helper, 't', position_of("town_5000")), CS_OK);
    cs_lease_close(&lease);
    kill_helper(&helper);
}

static void test_a_lease_closes_twice(void)
{
    struct cs_lease lease = {.fd = -1};

    cs_lease_close(&lease);
    lease = open_lease();
    cs_lease_close(&lease);
    cs_lease_close(&lease);
    CHECK_INT(lease.fd, -1);
    CHECK(lease.path == NULL);
}

static void test_a_closed_lease_cannot_be_taken(void)
{
    struct cs_lease lease = open_lease();
    struct cs_error error;

    cs_lease_close(&lease);
    CHECK_INT(cs_lease_take(&lease, 7, &error), CS_SYSTEM);
    CHECK_INT(error.system, EBADF);
}

static void test_no_memory_is_told_and_harms_nothing(void)
{
    struct cs_lease lease = {.fd = -1};
    int before = dup(0);

    for (long count = 0; count < 2; count++) {
        cs_mem_fail_after(count);
        CHECK_INT(cs_lease_open(&lease, directory, NULL), CS_NOMEM);
        cs_mem_fail_after(-1);
        CHECK_INT(lease.fd, -1);
    }
    close(before);
    CHECK_INT(dup(0), before);   /* nothing was left open */
    close(before);
}

int main(void)
{
    snprintf(directory, sizeof directory, "/tmp/test_lease.XXXXXX");
    if (!mkdtemp(directory))
        return 2;
    test_one_process_holds_and_the_other_is_refused();
    test_the_death_of_the_owner_frees_its_positions();
    test_a_second_lease_in_one_process_is_another_holder();
    test_a_child_that_closes_leaves_the_parents_lock();
    test_a_child_that_keeps_the_descriptor_outlives_the_owner();
    test_the_descriptors_end_at_exec();
    test_a_removed_file_is_not_current();
    test_a_replaced_file_is_not_current();
    test_the_file_is_private_and_never_truncated();
    test_a_linked_file_is_refused();
    test_something_else_than_a_file_is_refused();
    test_a_file_that_others_can_open_is_refused();
    test_a_directory_that_others_can_write_is_refused();
    test_a_directory_of_another_user_is_refused();
    test_a_linked_directory_is_refused();
    test_an_absent_directory_is_made_for_us_alone();
    test_others_are_seen_to_come_change_and_go();
    test_each_application_id_has_its_own_position();
    test_one_lease_holds_ten_thousand_positions();
    test_a_lease_closes_twice();
    test_a_closed_lease_cannot_be_taken();
    test_no_memory_is_told_and_harms_nothing();
    remove_all();
    return check_done();
}
