// SPDX-License-Identifier: MIT
#include "config/versions.h"

#include <yaml.h>

const char *ef_config_libyaml_version(void)
{
    return yaml_get_version_string();
}
