# mailsled - see `make help`
BUILD   ?= build
Q        = $(if $(V),,@)
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
VERSION  = 0.1.0

# Library, and the Debian package that has it; named when pkg-config misses it.
PKGS     = openssl:libssl-dev zlib:zlib1g-dev libarchive:libarchive-dev \
           sqlite3:libsqlite3-dev libuv:libuv1-dev inih:libinih-dev \
           jansson:libjansson-dev libmnl:libmnl-dev
# The reading side alone needs these; WITH_READER=0 leaves it out.
WITH_READER ?= 1
READER_PKGS = gmime-3.0:libgmime-3.0-dev libxml-2.0:libxml2-dev \
              libmicrohttpd:libmicrohttpd-dev
ifneq ($(WITH_READER),0)
ALL_PKGS = $(PKGS) $(READER_PKGS)
READER   = $(BUILD)/mailsled-reader
else
ALL_PKGS = $(PKGS)
endif
LIBS     = $(foreach p,$(PKGS),$(firstword $(subst :, ,$(p))))
ifeq ($(filter clean help format,$(MAKECMDGOALS)),)
ifeq ($(shell command -v pkg-config),)
$(error pkg-config is missing: apt-get install pkg-config)
endif
MISSING := $(foreach p,$(ALL_PKGS),$(shell pkg-config --exists \
  $(firstword $(subst :, ,$(p))) || echo $(lastword $(subst :, ,$(p)))))
ifneq ($(strip $(MISSING)),)
$(error libraries are missing: apt-get install $(strip $(MISSING)))
endif
LIBFLAGS := $(shell pkg-config --cflags $(LIBS))
LDLIBS   := $(shell pkg-config --libs $(LIBS)) -lpthread -lm
ifdef READER
READER_LIBS   = $(foreach p,$(READER_PKGS),$(firstword $(subst :, ,$(p))))
READER_FLAGS := $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(READER_LIBS)))
READER_LDLIBS := $(shell pkg-config --libs $(READER_LIBS))
endif
endif

STD      = -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude -Isrc \
           -DSLED_VERSION='"$(VERSION)"' $(LIBFLAGS)
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wvla \
           -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
           -Wwrite-strings -Wpointer-arith -Wformat=2 -Wundef -Wswitch-enum \
           -Wnull-dereference -Wdouble-promotion -fno-common
HARDEN   = -fstack-protector-strong -fPIE
LINK     = $(LDFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef DEV
WARN    += -Werror
endif
ifdef SANITIZE
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
else ifdef TSAN
CFLAGS  += -fsanitize=thread -fno-sanitize-recover=all
LDFLAGS += -fsanitize=thread
else
HARDEN  += -D_FORTIFY_SOURCE=2
endif

# The reader's sources: a program of its own, so that a visit loads none of it.
READ_SRC = $(sort $(wildcard src/reader/*.c src/serve/*.c src/cli/read_*.c))
READ_HDR = include/mailsled/reader.h include/mailsled/serve.h \
           $(sort $(wildcard src/reader/*.h src/serve/*.h src/cli/read*.h))
CORE_SRC = $(filter-out $(READ_SRC),$(sort $(wildcard src/*/*.c)))
SRC      = $(CORE_SRC) $(if $(READER),$(READ_SRC))
HDR      = $(filter-out $(if $(READER),,$(READ_HDR)),$(sort $(wildcard include/mailsled/*.h src/*/*.h)))
OBJ      = $(SRC:src/%.c=$(BUILD)/%.o)
LIBOBJ   = $(filter-out $(BUILD)/cli/main.o,$(CORE_SRC:src/%.c=$(BUILD)/%.o))
READ_OBJ = $(filter-out $(BUILD)/cli/read_main.o,$(READ_SRC:src/%.c=$(BUILD)/%.o))
READ_TESTS = $(wildcard tests/unit/test_reader_*.c tests/unit/test_serve_*.c)
TESTS    = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter-out $(if $(READER),,$(READ_TESTS)),$(wildcard tests/unit/test_*.c)))
SUPPORT  = $(patsubst tests/support/%.c,$(BUILD)/support/%.o,$(wildcard tests/support/fx_*.c))
CRASH    = $(patsubst tests/torture/%.c,$(BUILD)/torture/%.o,$(wildcard tests/torture/crash_*.c))
BENCH    = $(BUILD)/bench/link $(BUILD)/bench/floor $(BUILD)/bench/fill
POP3D    = $(patsubst tests/support/%.c,$(BUILD)/support/%.o,$(wildcard tests/support/pop3d*.c))
ENGINES  = pop3 bodyhash intake

.PHONY: all check check-all check-unit check-e2e check-layers check-headers \
        check-symbols check-dele check-protocol check-format check-tidy \
        check-cppcheck check-crash check-threads torture analyze fuzz bench \
        format install uninstall help clean
all: $(BUILD)/mailsled $(READER) $(BUILD)/pop3d ## build the program and the demo server (WITH_READER=0: no search)

$(BUILD)/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/support/%.o: tests/support/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -Itests/support $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/libmailsled.a: $(LIBOBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(BUILD)/mailsled: $(BUILD)/cli/main.o $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LDLIBS)
$(READ_SRC:src/%.c=$(BUILD)/%.o): LIBFLAGS += $(READER_FLAGS)
$(BUILD)/serve/files.o: src/serve/page.css src/serve/page.js src/serve/icon.svg
$(BUILD)/libreader.a: $(READ_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(BUILD)/mailsled-reader: $(BUILD)/cli/read_main.o $(BUILD)/libreader.a $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LDLIBS) $(READER_LDLIBS)
$(BUILD)/pop3d: $(POP3D)
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LDLIBS)
# Weeks of `mailsled run` in minutes: a test's, never installed.
$(BUILD)/mailsled-fast: $(BUILD)/cli/main.o $(BUILD)/support/fast_clock.o $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) -Wl,--wrap=timerfd_settime -Wl,--wrap=read \
	  -Wl,--wrap=uv_timer_start -o $@ $^ $(LDLIBS)
$(BUILD)/unit/%: tests/unit/%.c $(SUPPORT) $(BUILD)/libmailsled.a Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -Itests/support $(HARDEN) $(CFLAGS) -MMD -MP $(LINK) -o $@ $< \
	  $(SUPPORT) $(BUILD)/libmailsled.a $(LDLIBS) -lcmocka
$(READ_TESTS:tests/unit/%.c=$(BUILD)/unit/%): $(BUILD)/unit/%: tests/unit/%.c $(SUPPORT) $(BUILD)/libreader.a $(BUILD)/libmailsled.a Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(READER_FLAGS) -Itests/support $(HARDEN) $(CFLAGS) -MMD -MP $(LINK) -o $@ $< \
	  $(SUPPORT) $(BUILD)/libreader.a $(BUILD)/libmailsled.a $(LDLIBS) $(READER_LDLIBS) -lcmocka
$(BUILD)/bench/fill: tests/bench/fill.c $(BUILD)/libmailsled.a Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP $(LINK) -o $@ $< $(BUILD)/libmailsled.a $(LDLIBS)
$(BUILD)/bench/%: tests/bench/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP $(LINK) -o $@ $< $(LDLIBS)
# Between the modules: threads become calls, and mistakes can be made.
WRAP     = sled_hash_equal sled_member_compare sled_ledger_unhold sled_worker_new \
           sled_worker_submit sled_worker_wait sled_worker_free
$(BUILD)/torture/%.o: tests/torture/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -Itests/support $(WARN) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/torture/faults: WRAP += malloc calloc realloc strdup
$(BUILD)/torture/crash: %: %.o $(CRASH) $(SUPPORT) $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) $(WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS) -lcmocka
$(BUILD)/torture/histories: WRAP += sled_clock_now sled_hash_random \
  sled_mounts_filesystem sled_mounts_expected
$(BUILD)/torture/histories: %: %.o $(BUILD)/torture/crash_wrap.o $(SUPPORT) $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) $(WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS) -lcmocka
$(BUILD)/torture/faults.o: LIBFLAGS += $(if $(READER),-DWITH_READER $(READER_FLAGS))
$(BUILD)/torture/faults: %: %.o %_cli.o $(CRASH) $(SUPPORT) $(if $(READER),$(BUILD)/libreader.a) $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) $(WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS) $(READER_LDLIBS) -lcmocka
# mailsled itself, forked instead of loaded for each of many visits.
$(BUILD)/torture/ready: $(BUILD)/torture/ready.o $(BUILD)/cli/main.o $(BUILD)/libmailsled.a
	$(Q)$(CC) $(CFLAGS) $(LINK) -Wl,--wrap=main -Wl,--wrap=uv_timer_start -o $@ $^ $(LDLIBS)
$(BUILD)/torture/killer: $(BUILD)/torture/killer.o
	$(Q)$(CC) $(CFLAGS) $(LINK) -o $@ $<
$(BUILD)/torture/forgetful: tests/torture/forgetful.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARN) $(HARDEN) \
	  $(CFLAGS) $$(pkg-config --cflags fuse3) $(LINK) -o $@ $< $$(pkg-config --libs fuse3)
.SECONDARY: $(SUPPORT) $(CRASH)
-include $(OBJ:.o=.d) $(SUPPORT:.o=.d) $(wildcard $(BUILD)/torture/*.d) $(TESTS:=.d) $(POP3D:.o=.d) $(BENCH:=.d)

check: ## every check of a change: lint, units, end to end
	@sh tests/run.sh check "$(MAKE)" "$(BUILD)"
check-all: ## check, and what takes longer
	@sh tests/run.sh check-all "$(MAKE)" "$(BUILD)"
check-unit: $(TESTS) ## cmocka suites (T=pop3_replay runs one)
	@sh tests/units.sh $(if $(T),$(BUILD)/unit/test_$(T),$^)
check-e2e: all $(BENCH) $(BUILD)/mailsled-fast $(BUILD)/torture/ready ## whole visits against real servers (T=name runs one)
	@BUILD=$(BUILD) python3 tests/e2e/run.py $(T)
TORTURE  = $(addprefix $(BUILD)/torture/,crash faults histories killer ready)
FORGET  := $(if $(shell pkg-config --exists fuse3 && echo y),$(BUILD)/torture/forgetful)
check-crash: all $(TORTURE) ## 500 states of a power cut, some faults, some kills
	@BUILD=$(BUILD) sh tests/torture/run.sh check
torture: all $(TORTURE) $(FORGET) $(BUILD)/mailsled-fast ## every crash state, mutant, fault, kill, cut of line or power (T=part)
	@BUILD=$(BUILD) sh tests/torture/run.sh torture $(T)
check-threads: ## ThreadSanitizer and helgrind over store, session and loop tests
	@sh tests/torture/threads.sh "$(MAKE)" "$(BUILD)"
check-layers: ## includes point down the stack only
	@awk -f tests/lint/check_layers.awk tests/lint/layers.txt $(SRC) $(HDR)
check-headers: ## each header compiles alone
	@for h in $(HDR); do printf '#include "%s"\n' $$PWD/$$h | \
	  $(CC) $(STD) $(READER_FLAGS) $(WARN) -Werror -fsyntax-only -x c - || exit 1; done; \
	  echo "headers: each compiles alone"
check-symbols: $(BUILD)/libmailsled.a $(if $(READER),$(BUILD)/libreader.a) ## exports are sled_*; engines call no kernel
	@sh tests/lint/check_symbols.sh $(BUILD) $(ENGINES)
check-dele: ## DELE has one caller in the tree
	@sh tests/lint/check_dele.sh
check-protocol: ## each promise of mailsled-protocol(7) is cited by code and by a test
	@sh tests/lint/check_protocol.sh
check-format: ## clang-format would change nothing
	@clang-format --dry-run -Werror $(SRC) $(HDR) && echo "format: clean"
check-tidy: ## clang-tidy 14 with .clang-tidy
	@clang-tidy --quiet $(SRC) -- $(STD) $(READER_FLAGS) && echo "tidy: clean"
# ctuuninitvar takes each out parameter of another file for one that is read.
check-cppcheck: ## cppcheck
	@cppcheck --quiet --enable=warning,performance,portability --inline-suppr \
	  --suppress=ctuuninitvar \
	  --std=c11 --error-exitcode=1 -Iinclude -Isrc $(SRC) && echo "cppcheck: clean"
analyze: ## gcc -fanalyzer over the sources
	@$(MAKE) BUILD=$(BUILD)-analyze CFLAGS="-O1 -g -fanalyzer" $(BUILD)-analyze/libmailsled.a
fuzz: ## libFuzzer over each parser of foreign bytes (TIME=60 seconds each)
	@sh tests/fuzz/run.sh "$(BUILD)" "$(or $(TIME),60)"
bench: all $(BENCH) ## side by side with others on poor links (W="poll small", W=all)
	@$(if $(filter search,$(W)),BUILD=$(BUILD) python3 tests/bench/search.py)
	@$(if $(filter-out search,$(or $(W),-)),BUILD=$(BUILD) python3 tests/bench/bench.py $(filter-out search,$(W)))
format: ## rewrite with clang-format
	clang-format -i $(SRC) $(HDR)
LIBEXEC  = $(DESTDIR)$(PREFIX)/libexec/mailsled
EXAMPLES = $(DESTDIR)$(PREFIX)/share/doc/mailsled/examples
install: all ## program, man pages, completion, hooks (DESTDIR= PREFIX=/usr/local)
	install -D -m 0644 -t $(EXAMPLES)/systemd packaging/systemd/*
	install -D -m 0755 -t $(EXAMPLES)/hooks packaging/hooks/*
	install -D -m 0644 -t $(EXAMPLES) packaging/links.ini
	install -D -m 0755 $(BUILD)/mailsled $(DESTDIR)$(PREFIX)/bin/mailsled
	$(if $(READER),install -D -m 0755 $(READER) $(LIBEXEC)/mailsled-reader)
	install -D -m 0644 packaging/man/mailsled.1 $(DESTDIR)$(PREFIX)/share/man/man1/mailsled.1
	install -D -m 0644 packaging/man/mailsled.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/mailsled.conf.5
	install -D -m 0644 packaging/man/mailsled-protocol.7 \
	  $(DESTDIR)$(PREFIX)/share/man/man7/mailsled-protocol.7
	install -D -m 0644 packaging/completion/mailsled.bash \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mailsled
uninstall: ## take away what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/mailsled $(DESTDIR)$(PREFIX)/share/man/man1/mailsled.1 \
	  $(DESTDIR)$(PREFIX)/share/man/man5/mailsled.conf.5 \
	  $(DESTDIR)$(PREFIX)/share/man/man7/mailsled-protocol.7 \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mailsled
	rm -rf $(EXAMPLES) $(LIBEXEC)
clean: ## remove build/
	rm -rf $(BUILD)
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile
