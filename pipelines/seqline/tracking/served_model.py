"""The exported model as MLflow loads and serves it: this file itself is logged, no pickle.

Input: a column `text`, one sequence a row. Output: a column `labels`, the answers apart by
spaces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from seqline.exported import Predictor, load_export


class ServedModel(PythonModel):
    """Predicts for rows of text with the export that was logged beside this file."""

    predictor: Predictor

    def load_context(self, context: PythonModelContext) -> None:
        """Load the export."""
        self.predictor = load_export(Path(context.artifacts["export"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pandas.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pandas.DataFrame:
        """Return a table with the column `labels`."""
        answers = self.predictor.predict_lines(str(text) for text in model_input["text"])
        return pandas.DataFrame({"labels": [" ".join(map(str, one)) for one in answers]})


set_model(ServedModel())
