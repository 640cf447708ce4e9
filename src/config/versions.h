// SPDX-License-Identifier: MIT
/* The YAML library as it is at run time, for rooms that do not include yaml.h. */
#pragma once

const char *ef_config_libyaml_version(void);
