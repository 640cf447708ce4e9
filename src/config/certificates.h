// SPDX-License-Identifier: MIT
/*
 * When the certificates end that a configuration names: the databases' and the brokers'. The doctor
 * and a running daemon judge them alike.
 *
 * Owns: nothing. Thread: any; reads the files, and blocks for as long as local files take to read.
 */
#pragma once

#include "base/report.h"
#include "config/config.h"

/* A finding "host.certificate" for each file that has one, of the certificate that ends first. */
void ef_certificates_judge(const struct ef_config *config, struct ef_report *report);
