"""The four stages of a run: prepare, train, evaluate, export.

Each leaves a folder named by the digest of what determines it, made under a temporary name and
renamed when it is whole; the same digest is never computed twice.
"""

from seqline.stages.evaluate import evaluate
from seqline.stages.export import export
from seqline.stages.folder import StageResult, Workspace
from seqline.stages.prepare import first_example, prepare
from seqline.stages.train import train

__all__ = ["StageResult", "Workspace", "evaluate", "export", "first_example", "prepare", "train"]
