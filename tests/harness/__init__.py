# SPDX-License-Identifier: MIT
"""Real servers, faults and a checker for the integration tests, the demo and the benchmark."""
