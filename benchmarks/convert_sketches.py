"""Turn sketch-rnn's pickled files into plain arrays, once: nothing else ever unpickles them.

    python benchmarks/convert_sketches.py short_kanji.npz omniglot.npz --to FOLDER

Unpickling runs whatever the file says: give it only files that you trust. The result has for each
of train, validation and test the points of all sketches, (N, 3), and where each begins.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from seqline_tasks.data.arrays import write_arrays

NAMES = {"train": "train", "valid": "validation", "test": "test"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True, help="folder of the plain files")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for path in given.files:
        with np.load(path, allow_pickle=True, encoding="latin1") as pickled:
            groups = {
                NAMES[name]: [np.asarray(sketch, dtype=np.int16) for sketch in pickled[name]]
                for name in NAMES
            }
        target = given.to / path.name
        write_arrays(target, groups)
        counts = ", ".join(f"{name} {len(sketches):,}" for name, sketches in groups.items())
        print(f"{target}: {counts}")


if __name__ == "__main__":
    main()
