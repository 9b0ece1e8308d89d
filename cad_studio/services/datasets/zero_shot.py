"""What the words for each class say of a sample: a suggestion, which changes no set by itself."""

import csv
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.annotation import ClassMap
from cad_studio.core.dataset import chunks
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Progress
from cad_studio.core.records import FeatureSet
from cad_studio.core.replacing import replacing
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.datasets.search import SearchQuery, SearchService
from cad_studio.services.edits.prompts import PromptService
from cad_studio.services.pairs.mining import MiningService

MOST_SUGGESTED = 5
_AT_ONCE = 4096
_PHOTO = "a photo of a {class}"
"""Of a class without any text of its own; single words are rare in what these models learned."""


class ZeroShotService:
    """Zero-shot suggestions for one project's datasets, by images and texts alone."""

    def __init__(
        self,
        datasets: DatasetService,
        mining: MiningService,
        search: SearchService,
        prompts: PromptService,
        sets: AnnotatedSets,
        access: Access,
    ) -> None:
        """Read through the other services of the same project; `access` rules on files named."""
        self._sets = sets
        self._access = access
        self._datasets = datasets
        self._mining = mining
        self._search = search
        self._prompts = prompts
        self._texts: LRUCache[tuple[str, tuple[str, ...]], Any] = LRUCache(4)
        self._lock = Lock()

    def prompts(self, name: str) -> list[str]:
        """The text of each class: that of the prompt table, with its description."""
        names = self._datasets.get(name).class_names
        texts = self._prompts.texts(name)
        return [
            _PHOTO.replace("{class}", text) if text == class_name else text
            for class_name, text in zip(names, texts, strict=True)
        ]

    def of_row(self, name: str, row: int, features: str = "") -> dict[str, Any]:
        """What is suggested for one sample, once the model is open.

        Returns:
            `is_ready`, `says` (what is waited for), `features`, and `classes`: at most five of
            `class` (index), `share` (of all classes, sum 1) and `prompt`, the likeliest first.

        Raises:
            SettingError: There are no features that words are compared with.
            RecordNotFoundError: No such row.
        """
        check_row(self._datasets.load(name), row)
        found = self._search.word_features(name, features)
        state = self._search.state(name, SearchQuery(words="any", features=found.spec))
        if not state["is_ready"]:
            return {**state, "classes": []}
        prompts, live = self.prompts(name), self._live(name)
        shares = self._shares(found, prompts, np.array([row]), live)[0]
        best = np.argsort(-shares, kind="stable")[:MOST_SUGGESTED]
        classes = [
            {"class": int(c), "share": round(float(shares[c]), 4), "prompt": prompts[c]}
            for c in best
            if c in live
        ]
        return {**state, "classes": classes}

    def suggest(
        self,
        name: str,
        out: Path,
        progress: Progress,
        features: str = "",
        mass: float = 0.9,
        most: int = MOST_SUGGESTED,
    ) -> dict[str, Any]:
        """Write a table of suggested candidates, which `import --candidates` reads.

        Of each sample the fewest likeliest classes whose shares sum to `mass`, at most `most`.

        Args:
            name: The dataset.
            out: The file, `.csv`.
            progress: Told how far it is.
            features: Extractor; empty takes the newest that words are compared with.
            mass: Sum of shares, above 0 and at most 1.
            most: Classes of a sample at most.

        Returns:
            `out`, `rows`, `mean_size`, `features`, `cut` (prompts read only in part, by class) and
            `agree`: samples that share a class with their set of now.

        Raises:
            SettingError: A value is out of range, or there are no such features.
            NotAllowedError: The one who acts is no owner.
        """
        self._access.require_to_reach(str(out))
        if not 0 < mass <= 1:
            raise SettingError(f"mass is {mass}; expected above 0 and at most 1.")
        if most < 1:
            raise SettingError(f"most is {most}; the least is 1.")
        data = self._datasets.load(name)
        found = self._search.word_features(name, features)
        prompts, names, live = self.prompts(name), data.record.class_names, self._live(name)
        progress.report(0.0, f"Opening the model of {found.spec}")
        is_cut = self._search.words_of(found).is_cut(prompts)
        suggested: list[list[int]] = []
        for rows in chunks(len(data), _AT_ONCE):
            suggested += likeliest(self._shares(found, prompts, rows, live), mass, most)
            progress.report(len(suggested) / len(data), "Comparing samples with the classes")
        sizes = [len(each) for each in suggested]
        held = data.candidates.lists()
        with replacing(out) as file, file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "candidates"])
            for sample, each in zip(data.ids, suggested, strict=True):
                writer.writerow([sample, str([names[label] for label in each])])
        return {
            "name": name, "out": str(out), "rows": len(suggested), "features": found.spec,
            "mean_size": round(float(np.mean(sizes)), 3),
            "cut": [names[label] for label, cut in enumerate(is_cut) if cut],
            "agree": sum(bool(set(a) & set(b)) for a, b in zip(suggested, held, strict=True)),
        }  # fmt: skip

    def _live(self, name: str) -> list[int]:
        """The classes that can be chosen: neither merged into others nor removed."""
        book = self._sets.book(name)
        classes = ClassMap.from_json(None if book is None else book.classes)
        return classes.live(self._datasets.get(name).n_classes)

    def _shares(
        self, found: FeatureSet, prompts: Sequence[str], rows: NDArray[np.int64], live: list[int]
    ) -> NDArray[np.float64]:
        """The softmax over the classes that can be chosen, float64 (B, C); 0 for all others."""
        key = (found.key, tuple(prompts))
        with self._lock:
            if key not in self._texts:
                words = self._search.words_of(found)
                self._texts[key] = (words.vectors(prompts), words.scale)
            texts, scale = self._texts[key]
        cosine = np.asarray(self._mining.load_features(found)[rows], np.float64) @ texts.T
        chosen = cosine[:, live]
        weights = np.zeros_like(cosine)
        weights[:, live] = np.exp(scale * (chosen - chosen.max(axis=1, keepdims=True)))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def likeliest(shares: NDArray[np.float64], mass: float, most: int) -> list[list[int]]:
    """Of each row the fewest classes whose shares sum to `mass`, at most so many.

    Args:
        shares: float64 (B, C), rows sum to 1.
        mass: Above 0, at most 1.
        most: 1 or more.

    Returns:
        B lists, the likeliest first.
    """
    order = np.argsort(-shares, axis=1, kind="stable")
    sums = np.take_along_axis(shares, order, axis=1).cumsum(axis=1)
    # Rounding may leave a whole row a little below 1.
    counts = np.minimum((sums < mass - 1e-9).sum(axis=1) + 1, min(most, shares.shape[1]))
    return [line[:count].tolist() for line, count in zip(order, counts, strict=True)]
