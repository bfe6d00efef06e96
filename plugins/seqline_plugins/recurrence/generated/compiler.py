"""From source to a loaded library: compiled once a machine, kept by its digest, checked when read.

The cache is `$SEQLINE_KERNELS`, else `seqline/kernels` in the user's cache folder. An entry is the
library and a JSON file with its checksum; an entry that does not match is built again. Many
processes that start together wait for the one that builds.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

NATIVE = Path(__file__).with_name("native")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")
SECONDS = 60
"""After so long a compiler that has not ended is given up."""


class CompilerError(Exception):
    """There is no compiler, or it failed; the message says which and why."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: its path, and what tells it from another version of itself."""

    path: str
    identity: str


@cache
def find_compiler() -> Compiler:
    """Return the compiler that `CXX` names, else g++, clang++ or c++.

    Raises `CompilerError` where there is none.
    """
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    for name in names:
        path = shutil.which(name)
        if path is not None:
            real = Path(path).resolve()
            stat = real.stat()
            return Compiler(path, f"{real} {stat.st_size} {stat.st_mtime_ns}")
    raise CompilerError(f"no C++ compiler was found ({', '.join(names)})")


@cache
def processor() -> str:
    """Return what of this machine the compiled code depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    first = {line.split(":")[0].strip(): line for line in reversed(lines)}
    return " ".join(first.get(key, "") for key in ("model name", "flags", "Features"))


def compiled_code() -> dict[str, str]:
    """Return what of this machine determines the compiled code's bits, each as a short name."""
    try:
        identity = find_compiler().identity
    except CompilerError:
        identity = "none"
    found = {"compiler": identity, "processor": processor()}
    return {name: sha256(text.encode()).hexdigest()[:16] for name, text in found.items()}


def load_library(sources: Sequence[str], defines: Sequence[str] = ()) -> ctypes.CDLL:
    """Return the library made of C++ sources, from the cache or compiled now.

    Raises `CompilerError`.
    """
    compiler = find_compiler()
    entry = _digest(sources, defines, compiler)
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{entry}.lock", timeout=2 * SECONDS):
                path = _valid(folder, entry)
                if path is None:
                    path = _build(folder, entry, sources, defines, compiler)
            return ctypes.CDLL(str(path))
        except (OSError, Timeout) as error:
            problem = error
    raise CompilerError(f"the library could not be stored or loaded ({problem})")


def cache_folder() -> Path:
    """Return where compiled code is kept."""
    given = os.environ.get("SEQLINE_KERNELS")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else home / "seqline" / "kernels"


def _folders() -> list[Path]:
    """The cache, and a folder of this process's own for when that cannot be written."""
    return [cache_folder(), Path(_own_folder())]


@cache
def _own_folder() -> str:
    import atexit

    folder = tempfile.mkdtemp(prefix="seqline-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _native_digest() -> str:
    return sha256(b"".join(p.read_bytes() for p in sorted(NATIVE.iterdir()))).hexdigest()


def _digest(sources: Sequence[str], defines: Sequence[str], compiler: Compiler) -> str:
    parts = [*sources, *defines, *FLAGS, compiler.identity, processor(), _native_digest()]
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def _valid(folder: Path, entry: str) -> Path | None:
    """Return the library of an entry that is whole."""
    library, record = folder / f"{entry}.so", folder / f"{entry}.json"
    try:
        wanted = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        found = sha256(library.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return library if found == wanted else None


def _build(
    folder: Path, entry: str, sources: Sequence[str], defines: Sequence[str], compiler: Compiler
) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as name:
        files = []
        for number, source in enumerate(sources):
            files.append(str(Path(name) / f"{entry}_{number}.cpp"))
            Path(files[-1]).write_text(source, encoding="utf-8")
        built = Path(name) / "library.so"
        macros = [f"-D{define}" for define in defines]
        command = [compiler.path, *FLAGS, *macros, f"-I{NATIVE}", *files, "-o", str(built)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CompilerError(f"{compiler.path} did not end in {SECONDS} s") from error
        if done.returncode or not built.is_file():
            said = (done.stderr.strip().splitlines() or ["nothing"])[0]
            raise CompilerError(f"{compiler.path} failed: {said}")
        library, record = folder / f"{entry}.so", folder / f"{entry}.json"
        checksum = sha256(built.read_bytes()).hexdigest()
        record.unlink(missing_ok=True)
        built.replace(library)
        partial = Path(name) / "record.json"
        partial.write_text(json.dumps({"sha256": checksum}), encoding="utf-8")
        partial.replace(record)
    return library
