# SPDX-License-Identifier: MIT
"""All nemeses: importing a module of them enters them."""

from . import nemeses_database, nemeses_kafka, nemeses_network, nemeses_relay, nemeses_table
from .nemesis import CATALOGUE

__all__ = ["CATALOGUE", "nemeses_database", "nemeses_kafka", "nemeses_network", "nemeses_relay",
           "nemeses_table"]
