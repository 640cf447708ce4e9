# SPDX-License-Identifier: MIT
"""Writes a configuration as block-style YAML, as a person would: the daemon's error messages name
lines and columns of it."""

import json
import re

PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*\Z")
NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "."}


def dump(value, indent=0):
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{_scalar(key)}:{_nested(item, indent)}"
                       for key, item in value.items())
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            text = dump(item, indent + 1)
            lines.append(f"{pad}- {text.lstrip()}" if isinstance(item, (dict, list)) and item
                         else f"{pad}- {_scalar(item)}\n")
        return "".join(lines)
    return f"{pad}{_scalar(value)}\n"


def _nested(item, indent):
    if isinstance(item, (dict, list)) and item:
        return "\n" + dump(item, indent + 1)
    return f" {_scalar(item)}\n"


def _scalar(value):
    """Strings that look like something else are quoted; 10s or 4MiB stay as people write them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, dict, list)):
        return json.dumps(value)
    if (PLAIN.match(value) or re.fullmatch(r"[0-9]+[A-Za-z]+", value)) \
            and value.lower() not in NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)
