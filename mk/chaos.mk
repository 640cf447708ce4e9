# SPDX-License-Identifier: MIT
# Chaos on real servers (tests/chaos): as long as one likes, and the slice of it that make check runs:
# a seed that is always the same on each database, and a new one.

CHAOS_SECONDS ?= 300
CHAOS_DATABASE ?= postgres
CHAOS_ROWS ?= 1000000
CHAOS_BYTES ?= 200000000
CHAOS_SLICE_SEED := 0xeb7f
CHAOS_SLICE := --seconds 60 --rows 20000 --bytes 20000000
CHAOS_MARIADB_SEED := 0xdeaa
CHAOS_MARIADB := --database mariadb --seconds 40 --rows 20000 --bytes 20000000

run_chaos = cd tests && EF_BUILD='$(EF_BUILD_DIR)' PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m chaos \
    --keep '$(abspath $(BUILD))/chaos'

.PHONY: chaos check-chaos
ifdef EF_GATE_PASSED
chaos: all
	@$(run_chaos) --database $(CHAOS_DATABASE) --seconds $(CHAOS_SECONDS) --rows $(CHAOS_ROWS) --bytes $(CHAOS_BYTES) \
	    $(CHAOS_SEED:%=--seed %) $(CHAOS_FLAGS)

check-chaos: all
	@EF_BUILD='$(EF_BUILD_DIR)' $(PYTHON) -m pytest tests/chaos $(PYTEST_FLAGS)
	@$(run_chaos) $(CHAOS_SLICE) --seed $(CHAOS_SLICE_SEED)
	@$(run_chaos) $(CHAOS_SLICE)
	@$(run_chaos) $(CHAOS_MARIADB) --seed $(CHAOS_MARIADB_SEED)
endif
