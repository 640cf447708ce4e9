# SPDX-License-Identifier: MIT
# The simulation: the product's relay, outbox and store rooms with a world of their own
# (tests/sim). One program; the linker puts its seams in the place of system calls.

PROVE_SECONDS ?= 600
PROVE_PRODUCER_SECONDS ?= 60
PROVE_SEED ?= $(shell date +%s)
# Seeds from 1 that run with the other tests, enough of them, with the scenarios, to reach everything
# that is counted; sanitized builds take fewer.
SIM_FLAGS ?= --count 5000 --covered

sim_fuzz_source := tests/sim/fuzz_schedule.c
sim_contract_source := tests/sim/contract.c
sim_sources := $(filter-out $(sim_fuzz_source) $(sim_contract_source),$(wildcard tests/sim/*.c))
sim_program := $(BUILD)/tests/sim/sim
sim_found := $(BUILD)/tests/sim
sim_scenarios := $(wildcard tests/sim/scenarios/*.scenario)

# What is the product's here; the loop, the driver and the publisher are the simulation's.
sim_product := $(wildcard $(foreach room,base config outbox relay,src/$(room)/*.c)) \
    src/store/store.c src/kafka/errors.c
sim_wraps := getrandom open close flock pread pwrite ftruncate ef_log_wanted ef_log_write \
    ef_relay_edge
$(sim_program): | $(thread_object)
$(sim_program): $(sim_sources:%.c=$(BUILD)/%.o) $(sim_product:%.c=$(BUILD)/%.o)
	@echo '  LD   $@'
	$(Q)$(link) $(sim_wraps:%=-Wl,--wrap=%) -o $@ $(filter %.o,$^) $(EF_LIBS)

# The simulated database by itself, held to the contract of all stores.
sim_contract := $(BUILD)/tests/sim/contract
$(sim_contract): $(sim_contract_source:%.c=$(BUILD)/%.o) \
    $(patsubst %,$(BUILD)/tests/sim/%.o,db statements statements_mysql lease orders link store answers run \
    clockwork choice tell) $(BUILD)/tests/libsupport.a $(lib)
	@echo '  LD   $@'
	$(Q)$(link) -Wl,--wrap=ef_log_wanted -Wl,--wrap=ef_log_write -o $@ $(filter %.o,$^) \
	    $(filter %.a,$^) $(CHECK_LIBS) $(EF_LIBS)

# The producer's simulation (tests/prodsim): the publisher with a client library and brokers that
# are told what to do. The program, its choices, scenarios and clock are tests/sim's.
prodsim_sources := $(wildcard tests/prodsim/*.c)
prodsim_program := $(BUILD)/tests/prodsim/prodsim
prodsim_found := $(BUILD)/tests/prodsim
prodsim_scenarios := $(wildcard tests/prodsim/scenarios/*.scenario)
prodsim_product := $(wildcard src/base/*.c) \
    $(foreach name,producer instance topics suspects errors statistics,src/kafka/$(name).c)
prodsim_wraps := eventfd read write close pthread_create pthread_detach ef_io_start ef_io_stop \
    ef_log_wanted ef_log_write
$(prodsim_program): | $(thread_object)
$(prodsim_program): $(prodsim_sources:%.c=$(BUILD)/%.o) $(prodsim_product:%.c=$(BUILD)/%.o) \
    $(patsubst %,$(BUILD)/tests/sim/%.o,main run choice shrink clockwork tell)
	@echo '  LD   $@'
	$(Q)$(link) $(prodsim_wraps:%=-Wl,--wrap=%) -o $@ $(filter %.o,$^) $(EF_LIBS)

# make fuzz: the bytes are the schedule.
sim_fuzzer := $(BUILD)/fuzzers/fuzz_schedule
$(sim_fuzzer): $(sim_fuzz_source:%.c=$(BUILD)/%.o) $(sim_product:%.c=$(BUILD)/%.o) \
    $(filter-out %/main.o,$(sim_sources:%.c=$(BUILD)/%.o))
	@echo '  LD   $@'
	@mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer $(sim_wraps:%=-Wl,--wrap=%) -o $@ $^ $(EF_LIBS)
fuzzers += $(sim_fuzzer)
run-fuzz: $(sim_fuzzer)

# Its corpus is replayed with the others (make check-unit).
sim_replay := $(BUILD)/tests/sim/fuzz_schedule
$(sim_replay): | $(thread_object)
$(sim_replay): $(sim_fuzz_source:%.c=$(BUILD)/%.o) $(BUILD)/tests/fuzz/driver.o \
    $(sim_product:%.c=$(BUILD)/%.o) $(filter-out %/main.o,$(sim_sources:%.c=$(BUILD)/%.o))
	@echo '  LD   $@'
	$(Q)$(link) $(sim_wraps:%=-Wl,--wrap=%) -o $@ $(filter %.o,$^) $(EF_LIBS)
fuzz_replays += $(sim_replay)
tests: $(sim_replay)

.PHONY: prove prove-mutants check-sim
ifdef EF_GATE_PASSED
# What runs with the other tests: some seconds. The same seeds each time, and a few new ones, which
# are printed.
check-sim: $(sim_program) $(prodsim_program) $(sim_contract)
	@$(sim_contract)
	@$(sim_contract) --seed 1
	@$(sim_program) --quiet --save $(sim_found) --twice 100 $(SIM_FLAGS) $(sim_scenarios)
	@$(sim_program) --quiet --save $(sim_found) --seed $(PROVE_SEED) --count 200
	@$(prodsim_program) --quiet --save $(prodsim_found) --twice 100 --count 3000 $(prodsim_scenarios)
	@$(prodsim_program) --quiet --save $(prodsim_found) --seed $(PROVE_SEED) --count 1000

prove: $(sim_program) $(prodsim_program)
	@$(sim_program) --seed $(PROVE_SEED) --twice 100 --seconds $(PROVE_SECONDS) --coverage --covered \
	    --pace 200000 --save $(sim_found) $(sim_scenarios)
	@$(prodsim_program) --seed $(PROVE_SEED) --twice 100 --seconds $(PROVE_PRODUCER_SECONDS) \
	    --coverage --covered --pace 500000 --save $(prodsim_found) $(prodsim_scenarios)

prove-mutants: all $(sim_program) $(prodsim_program)
	@scripts/prove-mutants
endif
