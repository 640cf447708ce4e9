# SPDX-License-Identifier: MIT
# Sources by room, generated files, the library and the two programs.

ROOMS := base config loop outbox store kafka codec relay admin
GEN := $(BUILD)/gen

lib_sources := $(wildcard $(foreach room,$(ROOMS),src/$(room)/*.c) src/daemon.c)
ctl_sources := $(filter-out src/ctl/main.c,$(wildcard src/ctl/*.c))
lib_objects := $(lib_sources:%.c=$(BUILD)/%.o) $(GEN)/page_files.o
ctl_objects := $(ctl_sources:%.c=$(BUILD)/%.o) $(GEN)/sql_files.o
generated_headers := $(GEN)/version.h $(GEN)/sql_files.h $(GEN)/page_files.h \
    $(GEN)/log_table.h
lib := $(BUILD)/libeventferry.a
ctl_lib := $(BUILD)/libeventferryctl.a
comma := ,
# V=1 shows the commands that compile and link, as builders of packages want to see them.
Q := $(if $(filter 1,$(V)),,@)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
    $(if $(filter 1,$(WERROR)),-Werror)
ifdef EF_SANITIZE
# The sanitizers bring their own malloc.
ALLOCATOR_LIBS :=
sanitize_flags := -fsanitize=$(EF_SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
else
# After the flags of a packager, whose level may be lower: what he hands to the preprocessor itself (RPM's
# macros do) comes after all others.
direct := $(if $(findstring -Wp$(comma),$(CPPFLAGS) $(CFLAGS)),-Wp$(comma))
fortify = $(direct)-U_FORTIFY_SOURCE $(direct)-D_FORTIFY_SOURCE=$(EF_FORTIFY)
endif

compile = $(CC) -std=gnu11 -D_GNU_SOURCE -Isrc -I$(GEN) -DEF_HAVE_SYSTEMD=$(EF_HAVE_SYSTEMD) \
    $(patsubst -I%,-isystem %,$(EF_CFLAGS)) $(WARNINGS) $(HARDENING_CFLAGS) \
    $(CPPFLAGS) $(CFLAGS) $(fortify) $(sanitize_flags) $(EXTRA_CFLAGS) -MMD -MP
link = $(CC) $(CFLAGS) $(sanitize_flags) $(HARDENING_LDFLAGS) $(LDFLAGS) $(EXTRA_LDFLAGS) \
    $(thread_object)
ifeq ($(EF_SANITIZE),thread)
# Its rule comes with the archive that every program is linked with.
thread_object := $(BUILD)/tests/thread/threads.o
$(lib): | $(thread_object)
endif

.PHONY: all FORCE
all: $(BUILD)/eventferryd $(BUILD)/eventferryctl $(BUILD)/eventferry.spdx.json

# Changed flags rebuild everything, changed lists of sources rebuild the archives.
define write_if_changed
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(1))' >$@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
endef
$(BUILD)/flags.txt: FORCE
	$(call write_if_changed,$(compile) $(link))
$(BUILD)/sources.txt: FORCE
	$(call write_if_changed,$(lib_objects) $(ctl_objects))

$(BUILD)/%.o: %.c $(BUILD)/flags.txt | $(generated_headers)
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(compile) -c -o $@ $<
$(GEN)/%.o: $(GEN)/%.c $(BUILD)/flags.txt | $(generated_headers)
	@echo '  CC   $<'
	$(Q)$(compile) -c -o $@ $<

# Made anew each time: an archive keeps the objects of files that are gone.
define archive
	@echo '  AR   $@'
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)
endef
$(lib): $(lib_objects) $(BUILD)/sources.txt
	$(archive)
$(ctl_lib): $(ctl_objects) $(BUILD)/sources.txt
	$(archive)

# Generated files: the SQL that eventferryctl carries, the parts of the status page, and what this
# build is.
sql_sources := $(sort $(shell find sql -name '*.sql' 2>/dev/null))
$(GEN)/sql_files.c $(GEN)/sql_files.h &: scripts/embed $(sql_sources) $(BUILD)/sql.txt
	@mkdir -p $(GEN)
	@echo '  GEN  $(GEN)/sql_files.c'
	@scripts/embed $(GEN)/sql_files $(sql_sources)
$(BUILD)/sql.txt: FORCE
	$(call write_if_changed,$(sql_sources))
page_sources := $(sort $(wildcard src/admin/page/*))
$(GEN)/page_files.c $(GEN)/page_files.h &: scripts/embed $(page_sources) $(BUILD)/page.txt
	@mkdir -p $(GEN)
	@echo '  GEN  $(GEN)/page_files.c'
	@scripts/embed $(GEN)/page_files $(page_sources)
$(BUILD)/page.txt: FORCE
	$(call write_if_changed,$(page_sources))
$(GEN)/log_table.h: src/log-messages.in scripts/log-table
	@mkdir -p $(GEN)
	@scripts/log-table $< $@
$(GEN)/version.h: FORCE
	@mkdir -p $(GEN)
	@scripts/version '$(VERSION)' '$(ALLOCATOR)' $@

$(BUILD)/eventferryd: $(BUILD)/src/main.o $(lib)
	@echo '  LD   $@'
	$(Q)$(link) -o $@ $^ $(ALLOCATOR_LIBS) $(EF_LIBS)
$(BUILD)/eventferryctl: $(BUILD)/src/ctl/main.o $(ctl_lib) $(lib)
	@echo '  LD   $@'
	$(Q)$(link) -o $@ $^ $(ALLOCATOR_LIBS) $(EF_LIBS)

# What the programs are made of.
.PHONY: sbom
sbom: $(BUILD)/eventferry.spdx.json
$(BUILD)/eventferry.spdx.json: $(BUILD)/eventferryd $(BUILD)/eventferryctl scripts/sbom
	@echo '  GEN  $@'
	@CC='$(CC)' scripts/sbom $< $@

# For editors and clangd.
.PHONY: compile_commands.json
compile_commands.json: $(generated_headers)
	@{ sep='['; for file in $(lib_sources) $(ctl_sources) src/main.c src/ctl/main.c \
	    $(wildcard tests/*/*.c); do \
	    printf '%s\n{"directory": "%s", "file": "%s", "command": "%s -Itests -c %s"}' \
	        "$$sep" '$(CURDIR)' "$$file" '$(filter-out -MMD -MP,$(compile))' "$$file"; sep=,; \
	done; printf '\n]\n'; } >$@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
