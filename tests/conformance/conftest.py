"""The folder of the mutants is on the path."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE / "mutants"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
