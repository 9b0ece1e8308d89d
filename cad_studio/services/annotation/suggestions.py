"""What neighbours and the newest model make of a sample, for an annotator who asks for it."""

from typing import Any

import numpy as np

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.progress import Silent
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.beliefs import BeliefService, View
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.training.runs import name_of
from cad_studio.store.projects import Project
from cad_studio.views.annotation import SuggestionsView


class SuggestionService:
    """Suggestions for one project's datasets; no true label is looked at."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        beliefs: BeliefService,
        predictions: PredictionService,
        blindness: Blindness,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._beliefs = beliefs
        self._predictions = predictions
        self._blindness = blindness

    def of(self, name: str, row: int, who: str = "") -> SuggestionsView:
        """What is made of a sample's candidates.

        While the answers of others are hidden from `who`, it rests on the imported sets alone:
        neighbours as they were imported, and networks that learned from no annotation. Of other
        samples it rests on what `who` may see.

        Returns:
            `belief` by its neighbours (class to weight, sum 1), `features` (what they are
            neighbours by), and `model`: None, or of the newest run whose network was asked about
            all samples `run`, `name` and `belief`.

        Raises:
            RecordNotFoundError: No such row, or the neighbours are not found yet.
        """
        data = self._datasets.load(name)
        check_row(data, row)
        who = self._blindness.person(who)
        hidden = self._blindness.rows(data.record, who)
        is_blind = row in hidden
        features = self._beliefs.features(name)
        if not self._beliefs.is_ready(name, features):
            raise RecordNotFoundError(
                "The neighbours are not found yet. Open a queue by neighbours."
            )
        view = View(is_blind, who, hidden)
        belief = self._beliefs.suggestion(name, features, row, Silent(), view)
        return {
            "belief": belief,
            "features": features,
            "model": self._by_model(name, row, is_blind),
        }

    def _by_model(self, name: str, row: int, is_blind: bool) -> dict[str, Any] | None:
        """The softmax of the network's answer over the candidates, in the classes of now."""
        from cad_studio.algorithms._base import ALGORITHMS

        record = self._datasets.get(name)
        sets = self._sets.original(name) if is_blind else self._sets.effective(name)
        held = sets.of(row)
        annotated = self._datasets.annotated_versions(name) if is_blind else frozenset()
        for run in self._project.runs.all():
            is_own = run.dataset_id == record.id and run.removed_at is None
            if not is_own or run.version_hash in annotated:
                continue
            if not self._predictions.is_ready(run.id):
                continue
            if ALGORITHMS.get(run.method).uses_truth:
                continue
            logits = np.asarray(self._predictions.load(run.id).logits[row], float)
            book = self._sets.book(name)
            classes = ClassMap.from_json(None if book is None else book.classes)
            weights = dict.fromkeys(held, 0.0)
            for index, weight in enumerate(np.exp(logits - logits.max())):
                target = classes.target(index)
                if target in weights:
                    weights[target] += float(weight)
            total = sum(weights.values())
            if not total > 0:
                continue
            belief = {index: round(weight / total, 4) for index, weight in weights.items()}
            return {"run": run.id, "name": name_of(run), "belief": belief}
        return None
