"""What the annotators of a dataset together say of each sample, for training, queues and pages."""

from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError
from cad_studio.core.records import Dataset
from cad_studio.diagnosis.consensus import Quality, dawid_skene, qualities, vote_shares
from cad_studio.services.annotation.annotators import AnnotatorService, Vote
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import ANNOTATION, LoadedDataset
from cad_studio.store.projects import Project
from cad_studio.views.annotation import ConsensusView


@dataclass(frozen=True)
class Judgement:
    """The consensus of the votes of a dataset.

    Attributes:
        confidence: float32 (N, C). Of samples with votes rows sum to 1, others are 0.
        people: Names of the annotators, sorted.
        qualities: Of each of them.
        rounds: Of EM; 0 where it is not known who voted and shares of votes are all there is.
    """

    confidence: NDArray[np.float32]
    people: list[str]
    qualities: list[Quality]
    rounds: int


class ConsensusService:
    """Dawid-Skene over the votes of one project's datasets."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        annotators: AnnotatorService,
        blindness: Blindness,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._annotators = annotators
        self._blindness = blindness
        self._held: LRUCache[tuple[Any, ...], Judgement] = LRUCache(3)
        self._lock = Lock()

    def has_votes(self, name: str) -> bool:
        """Whether there is anything to agree on: imported votes, or statements of one class."""
        if "votes" in self._datasets.get(name).files:
            return True
        return bool(self._annotators.votes(name))

    def judge(self, name: str) -> Judgement:
        """The consensus of all votes as they are now; no true label is looked at.

        Raises:
            SettingError: There are no votes, or they are too many to be worked out at once.
        """
        data = self._datasets.load(name)
        book = self._project.annotations.find(data.record.id)
        key = (data.record.id, data.record.files.get("votes"), 0 if book is None else book.head)
        with self._lock:
            if key not in self._held:
                self._held[key] = self._judged(data, self._annotators.votes(name))
            return self._held[key]

    def people(self, name: str) -> ConsensusView:
        """How good each annotator is by the consensus, on samples whose answers are not hidden.

        Returns:
            `people`: of each `who`, `n_votes` (on samples that others voted on too), `accuracy`
            (expected share of right votes), `low` and `high` (its 95 % interval); the best first.
            `samples` with votes, `sure` (of them with 95 % for one class or more), `rounds` of EM.
        """
        record = self._datasets.get(name)
        hidden = self._blindness.rows_for_reader(record)
        if hidden:
            votes = [vote for vote in self._annotators.votes(name) if vote[0] not in hidden]
            if not votes:
                return {"people": [], "samples": 0, "sure": 0, "rounds": 0}
            found = self._judged(self._datasets.load(name), votes)
        elif self.has_votes(name):
            found = self.judge(name)
        else:
            return {"people": [], "samples": 0, "sure": 0, "rounds": 0}
        best = found.confidence.max(axis=1)
        people = [
            {"who": who, **asdict(quality)}
            for who, quality in zip(found.people, found.qualities, strict=True)
        ]
        people.sort(key=lambda each: -1.0 if each["accuracy"] is None else -each["accuracy"])
        return {
            "people": people,
            "samples": int((best > 0).sum()),
            "sure": int((best >= 0.95).sum()),
            "rounds": found.rounds,
        }

    def for_run(self, name: str, version_hash: str) -> NDArray[np.float32]:
        """The consensus that a run on a version starts from, float32 (N, C).

        It is that of the imported votes and of what annotators had said up to that version, so
        that a run can be repeated.

        Raises:
            SettingError: There are no votes.
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
        return self._judged(data, votes).confidence

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

    def _judged(self, data: LoadedDataset, votes: list[Vote]) -> Judgement:
        n_samples, n_classes = len(data), data.record.n_classes
        anonymous = self._annotators.anonymous(data)
        if not votes and anonymous is None:
            raise SettingError(
                f"{data.record.name} has no votes. Import some, or annotate it by several people."
            )
        if not votes:
            assert anonymous is not None
            shares = vote_shares(
                anonymous.sample, anonymous.label, anonymous.weight, n_samples, n_classes
            )
            return Judgement(shares, [], [], 0)
        people = sorted({who for _, who, _ in votes})
        number = {who: at for at, who in enumerate(people)}
        sample = np.array([row for row, _, _ in votes], np.int64)
        annotator = np.array([number[who] for _, who, _ in votes], np.int64)
        label = np.array([index for _, _, index in votes], np.int64)
        found = dawid_skene(sample, annotator, label, n_samples, len(people), n_classes)
        judged = qualities(sample, annotator, label, found.confidence, len(people))
        confidence = found.confidence
        if anonymous is not None:
            shares = vote_shares(
                anonymous.sample, anonymous.label, anonymous.weight, n_samples, n_classes
            )
            named = confidence.any(axis=1, keepdims=True)
            confidence = np.where(named, confidence, shares)
        return Judgement(confidence, people, judged, found.rounds)
