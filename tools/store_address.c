/*
 * store_address - an address as it is compared.
 */
#include <string.h>

#include "store_address.h"

struct qf_slice
store_address(struct qf_slice address, struct qf_buf *scratch)
{
	const char *at;
	bool upper = false;

	while (address.n > 0 && (*address.p == ' ' || *address.p == '\t'))
		address = (struct qf_slice){address.p + 1, address.n - 1};
	if (address.n >= 2 && address.p[0] == '<' && address.p[address.n - 1] == '>')
		address = (struct qf_slice){address.p + 1, address.n - 2};
	at = address.n > 0 ? memrchr(address.p, '@', address.n) : NULL;
	for (const char *p = at; p && p < address.p + address.n; p++)
		upper |= *p >= 'A' && *p <= 'Z';
	if (!upper)
		return address;
	qf_buf_clear(scratch);
	qf_buf_add(scratch, address.p, address.n);
	if (scratch->failed)
		return address;
	for (size_t i = (size_t)(at - address.p); i < scratch->n; i++)
		if (scratch->p[i] >= 'A' && scratch->p[i] <= 'Z')
			scratch->p[i] = (char)(scratch->p[i] - 'A' + 'a');
	return (struct qf_slice){scratch->p, scratch->n};
}
