"""Several annotators: their votes, how far they agree, and what they dispute."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotation.agreement import Agreement, agreement, class_pair_agreement
from cad_studio.core.annotation import ClassMap
from cad_studio.core.dataset import UNKNOWN, Votes
from cad_studio.diagnosis.consensus import vote_shares
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.projects import Project

_MOST_CLASS_PAIRS = 60

Vote = tuple[int, str, int]
"""Row, annotator and class."""


class AnnotatorService:
    """The annotators of one project's datasets.

    A statement of one class is a vote; imported votes count as well, and one gives way to the
    other where both are by the same name. A statement of several classes is no vote.
    """

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        blindness: Blindness,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._blindness = blindness

    def votes(self, name: str) -> list[Vote]:
        """Row, annotator and class of every vote, by row and name; those without a name are out."""
        data, book = self._datasets.load(name), self._sets.book(name)
        votes = self.imported(data)
        if book is None:
            return votes
        said = {
            (row, who): tuple(classes)
            for row, who, classes in self._project.annotations.statements(book.id)
        }
        return self.joined(votes, said, ClassMap.from_json(book.classes))

    def imported(self, data: LoadedDataset) -> list[Vote]:
        """The imported votes whose annotator is known, in the classes as imported.

        A vote that is shared among several classes says a set, as a statement of several does.
        """
        votes = data.imported_votes
        if votes is None:
            return []
        known = votes.take(votes.annotator != UNKNOWN)
        columns = (known.sample.tolist(), known.annotator.tolist(), known.label.tolist())
        found: dict[tuple[int, str], int | None] = {}
        for row, who, label in zip(*columns, strict=True):
            key = row, votes.annotators[who]
            found[key] = label if found.get(key, label) == label else None
        return sorted((row, who, label) for (row, who), label in found.items() if label is not None)

    def joined(
        self,
        votes: list[Vote],
        said: Mapping[tuple[int, str], tuple[int, ...] | None],
        classes: ClassMap,
    ) -> list[Vote]:
        """Votes with statements in their place where both are by one annotator, in live classes.

        Args:
            votes: In the classes as imported.
            said: Set by row and annotator; None where a statement was taken back.
            classes: What became of the classes.
        """
        found = {(row, who): classes.target(label) for row, who, label in votes}
        for key, statement in said.items():
            if statement is not None:
                now = classes.apply(statement)
                found[key] = now[0] if len(now) == 1 else None
        return sorted((row, who, c) for (row, who), c in found.items() if c is not None)

    def anonymous(self, data: LoadedDataset) -> Votes | None:
        """The votes without a name, in the classes that are left; None where there are none."""
        votes = data.votes
        if votes is None or not (votes.annotator == UNKNOWN).any():
            return None
        return votes.take(votes.annotator == UNKNOWN)

    def agreement(self, name: str) -> dict[str, Any]:
        """How far the annotators of a dataset agree, on samples whose answers are not hidden.

        Returns:
            `votes`, `items` (with two votes or more), `raw`, `alpha`, `people` (name, votes, share
            of couples with others that agree), `class_pairs` (class indices, couples that confuse
            the two, items, raw, alpha), `disputed` (how many samples).
        """
        hidden = self._blindness.rows_for_reader(self._datasets.get(name))
        data = self._datasets.load(name)
        votes = [vote for vote in self.votes(name) if vote[0] not in hidden]
        counts, n_anonymous = _counted(
            votes, self.anonymous(data), len(data), data.record.n_classes
        )
        pairs = class_pair_agreement(counts, _MOST_CLASS_PAIRS) if len(counts) else []
        return {
            "votes": len(votes) + n_anonymous,
            **_plain(agreement(counts)),
            "people": _people(votes),
            "class_pairs": [
                {"classes": [a, b], "confused": n, **_plain(found)} for a, b, n, found in pairs
            ],
            "disputed": sum(row not in hidden for row, _ in self.disputed(name)),
        }

    def disputed(self, name: str) -> list[tuple[int, str]]:
        """Samples about which annotators differ, each with what they say.

        Contradictions come first, then other differing statements, then imported votes that no
        statement has settled.
        """
        book, names = self._sets.book(name), self._datasets.get(name).class_names
        found: dict[int, str] = {}
        settled: set[int] = set()
        if book is not None:
            annotations, classes = self._project.annotations, ClassMap.from_json(book.classes)
            for column, word in (("contradict", "contradict each other"), ("differ", "differ")):
                rows = [row for row in annotations.marked(book.id, column) if row not in found]
                for row, state in annotations.states(book.id, rows).items():
                    said = "; ".join(
                        f"{who}: {_listed(classes.apply(each.classes), names)}"
                        for who, each in sorted(state.statements.items())
                    )
                    found[row] = f"Annotators {word}. {said}."
            settled = set(annotations.effective(book.id)[0].tolist())
        by_row: dict[int, list[tuple[str, int]]] = {}
        for row, who, label in self.votes(name):
            if row not in settled:
                by_row.setdefault(row, []).append((who, label))
        anonymous = self.anonymous(self._datasets.load(name))
        if anonymous is not None:
            shares = vote_shares(
                anonymous.sample, anonymous.label, anonymous.weight, *self._shape(name)
            )
            for row in np.flatnonzero((shares > 0).sum(axis=1) > 1).tolist():
                if row not in settled:
                    order = np.argsort(-shares[row], kind="stable")[:4]
                    said = ", ".join(
                        f"{names[at]} {shares[row, at]:.0%}" for at in order if shares[row, at] > 0
                    )
                    found[row] = f"Imported votes differ. {said}."
        for row, said_by in by_row.items():
            if len({label for _, label in said_by}) > 1:
                said = "; ".join(f"{who}: {names[label]}" for who, label in said_by[:6])
                found[row] = f"{len(said_by)} imported votes differ. {said}."
        return list(found.items())

    def _shape(self, name: str) -> tuple[int, int]:
        record = self._datasets.get(name)
        return record.n_samples, record.n_classes


def _counted(
    votes: list[Vote], anonymous: Votes | None, n_samples: int, n_classes: int
) -> tuple[NDArray[np.int64], int]:
    """Votes for each class on each item that has any, int64 (M, C), and how many have no name.

    Shares of votes are no votes that could be counted.
    """
    rows = [np.array([row for row, _, _ in votes], np.int64)]
    labels = [np.array([label for _, _, label in votes], np.int64)]
    counted = [np.ones(len(votes), np.int64)]
    n_anonymous = 0
    if anonymous is not None:
        weight = anonymous.weight
        given = np.ones(len(anonymous.label)) if weight is None else np.asarray(weight)
        if (given == np.rint(given)).all():
            rows.append(anonymous.sample.astype(np.int64))
            labels.append(anonymous.label.astype(np.int64))
            counted.append(given.astype(np.int64))
            n_anonymous = int(given.sum())
    counts = np.zeros((n_samples, n_classes), np.int64)
    np.add.at(counts, (np.concatenate(rows), np.concatenate(labels)), np.concatenate(counted))
    return counts[counts.any(axis=1)], n_anonymous


def _people(votes: list[Vote]) -> list[dict[str, Any]]:
    """Of each annotator: `who`, `votes`, `pairs` with others and the share that agrees, `raw`."""
    by_row: dict[int, list[tuple[str, int]]] = {}
    for row, who, label in votes:
        by_row.setdefault(row, []).append((who, label))
    tally: dict[str, list[int]] = {}
    for said in by_row.values():
        labels = [label for _, label in said]
        for who, label in said:
            mine = tally.setdefault(who, [0, 0, 0])
            mine[0] += 1
            mine[1] += len(labels) - 1
            mine[2] += labels.count(label) - 1
    return [
        {"who": who, "votes": n, "pairs": pairs, "raw": same / pairs if pairs else None}
        for who, (n, pairs, same) in sorted(tally.items(), key=lambda each: -each[1][0])
    ]


def _plain(found: Agreement) -> dict[str, Any]:
    def short(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "items": found.n_items, "pairs": found.n_pairs, "raw": short(found.raw),
        "alpha": short(found.alpha),
    }  # fmt: skip


def _listed(classes: tuple[int, ...], names: list[str]) -> str:
    return " or ".join(names[index] for index in classes[:4]) + (" …" if len(classes) > 4 else "")
