# SPDX-License-Identifier: MIT
"""All nemeses: importing a module of them enters them."""

from . import (nemeses_bulk, nemeses_database, nemeses_failover, nemeses_kafka, nemeses_locks,
               nemeses_network, nemeses_relay, nemeses_table)
from .nemesis import CATALOGUE, DATABASES, nemeses_of

__all__ = ["CATALOGUE", "DATABASES", "nemeses_bulk", "nemeses_database", "nemeses_failover",
           "nemeses_kafka", "nemeses_locks", "nemeses_network", "nemeses_of", "nemeses_relay",
           "nemeses_table"]
