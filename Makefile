# qfkit: libqf and qf. GNU make, one makefile, sources found by folder: a new module needs no edit.
#
#	make                      build/qf, build/libqf.a, build/libqf.so.*
#	make SAN=address,undefined    the same with sanitizers, in build-san/
#	make static               build/qf-static
#	make check                what is needed, the build, every test
#	make test-NAME            the unit tests of one module
#	make deb rpm              packages, in build/
#	make acceptance           several sendmail on one queue, replaced fifty times
#	make bench fuzz stress demo docs install uninstall clean
#
# CC=, CFLAGS=, LDFLAGS=, WERROR=1, V=1, WITHOUT_GMIME=1, WITHOUT_LIBARCHIVE=1, WITHOUT_CURL=1,
# WITHOUT_MICROHTTPD=1, BUILD=DIR;
# for install DESTDIR=, PREFIX=.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
NM ?= nm
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g

comma := ,
SAN ?=
ifeq ($(SAN),)
BUILD ?= build
else ifeq ($(SAN),address,undefined)
BUILD ?= build-san
else
BUILD ?= build-san-$(subst $(comma),-,$(SAN))
endif
B := $(BUILD)
Q := $(if $(V),,@)

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

VERSION := $(shell sed -n 's/^\#define QF_VERSION "\(.*\)"$$/\1/p' libqf/qf.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))
SONAME := libqf.so.$(SOVERSION)
SOFILE := libqf.so.$(VERSION)

# ---------------------------------------------------------------- sources

LIB_SRC := $(filter-out %_test.c,$(wildcard libqf/*.c))
TOOL_SRC := $(filter-out %_test.c,$(wildcard tools/*.c tui/*.c))
TEST_SRC := $(wildcard libqf/*_test.c tools/*_test.c tui/*_test.c)
FUZZ_SRC := $(filter-out %/replay.c,$(wildcard test-fixtures/fuzz/*.c))
FUZZ_NAMES := $(basename $(notdir $(FUZZ_SRC)))
ALL_SRC := $(LIB_SRC) $(TOOL_SRC) $(TEST_SRC) $(FUZZ_SRC) $(wildcard test-fixtures/fuzz/replay.c)
HAVE_QF := $(wildcard tools/main.c)

# ---------------------------------------------------------------- libraries

# A package is asked for when a source or header includes its header, so that nothing is linked, or needed,
# that is not used. HEADER-PATTERN:PACKAGE
HEADERS_OF := pcre2.h:libpcre2-8 utf8proc.h:libutf8proc nettle/%:nettle jansson.h:jansson \
	sqlite3.h:sqlite3 curses.h:ncursesw gmime/%:gmime-3.0 archive.h:libarchive \
	curl/%:libcurl microhttpd.h:libmicrohttpd
OPTIONAL := gmime-3.0 libarchive libcurl libmicrohttpd

includes_of = $(if $(1),$(shell sed -n 's/^[[:space:]]*\#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1/p' $(1)))
packages_of = $(foreach h,$(HEADERS_OF),$(if $(filter $(firstword $(subst :, ,$(h))),$(1)),$(lastword $(subst :, ,$(h)))))
have_package = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes)
without = $(if $(filter gmime-3.0,$(1)),$(WITHOUT_GMIME))$(if $(filter libarchive,$(1)),$(WITHOUT_LIBARCHIVE))$(if $(filter libcurl,$(1)),$(WITHOUT_CURL))$(if $(filter libmicrohttpd,$(1)),$(WITHOUT_MICROHTTPD))

LIB_WANTED := $(call packages_of,$(call includes_of,$(LIB_SRC) $(wildcard libqf/*.h)))
QF_WANTED := $(sort $(LIB_WANTED) $(call packages_of,$(call includes_of,$(TOOL_SRC) $(wildcard tools/*.h tui/*.h))))
FOUND := $(foreach p,$(QF_WANTED),$(if $(call without,$(p)),,$(if $(call have_package,$(p)),$(p))))
MISSING := $(filter-out $(FOUND) $(OPTIONAL),$(QF_WANTED))
# Loaded when they are wanted (libqf/late.h), so not linked.
LATE := gmime-3.0 libarchive libcurl libmicrohttpd
LIB_PKGS := $(filter-out $(LATE),$(filter $(FOUND),$(LIB_WANTED)))
QF_PKGS := $(filter $(FOUND),$(QF_WANTED))

PKG_CFLAGS := $(if $(QF_PKGS),$(shell $(PKG_CONFIG) --cflags $(QF_PKGS)))
LIB_LIBS := $(if $(LIB_PKGS),$(shell $(PKG_CONFIG) --libs $(LIB_PKGS)))
QF_LIBS := $(shell $(PKG_CONFIG) --libs $(filter-out $(LATE),$(QF_PKGS)))
DEFINES := $(if $(filter gmime-3.0,$(QF_PKGS)),-DQF_WITH_GMIME) \
	$(if $(filter libarchive,$(QF_PKGS)),-DQF_WITH_ARCHIVE) \
	$(if $(filter libcurl,$(QF_PKGS)),-DQF_WITH_CURL) \
	$(if $(filter libmicrohttpd,$(QF_PKGS)),-DQF_WITH_MICROHTTPD)

# ---------------------------------------------------------------- flags

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	$(if $(WERROR),-Werror)
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# The same objects go into libqf.a, libqf.so and qf. What the shared library exports is decided by
# its version script, so calls inside it need no detour: no semantic interposition.
BASE_FLAGS := -std=c17 -D_GNU_SOURCE -pthread -fPIC -fno-semantic-interposition -I. \
	$(WARNINGS) $(CFLAGS) $(SAN_FLAGS)
COMPILE_FLAGS := $(BASE_FLAGS) $(CPPFLAGS) $(DEFINES) $(PKG_CFLAGS)
LINK_FLAGS := -pthread $(CFLAGS) $(SAN_FLAGS) -Wl,--as-needed $(LDFLAGS)

# ---------------------------------------------------------------- rules for one set of objects

say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')
write_if_changed = mkdir -p $(@D) && printf '%s\n' '$(1)' >$@.new && \
	{ cmp -s $@.new $@ && rm -f $@.new || mv -f $@.new $@; }

# $(call objects_in,FOLDER,SOURCES)
objects_in = $(patsubst %.c,$(1)/%.o,$(2))

# $(call object_rules,FOLDER,FLAGS): everything compiled with these flags lies in the folder, and is
# compiled anew when they change.
define object_rules
$(1)/flags: FORCE
	@$$(if $$(MISSING),echo 'missing: $$(MISSING). Run: scripts/install-deps build' >&2; exit 1)
	@$$(call write_if_changed,$$(CC) $(2))

$(1)/%.o: %.c $(1)/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $(2) -MMD -MP -c -o $$@ $$<

-include $$(patsubst %.o,%.d,$$(call objects_in,$(1),$$(ALL_SRC)))
endef

OBJ := $(B)/obj
$(eval $(call object_rules,$(OBJ),$(COMPILE_FLAGS)))

LIB_OBJ := $(call objects_in,$(OBJ),$(LIB_SRC))
TOOL_OBJ := $(call objects_in,$(OBJ),$(TOOL_SRC))
TEST_OBJ := $(call objects_in,$(OBJ),$(TEST_SRC))

# What goes into a product, and how: it is linked anew when a source comes or goes.
$(B)/lib.list: FORCE
	@$(call write_if_changed,$(LINK_FLAGS) $(LIB_OBJ) $(LIB_LIBS))
$(B)/qf.list: FORCE
	@$(call write_if_changed,$(LINK_FLAGS) $(TOOL_OBJ) $(QF_LIBS))
$(B)/unit.list: FORCE
	@$(call write_if_changed,$(LINK_FLAGS) $(TEST_OBJ) $(QF_LIBS))

# ---------------------------------------------------------------- products

.PHONY: all
all: $(B)/libqf.a $(B)/libqf.so $(B)/qf.pc $(if $(HAVE_QF),$(B)/qf)

$(B)/libqf.a: $(LIB_OBJ) $(B)/lib.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

# Exactly the functions that qf.h declares are exported.
$(B)/libqf.map: libqf/qf.h scripts/check-exports
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)CC='$(CC)' scripts/check-exports --map libqf/qf.h >$@

$(B)/$(SOFILE): $(LIB_OBJ) $(B)/lib.list $(B)/libqf.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(B)/libqf.map \
		$(LINK_FLAGS) -o $@ $(LIB_OBJ) $(LIB_LIBS)

$(B)/libqf.so: $(B)/$(SOFILE)
	$(Q)ln -sf $(SOFILE) $(B)/$(SONAME) && ln -sf $(SONAME) $@

$(B)/qf.pc: libqf/qf.pc.in $(B)/pc.list
	$(call say,GEN,$@)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@REQUIRES@|$(LIB_PKGS)|' $< >$@

$(B)/pc.list: FORCE
	@$(call write_if_changed,$(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(VERSION) $(LIB_PKGS))

$(B)/qf: $(TOOL_OBJ) $(B)/libqf.a $(B)/qf.list
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $(TOOL_OBJ) $(B)/libqf.a $(QF_LIBS)

# ---------------------------------------------------------------- one static executable

# Objects of their own: what cannot be linked statically is left out of them.
STATIC_PKGS := $(filter-out $(LATE),$(QF_PKGS))
STATIC_OBJ := $(B)/obj-static
STATIC_FLAGS := $(BASE_FLAGS) $(CPPFLAGS) -DQF_STATIC \
	$(if $(STATIC_PKGS),$(shell $(PKG_CONFIG) --cflags $(STATIC_PKGS)))
STATIC_LIBS = $(if $(STATIC_PKGS),$(shell $(PKG_CONFIG) --static --libs $(STATIC_PKGS)))
$(eval $(call object_rules,$(STATIC_OBJ),$(STATIC_FLAGS)))
STATIC_ALL := $(call objects_in,$(STATIC_OBJ),$(LIB_SRC) $(TOOL_SRC))

.PHONY: static
static: $(if $(HAVE_QF),$(B)/qf-static)

$(B)/static.list: FORCE
	@$(call write_if_changed,$(LINK_FLAGS) $(STATIC_ALL))
$(B)/qf-static: $(STATIC_ALL) $(B)/static.list
	$(call say,LD,$@)
	$(Q)$(CC) -static-pie $(LINK_FLAGS) -o $@ $(STATIC_ALL) $(STATIC_LIBS)

# ---------------------------------------------------------------- tests

# Tests link the archive, so that they reach what the shared library hides.
TESTED_OBJ := $(filter-out $(OBJ)/tools/main.o,$(TOOL_OBJ))
HAVE_CRITERION := $(call have_package,criterion)
CRITERION_LIBS = $(shell $(PKG_CONFIG) --libs criterion)
LEAK_OBJ := $(if $(findstring address,$(SAN)),$(OBJ)/test-fixtures/leak_check.o)

.PHONY: tests
tests: $(if $(HAVE_CRITERION),$(if $(TEST_SRC),$(B)/tests/unit)) \
	$(FUZZ_NAMES:%=$(B)/tests/replay-%)

$(B)/tests/unit: $(TEST_OBJ) $(TESTED_OBJ) $(LEAK_OBJ) $(B)/libqf.a $(B)/unit.list
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $(TEST_OBJ) $(TESTED_OBJ) $(LEAK_OBJ) $(B)/libqf.a \
		$(QF_LIBS) $(CRITERION_LIBS)

# The tests of one module, for the time while it is written: make test-lex
$(B)/tests/%_test: $(OBJ)/libqf/%_test.o $(LEAK_OBJ) $(B)/libqf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $< $(LEAK_OBJ) $(B)/libqf.a $(QF_LIBS) $(CRITERION_LIBS)

test-%: $(B)/tests/%_test
	$<

# A fuzz target as a program that runs kept inputs, with any compiler.
$(B)/tests/replay-%: $(OBJ)/test-fixtures/fuzz/%.o $(OBJ)/test-fixtures/fuzz/replay.o $(B)/libqf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $(filter %.o,$^) $(B)/libqf.a $(LIB_LIBS)

# The same with libFuzzer: what scripts/fuzz builds, with CC=clang and a BUILD of its own.
.PHONY: fuzz-targets
fuzz-targets: $(FUZZ_NAMES:%=$(B)/fuzz/%)

$(B)/fuzz/%: $(OBJ)/test-fixtures/fuzz/%.o $(B)/libqf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -fsanitize=fuzzer -o $@ $< $(B)/libqf.a $(LIB_LIBS)

.PHONY: check acceptance bench fuzz stress demo docs
check:
	+@scripts/run-tests --check

# The shared-queue system with fifty replaced daemons; make check has the small form.
acceptance: all
	QF=$(abspath $(B))/qf QF_BUILD=$(abspath $(B)) QF_FIXTURES=$(CURDIR)/test-fixtures \
		QF_CORPUS=$(CURDIR)/test-fixtures/queues TZ=UTC LC_ALL=C.UTF-8 \
		test-fixtures/stress/acceptance.t

bench: all
	scripts/bench $(B)

fuzz:
	+@scripts/fuzz

stress:
	+@scripts/run-tests --stress

demo:
	@scripts/demo

# What pages and completion say of options, from the program itself.
docs: all
	scripts/gen-docs $(B)/qf

# ---------------------------------------------------------------- installing

.PHONY: install uninstall clean
MAN_PAGES := $(wildcard docs/man/*.[0-9])
COMPLETION := $(wildcard scripts/completion/qf.bash)
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
man_target = $(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
INSTALLED := $(BINDIR)/qf $(BINDIR)/rollback-salvage $(LIBDIR)/libqf.a $(LIBDIR)/$(SOFILE) $(LIBDIR)/$(SONAME) \
	$(LIBDIR)/libqf.so $(LIBDIR)/pkgconfig/qf.pc $(INCLUDEDIR)/libqf/qf.h \
	$(foreach m,$(MAN_PAGES),$(call man_target,$(m))) $(if $(COMPLETION),$(COMPLETIONDIR)/qf) \
	$(ZSHDIR)/_qf $(FISHDIR)/qf.fish

# What qf.pc says of places is decided here, by the PREFIX that is installed with.
PC_VALUES := -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	-e 's|@VERSION@|$(VERSION)|' -e 's|@REQUIRES@|$(LIB_PKGS)|'

install: all
	+@$(MAKE) --no-print-directory install-only

# Of what was built before.
.PHONY: install-only deb rpm
install-only:
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/libqf
	$(if $(HAVE_QF),install -m 755 $(B)/qf $(DESTDIR)$(BINDIR)/qf)
	install -m 644 $(B)/libqf.a $(DESTDIR)$(LIBDIR)/libqf.a
	install -m 755 $(B)/$(SOFILE) $(DESTDIR)$(LIBDIR)/$(SOFILE)
	ln -sf $(SOFILE) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libqf.so
	sed $(PC_VALUES) libqf/qf.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/qf.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/qf.pc
	install -m 644 libqf/qf.h $(DESTDIR)$(INCLUDEDIR)/libqf/qf.h
	$(foreach m,$(MAN_PAGES),install -D -m 644 $(m) $(DESTDIR)$(call man_target,$(m)) &&) :
	$(if $(COMPLETION),install -D -m 644 $(COMPLETION) $(DESTDIR)$(COMPLETIONDIR)/qf)
	install -D -m 755 scripts/rollback-salvage $(DESTDIR)$(BINDIR)/rollback-salvage
	install -D -m 644 scripts/completion/_qf $(DESTDIR)$(ZSHDIR)/_qf
	install -D -m 644 scripts/completion/qf.fish $(DESTDIR)$(FISHDIR)/qf.fish

# A package of the same, in build/: scripts/package.
deb rpm: all
	rm -rf $(B)/$@
	scripts/stage $(B) $(abspath $(B))/$@ $@
	scripts/package $@ $(B) $(abspath $(B))/$@
	rm -rf $(B)/$@

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(DESTDIR)$(INCLUDEDIR)/libqf 2>/dev/null

clean:
	rm -rf build build-san build-san-* build-fuzz

.PHONY: FORCE
FORCE:
