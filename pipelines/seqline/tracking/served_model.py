"""The exported model as MLflow loads and serves it: this file itself is logged, no pickle.

Input: a column `text`, one sequence a row. Output: a column `labels`, the answers apart by
spaces.
"""

from __future__ import annotations

from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from seqline.exported import Predictor, load_export


class ServedModel(PythonModel):
    """Predicts for rows of text with the export that was logged beside this file."""

    predictor: Predictor

    def load_context(self, context: PythonModelContext) -> None:
        """Load the export."""
        self.predictor = load_export(Path(context.artifacts["export"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return a table with the column `labels`; no type hints, which MLflow would enforce."""
        import pandas

        texts = model_input["text"] if hasattr(model_input, "columns") else model_input
        answers = self.predictor.predict_lines(str(text) for text in texts)
        return pandas.DataFrame({"labels": [" ".join(map(str, one)) for one in answers]})


set_model(ServedModel())
