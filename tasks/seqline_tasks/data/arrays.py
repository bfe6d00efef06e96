"""Files of arrays, `.npz` and `.mat`: read without ever unpickling."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqline_plugins.errors import UserError

Array = NDArray[Any]
OFFSETS = "_offsets"
SPLITS = {
    "train": ("train", "traindata"),
    "validation": ("validation", "valid", "validdata", "dev"),
    "test": ("test", "testdata"),
}
"""What the three splits are called in files that hold them all."""


def read_arrays(path: Path, converter: str) -> dict[str, list[Array]]:
    """Return the arrays of a file by name, each a list of one or of many of different length.

    Many of one name are a cell array of MATLAB's, or in `.npz` one array `NAME` of all their rows
    and `NAME_offsets`, where each begins and the last ends. Raises `UserError` for a file that
    cannot be read, and for one with pickled objects, naming the `converter` for those.
    """
    try:
        return _of_mat(path) if path.suffix == ".mat" else _of_npz(path, converter)
    except UserError:
        raise
    except (OSError, ValueError, TypeError, NotImplementedError, zipfile.BadZipFile, EOFError) as e:
        first = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise UserError(f"{path}: cannot be read as a {path.suffix} file ({first}).") from e


def write_arrays(path: Path, groups: Mapping[str, list[Array]]) -> None:
    """Write lists of arrays as `read_arrays` reads them from `.npz`."""
    flat: dict[str, Array] = {}
    for name, arrays in groups.items():
        flat[name] = np.concatenate(arrays)
        flat[name + OFFSETS] = np.cumsum([0, *(len(array) for array in arrays)])
    np.savez_compressed(path, **flat)  # type: ignore[arg-type]


def splits_in(groups: Mapping[str, list[Array]]) -> dict[str, list[Array]] | None:
    """Return the arrays of the three splits if a file has them all, else None."""
    found = {
        name: groups[alias] for name, known in SPLITS.items() for alias in known if alias in groups
    }
    return found if {"train", "test"} <= set(found) else None


def _of_mat(path: Path) -> dict[str, list[Array]]:
    import scipy.io

    found = scipy.io.loadmat(str(path))
    return {
        name: [np.asarray(one) for one in value.reshape(-1)] if value.dtype == object else [value]
        for name, value in found.items()
        if isinstance(value, np.ndarray)
    }


def _of_npz(path: Path, converter: str) -> dict[str, list[Array]]:
    with np.load(path, allow_pickle=False) as opened:
        if not hasattr(opened, "files"):
            raise ValueError("it holds one array, expected .npz")
        arrays: dict[str, Array] = {}
        for name in opened.files:
            try:
                arrays[name] = opened[name]
            except ValueError as error:
                if "pickle" not in str(error).lower():
                    raise
                raise UserError(
                    f"{path}: the array '{name}' holds pickled objects, which can run any program "
                    f"when they are read, so they never are. {converter}"
                ) from error
    found = {}
    for name, array in arrays.items():
        if name.endswith(OFFSETS) and name.removesuffix(OFFSETS) in arrays:
            continue
        offsets = arrays.get(name + OFFSETS)
        found[name] = [array] if offsets is None else _apart(array, offsets, f"{path}: {name}")
    return found


def _apart(rows: Array, offsets: Array, place: str) -> list[Array]:
    fitting = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 0
    fitting = fitting and offsets[0] == 0 and offsets[-1] == len(rows)
    if not fitting or bool((np.diff(offsets) < 0).any()):
        raise UserError(
            f"{place}{OFFSETS}: expected whole numbers that rise from 0 to {len(rows)}, where each "
            "row's points begin and the last end."
        )
    return np.split(rows, offsets[1:-1])
