# Postrider's build. `make help` lists what there is.

VERSION := 0.1.0

# --- what can be given on the command line -------------------------------------------------------
PREFIX    ?= /usr/local
DESTDIR   ?=
V         ?= 0
WERROR    ?= 0
SANITIZER ?=
FAILPOINTS ?= 0
ARGS      ?=
BENCH     ?=
PEERS     ?= bullmq@6.7.0 ioredis@6.0.0 nodemailer@10.6.0
TESTS     ?=
SECONDS   ?= 60
# Of the storm.
MAILS    ?= 20000
KILLS    ?= 200
DURATION ?= 120
WORKERS  ?= 4
SEED     ?= 1

comma := ,
BUILD ?= build$(if $(SANITIZER),/san-$(subst $(comma),-,$(SANITIZER)))$(if $(filter 1,$(FAILPOINTS)),/failpoints)

CC       ?= cc
AR       ?= ar
AWK      ?= awk
PKG_CONFIG ?= pkg-config
# Tools of which Debian keeps several versions side by side.
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy

# --- flags -----------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wformat=2 -Wundef
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

ifeq ($(SANITIZER),)
OPTIMIZE := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZER) -fno-sanitize-recover=all
endif
HARDEN_CC := -fstack-protector-strong -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

# Asked of pkg-config when the first recipe needs them and not before: `make help` and `make deps`
# work where neither pkg-config nor the libraries are there yet.
LIBRARIES  := hiredis libcjson gmime-3.0 libcurl libssl libcrypto libcares libmicrohttpd libjwt libpq
PKG_CFLAGS  = $(call once,PKG_CFLAGS,$(PKG_CONFIG) --cflags $(LIBRARIES) && echo $(TLS_FLAG))
PKG_LIBS    = $(call once,PKG_LIBS,$(PKG_CONFIG) --libs $(LIBRARIES) $(TLS_LIBRARY)) -lev
# TLS to Redis where hiredis has it: 1.0 or later.
TLS_FLAG    = `$(PKG_CONFIG) --exists hiredis_ssl && echo -DREDIS_TLS`
TLS_LIBRARY = `$(PKG_CONFIG) --exists hiredis_ssl && echo hiredis_ssl`
TEST_LIBS   = $(call once,TEST_LIBS,$(PKG_CONFIG) --libs cmocka)
once = $(if $(once_$1),,$(eval once_$1 := $$(or $$(strip $$(shell $2)),$$(error libraries are \
       missing: run "make deps"))))$(once_$1)

CPPFLAGS_ALL = -D_GNU_SOURCE -DPOSTRIDER_VERSION='"$(VERSION)"' $(if $(filter 1,$(FAILPOINTS)),-DFAILPOINTS) \
               -Iinclude $(PKG_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL   = -std=gnu11 $(WARNINGS) $(OPTIMIZE) $(HARDEN_CC) $(CFLAGS)
LDFLAGS_ALL  = $(HARDEN_LD) $(if $(SANITIZER),-fsanitize=$(SANITIZER)) $(LDFLAGS)

# --- files -----------------------------------------------------------------------------------------
SOURCES   := $(sort $(wildcard src/*.c src/*/*.c))
# Headers are laid out by hand (include/.clang-format).
C_FILES   := $(SOURCES) $(sort $(wildcard tests/*/*.c))
UNITS     := $(patsubst src/systemd/%.in,%,$(wildcard src/systemd/*.service.in))
BINDIR     = $(PREFIX)/bin
UNITDIR    = $(PREFIX)/lib/systemd/system
SCRIPTS   := $(sort $(filter-out %.lib.lua,$(wildcard lua/*.lua)))
WEB_FOLDERS := $(patsubst %/,%,$(sort $(dir $(wildcard src/web/* src/web/*/*))))
WEB       := $(sort $(filter-out $(WEB_FOLDERS),$(wildcard src/web/* src/web/*/*)))
OBJECTS   := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gen/lua.o $(BUILD)/obj/gen/web.o
MAIN      := $(BUILD)/obj/src/main.o
SUPPORT   := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/support/*.c))
TEST_KINDS := unit integration e2e storm
TEST_PROGRAMS := $(foreach kind,$(TEST_KINDS),$(patsubst %.c,$(BUILD)/%,\
                 $(sort $(wildcard tests/$(kind)/test_*.c))))
FUZZ_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TEST_PROGRAMS += $(FUZZ_PROGRAMS)
STORM     := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/storm/test_%,$(wildcard tests/storm/*.c)))
BREACHES  := fencing order lease begin rate
# As tests/run chooses.
CHOSEN_TESTS := $(if $(TESTS),$(shell for program in $(TEST_PROGRAMS); do \
                case $$program in (*$(TESTS)*) echo $$program ;; esac; done),$(TEST_PROGRAMS))

# --- quiet output ----------------------------------------------------------------------------------
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n' $1 $2
endif

# A nested make gets as many jobs as there are processors, unless the user has said how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))
SUBMAKE = $(MAKE) --no-print-directory $(JOBS)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all programs with-failpoints fuzzers run-fuzzers test storm fuzz bench bench-peers lint format run deps install install-units uninstall clean help FORCE

all: $(BUILD)/postrider ## build the program (the default)

programs: $(BUILD)/postrider $(CHOSEN_TESTS) $(if $(filter %/test_storm,$(CHOSEN_TESTS)),with-failpoints)

# The storm's program has failpoints; those that are broken on purpose prove its checker.
with-failpoints:
	+$(Q)$(SUBMAKE) FAILPOINTS=1 BUILD=$(BUILD)/failpoints $(BUILD)/failpoints/postrider \
		$(BREACHES:%=$(BUILD)/failpoints/broken/%/postrider)

$(BUILD)/broken/%/postrider: tests/storm/break $(MAIN) $(BUILD)/libpostrider.a
	$(call say,BREAK,$@)
	$(Q)tests/storm/break $* $(@D)
	$(Q)$(call embed,lua,$(@D)/lua/,$(SCRIPTS:%=$(@D)/%)) >$(@D)/lua.c
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -w $(LDFLAGS_ALL) -o $@ $(MAIN) \
		$$(find $(@D) -name '*.c') $(BUILD)/libpostrider.a $(PKG_LIBS) $(LDLIBS)

$(BUILD)/postrider: $(MAIN) $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS) $(LDLIBS)

# Made anew each time: ar would keep the objects of files that are gone.
$(BUILD)/libpostrider.a: $(filter-out $(MAIN),$(OBJECTS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/libsupport.a: $(SUPPORT)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/tests/libsupport.a $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS) $(LDLIBS)

$(filter $(BUILD)/tests/storm/%,$(TEST_PROGRAMS)): $(BUILD)/%: $(BUILD)/obj/%.o $(STORM) \
		$(BUILD)/tests/libsupport.a $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS) $(LDLIBS)

$(BUILD)/obj/tests/%.o: CPPFLAGS += -Itests

# The fuzz targets: with what feeds them their corpora, and with libFuzzer.
$(FUZZ_PROGRAMS): $(BUILD)/obj/tests/fuzz/replay.o

fuzzers: $(patsubst $(BUILD)/tests/fuzz/fuzz_%,$(BUILD)/fuzz/%,$(filter $(FUZZ_PROGRAMS),$(CHOSEN_TESTS)))

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/libpostrider.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS) $(LDLIBS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Files in the binary (base/embedded.h): $(call embed,TABLE,ROOT,FILES). The folders themselves are prerequisites
# too: what was removed must go from the binary.
embed = LC_ALL=C $(AWK) -v table='$1' -v root='$2' -f src/base/embed.awk $3

$(BUILD)/gen/lua.c: src/base/embed.awk lua $(wildcard lua/*.lua)
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D) && $(call embed,lua,lua/,$(SCRIPTS)) >$@

$(BUILD)/gen/web.c: src/base/embed.awk $(WEB_FOLDERS) $(WEB)
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D) && $(call embed,web,src/web/,$(WEB)) >$@

# Objects are made anew when the flags change.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))' >$@.new && \
	if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi

# Objects of tests are made by a chain of rules; make would remove them as intermediate.
.SECONDARY:

# --- what one does with it -------------------------------------------------------------------------
deps: ## install what is missing to build, run and test, with the system's package manager
	@.ci/deps build run test

run: ## start a whole fleet on this machine and show it at work (ARGS="--workers 4")
	@.ci/deps build run
	@$(SUBMAKE) all
	@$(BUILD)/postrider up --demo $(ARGS)

test: ## build and run all tests (TESTS=pattern chooses, SANITIZER=address,undefined)
	@.ci/deps build run test
	@$(SUBMAKE) programs
	@POSTRIDER=$(abspath $(BUILD))/postrider TESTS='$(TESTS)' tests/run $(CHOSEN_TESTS)

fuzz: ## run the fuzz targets, each for SECONDS=60 (TESTS=pattern chooses); what breaks stays in their corpora
	@.ci/deps build fuzz
	@$(SUBMAKE) CC=clang WERROR=0 SANITIZER=fuzzer-no-link,address,undefined run-fuzzers

run-fuzzers: fuzzers
	@SECONDS=$(SECONDS) tests/fuzz/run $(BUILD)/fuzz '$(TESTS)'

storm: ## everything goes wrong at once, and a table (MAILS=20000 KILLS=200 DURATION=120 WORKERS=4 SEED=1)
	@.ci/deps build run test
	@$(SUBMAKE) TESTS=storm/test_storm programs
	@MAILS='$(MAILS)' KILLS='$(KILLS)' DURATION='$(DURATION)' WORKERS='$(WORKERS)' SEED='$(SEED)' \
		TEST=test_storm $(BUILD)/tests/storm/test_storm

bench: ## measure what a mail costs (BENCH="--mails 100000 --rounds 5 --only mock,smtp")
	@.ci/deps build run bench
	@$(SUBMAKE) all
	@python3 tests/bench/bench.py $(BUILD)/postrider $(BUILD)/bench.json $(BENCH)

bench-peers: ## the same beside BullMQ and nodemailer, which npm installs into the build directory
	@.ci/deps build run bench
	@$(SUBMAKE) all
	@command -v npm >/dev/null || { echo 'bench-peers needs Node.js and npm'; exit 1; }
	$(Q)npm install --no-audit --no-fund --no-save --silent --prefix $(BUILD)/peers $(PEERS)
	@python3 tests/bench/bench.py $(BUILD)/postrider $(BUILD)/bench.json --peers $(abspath $(BUILD)/peers) $(BENCH)

lint: ## check format, code, include direction, Lua heads, documentation
	@.ci/deps build run test lint
	@$(SUBMAKE) --output-sync=target --keep-going lint-all

format: ## reformat the C files
	@.ci/deps lint
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)

install: all install-units ## install the program and its systemd units (PREFIX=/usr/local, DESTDIR=)
	$(Q)install -d '$(DESTDIR)$(BINDIR)'
	$(Q)install -m 755 $(BUILD)/postrider '$(DESTDIR)$(BINDIR)/postrider'

install-units:
	$(Q)install -d '$(DESTDIR)$(UNITDIR)'
	$(Q)for unit in $(UNITS); do \
		sed -e 's|@BINDIR@|$(BINDIR)|g' -e '/@SANDBOX@/r src/systemd/sandbox.in' -e '/@SANDBOX@/d' \
			"src/systemd/$$unit.in" >'$(DESTDIR)$(UNITDIR)'/$$unit && \
		chmod 644 '$(DESTDIR)$(UNITDIR)'/$$unit || exit 1; \
	done

uninstall: ## remove what install has put there
	$(Q)rm -f '$(DESTDIR)$(BINDIR)/postrider' $(UNITS:%='$(DESTDIR)$(UNITDIR)/%')

clean: ## remove everything that was built
	$(Q)rm -rf build

help: ## print this
	@echo 'make [V=1] [WERROR=1] [SANITIZER=address,undefined] [TARGET]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- lint ------------------------------------------------------------------------------------------
LINTS := $(filter-out %.h,$(sort $(wildcard tests/lint/*)))

.PHONY: lint-all lint-format lint-cppcheck $(LINTS)
lint-all: lint-format lint-cppcheck $(SOURCES:%.c=$(BUILD)/lint/%.tidy) $(LINTS)

lint-format:
	$(call say,FORMAT,'*.c')
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

# Takes seconds a file, so only what has changed (itself or a header of its) is looked at again.
$(BUILD)/lint/%.tidy: %.c .clang-tidy
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D) && $(CC) -MM -MP -MT $@ -MF $@.d -std=gnu11 $(CPPFLAGS_ALL) $<
	$(Q)$(CLANG_TIDY) --quiet --warnings-as-errors='*' $< -- -std=gnu11 \
		$(CPPFLAGS_ALL) 2>$@.log || { cat $@.log; exit 1; }
	$(Q)touch $@

lint-cppcheck:
	$(call say,CPPCHECK,src)
	$(Q)mkdir -p $(BUILD)/lint/cppcheck && cppcheck --quiet --error-exitcode=1 --std=c11 \
		--enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
		--suppress=varFuncNullUB \
		--cppcheck-build-dir=$(BUILD)/lint/cppcheck -D_GNU_SOURCE -DPOSTRIDER_VERSION='""' \
		--include=tests/lint/cppcheck.h -Iinclude src

$(LINTS):
	$(call say,LINT,$(@F))
	$(Q)$@

-include $(SOURCES:%.c=$(BUILD)/lint/%.tidy.d)
-include $(OBJECTS:.o=.d) $(SUPPORT:.o=.d) $(STORM:.o=.d) $(TEST_PROGRAMS:$(BUILD)/%=$(BUILD)/obj/%.d) \
         $(BUILD)/obj/tests/fuzz/replay.d
