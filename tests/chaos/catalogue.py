# SPDX-License-Identifier: MIT
"""All nemeses: importing a module of them enters them."""

from . import (nemeses_bulk, nemeses_kafka, nemeses_mariadb, nemeses_mariadb_table,
               nemeses_network, nemeses_postgres, nemeses_postgres_table, nemeses_relay)
from .nemesis import CATALOGUE, DATABASES, nemeses_of

__all__ = ["CATALOGUE", "DATABASES", "nemeses_bulk", "nemeses_kafka", "nemeses_mariadb",
           "nemeses_mariadb_table", "nemeses_network", "nemeses_of", "nemeses_postgres",
           "nemeses_postgres_table", "nemeses_relay"]
