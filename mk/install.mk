# SPDX-License-Identifier: MIT
# install and uninstall. Everything lands below DESTDIR.

INSTALL ?= install
DESTDIR ?=
confdir = $(sysconfdir)/eventferry
sqldir = $(datadir)/eventferry/sql
contribdir = $(datadir)/eventferry/contrib
sysusersdir = $(prefix)/lib/sysusers.d
catalogdir = $(prefix)/lib/systemd/catalog
presetdir = $(prefix)/lib/systemd/system-preset
zshdir = $(datadir)/zsh/site-functions
fishdir = $(datadir)/fish/vendor_completions.d
completionsdir = $(datadir)/bash-completion/completions

man_pages := $(wildcard man/*.1 man/*.5 man/*.8)
units := $(wildcard systemd/*.service systemd/*.target)
programs := eventferryd eventferryctl
examples := $(filter-out conf/eventferry.yaml,$(wildcard conf/*.yaml))
contrib := $(wildcard contrib/*.md contrib/grafana/*.json contrib/prometheus/*.yml)
documents := $(wildcard README.md CHANGELOG.md SECURITY.md LICENSE docs/*.md)
images := $(wildcard docs/images/*.png)
man_target = $(mandir)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))

# The units name the paths of a distribution package; here they get the configured ones.
unit_paths = sed -e 's|/usr/sbin/|$(sbindir)/|g' -e 's|/usr/bin/|$(bindir)/|g' \
    -e 's|/etc/eventferry|$(confdir)|g'

.PHONY: install uninstall
install: all
	$(INSTALL) -d '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(bindir)' '$(DESTDIR)$(confdir)'
	$(INSTALL) -m 755 $(BUILD)/eventferryd '$(DESTDIR)$(sbindir)/eventferryd'
	$(INSTALL) -m 755 $(BUILD)/eventferryctl '$(DESTDIR)$(bindir)/eventferryctl'
	$(foreach page,$(man_pages),$(INSTALL) -D -m 644 $(page) \
	    '$(DESTDIR)$(call man_target,$(page))' &&) :
	$(foreach file,$(sql_sources),$(INSTALL) -D -m 644 $(file) \
	    '$(DESTDIR)$(sqldir)/$(patsubst sql/%,%,$(file))' &&) :
	$(foreach file,$(contrib),$(INSTALL) -D -m 644 $(file) \
	    '$(DESTDIR)$(contribdir)/$(patsubst contrib/%,%,$(file))' &&) :
	$(foreach file,$(documents),$(INSTALL) -D -m 644 $(file) \
	    '$(DESTDIR)$(docdir)/$(notdir $(file))' &&) :
	$(foreach file,$(images),$(INSTALL) -D -m 644 $(file) \
	    '$(DESTDIR)$(docdir)/images/$(notdir $(file))' &&) :
	$(foreach file,$(examples),$(INSTALL) -D -m 644 $(file) \
	    '$(DESTDIR)$(docdir)/examples/$(notdir $(file))' &&) :
	$(INSTALL) -m 644 $(BUILD)/eventferry.spdx.json '$(DESTDIR)$(docdir)/eventferry.spdx.json'
	$(INSTALL) -d '$(DESTDIR)$(systemdsystemunitdir)'
	$(foreach unit,$(units),$(unit_paths) $(unit) \
	    >'$(DESTDIR)$(systemdsystemunitdir)/$(notdir $(unit))' && \
	    chmod 644 '$(DESTDIR)$(systemdsystemunitdir)/$(notdir $(unit))' &&) :
	$(INSTALL) -D -m 644 systemd/eventferry.sysusers '$(DESTDIR)$(sysusersdir)/eventferry.conf'
	$(INSTALL) -D -m 644 systemd/eventferry.catalog '$(DESTDIR)$(catalogdir)/eventferry.catalog'
	$(INSTALL) -D -m 644 systemd/eventferry.preset '$(DESTDIR)$(presetdir)/90-eventferry.preset'
	$(foreach program,$(programs),$(INSTALL) -D -m 644 completions/eventferry.bash \
	    '$(DESTDIR)$(completionsdir)/$(program)' &&) :
	$(foreach program,$(programs),$(INSTALL) -D -m 644 completions/eventferry.fish \
	    '$(DESTDIR)$(fishdir)/$(program).fish' &&) :
	$(INSTALL) -D -m 644 completions/_eventferry '$(DESTDIR)$(zshdir)/_eventferry'
	$(INSTALL) -d -m 700 '$(DESTDIR)$(confdir)/credentials'
	@# Never over a configuration somebody has edited. Readable by all: secrets have their own files.
	@if [ -e '$(DESTDIR)$(confdir)/eventferry.yaml' ]; then \
	    echo 'kept $(DESTDIR)$(confdir)/eventferry.yaml'; \
	else $(INSTALL) -m 644 conf/eventferry.yaml '$(DESTDIR)$(confdir)/eventferry.yaml'; fi

uninstall:
	rm -f '$(DESTDIR)$(sbindir)/eventferryd' '$(DESTDIR)$(bindir)/eventferryctl'
	rm -f $(foreach page,$(man_pages),'$(DESTDIR)$(call man_target,$(page))')
	rm -f $(foreach unit,$(units),'$(DESTDIR)$(systemdsystemunitdir)/$(notdir $(unit))')
	rm -f '$(DESTDIR)$(sysusersdir)/eventferry.conf' '$(DESTDIR)$(presetdir)/90-eventferry.preset'
	rm -f '$(DESTDIR)$(catalogdir)/eventferry.catalog'
	rm -f $(foreach program,$(programs),'$(DESTDIR)$(completionsdir)/$(program)' \
	    '$(DESTDIR)$(fishdir)/$(program).fish') '$(DESTDIR)$(zshdir)/_eventferry'
	rm -rf '$(DESTDIR)$(datadir)/eventferry' '$(DESTDIR)$(docdir)'
	@echo 'left alone: $(DESTDIR)$(confdir) and $(localstatedir)/lib/eventferryd'
