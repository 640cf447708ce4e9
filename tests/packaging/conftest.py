# SPDX-License-Identifier: MIT
"""tests/harness is importable from here."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
