# SPDX-License-Identifier: MIT
# Every check is its own script; all of them run, then lint fails if any did.

lint_checks := $(filter-out %.py,$(wildcard scripts/check-*))

.PHONY: lint
ifdef EF_GATE_PASSED
lint: all
	@failed=; for check in $(lint_checks); do \
	    EF_BUILD='$(abspath $(BUILD))' EF_COMPILE='$(compile)' "$$check" || failed="$$failed $${check#scripts/}"; \
	done; \
	if [ -n "$$failed" ]; then echo "lint failed:$$failed" >&2; exit 1; fi; \
	echo 'lint: $(words $(lint_checks)) checks passed'
endif

.PHONY: analyse
ifdef EF_GATE_PASSED
analyse: $(generated_headers)
	@scripts/analyse '$(filter-out -MMD -MP,$(compile))'
endif
