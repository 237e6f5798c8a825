/*
 * doctor_mount - checks of what the queue lies on: the mount, its options, its room.
 *
 * From /proc/self/mountinfo; the mount of a directory is the one with its device whose mount
 * point is the longest that leads to it (the last such line: the one mounted on top).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "doctor.h"

struct mount {
	char point[512], type[64], source[256];
	char options[1024]; /* of the mount and of the file system, commas between */
};

/* The octal escapes of mountinfo, undone in place. */
static void
unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool
leads_to(const char *point, const char *path)
{
	size_t n = strlen(point);

	return strcmp(point, "/") == 0 ||
	       (strncmp(point, path, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

/* One line: ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE SUPER-OPTIONS */
static bool
read_line(const char *line, struct mount *mount, unsigned *major_, unsigned *minor_)
{
	const char *rest = strstr(line, " - ");
	char flags[512], super[512];

	if (!rest ||
	    sscanf(line, "%*d %*d %u:%u %*s %511s %511s", major_, minor_, mount->point, flags) != 4 ||
	    sscanf(rest, " - %63s %255s %511s", mount->type, mount->source, super) != 3)
		return false;
	unescape(mount->point);
	snprintf(mount->options, sizeof(mount->options), "%s,%s", flags, super);
	return true;
}

/* The mount that holds path; of the given device, unless device is 0. NULL: not to be told. */
static struct mount *
find_mount(const char *path, dev_t device)
{
	char *text = doctor_read_file("/proc/self/mountinfo"), *line, *save;
	struct mount *best = NULL, here;
	unsigned ma, mi;

	line = text ? strtok_r(text, "\n", &save) : NULL;
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		if (!read_line(line, &here, &ma, &mi) || !leads_to(here.point, path) ||
		    (device && makedev(ma, mi) != device) ||
		    (best && strlen(here.point) < strlen(best->point)))
			continue;
		if (!best)
			best = malloc(sizeof(*best));
		if (best)
			*best = here;
	}
	free(text);
	return best;
}

/* The mount of a queue directory, looked up once. */
static const struct mount *
mount_of(struct doctor *doctor, size_t dir)
{
	const struct qf_dir *d = qf_queue_dir(doctor->source.queue, dir);
	char *path;
	struct stat st;

	if (!doctor->mounts)
		doctor->mounts = calloc(qf_queue_ndirs(doctor->source.queue),
					sizeof(*doctor->mounts));
	if (!doctor->mounts || d->trouble)
		return NULL;
	if (!doctor->mounts[dir] && fstat(d->control_fd, &st) == 0) {
		path = realpath(d->path, NULL);
		/* btrfs gives files another device than its mount. */
		if (path)
			doctor->mounts[dir] = find_mount(path, st.st_dev);
		if (path && !doctor->mounts[dir])
			doctor->mounts[dir] = find_mount(path, 0);
		free(path);
	}
	return doctor->mounts[dir];
}

void
doctor_mount_free(struct doctor *doctor)
{
	for (size_t i = 0; doctor->mounts && i < qf_queue_ndirs(doctor->source.queue); i++)
		free(doctor->mounts[i]);
	free(doctor->mounts);
}

static bool
is_nfs(const struct mount *mount)
{
	return strcmp(mount->type, "nfs") == 0 || strcmp(mount->type, "nfs4") == 0;
}

/* Value of an option, or its name where it has none; NULL where it is not there. */
static const char *
option_of(const struct mount *mount, const char *name, char value[128])
{
	size_t n = strlen(name);

	for (const char *at = mount->options; *at;) {
		size_t length = strcspn(at, ",");

		if (length >= n && strncmp(at, name, n) == 0 && (length == n || at[n] == '=')) {
			snprintf(value, 128, "%.*s", (int)(length == n ? n : length - n - 1),
				 length == n ? at : at + n + 1);
			return value;
		}
		at += length;
		at += *at == ',';
	}
	return NULL;
}

/* ------------------------------------------------------------------ the queue's mount */

/* Calls look(doctor, mount) for each directory until one answers other than ok. */
static void
each_mount(struct doctor *doctor, void (*look)(struct doctor *doctor, const struct mount *mount))
{
	for (size_t i = 0; i < qf_queue_ndirs(doctor->source.queue); i++) {
		const struct mount *mount = mount_of(doctor, i);

		if (!mount) {
			doctor_unknown(doctor, "%s: no mount of it in /proc/self/mountinfo",
				       qf_queue_dir(doctor->source.queue, i)->path);
			return;
		}
		look(doctor, mount);
		if (doctor->answer->verdict != VERDICT_OK)
			return;
	}
}

static void
look_type(struct doctor *doctor, const struct mount *mount)
{
	static const struct {
		const char *type;
		enum verdict verdict;
		const char *why;
	} types[] = {
		{"nfs4", VERDICT_OK, ""},
		{"nfs", VERDICT_WARN, "NFS before version 4: its locks are those of another daemon, "
				      "and are lost when that restarts"},
		{"ext4", VERDICT_OK, ""},
		{"ext3", VERDICT_OK, ""},
		{"ext2", VERDICT_WARN, "no journal: a power cut may lose directory entries"},
		{"xfs", VERDICT_OK, ""},
		{"btrfs", VERDICT_OK, ""},
		{"zfs", VERDICT_OK, ""},
		{"f2fs", VERDICT_OK, ""},
		{"overlay", VERDICT_WARN, "it dies with its container, and accepted mail with it"},
		{"tmpfs", VERDICT_WARN, "it is memory: mail in it is gone with the machine"},
		{"ramfs", VERDICT_WARN, "it is memory: mail in it is gone with the machine"},
		{"cifs", VERDICT_FAIL, "SMB has neither Unix owners nor the locks sendmail takes"},
		{"smb3", VERDICT_FAIL, "SMB has neither Unix owners nor the locks sendmail takes"},
		{"9p", VERDICT_WARN, "locks between machines are not sure on 9p"},
	};
	char value[512];

	snprintf(value, sizeof(value), "%s on %.300s", mount->type, mount->point);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].type, mount->type) == 0) {
			if (types[i].verdict == VERDICT_OK)
				doctor_ok(doctor, value, "%s", types[i].why);
			else if (types[i].verdict == VERDICT_WARN)
				doctor_warn(doctor, value, "%s", types[i].why);
			else
				doctor_fail(doctor, value, "%s", types[i].why);
			return;
		}
	doctor_unknown(doctor, "%s: a file system this does not know", value);
}

void
doctor_mount_type(struct doctor *doctor)
{
	doctor_wanted(doctor, "nfs4, or a local disk that outlives the container");
	each_mount(doctor, look_type);
}

static void
look_options(struct doctor *doctor, const struct mount *mount)
{
	char value[512], version[128], locks[128], other[128];

	if (option_of(mount, "ro", other)) {
		doctor_fail(doctor, "ro", "mounted read-only: sendmail cannot take mail");
		return;
	}
	if (!is_nfs(mount)) {
		snprintf(value, sizeof(value), "%.400s", mount->options);
		doctor_good(doctor, value);
		return;
	}
	if (!option_of(mount, "vers", version))
		strcpy(version, "?");
	if (!option_of(mount, "local_lock", locks))
		strcpy(locks, "none");
	snprintf(value, sizeof(value), "vers=%.100s,local_lock=%.100s%s%s%s%s", version, locks,
		 option_of(mount, "soft", other) ? ",soft" : ",hard",
		 option_of(mount, "nolock", other) ? ",nolock" : "",
		 option_of(mount, "noac", other) ? ",noac" : "",
		 option_of(mount, "nosharecache", other) ? ",nosharecache" : "");
	doctor_wanted(doctor, "vers=4.x,local_lock=none,hard");
	if (strcmp(locks, "none") != 0 || option_of(mount, "nolock", other))
		doctor_fail(doctor, value, "locks stay on this host: daemons elsewhere work on the "
			    "same messages");
	else if (option_of(mount, "soft", other))
		doctor_warn(doctor, value, "soft: a slow server looks like a failed disk, in the "
			    "middle of a rewrite");
	else if (version[0] != '4')
		doctor_warn(doctor, value, "NFS before version 4");
	else if (option_of(mount, "nosharecache", other))
		doctor_warn(doctor, value, "nosharecache: two mounts of one file system on this "
			    "host show each other's changes late");
	else
		doctor_good(doctor, value);
}

void
doctor_mount_options(struct doctor *doctor)
{
	each_mount(doctor, look_options);
}

/* EFS with TLS is mounted through a proxy on this host. */
static void
look_tls(struct doctor *doctor, const struct mount *mount)
{
	char address[128];

	if (!is_nfs(mount))
		doctor_good(doctor, "not a network file system");
	else if (!option_of(mount, "addr", address))
		doctor_unknown(doctor, "the mount does not tell its server's address");
	else if (strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0)
		doctor_ok(doctor, address, "mounted through a proxy on this host, as EFS is with "
			  "TLS");
	else
		doctor_warn(doctor, address, "mail goes over the network in clear");
}

void
doctor_mount_tls(struct doctor *doctor)
{
	doctor_wanted(doctor, "127.0.0.1 (EFS with TLS), or a local disk");
	each_mount(doctor, look_tls);
}

/* ------------------------------------------------------------------ room */

#define MEGABYTE (1024 * 1024)

/* What is left of a total: under 1 % fails, under 5 % warns. */
static void
judge_room(struct doctor *doctor, const char *value, double left, double total, const char *what)
{
	double percent = total > 0 ? 100 * left / total : 0;

	if (percent < 1)
		doctor_fail(doctor, value, "%.1f %% of %s are left", percent, what);
	else if (percent < 5)
		doctor_warn(doctor, value, "%.1f %% of %s are left", percent, what);
	else
		doctor_good(doctor, value);
}

/* The directory with the least left decides. */
static void
room(struct doctor *doctor, bool inodes)
{
	struct statvfs fs, least = {0};
	double share = 2;
	char value[128];

	for (size_t i = 0; i < qf_queue_ndirs(doctor->source.queue); i++) {
		const struct qf_dir *d = qf_queue_dir(doctor->source.queue, i);
		double here;

		if (d->trouble || fstatvfs(d->data_fd, &fs) != 0) {
			doctor_unknown(doctor, "%s: %s", d->path,
				       d->trouble ? d->err.why : strerror(errno));
			return;
		}
		here = inodes ? fs.f_files ? (double)fs.f_favail / (double)fs.f_files : 1
			      : fs.f_blocks ? (double)fs.f_bavail / (double)fs.f_blocks : 1;
		if (here < share) {
			share = here;
			least = fs;
		}
	}
	doctor_wanted(doctor, "5%% or more");
	if (inodes && !least.f_files) {
		doctor_good(doctor, "no fixed number");
		return;
	}
	if (inodes)
		snprintf(value, sizeof(value), "%llu of %llu free",
			 (unsigned long long)least.f_favail, (unsigned long long)least.f_files);
	else
		snprintf(value, sizeof(value), "%llu MB of %llu MB free",
			 (unsigned long long)least.f_bavail * least.f_frsize / MEGABYTE,
			 (unsigned long long)least.f_blocks * least.f_frsize / MEGABYTE);
	judge_room(doctor, value, inodes ? (double)least.f_favail : (double)least.f_bavail,
		   inodes ? (double)least.f_files : (double)least.f_blocks,
		   inodes ? "the inodes" : "the blocks");
}

void
doctor_space(struct doctor *doctor)
{
	room(doctor, false);
}

void
doctor_inodes(struct doctor *doctor)
{
	room(doctor, true);
}

/* ------------------------------------------------------------------ other mounts */

void
doctor_read_only_root(struct doctor *doctor)
{
	struct mount *root = find_mount("/", 0);
	char value[128];

	if (!root)
		doctor_unknown(doctor, "/proc/self/mountinfo cannot be read");
	else if (option_of(root, "ro", value))
		doctor_good(doctor, "ro");
	else if (!doctor_in_container())
		doctor_ok(doctor, "rw", "not in a container");
	else
		doctor_warn(doctor, "rw", "what breaks in can change programs of the container");
	free(root);
}

void
doctor_tmpfs(struct doctor *doctor)
{
	static const char *const points[] = {"/tmp", "/run", "/var/run", "/var/tmp", "/dev/shm"};
	static const char *const wanted[] = {"noexec", "nosuid", "nodev"};
	char value[256] = "", lacking[256] = "", scratch[128];
	struct mount *root = find_mount("/", 0);
	size_t seen = 0;

	if (!root) {
		doctor_unknown(doctor, "/proc/self/mountinfo cannot be read");
		return;
	}
	free(root);
	doctor_wanted(doctor, "noexec,nosuid,nodev");
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		struct mount *mount = find_mount(points[i], 0);

		if (!mount || strcmp(mount->type, "tmpfs") != 0 ||
		    strcmp(mount->point, points[i]) != 0) {
			free(mount);
			continue;
		}
		seen++;
		snprintf(value + strlen(value), sizeof(value) - strlen(value), "%s%s",
			 *value ? " " : "", points[i]);
		for (size_t k = 0; k < 3; k++)
			if (!option_of(mount, wanted[k], scratch))
				snprintf(lacking + strlen(lacking),
					 sizeof(lacking) - strlen(lacking), "%s%s lacks %s",
					 *lacking ? ", " : "", points[i], wanted[k]);
		free(mount);
	}
	if (!seen)
		doctor_good(doctor, "none");
	else if (*lacking)
		doctor_warn(doctor, value, "%s", lacking);
	else
		doctor_good(doctor, value);
}
