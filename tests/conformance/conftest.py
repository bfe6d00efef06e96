"""The folders of the mutants, and of the example that some are made from, are on the path."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE / "mutants", HERE.parents[1] / "examples" / "seqline-parity"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
