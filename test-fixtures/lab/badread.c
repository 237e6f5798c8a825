/*
 * badread - reads of a file fail with EIO from the second one on. BADREAD: its name, as its path ends.
 * For LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t
read(int fd, void *bytes, size_t n)
{
	static ssize_t (*real)(int, void *, size_t);
	static int times;
	const char *name = getenv("BADREAD");
	char link[64], path[4096];
	ssize_t length;

	if (!real)
		real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	if (name && length >= (ssize_t)strlen(name) && strcmp(path + length - strlen(name), name) == 0 &&
	    ++times > 1) {
		errno = EIO;
		return -1;
	}
	return real(fd, bytes, n);
}
