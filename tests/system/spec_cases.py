"""The table of accepted and refused specs that tests/unit/api keeps, for the tests that hold the API server and the operator against it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/api"))
cases: Any = importlib.import_module("api_cases")
