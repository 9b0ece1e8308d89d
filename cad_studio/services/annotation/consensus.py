"""What the annotators of a dataset together say of each sample, for training, queues and pages."""

from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.records import Dataset
from cad_studio.diagnosis.consensus import (
    Quality,
    dawid_skene,
    qualities,
    require_size,
    vote_shares,
)
from cad_studio.diagnosis.crossfit import cross_fit
from cad_studio.diagnosis.crowdlab import TOO_FEW_VOTES, crowdlab
from cad_studio.services.annotation.annotators import AnnotatorService, Vote
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import ANNOTATION, LoadedDataset
from cad_studio.services.pairs.mining import MiningService
from cad_studio.store.projects import Project
from cad_studio.views.annotation import ConsensusView

DAWID_SKENE, CROWDLAB = "dawid-skene", "crowdlab"
METHODS = (DAWID_SKENE, CROWDLAB)
"""Ways to a consensus: from the votes alone, and from votes and a classifier of the images."""

AT_ONCE = 20_000
"""Samples up to which features are made and a classifier is asked while the user waits."""

STARTS = {"consensus": DAWID_SKENE, "crowdlab": CROWDLAB}
"""Starts of a run, and queues of the same names."""


@dataclass(frozen=True)
class Judgement:
    """The consensus of the votes of a dataset.

    Attributes:
        confidence: float32 (N, C). Of samples with votes rows sum to 1, others are 0.
        people: Names of the annotators, sorted.
        qualities: Of each of them.
        ratings: CROWDLAB's, of each of them; None by another method or where it has none.
        rounds: Of EM; 0 where there was none.
    """

    confidence: NDArray[np.float32]
    people: list[str]
    qualities: list[Quality]
    ratings: list[float | None]
    rounds: int


class ConsensusService:
    """Dawid-Skene and CROWDLAB over the votes of one project's datasets.

    Attributes:
        is_patient: Whether who asks waits for a classifier of very many samples; a window does not.
    """

    is_patient = True

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        annotators: AnnotatorService,
        blindness: Blindness,
        mining: MiningService,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._annotators = annotators
        self._blindness = blindness
        self._mining = mining
        self._held: dict[str, LRUCache[tuple[Any, ...], Judgement]] = {
            by: LRUCache(3) for by in METHODS
        }
        self._locks = {by: Lock() for by in METHODS}

    def has_votes(self, name: str) -> bool:
        """Whether there is anything to agree on: imported votes, or statements of one class."""
        if "votes" in self._datasets.get(name).files:
            return True
        return bool(self._annotators.votes(name))

    def require_votes(self, name: str, by: str) -> None:
        """Refuse what these votes are too few for.

        Raises:
            SettingError: There are none; or for CROWDLAB, no sample with two of known annotators.
        """
        if not self.has_votes(name):
            raise _no_votes(name)
        if by == CROWDLAB:
            rows = [row for row, _, _ in self._annotators.votes(name)]
            if len(set(rows)) == len(rows):
                raise SettingError(TOO_FEW_VOTES)

    def judge(
        self, name: str, by: str = DAWID_SKENE, progress: Progress | None = None
    ) -> Judgement:
        """The consensus of all votes as they are now; no true label is looked at.

        Args:
            name: The dataset.
            by: One of `METHODS`. CROWDLAB goes by the best features there are.
            progress: Told how far it is.

        Raises:
            SettingError: There are no votes, they are too many to be worked out at once, or
                CROWDLAB finds no sample with two of them.
        """
        return self._kept(name, by, frozenset(), progress or Silent())

    def people(self, name: str, by: str = DAWID_SKENE) -> ConsensusView:
        """How good each annotator is by the consensus, on samples whose answers are not hidden.

        Returns:
            `by`, the method; `people`: of each `who`, `n_votes` (on samples that others voted on
            too), `accuracy` (expected share of right votes), `low` and `high` (its 95 % interval),
            `rating` (CROWDLAB's); the best first. `samples` with votes, `sure` (of them with 95 %
            for one class or more), `rounds` of EM, `features` that the classifier goes by.

        Raises:
            SettingError: Another method, or one that these votes are too few for.
        """
        if by not in METHODS:
            raise SettingError(f"A consensus is found by {' or '.join(METHODS)}, not by {by!r}.")
        features = self._mining.best_features(name) if by == CROWDLAB else ""
        hidden = self._blindness.rows_for_reader(self._datasets.get(name))
        if not self.has_votes(name):
            return _nobody(by)
        if hidden and all(row in hidden for row, _, _ in self._annotators.votes(name)):
            return _nobody(by)
        found = self._kept(name, by, hidden, Silent())
        best = found.confidence.max(axis=1)
        people = [
            {"who": who, **asdict(quality), "rating": rating}
            for who, quality, rating in zip(
                found.people, found.qualities, found.ratings, strict=True
            )
        ]
        people.sort(key=lambda each: -1.0 if each["accuracy"] is None else -each["accuracy"])
        return {
            "by": by,
            "features": features,
            "people": people,
            "samples": int((best > 0).sum()),
            "sure": int((best >= 0.95).sum()),
            "rounds": found.rounds,
        }

    def _kept(self, name: str, by: str, hidden: frozenset[int], progress: Progress) -> Judgement:
        """The consensus on the samples that are not hidden, worked out once for all who ask."""
        data = self._datasets.load(name)
        book = self._project.annotations.find(data.record.id)
        head = 0 if book is None else book.head
        features = self._mining.best_features(name) if by == CROWDLAB else ""
        key = (data.record.id, data.record.files.get("votes"), head, by, features, hidden)
        with self._locks[by]:
            if key not in self._held[by]:
                votes = [vote for vote in self._annotators.votes(name) if vote[0] not in hidden]
                if by == CROWDLAB:
                    self._require_patience(data, votes, features)
                self._held[by][key] = self._judged(data, votes, by, features, progress, hidden)
            return self._held[by][key]

    def _require_patience(self, data: LoadedDataset, votes: list[Vote], features: str) -> None:
        """Refuse in a window what would take a minute or more."""
        name = data.record.name
        n_voted = len({row for row, _, _ in votes})
        is_stored = self._mining.stored(name, features) is not None
        if self.is_patient or (n_voted <= AT_ONCE and (is_stored or len(data) <= AT_ONCE)):
            return
        raise SettingError(
            f"CROWDLAB on {n_voted:,} of {len(data):,} samples takes too long for a page. Take "
            "Dawid-Skene here (queue 'Least agreed'), or on the command line: "
            f"python -m cad_studio annotate agreement {name} --by crowdlab."
        )

    def for_run(
        self,
        name: str,
        version_hash: str,
        by: str = DAWID_SKENE,
        features: str = "",
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """The consensus that a run on a version starts from, float32 (N, C).

        It is that of the imported votes and of what annotators had said up to that version, so
        that a run can be repeated.

        Args:
            name: The dataset.
            version_hash: The version.
            by: One of `METHODS`.
            features: What CROWDLAB's classifier goes by; of no meaning to Dawid-Skene.
            progress: Told how far it is.

        Raises:
            SettingError: There are no votes, or too few of them for the method.
        """
        record = self._datasets.get(name)
        data = self._datasets.load_for_run(name, version_hash)
        version = next(
            (
                each
                for each in self._project.datasets.versions(record.name)
                if each.hash == version_hash
            ),
            record.version,
        )
        votes = self._annotators.imported(data)
        if version.reason == ANNOTATION:
            votes = self._with_statements(record, votes, int(version.details["action"]), data)
        return self._judged(data, votes, by, features, progress or Silent()).confidence

    def _with_statements(
        self, record: Dataset, votes: list[Vote], number: int, data: LoadedDataset
    ) -> list[Vote]:
        """Votes, and the statements of one class up to an action, which come before them."""
        book = self._project.annotations.find(record.id)
        if book is None:
            return votes
        said: dict[tuple[int, str], tuple[int, ...] | None] = {}
        for action in self._project.annotations.all_actions(book.id):
            if action.number > number:
                break
            for change in action.parsed_changes():
                if change.about == "mine":
                    key = (change.row, action.who)
                    said[key] = None if change.after is None else tuple(change.after[0])
        return self._annotators.joined(votes, said, data.classes)

    def _judged(
        self,
        data: LoadedDataset,
        votes: list[Vote],
        by: str,
        features: str,
        progress: Progress,
        hidden: frozenset[int] = frozenset(),
    ) -> Judgement:
        n_samples, n_classes = len(data), data.record.n_classes
        anonymous = self._annotators.anonymous(data)
        if anonymous is not None and hidden:
            anonymous = anonymous.take(~np.isin(anonymous.sample, list(hidden)))
        if not votes and anonymous is None:
            raise _no_votes(data.record.name)
        shares = None
        if anonymous is not None:
            shares = vote_shares(
                anonymous.sample, anonymous.label, anonymous.weight, n_samples, n_classes
            )
        if not votes:
            assert shares is not None
            if by == CROWDLAB:
                raise SettingError(
                    f"The votes of {data.record.name} do not say who gave them, and CROWDLAB "
                    "compares annotators. Take Dawid-Skene, which takes them as shares."
                )
            return Judgement(shares, [], [], [], 0)
        people = sorted({who for _, who, _ in votes})
        number = {who: at for at, who in enumerate(people)}
        sample = np.array([row for row, _, _ in votes], np.int64)
        annotator = np.array([number[who] for _, who, _ in votes], np.int64)
        label = np.array([index for _, _, index in votes], np.int64)
        ratings: list[float | None] = [None] * len(people)
        rounds = 0
        if by == CROWDLAB:
            rows, place = np.unique(sample, return_inverse=True)
            require_size(len(rows), n_classes)
            told = self._out_of_sample(data, rows, place, label, features, progress)
            combined = crowdlab(place, annotator, label, told, len(people))
            confidence = np.zeros((n_samples, n_classes), np.float32)
            confidence[rows] = combined.confidence
            ratings = [None if np.isnan(each) else float(each) for each in combined.ratings]
        else:
            found = dawid_skene(sample, annotator, label, n_samples, len(people), n_classes)
            confidence, rounds = found.confidence, found.rounds
        judged = qualities(sample, annotator, label, confidence, len(people))
        if shares is not None:
            named = confidence.any(axis=1, keepdims=True)
            confidence = np.where(named, confidence, shares)
        return Judgement(confidence, people, judged, ratings, rounds)

    def _out_of_sample(
        self,
        data: LoadedDataset,
        rows: NDArray[np.int64],
        place: NDArray[np.int64],
        label: NDArray[np.int64],
        features: str,
        progress: Progress,
    ) -> NDArray[np.float32]:
        """What a classifier of the votes on other samples says of some, float32 (V, C)."""
        name = data.record.name
        found = self._mining.stored(name, features)
        if found is None:
            found = self._mining.extract(name, features, Part(progress, 0.0, 0.5))
        vectors = np.asarray(self._mining.load_features(found)[rows], np.float32)
        shares = vote_shares(place, label, None, len(rows), data.record.n_classes)
        voted = PartialLabels.from_dense(shares > 0)
        return cross_fit(vectors, voted, lambda some: shares[some], 0, Part(progress, 0.5, 1.0))


def _no_votes(name: str) -> SettingError:
    return SettingError(f"{name} has no votes. Import some, or annotate it by several people.")


def _nobody(by: str) -> ConsensusView:
    return {"by": by, "features": "", "people": [], "samples": 0, "sure": 0, "rounds": 0}
