/*
 * confine - Landlock (which files), seccomp (which system calls), capabilities.
 *
 * A few instructions of BPF of our own rather than libseccomp: the filter is one list of numbers,
 * each refused, and the list is the whole of the policy.
 *
 * A list of what is refused, not of what is allowed: the C library and those loaded later use calls
 * nobody can list for every release, and a reader that dies on a new one is no use. What is refused
 * answers EPERM.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"
#include "say.h"
#include "source.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define NELEMS(a) (sizeof(a) / sizeof(*(a)))

/* ------------------------------------------------------------------ capabilities */

/* What it takes to open files of other users, and without leaving an access time (O_NOATIME). */
#define CAPABILITIES_OF_A_READER                                                                   \
	(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER)

/* What it takes besides to put files in the place of others: their owner, group and mode; and the
   space a file system keeps for root, for a queue is to be helped when it is full. */
#define CAPABILITIES_OF_A_CHANGER                                                                  \
	(CAPABILITIES_OF_A_READER | 1u << CAP_CHOWN | 1u << CAP_FSETID | 1u << CAP_SYS_RESOURCE)

static bool
drop_capabilities(uint32_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, caps) != 0)
		return false;
	caps[0].effective &= kept;
	caps[0].permitted &= kept;
	caps[0].inheritable = 0;
	caps[1] = (struct __user_cap_data_struct){0};
	return syscall(SYS_capset, &head, caps) == 0;
}

/* ------------------------------------------------------------------ Landlock */

/* As the kernel has it today; an older one takes the part it knows (linux/landlock.h). */
struct ruleset {
	uint64_t files, net, scoped;
};
#define RIGHTS_1 ((1u << 13) - 1) /* the first version's; each of these added one more */
#define RIGHT_REFER (1u << 13)    /* 2 */
#define RIGHT_TRUNCATE (1u << 14) /* 3 */
#define RIGHT_IOCTL (1u << 15)    /* 5 */
#define NET_TCP 3u                /* 4: bind, connect */
#define SCOPE_SOCKETS 1u          /* 6: abstract ones */
#define SCOPE_SIGNALS 2u          /* 6 */
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)

/* A set in the making; of what it does not handle nothing is refused. */
struct rules {
	int fd;
	uint64_t handled;
};

static bool
allow(const struct rules *rules, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights & rules->handled,
						     .parent_fd = fd};
	struct stat st;

	if (fd < 0)
		return true; /* what is not there cannot be opened either */
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		beneath.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE |
					  LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE;
	if (!beneath.allowed_access)
		return true;
	return syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
}

static bool
allow_path(const struct rules *rules, int dir, const char *path, uint64_t rights)
{
	int fd = openat(dir, path, O_PATH | O_CLOEXEC);
	bool ok = allow(rules, fd, rights);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* What is read late by the C library and the libraries that are loaded when they are wanted. */
static const char *const of_the_system[] = {
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share",
	"/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu",
	/* Who holds a lock. What tells of memory or environment of others is refused: a confined
	   process can trace none that is less confined. */
	"/proc",
};

/* Where listing a directory once more costs round trips. */
static bool
is_remote(int dir)
{
	static const long types[] = {0x6969 /* NFS */, 0x65735546 /* FUSE */, 0xff534d42 /* CIFS */,
				     0xfe534d42 /* SMB2 */, 0x01021997 /* 9p */};
	struct statfs fs;

	if (fstatfs(dir, &fs) != 0)
		return true;
	for (size_t i = 0; i < NELEMS(types); i++)
		if ((uint32_t)fs.f_type == (uint32_t)types[i])
			return true;
	return false;
}

/* So many names of a directory are looked at for links: all of a large one would be listed twice,
   and before the first row. */
#define NAMES_MOST 2000

/* sendmail follows a link to a plain file, and so does what shows its queue: those that are there
   now may be read, wherever they lead. BUGS: in a directory of more than NAMES_MOST names those
   that are listed later may not; they are named as unreadable. */
static bool
allow_links(const struct rules *rules, int dir)
{
	bool wanted = rules->handled & LANDLOCK_ACCESS_FS_READ_FILE;
	int fd = !wanted || is_remote(dir) ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool ok = true;

	if (!names) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	for (int n = 0; ok && n < NAMES_MOST && (entry = readdir(names)); n++)
		if (entry->d_type == DT_LNK)
			ok = allow_path(rules, dir, entry->d_name, LANDLOCK_ACCESS_FS_READ_FILE);
	closedir(names);
	return ok;
}

static bool
allow_queue(const struct rules *rules, const struct qf_queue *queue)
{
	bool ok = true;

	for (size_t i = 0; queue && i < qf_queue_ndirs(queue); i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);

		if (dir->trouble)
			continue;
		ok = ok && allow(rules, dir->control_fd, READ_RIGHTS) &&
		     allow(rules, dir->data_fd, READ_RIGHTS) &&
		     allow(rules, dir->transcript_fd, READ_RIGHTS);
		ok = ok && allow_links(rules, dir->control_fd);
		if (dir->split_df)
			ok = ok && allow_links(rules, dir->data_fd);
		/* .qf/ lies above the control files where those lie in qf/. */
		if (dir->split_qf)
			ok = ok && allow_path(rules, dir->control_fd, "..", READ_RIGHTS);
	}
	return ok;
}

static bool
allow_folder_of(const struct rules *rules, const char *path, uint64_t rights)
{
	/* A link leads to where what is written beside it goes too: the journal of a database. */
	char *copy = strdup(path), *real = realpath(path, NULL);
	bool ok = copy && allow_path(rules, AT_FDCWD, dirname(copy), rights) &&
		  (!real || allow_path(rules, AT_FDCWD, dirname(real), rights));

	free(copy);
	free(real);
	/* What is written through, /dev/stdout and the like, is itself opened. */
	return ok && allow_path(rules, AT_FDCWD, path, rights);
}

/* Its version; 0 where the kernel has none, or it could not be used. */
static int
restrict_files(const struct confine *confine)
{
	struct ruleset set = {.files = RIGHTS_1};
	uint64_t writing = READ_RIGHTS | WRITE_RIGHTS;
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = version >= 6 ? sizeof(set) : version >= 4 ? 16 : 8;
	struct rules rules;
	bool ok = true;

	if (version <= 0)
		return 0;
	set.files |= version >= 2 ? RIGHT_REFER : 0;
	set.files |= version >= 3 ? RIGHT_TRUNCATE : 0;
	set.files |= version >= 5 ? RIGHT_IOCTL : 0;
	set.net = version >= 4 && !confine->network ? NET_TCP : 0;
	set.scoped = version >= 6 ? SCOPE_SIGNALS | (confine->network ? 0 : SCOPE_SOCKETS) : 0;
	writing |= set.files & RIGHT_TRUNCATE;
	if (confine->how == CONFINE_LISTER)
		set.files &= ~(uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL);
	if (confine->how == CONFINE_KEEPER)
		set.files &= ~(uint64_t)(READ_RIGHTS | RIGHT_IOCTL);
	rules.handled = set.files;
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules.fd < 0)
		return 0;
	for (size_t i = 0; i < NELEMS(of_the_system); i++)
		ok = ok && allow_path(&rules, AT_FDCWD, of_the_system[i], READ_RIGHTS);
	ok = ok && allow_queue(&rules, confine->queue);
	for (size_t i = 0; i < NELEMS(confine->may_write); i++)
		if (confine->may_write[i])
			ok = ok && allow_folder_of(&rules, confine->may_write[i], writing);
	ok = ok && syscall(SYS_landlock_restrict_self, rules.fd, 0) == 0;
	close(rules.fd);
	return ok ? (int)version : 0;
}

/* ------------------------------------------------------------------ seccomp */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

/* Of use to who has broken in, and to none of those that are confined. */
static const unsigned refused[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen, SYS_fsmount, SYS_fspick,
	SYS_move_mount, SYS_open_tree, SYS_setns, SYS_bpf, SYS_perf_event_open,
	SYS_io_uring_setup, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key,
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot,
	SYS_swapon, SYS_swapoff, SYS_acct, SYS_settimeofday, SYS_clock_settime, SYS_sethostname,
	SYS_setdomainname, SYS_open_by_handle_at, SYS_pidfd_getfd, SYS_personality, SYS_quotactl,
	SYS_mknodat,
#ifdef SYS_fork
	SYS_fork, SYS_vfork, SYS_mknod, SYS_iopl, SYS_ioperm,
#endif
};

/* Left to who talks over the network. */
static const unsigned networking[] = {
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
	SYS_sendto, SYS_sendmmsg,
};

/* And this to who talks to a helper too. */
static const unsigned talking[] = {SYS_sendmsg};

/* What changes files or takes a lock: who only reads does none of it. */
static const unsigned changing[] = {
	SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mkdirat, SYS_fchmod,
	SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_truncate, SYS_utimensat, SYS_setxattr,
	SYS_lsetxattr, SYS_fsetxattr, SYS_flock, SYS_copy_file_range,
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS_unlink
	SYS_unlink, SYS_rmdir, SYS_rename, SYS_link, SYS_symlink, SYS_mkdir, SYS_chmod, SYS_chown,
	SYS_lchown, SYS_creat, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

#define MAX_INSTRUCTIONS                                                                           \
	(2 * (NELEMS(refused) + NELEMS(networking) + NELEMS(talking) + NELEMS(changing)) + 32)
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE ANSWER(SECCOMP_RET_ERRNO | EPERM)
/* The lower half of an argument: both architectures store it first. */
#define LOAD_ARGUMENT(n) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))

struct program {
	struct sock_filter at[MAX_INSTRUCTIONS];
	unsigned short n;
};

static void
put(struct program *program, const struct sock_filter *what, size_t n)
{
	memcpy(program->at + program->n, what, n * sizeof(*what));
	program->n = (unsigned short)(program->n + n);
}

static void
put_refused(struct program *program, const unsigned *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sock_filter two[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1),
			REFUSE,
		};
		put(program, two, NELEMS(two));
	}
}

/* With the flags of opening in argument n: only reading. It is asked for each message, so this
   stands before the long lists. */
static void
put_open(struct program *program, unsigned call, unsigned n)
{
	const struct sock_filter some[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4),
		LOAD_ARGUMENT(n),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1),
		REFUSE,
		ANSWER(SECCOMP_RET_ALLOW),
	};
	put(program, some, NELEMS(some));
}

/* A table of descriptors of its own is all a thread may have for itself: without it each open and
   close of a scan costs a third more. */
static void
put_unshare(struct program *program)
{
	const struct sock_filter some[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 4),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE_FILES, 1, 0),
		REFUSE,
		ANSWER(SECCOMP_RET_ALLOW),
	};
	put(program, some, NELEMS(some));
}

static bool
restrict_calls(const struct confine *confine)
{
	bool reader = confine->how == CONFINE_READER || confine->how == CONFINE_LISTER;
	static const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
#ifdef __x86_64__
		/* The same calls by other numbers (x32). */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		REFUSE,
#endif
		/* Its arguments cannot be looked at; without it the C library uses clone. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
		/* Threads, but no processes. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
		REFUSE,
		LOAD(nr),
	};
	static const struct sock_filter tail[] = {ANSWER(SECCOMP_RET_ALLOW)};
	struct program program = {.n = 0};
	struct sock_fprog filter = {.filter = program.at};

	put(&program, head, NELEMS(head));
	if (reader) {
		put_open(&program, SYS_openat, 2);
#ifdef SYS_open
		put_open(&program, SYS_open, 1);
#endif
	}
	put_unshare(&program);
	put_refused(&program, refused, NELEMS(refused));
	if (!confine->network)
		put_refused(&program, networking, NELEMS(networking));
	if (!confine->network && confine->how != CONFINE_SCREEN)
		put_refused(&program, talking, NELEMS(talking));
	if (reader)
		put_refused(&program, changing, NELEMS(changing));
	put(&program, tail, NELEMS(tail));
	filter.len = program.n;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

#else

static bool
restrict_calls(const struct confine *confine)
{
	(void)confine;
	return false; /* the numbers of this architecture are not known here */
}

#endif

/* ------------------------------------------------------------------ all of it */

void
confine_apply(const struct confine *confine, struct confined *done)
{
	bool changes = confine->how == CONFINE_CHANGER || confine->how == CONFINE_SCREEN;
	bool files = confine->how != CONFINE_LOOKER && !changes;

	*done = (struct confined){0};
	if (SANITIZED) {
		snprintf(done->why, sizeof(done->why), "built with sanitizers");
		return;
	}
	tzset(); /* reads a file, which TZ may name */
	done->capabilities = drop_capabilities(changes ? CAPABILITIES_OF_A_CHANGER
						       : CAPABILITIES_OF_A_READER);
	/* Without this, only who administers the system may confine itself. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		snprintf(done->why, sizeof(done->why), "%s", strerror(errno));
		return;
	}
	if (files)
		done->landlock = restrict_files(confine);
	done->seccomp = restrict_calls(confine);
	if ((files && !done->landlock) || !done->seccomp)
		snprintf(done->why, sizeof(done->why), "the kernel has no%s%s",
			 files && !done->landlock ? " Landlock" : "",
			 done->seccomp ? "" : " seccomp");
}

/* Said with -v by a command that goes on as it is. */
static void
confine_not(const char *why)
{
	say_detail("not confined: %s", why);
}

void
confine_self(const struct confine *confine)
{
	struct confined done;
	char files[48] = "any file";

	if (source_no_sandbox()) {
		confine_not("--no-sandbox");
		return;
	}
	confine_apply(confine, &done);
	if (done.landlock)
		snprintf(files, sizeof(files), "%s (Landlock %d)",
			 confine->how == CONFINE_LISTER	  ? "folders of the queue"
			 : confine->how == CONFINE_KEEPER ? "written beside the database"
							  : "files of the queue",
			 done.landlock);
	if (done.seccomp || done.landlock)
		say_detail("confined: %s; %s%s%s%s", files,
			   !done.seccomp      ? "no seccomp"
			   : confine->network ? "no programs (seccomp), but the network"
					      : "no programs, no network (seccomp)",
			   !done.capabilities		       ? ""
			   : confine->how >= CONFINE_CHANGER ? "; only capabilities of files"
							     : "; only capabilities that read",
			   *done.why ? "; " : "", done.why);
	else
		confine_not(done.why);
}

void
confine_once(const struct confine *confine)
{
	static bool done;

	if (!done)
		confine_self(confine);
	done = true;
}

void
confine_reader(const struct qf_queue *queue)
{
	const struct confine confine = {.how = CONFINE_READER, .queue = queue};

	confine_self(&confine);
}

void
confine_lister(const struct qf_queue *queue)
{
	const struct confine confine = {.how = CONFINE_LISTER, .queue = queue};

	confine_self(&confine);
}
