# SPDX-License-Identifier: MIT
# The front door: goals and what they need. The rules are in mk/, the findings of configure in
# config.mk. On a machine with nothing but make, "make demo" first installs what is missing.

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD ?= build

# Goals that work before anything is configured.
FREE_GOALS := help deps dist deb rpm release-check clean distclean
# Goals that first see to their packages (scripts/deps --ensure GROUP), then run in a second make.
GATED_GOALS := check check-unit check-memory check-sim check-integration check-chaos check-packaging \
    check-packages analyse asan tsan asan-integration tsan-integration bench bench-restarts bench-poison stress soak fuzz demo lint \
    prove prove-mutants chaos
GATE_check := build unit test demo lint
GATE_check-unit := build unit
GATE_check-memory := build
GATE_check-sim := build unit
GATE_check-integration := build test
GATE_check-chaos := build test
GATE_check-packaging := build test lint
GATE_analyse := build analyse
GATE_check-packages := build test package
GATE_asan := build unit
GATE_tsan := build unit
GATE_asan-integration := build test
GATE_tsan-integration := build test
GATE_bench := build test
GATE_bench-restarts := build test
GATE_bench-poison := build test
GATE_stress := build test
GATE_soak := build test
GATE_fuzz := build fuzz
GATE_demo := build demo
GATE_lint := build lint
GATE_prove := build
GATE_prove-mutants := build unit test
GATE_chaos := build test

ifndef EF_GATE_PASSED
.PHONY: $(GATED_GOALS)
$(GATED_GOALS):
	@scripts/deps --ensure $(GATE_$@)
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc)) \
	    EF_GATE_PASSED=1 $@
FREE_GOALS += $(GATED_GOALS)
# Two second makes must not compile into one directory at the same time.
ifneq ($(filter $(GATED_GOALS),$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
endif

.PHONY: help deps dist clean distclean
help:
	@echo 'make [GOAL] [BUILD=dir] [WERROR=1] [V=1] [CC=clang] [EF_SANITIZE=address,undefined]'
	@echo
	@sed -n 's/^#: \([a-z-]*\) - \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r g t; do \
	    printf '  %-18s %s\n' "$$g" "$$t"; done
	@echo
	@echo 'DEPS=no stops with a list instead of installing; ./configure --help shows the choices.'

#: all - builds build/eventferryd and build/eventferryctl (the default)
#: check - runs all tests: unit, simulation, packaging, integration with the demo, and chaos
#: check-unit - runs the unit tests and the fuzz corpora; needs no servers
#: check-memory - lets allocations fail one by one, at start, in configurations and HTTP requests
#: check-sim - runs both simulations' scenarios and thousands of schedules, and their database's contract
#: check-integration - runs the tests against real PostgreSQL and Kafka servers
#: check-chaos - runs each nemesis alone on real servers, and three short chaos runs
#: check-packaging - installs into a scratch directory and checks files, modes and units
#: check-packages - builds the packages, lives with them in a box with systemd, tries newer libraries
#: analyse - static analysis of src/ by gcc's analyzer, cppcheck and clang-tidy
#: lint - checks include directions, formatting, scripts, man pages and that docs agree with code
#: asan - runs the unit tests with the address and undefined-behaviour sanitizers, in build-asan
#: tsan - runs the unit tests and the simulation with the thread sanitizer, in build-tsan
#: asan-integration - runs the integration tests with a daemon built as for asan
#: tsan-integration - runs the integration tests with a daemon built as for tsan
#: bench - measures speed and size, prints a table and writes JSON
#: bench-restarts - measures the gap that a restart leaves, alone and with a standby
#: bench-poison - measures what rows that can never be delivered cost the others
#: stress - drains large backlogs and fails when memory or speed leave their limits (STRESS_FLAGS=)
#: soak - relays for SOAK_SECONDS (600) with mild disturbances and fails when anything grows
#: fuzz - fuzzes each parser for FUZZ_SECONDS (30)
#: prove - simulates relays and misfortunes from new seeds for PROVE_SECONDS (600)
#: prove-mutants - plants known mistakes one at a time and shows that each is caught
#: chaos - lets misfortunes loose on real servers for CHAOS_SECONDS (300); CHAOS_SEED, CHAOS_DATABASE
#: demo - shows orders travelling from PostgreSQL through the daemon to a Kafka consumer
#: sbom - writes what the programs are made of (SPDX 2.3), as build/eventferry.spdx.json
#: release-check - runs everything a release needs, and says how long each step took
#: install - installs below DESTDIR and the configured prefix
#: uninstall - removes what install put there, except the configuration
#: dist - writes eventferry-VERSION.tar.gz with a ready configure
#: deb - builds the Debian packages from what dist writes, in build/deb (PACKAGES=dir: dir/deb)
#: rpm - builds the RPM packages from what dist writes, in build/rpm
#: deps - installs the packages that building, testing and the demo need (apt or dnf)
#: clean - removes build directories
#: distclean - removes build directories and what configure wrote
#: help - prints this list

deps:
	@scripts/deps

dist:
	@scripts/dist

.PHONY: release-check
release-check:
	@env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS scripts/release-check

# Packages are built from the last commit, by their own tools.
PACKAGES ?= build
.PHONY: deb rpm
deb: dist
	@scripts/deps --ensure build package
	@scripts/build-deb '$(PACKAGE_TARBALL)' '$(PACKAGES)'
rpm: dist
	@scripts/deps --ensure build package
	@scripts/build-rpm '$(PACKAGE_TARBALL)' '$(PACKAGES)'
PACKAGE_TARBALL = $(shell sed -n 's/^AC_INIT(\[\(.*\)\], \[\(.*\)\])$$/\1-\2.tar.gz/p' configure.ac)

clean:
	rm -rf build build-asan build-tsan build-fuzz build-clang $(filter-out .,$(BUILD))

distclean: clean
	rm -rf config.mk config.log config.status configure autom4te.cache .cache

# Everything else needs config.mk, which make brings up to date before it goes on.
ifneq ($(filter-out $(FREE_GOALS),$(or $(MAKECMDGOALS),all)),)
include config.mk
include mk/build.mk mk/test.mk mk/sim.mk mk/chaos.mk mk/lint.mk mk/install.mk
endif

configure: configure.ac
	@command -v autoconf >/dev/null || { \
	    echo 'these are missing, "make deps" installs them:' >&2; \
	    scripts/deps --check build >&2; exit 1; }
	autoconf && rm -f configure~

# A change of configure.ac keeps the choices made before.
config.mk: configure config.mk.in
	@if test -x config.status; then ./config.status --recheck && ./config.status; \
	else ./configure $(CONFIGURE_FLAGS); fi
