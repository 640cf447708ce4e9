# SPDX-License-Identifier: MIT
"""Chaos on real servers: misfortunes drawn from a seed, and a checker that counts what came of them."""
