# SPDX-License-Identifier: MIT
# Test programs: tests/unit holds test_*.c, each one Check program; the other .c files there are
# shared by all of them. tests/contract programs are started by the integration tests.

PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 30

suites := unit
test_sources := $(wildcard $(suites:%=tests/%/test_*.c))
support_sources := $(filter-out $(test_sources),$(wildcard $(suites:%=tests/%/*.c)))
contract_sources := $(wildcard tests/contract/*.c)
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)

test_programs := $(test_sources:%.c=$(BUILD)/%)
contract_programs := $(if $(contract_sources),$(BUILD)/tests/contract/contract)
fuzz_replays := $(fuzz_sources:%.c=$(BUILD)/%)
support := $(BUILD)/tests/libsupport.a

test_flags = $(patsubst -I%,-isystem %,$(CHECK_CFLAGS)) -Itests
$(BUILD)/tests/%.o: EXTRA_CFLAGS = $(test_flags)

$(support): $(support_sources:%.c=$(BUILD)/%.o) $(BUILD)/tests/sources.txt
	$(archive)
$(BUILD)/tests/sources.txt: FORCE
	$(call write_if_changed,$(support_sources))

link_test = $(link) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CHECK_LIBS) $(EF_LIBS)

$(test_programs): $(BUILD)/%: $(BUILD)/%.o $(support) $(ctl_lib) $(lib)
	@echo '  LD   $@'
	@$(link_test)
$(BUILD)/tests/contract/contract: $(contract_sources:%.c=$(BUILD)/%.o) $(support) $(ctl_lib) $(lib)
	@echo '  LD   $@'
	@$(link_test)
$(fuzz_replays): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fuzz/driver.o $(ctl_lib) $(lib)
	@echo '  LD   $@'
	@$(link_test)

.PHONY: check check-unit check-integration check-packaging check-packages asan fuzz bench demo
.PHONY: tests
tests: $(test_programs) $(contract_programs) $(fuzz_replays)

ifdef EF_GATE_PASSED
check-unit: tests
	@scripts/run-unit $(test_programs) -- $(fuzz_replays)

check-integration: all tests
	@EF_BUILD='$(EF_BUILD_DIR)' $(PYTHON) -m pytest tests/integration $(PYTEST_FLAGS)

check-packaging: all
	@EF_BUILD='$(abspath $(BUILD))' $(PYTHON) -m pytest -p no:cacheprovider tests/packaging $(PYTEST_FLAGS)

# The package's own unit tests are left out: whoever runs this has run them.
check-packages: export DEB_BUILD_OPTIONS ?= nocheck
check-packages: all
	@$(MAKE) --no-print-directory deb
	@scripts/lint-deb build/deb
	@EF_BUILD='$(abspath $(BUILD))' EF_DEBS='$(abspath build/deb)' $(PYTHON) -m pytest \
	    tests/packages $(PYTEST_FLAGS)

# In this order: the quick ones first, and one after the other even with -j.
check: all tests
	@$(MAKE) --no-print-directory check-unit
	@$(MAKE) --no-print-directory check-sim
	@$(MAKE) --no-print-directory check-packaging
	@$(MAKE) --no-print-directory check-integration
	@$(MAKE) --no-print-directory check-chaos

# Sanitized code is slower by some times.
asan: export EF_TEST_TIMEOUT_SCALE ?= 4
asan:
	@$(MAKE) --no-print-directory BUILD=build-asan EF_SANITIZE=address,undefined all check-unit \
	    check-sim

# libFuzzer is clang's.
fuzz:
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang EF_SANITIZE=fuzzer-no-link,address \
	    run-fuzz

bench: all
	@EF_BUILD='$(EF_BUILD_DIR)' bench/run $(BENCH_FLAGS)

demo: all
	@EF_BUILD='$(EF_BUILD_DIR)' scripts/demo
endif
# EF_BUILD points the integration tests at another build, such as build-asan.
EF_BUILD_DIR = $(abspath $(or $(EF_BUILD),$(BUILD)))

fuzzers := $(fuzz_sources:tests/fuzz/%.c=$(BUILD)/fuzzers/%)
$(fuzzers): $(BUILD)/fuzzers/%: $(BUILD)/tests/fuzz/%.o $(ctl_lib) $(lib)
	@echo '  LD   $@'
	@mkdir -p $(@D)
	@$(link) -fsanitize=fuzzer -o $@ $^ $(EF_LIBS)
.PHONY: run-fuzz
run-fuzz: $(fuzzers)
	@scripts/run-fuzz $(FUZZ_SECONDS) $(fuzzers)
