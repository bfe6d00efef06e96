"""How good the translations are: BLEU and chrF on plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqline_plugins.task.source import Example
from seqline_tasks.pictures import draw_bars
from seqline_tasks.text_to_text.scoring import TextMetrics

WIDTH, LONGEST = 5, 50
"""Words in a group of sources of like length; those from so many on stand together."""


class TranslationMetrics(TextMetrics):
    """sacreBLEU's figures (Post 2018) over the split, on text put together again."""

    def score(self) -> dict[str, float]:
        """Return bleu and chrf, 0 to 100."""
        return score_texts(self.written, [example["target"] for example in self.examples])

    @classmethod
    def statistics(
        cls, name: str, examples: Sequence[Example], answers: Sequence[Sequence[Any]]
    ) -> list[list[float]] | None:
        """Return each translation's n-grams found and in all, its length and the reference's."""
        if name != "bleu":
            return None
        from sacrebleu.metrics import BLEU

        bleu, found = BLEU(effective_order=True), []
        for example, answer in zip(examples, answers, strict=True):
            one = bleu.sentence_score(answer[0] if answer else "", [example["target"]])
            found.append([*one.counts, *one.totals, one.sys_len, one.ref_len])
        return found

    @classmethod
    def figure(cls, name: str, sums: Sequence[float]) -> float:
        """Return corpus BLEU."""
        from sacrebleu.metrics import BLEU

        whole = [round(number) for number in sums]
        score = BLEU.compute_bleu(whole[:4], whole[4:8], whole[8], whole[9], smooth_method="exp")
        return float(score.score)

    def pictures(self, folder: Path) -> list[Path]:
        """Draw BLEU by the length of the source."""
        rows = self._by_length()
        if not rows:
            return []
        path = folder / "bleu_by_length.png"
        draw_bars(
            [row["words"] for row in rows],
            [row["bleu"] for row in rows],
            [row["sentences"] for row in rows],
            ("words of the source", "BLEU"),
            path,
        )
        return [path]

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return BLEU by the length of the source, and what is copied."""
        return {**super().tables(), "bleu_by_length": self._by_length()}

    def _by_length(self) -> list[dict[str, Any]]:
        of_length: dict[int, list[int]] = {}
        for number, example in enumerate(self.examples):
            length = len(example["source"].split())
            of_length.setdefault(min(length, LONGEST) // WIDTH, []).append(number)
        rows = []
        for place, numbers in sorted(of_length.items()):
            low = place * WIDTH
            written = [self.written[number] for number in numbers]
            targets = [self.examples[number]["target"] for number in numbers]
            words = f"{low}+" if low >= LONGEST else f"{low}–{low + WIDTH - 1}"
            bleu = score_texts(written, targets)["bleu"]
            rows.append({"words": words, "bleu": bleu, "sentences": len(numbers)})
        return rows

    def signatures(self) -> dict[str, str]:
        """Return how sacreBLEU computed each figure, in its own words."""
        from sacrebleu.metrics import BLEU, CHRF

        found = {}
        for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
            metric.corpus_score([""], [[""]])
            found[name] = str(metric.get_signature())
        return found


def score_texts(written: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return the corpus BLEU and chrF of texts against one reference each."""
    from sacrebleu.metrics import BLEU, CHRF

    if not written:
        return {"bleu": 0.0, "chrf": 0.0}
    scored = {"bleu": BLEU(force=True), "chrf": CHRF()}
    return {
        name: float(metric.corpus_score(list(written), [list(references)]).score)
        for name, metric in scored.items()
    }
