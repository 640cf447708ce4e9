// SPDX-License-Identifier: MIT
/*
 * The service manager's side: readiness, reload, stop, status text and the watchdog (sd_notify(3)).
 * Does nothing where there is no service manager, or in builds without libsystemd.
 *
 * Owns: the watchdog timer. Thread: the loop's, so that a stuck loop is noticed. Life: _new ..
 * _free.
 */
#pragma once

#include "loop/loop.h"

struct ef_systemd;

struct ef_systemd *ef_systemd_new(struct ef_loop *loop);
void ef_systemd_free(struct ef_systemd *systemd);
void ef_systemd_ready(struct ef_systemd *systemd);
/* Must be followed by ef_systemd_ready. */
void ef_systemd_reloading(struct ef_systemd *systemd);
/* A stop that may wait so long is not cut short by a smaller TimeoutStopSec= of the unit. */
void ef_systemd_stopping(struct ef_systemd *systemd, int64_t at_most_ms);
void ef_systemd_status(struct ef_systemd *systemd, const char *text);
