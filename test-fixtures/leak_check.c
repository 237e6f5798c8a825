/*
 * leak_check - looks for leaks where a unit test ends. Criterion's test processes leave by _exit(),
 * which skips the look that the leak sanitizer takes at exit. Linked in builds with it alone.
 */
#include <sanitizer/lsan_interface.h>
#include <sys/syscall.h>
#include <unistd.h>

void
_exit(int status)
{
	if (__lsan_do_recoverable_leak_check() != 0 && status == 0)
		status = 1;
	for (;;)
		syscall(SYS_exit_group, status);
}
