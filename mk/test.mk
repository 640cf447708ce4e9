# SPDX-License-Identifier: MIT
# Test programs: tests/unit holds test_*.c, each one Check program; the other .c files there are
# shared by all of them. tests/contract programs are started by the integration tests.

PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 30
SOAK_SECONDS ?= 600

suites := unit
test_sources := $(wildcard $(suites:%=tests/%/test_*.c))
support_sources := $(filter-out $(test_sources),$(wildcard $(suites:%=tests/%/*.c)))
contract_sources := $(wildcard tests/contract/*.c)
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)

# Every allocation fails once: tests/memory. The linker puts a seam into the daemon's start.
memory_shared := tests/memory/main.c tests/memory/failing.c
memory_programs := $(patsubst %.c,$(BUILD)/%,$(filter-out $(memory_shared),$(wildcard tests/memory/*.c)))
# 1: each allocation, 0: as many of each scenario as take some seconds.
MEMORY_EVERY ?= 0

test_programs := $(test_sources:%.c=$(BUILD)/%)
contract_programs := $(if $(contract_sources),$(BUILD)/tests/contract/contract)
fuzz_replays := $(fuzz_sources:%.c=$(BUILD)/%)
support := $(BUILD)/tests/libsupport.a

test_flags = $(patsubst -I%,-isystem %,$(CHECK_CFLAGS)) -Itests
# private: flags.txt, which every object needs, is about all of them.
$(BUILD)/tests/%.o: private EXTRA_CFLAGS = $(test_flags)

$(support): $(support_sources:%.c=$(BUILD)/%.o) $(BUILD)/tests/sources.txt
	$(archive)
$(BUILD)/tests/sources.txt: FORCE
	$(call write_if_changed,$(support_sources))

link_test = $(link) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CHECK_LIBS) $(EF_LIBS)

$(test_programs): $(BUILD)/%: $(BUILD)/%.o $(support) $(ctl_lib) $(lib)
	@echo '  LD   $@'
	$(Q)$(link_test)
$(BUILD)/tests/contract/contract: $(contract_sources:%.c=$(BUILD)/%.o) $(support) $(ctl_lib) $(lib)
	@echo '  LD   $@'
	$(Q)$(link_test)
$(fuzz_replays): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fuzz/driver.o $(ctl_lib) $(lib)
	@echo '  LD   $@'
	$(Q)$(link_test)

# Its own allocator stands before the C library's, so it is linked as a whole program.
$(memory_programs): $(BUILD)/%: $(BUILD)/%.o $(memory_shared:%.c=$(BUILD)/%.o) $(ctl_lib) $(lib)
	@echo '  LD   $@'
	$(Q)$(link) $(if $(filter %/start,$@),-Wl$(comma)--wrap=ef_systemd_ready) -o $@ \
	    $(filter %.o,$^) $(filter %.a,$^) $(EF_LIBS)
# It runs before the sanitizers have set themselves up.
ifneq ($(findstring address,$(EF_SANITIZE)),)
$(BUILD)/tests/memory/failing.o: private CPPFLAGS += -DEF_ADDRESS_SANITIZER
$(BUILD)/tests/memory/failing.o: private sanitize_flags :=
endif

.PHONY: check check-unit check-memory check-integration check-packaging check-packages asan tsan fuzz bench demo
.PHONY: asan-integration tsan-integration stress soak bench-restarts bench-poison
.PHONY: tests
tests: $(test_programs) $(contract_programs) $(fuzz_replays) $(memory_programs)

ifdef EF_GATE_PASSED
check-unit: tests
	@scripts/run-unit $(test_programs) -- $(fuzz_replays)

check-memory: $(memory_programs)
	@for program in $(memory_programs); do $$program --every $(MEMORY_EVERY) || exit 1; done

check-integration: all tests
	@EF_BUILD='$(EF_BUILD_DIR)' $(PYTHON) -m pytest tests/integration $(PYTEST_FLAGS)

check-packaging: all
	@EF_BUILD='$(abspath $(BUILD))' $(PYTHON) -m pytest -p no:cacheprovider tests/packaging $(PYTEST_FLAGS)

# The package's own unit tests are left out: whoever runs this has run them.
check-packages: export DEB_BUILD_OPTIONS ?= nocheck
check-packages: all
	@$(MAKE) --no-print-directory deb
	@scripts/lint-deb build/deb
	@RPM_CHECK=no RPM_DIST=.newer $(MAKE) --no-print-directory rpm PACKAGES=build/newer
	@RPM_CHECK=no $(MAKE) --no-print-directory rpm
	@scripts/lint-rpm build/rpm
	@EF_BUILD='$(abspath $(BUILD))' EF_DEBS='$(abspath build/deb)' EF_RPMS='$(abspath build/rpm)' \
	    EF_NEWER_RPMS='$(abspath build/newer/rpm)' $(PYTHON) -m pytest tests/packages $(PYTEST_FLAGS)

# In this order: the quick ones first, and one after the other even with -j.
check: all tests
	@$(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory check-memory
	@$(MAKE) --no-print-directory check-sim
	@$(MAKE) --no-print-directory check-packaging
	@$(MAKE) --no-print-directory check-integration
	@$(MAKE) --no-print-directory check-chaos

# Sanitized code is slower by some times.
asan: export EF_TEST_TIMEOUT_SCALE ?= 4
asan:
	@$(MAKE) --no-print-directory BUILD=build-asan EF_SANITIZE=address,undefined all check-unit \
	    check-sim check-memory SIM_FLAGS='--count 600'

# ThreadSanitizer halts at the first race; tests/thread-sanitizer says what it does not look at.
tsan: export EF_TEST_TIMEOUT_SCALE ?= 8
tsan: export TSAN_OPTIONS ?= $(tsan_options)
tsan:
	@$(MAKE) --no-print-directory BUILD=build-tsan EF_SANITIZE=thread all check-unit check-sim \
	    SIM_FLAGS='--count 600'

# The integration tests with a sanitized daemon.
asan-integration: export EF_TEST_TIMEOUT_SCALE ?= 4
# (tests preload libfaketime, which then stands before the sanitizer)
asan-integration: export ASAN_OPTIONS ?= detect_leaks=1:strict_string_checks=1:verify_asan_link_order=0
asan-integration: export LSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/leak-sanitizer
asan-integration: export UBSAN_OPTIONS ?= print_stacktrace=1
asan-integration:
	@$(MAKE) --no-print-directory BUILD=build-asan EF_SANITIZE=address,undefined check-integration

tsan-integration: export EF_TEST_TIMEOUT_SCALE ?= 8
tsan-integration: export TSAN_OPTIONS ?= $(tsan_options)
tsan-integration:
	@$(MAKE) --no-print-directory BUILD=build-tsan EF_SANITIZE=thread check-integration

tsan_options = halt_on_error=1:ignore_noninstrumented_modules=1:suppressions=$(CURDIR)/tests/thread-sanitizer

# libFuzzer is clang's.
fuzz:
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang EF_SANITIZE=fuzzer-no-link,address \
	    run-fuzz

bench: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/run $(BENCH_FLAGS)

bench-restarts: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/restarts $(BENCH_FLAGS)

bench-poison: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/poison $(BENCH_FLAGS)

stress: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/stress $(STRESS_FLAGS)

soak: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/soak --seconds $(SOAK_SECONDS) $(SOAK_FLAGS)

demo: all
	@EF_BUILD='$(EF_BUILD_DIR)' scripts/demo
endif
# EF_BUILD points the integration tests at another build, such as build-asan.
EF_BUILD_DIR = $(abspath $(or $(EF_BUILD),$(BUILD)))

fuzzers := $(fuzz_sources:tests/fuzz/%.c=$(BUILD)/fuzzers/%)
$(fuzzers): $(BUILD)/fuzzers/%: $(BUILD)/tests/fuzz/%.o $(ctl_lib) $(lib)
	@echo '  LD   $@'
	@mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(EF_LIBS)

# What a database answers: the drivers as they are, over connections that are not there.
no_connection = $(1:%=-Wl,--wrap=ef_%_conn_submit) $(1:%=-Wl,--wrap=ef_%_conn_ready) \
    $(1:%=-Wl,--wrap=ef_%_conn_start) $(1:%=-Wl,--wrap=ef_%_conn_stop) \
    $(1:%=-Wl,--wrap=ef_%_conn_pause) $(1:%=-Wl,--wrap=ef_%_conn_continue)
pg_answer := $(BUILD)/tests/fuzz/fuzz_pg_answer $(BUILD)/fuzzers/fuzz_pg_answer
my_answer := $(BUILD)/tests/fuzz/fuzz_my_answer $(BUILD)/fuzzers/fuzz_my_answer
$(pg_answer) $(my_answer): $(BUILD)/tests/fuzz/verbs.o
$(pg_answer): private EXTRA_LDFLAGS += $(call no_connection,pg) -Wl,--wrap=PQgetvalue
$(my_answer): private EXTRA_LDFLAGS += $(call no_connection,my)
# Its complaints are counted, not printed.
$(BUILD)/tests/fuzz/fuzz_dead $(BUILD)/fuzzers/fuzz_dead: private \
    EXTRA_LDFLAGS += -Wl,--wrap=ef_ctl_complain

.PHONY: run-fuzz
run-fuzz: $(fuzzers)
	@scripts/run-fuzz $(FUZZ_SECONDS) $(fuzzers)
