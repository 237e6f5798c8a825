/*
 * defaults - /etc/qf.conf, or the file $QF_CONF names: defaults for options.
 */
#ifndef QF_TOOLS_DEFAULTS_H
#define QF_TOOLS_DEFAULTS_H

#include "opt.h"

/*
 * defaults_apply - set the options that [all] and [command->name] give. Returns 0 or an exit
 * status, the failure said. No file is no failure, unless $QF_CONF names it.
 */
int defaults_apply(const struct command *command);

#endif
