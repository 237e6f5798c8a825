#include <criterion/criterion.h>
#include <string.h>

#include "qf.h"

#define ID "6AQF7uls021030"

/* As sendmail 8.17 printed it, ports and all. */
static void
listen(const char *said, struct qf_said *out, struct qf_buf *text)
{
	qf_said_read((struct qf_slice){said, strlen(said)}, ID, out, text);
	qf_buf_addc(text, '\0');
}

Test(said, deferred_for_one)
{
	struct qf_said said;
	struct qf_buf text = {0};

	listen("\nRunning /q/" ID " (sequence 1 of 1)\n"
	       "eve@x,bob@x... Connecting to [127.0.0.1] port 35553 via esmtp...\n"
	       "220 sink.example ESMTP... not an answer\n>>> EHLO a... b\n250-8BITMIME... no\n"
	       "eve@x... Deferred: 450 4.2.0 later\nbob@x... Sent (2.0.0 taken)\r\n"
	       "Closing connection to [127.0.0.1]\n>>> QUIT\n",
	       &said, &text);
	cr_expect(said.tried);
	cr_expect_not(said.returned);
	cr_expect_not(said.locked);
	cr_expect_str_eq(text.p, "eve@x... Deferred: 450 4.2.0 later; bob@x... Sent (2.0.0 taken)");
	qf_buf_release(&text);
}

Test(said, returned)
{
	struct qf_said said;
	struct qf_buf text = {0};

	listen("bob@x... Cannot send message for too long\n"
	       "ann@x... Using cached ESMTP connection to [127.0.0.1] via esmtp...\n"
	       "ann@x... Sent (ok)",
	       &said, &text);
	cr_expect(said.tried);
	cr_expect(said.returned);
	cr_expect_str_eq(text.p,
			 "bob@x... Cannot send message for too long; ann@x... Sent (ok)");
	qf_buf_release(&text);
}

Test(said, locked_is_of_this_message_alone)
{
	struct qf_said said;
	struct qf_buf text = {0};

	listen("Running /q/" ID " (sequence 1 of 1)\n" ID ": locked\n", &said, &text);
	cr_expect(said.locked);
	cr_expect_not(said.tried);
	cr_expect_eq(text.n, 1);
	qf_buf_clear(&text);
	listen(ID "x: locked\nx" ID ": locked\n" ID ": lockedx\n", &said, &text);
	cr_expect_not(said.locked);
	qf_buf_release(&text);
}

Test(said, nothing_and_junk)
{
	struct qf_said said;
	struct qf_buf text = {0};

	qf_said_read((struct qf_slice){NULL, 0}, ID, &said, &text);
	cr_expect_not(said.tried || said.returned || said.locked);
	qf_said_read((struct qf_slice){"... x\n\0...\n\n", 11}, ID, &said, &text);
	cr_expect_not(said.tried);
	qf_buf_release(&text);
}
