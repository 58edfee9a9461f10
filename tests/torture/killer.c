/*
 * killer.c - SIGKILL at the Nth call by which a program changes a disk or says
 * something to the network.
 *
 * usage: killer NOTE N PROGRAM [ARGUMENT...]
 *
 * Counted are the calls of PROGRAM's own process, in all its threads together;
 * programs that it starts go on uncounted, and are waited for. The kill comes
 * before the Nth call is made; N = 0 is none. NOTE gets a line: "killed N CALL"
 * or "ended COUNT STATUS". It exits as PROGRAM did; 137 when it was killed.
 *
 * The kernel stops a thread at these calls alone (a seccomp filter that a
 * tracer is told of), so that all else runs at its own speed. A kill at any
 * other call leaves what a kill at the next one of these would leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#	define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#	define ARCH AUDIT_ARCH_AARCH64
#else
#	error "which machine is this?"
#endif

#define CALL(name)                \
	{                         \
		SYS_##name, #name \
	}

/* An open counts when it may make or empty a file. */
static const struct {
	long number;
	const char *name;
} calls[] = {
	CALL(openat),   CALL(write),     CALL(writev),
	CALL(pwrite64), CALL(pwritev),   CALL(copy_file_range),
	CALL(sendfile), CALL(fallocate), CALL(ftruncate),
	CALL(fsync),    CALL(fdatasync), CALL(syncfs),
	CALL(renameat), CALL(renameat2), CALL(unlinkat),
	CALL(linkat),   CALL(symlinkat), CALL(mkdirat),
	CALL(fchmod),   CALL(fchmodat),  CALL(utimensat),
	CALL(sendto),   CALL(sendmsg),   CALL(shutdown),
	CALL(connect),
#ifdef SYS_rename
	CALL(rename),   CALL(unlink),    CALL(mkdir),
	CALL(rmdir),    CALL(link),      CALL(chmod),
#endif
};
#define CALLS (sizeof(calls) / sizeof(*calls))

static void
insist(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(126);
}

/* ---- the program's side ---- */

#define LOAD(member)                       \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
	         offsetof(struct seccomp_data, member))
#define SKIP_UNLESS(value, count) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define EACH          2 /* instructions a call */

/* Allow what is of another machine, or opens without O_CREAT and O_TRUNC;
 * tell of what is in the table; allow the rest. */
static void
be_told_of_calls(void)
{
	static struct sock_filter code[8 + EACH * CALLS + 1] = {
		LOAD(arch),
		SKIP_UNLESS(ARCH, 4),
		LOAD(nr),
		SKIP_UNLESS(SYS_openat, 4),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC, 1, 0),
		ANSWER(SECCOMP_RET_ALLOW),
		ANSWER(SECCOMP_RET_TRACE),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	size_t at = 8;

	for (size_t i = 0; i < CALLS; i++) {
		code[at++] = (struct sock_filter)SKIP_UNLESS(
		    (uint32_t)calls[i].number, 1);
		code[at++] = (struct sock_filter)ANSWER(SECCOMP_RET_TRACE);
	}
	code[at] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	insist(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	insist(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
	       "seccomp");
}

static void
be_the_program(char **argv)
{
	insist(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "ptrace");
	insist(raise(SIGSTOP) == 0, "SIGSTOP");
	be_told_of_calls();
	(void)execvp(argv[0], argv);
	insist(false, argv[0]);
}

/* ---- the tracer's ---- */

struct hunt {
	pid_t program;
	unsigned long nth, count;
	const char *call; /* at which it was killed, or NULL */
	int status;       /* of the program, once it is over */
};

static bool
is_its_own(const struct hunt *hunt, pid_t thread)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d",
	               (int)hunt->program, (int)thread);
	return access(path, F_OK) == 0;
}

static const char *
name_of_call(pid_t thread)
{
	struct __ptrace_syscall_info info;
	long got = ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info);

	for (size_t i = 0; got > 0 && i < CALLS; i++)
		if (calls[i].number == (long)info.seccomp.nr)
			return calls[i].name;
	return "?";
}

/* Is the program killed by it? */
static bool
count_call(struct hunt *hunt, pid_t thread)
{
	if (hunt->call != NULL || !is_its_own(hunt, thread) ||
	    ++hunt->count != hunt->nth)
		return false;
	hunt->call = name_of_call(thread);
	insist(kill(hunt->program, SIGKILL) == 0, "SIGKILL");
	return true;
}

static void
on_stop(struct hunt *hunt, pid_t thread, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_SECCOMP && count_call(hunt, thread))
		return;
	/* A new thread or process begins with a SIGSTOP of the tracer's. */
	if (event != 0 || signal == SIGSTOP || signal == SIGTRAP)
		signal = 0;
	(void)ptrace(PTRACE_CONT, thread, NULL, (void *)(intptr_t)signal);
}

static void
follow(struct hunt *hunt)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR) {
		if (pid == -1)
			continue;
		if (WIFSTOPPED(status))
			on_stop(hunt, pid, status);
		else if (pid == hunt->program)
			hunt->status = status;
	}
}

static void
begin(struct hunt *hunt, char **argv)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
	                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	                     PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status = 0;

	hunt->program = fork();
	insist(hunt->program != -1, "fork");
	if (hunt->program == 0)
		be_the_program(argv);
	insist(waitpid(hunt->program, &status, 0) == hunt->program &&
	           WIFSTOPPED(status),
	       "the program's first stop");
	insist(ptrace(PTRACE_SETOPTIONS, hunt->program, NULL,
	              (void *)options) == 0 &&
	           ptrace(PTRACE_CONT, hunt->program, NULL, NULL) == 0,
	       "ptrace");
}

int
main(int argc, char **argv)
{
	struct hunt hunt = { 0 };
	FILE *note;
	int status;

	if (argc < 4) {
		(void)fprintf(stderr, "usage: killer NOTE N PROGRAM...\n");
		return 64;
	}
	hunt.nth = strtoul(argv[2], NULL, 10);
	begin(&hunt, argv + 3);
	follow(&hunt);
	status = WIFSIGNALED(hunt.status) ? 128 + WTERMSIG(hunt.status)
	                                  : WEXITSTATUS(hunt.status);
	note = fopen(argv[1], "we");
	insist(note != NULL, argv[1]);
	if (hunt.call != NULL)
		(void)fprintf(note, "killed %lu %s\n", hunt.count, hunt.call);
	else
		(void)fprintf(note, "ended %lu %d\n", hunt.count, status);
	insist(fclose(note) == 0, argv[1]);
	return status;
}
