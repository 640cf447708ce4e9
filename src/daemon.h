// SPDX-License-Identifier: MIT
/*
 * The process: builds everything from the config in order, runs the loop, reloads, stops in reverse
 * order. What admin needs of it is here; main.c gives it the arguments. Thread: the loop's.
 */
#pragma once

#include "base/metrics.h"
#include "config/config.h"
#include "loop/loop.h"
#include "relay/relay.h"

struct ef_daemon_options {
    const char *config_path;
    const char *port_file; /* where the embedded broker's and the HTTP server's addresses are
                              written; or NULL */
    bool core_dumps;       /* off unless asked for */
};

/* Runs until a signal ends it; returns the exit code of interfaces.md. */
int ef_daemon_run(const struct ef_daemon_options *options);
