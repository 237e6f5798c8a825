/*
 * shim - what the laboratory puts between sendmail and the machine it runs on (LD_PRELOAD).
 *
 *	its host name is lab.example: sendmail sleeps for a minute at each start where the host
 *	name has no dot, which is the rule in containers
 *	no name is looked up but its own and localhost, so that nothing leaves the machine
 *	syslog goes to the file $LAB_LOG, in the form of /var/log/mail.log
 *	its clock is $LAB_CLOCK seconds ahead (or behind)
 *	it waits $LAB_HASTE times shorter than it means to (time-outs too)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define NAME "lab.example"

static const char *ident = "sendmail";
static char *log_path;
static long ahead, haste;

/* sendmail empties its environment when it starts: take what is wanted before. */
__attribute__((constructor)) static void
take_environment(void)
{
	const char *log = getenv("LAB_LOG"), *clock = getenv("LAB_CLOCK");
	const char *hurry = getenv("LAB_HASTE");

	log_path = log ? strdup(log) : NULL;
	ahead = clock ? atol(clock) : 0;
	haste = hurry ? atol(hurry) : 0;
}

/* sendmail's sleep() and its time-outs are timers. */
int
setitimer(__itimer_which_t which, const struct itimerval *restrict new,
	  struct itimerval *restrict old)
{
	struct itimerval sooner;
	long long us;

	if (haste > 1 && new && (new->it_value.tv_sec || new->it_value.tv_usec)) {
		sooner = *new;
		us = (new->it_value.tv_sec * 1000000LL + new->it_value.tv_usec) / haste;
		sooner.it_value.tv_sec = us / 1000000;
		sooner.it_value.tv_usec = us % 1000000 ? us % 1000000 : 1;
		new = &sooner;
	}
	return (int)syscall(SYS_setitimer, which, new, old);
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec + ahead;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}

int
gethostname(char *out, size_t n)
{
	snprintf(out, n, "%s", NAME);
	return 0;
}

static struct hostent *
host(const char *name)
{
	static struct in_addr address;
	static char *addresses[2], *aliases[1];
	static struct hostent entry;

	address.s_addr = htonl(INADDR_LOOPBACK);
	addresses[0] = (char *)&address;
	entry.h_name = (char *)name;
	entry.h_aliases = aliases;
	entry.h_addrtype = AF_INET;
	entry.h_length = sizeof(address);
	entry.h_addr_list = addresses;
	return &entry;
}

struct hostent *
gethostbyname2(const char *name, int family)
{
	if (family == AF_INET && strcasecmp(name, NAME) == 0)
		return host(NAME);
	if (family == AF_INET && strcasecmp(name, "localhost") == 0)
		return host("localhost");
	h_errno = HOST_NOT_FOUND;
	return NULL;
}

struct hostent *
gethostbyname(const char *name)
{
	return gethostbyname2(name, AF_INET);
}

struct hostent *
gethostbyaddr(const void *address, socklen_t n, int family)
{
	(void)address;
	(void)n;
	if (family == AF_INET)
		return host("localhost");
	h_errno = HOST_NOT_FOUND;
	return NULL;
}

static int
no_answer(void)
{
	h_errno = HOST_NOT_FOUND;
	return -1;
}

int
res_query(const char *name, int class, int type, unsigned char *answer, int n)
{
	(void)name, (void)class, (void)type, (void)answer, (void)n;
	return no_answer();
}

int
res_search(const char *name, int class, int type, unsigned char *answer, int n)
{
	(void)name, (void)class, (void)type, (void)answer, (void)n;
	return no_answer();
}

int
res_querydomain(const char *name, const char *domain, int class, int type, unsigned char *answer,
		int n)
{
	(void)name, (void)domain, (void)class, (void)type, (void)answer, (void)n;
	return no_answer();
}

void
openlog(const char *name, int option, int facility)
{
	(void)option;
	(void)facility;
	if (name)
		ident = name;
}

/* One write for a line: several processes append to the file. */
static void
put_log(const char *format, va_list args)
{
	char line[4096];
	time_t now = time(NULL);
	struct tm tm;
	size_t n;
	int fd, kept = errno;

	if (!log_path)
		return;
	localtime_r(&now, &tm);
	n = strftime(line, sizeof(line), "%b %e %H:%M:%S lab ", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%.64s[%ld]: ", ident, (long)getpid());
	errno = kept; /* for %m */
	vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	n = strlen(line);
	line[n++] = '\n';
	fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		if (write(fd, line, n) < 0)
			n = 0;
		close(fd);
	}
	errno = kept;
}

void
vsyslog(int priority, const char *format, va_list args)
{
	(void)priority;
	put_log(format, args);
}

void
syslog(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	put_log(format, args);
	va_end(args);
}

/* What syslog() becomes where the program was built with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...);
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)priority;
	(void)flag;
	va_start(args, format);
	put_log(format, args);
	va_end(args);
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list args);
void
__vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
	(void)priority;
	(void)flag;
	put_log(format, args);
}
