"""Make a dataset's candidate sets again from its imported votes, with another threshold."""

from typing import Any

import numpy as np

from cad_studio.core.dataset import Votes
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.vote_sets import sets_of_votes
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.store.projects import Project

VOTES = "votes"
"""Reason of the versions whose sets follow from votes."""


class VoteSetService:
    """Candidate sets from the imported votes of one project's datasets."""

    def __init__(
        self, project: Project, datasets: DatasetService, sets: AnnotatedSets, access: Access
    ) -> None:
        """Write versions into `project`."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._access = access

    def preview(self, name: str, threshold: float) -> dict[str, Any]:
        """What a threshold would make of the votes, changing nothing.

        Returns:
            `threshold`, `now` (the one in force; None where the sets do not follow from votes),
            `changed` (samples), `mean_candidates` and `mean_before`, `thin` (samples where no class
            reaches the threshold, which keep those with the most votes), `n` (samples with votes).

        Raises:
            SettingError: There are no votes, or the threshold is not from 0 to 1.
        """
        votes = self._votes(name)
        base = self._sets.base(name)
        made, thin = self._made(votes, base, threshold)
        return {
            "threshold": threshold,
            "now": self.threshold(name),
            "n": len(np.unique(votes.sample)),
            "changed": int((made.packed != base.packed).any(axis=1).sum()),
            "mean_candidates": round(float(made.sizes().mean()), 4),
            "mean_before": round(float(base.sizes().mean()), 4),
            "thin": thin,
        }

    def apply(self, name: str, threshold: float, who: str = "") -> dict[str, Any]:
        """Make the sets again, as a new version; what annotators said lies over it as before.

        The version before stays, and its threshold brings it back.

        Returns:
            As `preview`, and `version` and `version_number`.

        Raises:
            SettingError: As `preview`, or nothing would change.
        """
        self._access.require("owner")
        with self._project.saving():
            told = self.preview(name, threshold)
            if not told["changed"]:
                raise SettingError(
                    f"The sets of {name} are those already that {threshold:.4g} of the votes makes."
                )
            made, _ = self._made(self._votes(name), self._sets.base(name), threshold)
            blob = self._project.blobs.save_array(made.packed)
            details = {
                "threshold": threshold, "before": told["now"], "changed": told["changed"],
                "who": self._access.name(who or "owner"),
            }  # fmt: skip
            self._project.datasets.add_version(name, blob, VOTES, details)
        record = self._sets.settle(name)
        number = record.version.number
        return {**told, "version": record.version.hash, "version_number": number}

    def threshold(self, name: str) -> float | None:
        """The threshold that the sets follow from, before what annotators said; None for none."""
        version = self._sets.base_version(name)
        if version.reason == VOTES:
            return float(version.details["threshold"])
        given = version.details.get("threshold")
        return None if given is None else float(given)

    def _votes(self, name: str) -> Votes:
        votes = self._datasets.load(name).imported_votes
        if votes is None or not len(votes.label):
            raise SettingError(
                f"{name} was imported without votes. Import a table of votes, or a matrix of them "
                "with --candidates."
            )
        return votes

    def _made(
        self, votes: Votes, base: PartialLabels, threshold: float
    ) -> tuple[PartialLabels, int]:
        """The sets, and how many samples have no class that reaches the threshold."""
        sets, thin = sets_of_votes(votes, len(base), base.n_classes, threshold)
        has_votes = (sets.sizes() > 0)[:, None]
        packed = np.where(has_votes, sets.packed, base.packed)
        return PartialLabels(packed, base.n_classes), len(thin)
