/*
 * keymap - which keys do what: the table of actions, and what the configuration changes in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"
#include "keys.h"

static const struct tui_action_row rows[TUI_ACTION_COUNT] = {
#define X(id, name, keys, flags, help) {name, keys, help, flags},
	{NULL, NULL, NULL, 0}, TUI_ACTIONS(X)
#undef X
};

const struct tui_action_row *
tui_action_row(enum tui_action action)
{
	return &rows[action < TUI_ACTION_COUNT ? action : TUI_NONE];
}

static enum qf_code
no_memory(struct qf_err *err)
{
	*err = (struct qf_err){.code = QF_E_NOMEM, .what = "memory", .why = "none left"};
	return QF_E_NOMEM;
}

static bool
share_a_place(enum tui_action a, enum tui_action b)
{
	return rows[a].flags & rows[b].flags & TUI_ANYWHERE;
}

/* Bind a key; what it meant in the same place is forgotten. */
static bool
bind(struct tui_keymap *map, uint32_t key, enum tui_action action)
{
	size_t kept = 0;
	struct tui_binding *more;

	for (size_t i = 0; i < map->n; i++)
		if (map->bindings[i].key != key || !share_a_place(map->bindings[i].action, action))
			map->bindings[kept++] = map->bindings[i];
	map->n = kept;
	more = realloc(map->bindings, (map->n + 1) * sizeof(*more));
	if (!more)
		return false;
	map->bindings = more;
	map->bindings[map->n++] = (struct tui_binding){key, action};
	return true;
}

static void
unbind(struct tui_keymap *map, enum tui_action action)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->n; i++)
		if (map->bindings[i].action != action)
			map->bindings[kept++] = map->bindings[i];
	map->n = kept;
}

/* All keys of a list with blanks between. */
static enum qf_code
bind_all(struct tui_keymap *map, const char *keys, enum tui_action action, struct qf_err *err)
{
	while (*(keys += strspn(keys, " \t"))) {
		size_t n = strcspn(keys, " \t");
		uint32_t key = tui_key_parse(keys, n);

		if (!key) {
			*err = (struct qf_err){.code = QF_E_USAGE};
			snprintf(err->what, sizeof(err->what), "--key: %.*s", (int)(n < 99 ? n : 99),
				 keys);
			snprintf(err->why, sizeof(err->why), "no such key");
			snprintf(err->hint, sizeof(err->hint),
				 "a character, ^A to ^Z, Space, Enter, Esc, Tab, Up, PgDn, F1 and the "
				 "like");
			return QF_E_USAGE;
		}
		if (!bind(map, key, action))
			return no_memory(err);
		keys += n;
	}
	return QF_OK;
}

static enum qf_code
set(struct tui_keymap *map, const char *setting, struct qf_err *err)
{
	const char *equals = strchr(setting, '=');
	size_t n = equals ? (size_t)(equals - setting) : strlen(setting);

	for (int i = TUI_NONE + 1; equals && i < TUI_ACTION_COUNT; i++) {
		if (strlen(rows[i].name) != n || strncmp(rows[i].name, setting, n))
			continue;
		unbind(map, (enum tui_action)i);
		return bind_all(map, equals + 1, (enum tui_action)i, err);
	}
	*err = (struct qf_err){.code = QF_E_USAGE};
	snprintf(err->what, sizeof(err->what), "--key: %.200s", setting);
	snprintf(err->why, sizeof(err->why), equals ? "no such action" : "not ACTION=KEYS");
	snprintf(err->hint, sizeof(err->hint), "qf-tui(1) lists the actions");
	return QF_E_USAGE;
}

enum qf_code
tui_keymap_init(struct tui_keymap *map, const char *const *settings, size_t n, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	*map = (struct tui_keymap){0};
	for (int i = TUI_NONE + 1; i < TUI_ACTION_COUNT && !code; i++)
		code = bind_all(map, rows[i].keys, (enum tui_action)i, err);
	for (size_t i = 0; i < n && !code; i++)
		code = set(map, settings[i], err);
	if (code)
		tui_keymap_release(map);
	return code;
}

void
tui_keymap_release(struct tui_keymap *map)
{
	free(map->bindings);
	*map = (struct tui_keymap){0};
}

enum tui_action
tui_keymap_find(const struct tui_keymap *map, uint32_t key, unsigned where)
{
	for (size_t i = 0; i < map->n; i++)
		if (map->bindings[i].key == key && rows[map->bindings[i].action].flags & where)
			return map->bindings[i].action;
	return TUI_NONE;
}

void
tui_keymap_names(const struct tui_keymap *map, enum tui_action action, struct qf_buf *out)
{
	bool first = true;

	for (size_t i = 0; i < map->n; i++) {
		if (map->bindings[i].action != action)
			continue;
		if (!first)
			qf_buf_addc(out, ' ');
		first = false;
		tui_key_name(map->bindings[i].key, out);
	}
}
