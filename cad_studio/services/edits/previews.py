"""What each augmentation does to a sample and each of its candidates, and whether it helps."""

import base64
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import CadStudioError, SettingError
from cad_studio.core.settings import check_settings
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.datasets.pictures import png
from cad_studio.services.edits.editing import Batcher, bonds, similarity, source_image
from cad_studio.services.edits.editors import IN_DOMAIN, EditorService
from cad_studio.services.edits.evidence import distance
from cad_studio.services.edits.judges import JudgeService
from cad_studio.services.edits.sets import EditSetService, best_of_class
from cad_studio.views.augmentation import LookView

MOST_CANDIDATES = 24
_HEAT = (255, 92, 24)


@dataclass(frozen=True)
class PreviewRequest:
    """What to look at.

    Attributes:
        rows: One sample, or the two of a pair.
        run: The run whose maps and evidence are shown; None takes the best one.
        epsilon: What is left where nothing speaks for a class; None takes what training takes for
            images of that size.
        guides: For each sample the class it is edited towards in a pair; None takes the candidate
            the run finds likeliest.
        settings: Of the in-domain editor, those that differ from their defaults.
        with_edits: Whether edits are made too, or activation maps alone.
    """

    rows: tuple[int, ...]
    run: int | None = None
    cam: str = field(default="contrast", metadata={"choices": ("plain", "contrast")})
    fill: str = field(default="zero", metadata={"choices": ("zero", "mean")})
    epsilon: float | None = field(default=None, metadata={"minimum": 0.0, "maximum": 1.0})
    guides: tuple[int, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    with_edits: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)
        if not 1 <= len(self.rows) <= 2:
            raise SettingError(f"One sample or two can be looked at, not {len(self.rows)}.")
        if self.guides is not None and len(self.guides) != len(self.rows):
            raise SettingError(
                f"{len(self.guides)} guides are given for {len(self.rows)} samples; each has one."
            )


class PreviewService:
    """Augmentations of single samples, made while the user waits."""

    def __init__(
        self,
        datasets: DatasetService,
        editors: EditorService,
        judges: JudgeService,
        sets: EditSetService,
    ) -> None:
        """Read through the others; nothing is stored."""
        self._datasets = datasets
        self._editors = editors
        self._judges = judges
        self._sets = sets

    def look(self, name: str, request: PreviewRequest) -> LookView:
        """One sample or a pair with everything that the page shows of it.

        Returns:
            `run` (number or None), `judge` (what it is called, or why there is none), `samples`
            (see `_sample`), `missing` (by editor: why its row is empty), `editors` (title by
            name), `pair` (None for one sample): `guides` (None for a sample without candidates),
            `before` and by way of augmenting the distance `after`; `ms`.
        """
        began = time.monotonic()
        data = self._datasets.load(name)
        if data.pixels is None:
            raise SettingError(f"{name} holds feature vectors; augmentations need images.")
        for row in request.rows:
            check_row(data, row)
        if request.guides is not None:
            for row, guide in zip(request.rows, request.guides, strict=True):
                if guide not in data.candidates.of(row):
                    raise SettingError(f"Class {guide} is no candidate of row {row}.")
        run_id, words = self._judge(name, request.run)
        images = [source_image(data.pixels, row) for row in request.rows]
        missing: dict[str, str] = {}
        made = [
            self._made(name, request, run_id, *each)
            for each in zip(request.rows, images, strict=True)
        ]
        if request.with_edits:
            missing = self._add_edits(name, request, images, made)
        looked = [
            self._sample(name, row, image, views, run_id)
            for row, image, views in zip(request.rows, images, made, strict=True)
        ]
        samples = [each[0] for each in looked]
        pair = None
        if len(samples) == 2 and run_id is not None:
            pair = _pair(samples, [each[1] for each in looked], request.guides)
        return {
            "run": run_id,
            "judge": words,
            "samples": samples,
            "missing": missing,
            "editors": self._editors.titles(),
            "pair": pair,
            "ms": round(1000 * (time.monotonic() - began), 1),
        }

    def epsilon(self, name: str) -> float:
        """What training leaves where nothing speaks for a class, for images of this dataset."""
        from cad_studio.algorithms._cam import default_epsilon
        from cad_studio.training.data import default_side_px

        pixels = self._datasets.load(name).pixels
        return default_epsilon(default_side_px(None if pixels is None else pixels.native_shape))

    def _judge(self, name: str, run: int | None) -> tuple[int | None, str]:
        try:
            run_id = self._judges.choose(name, run)
        except CadStudioError as error:
            if run is not None:
                raise
            return None, str(error)
        return run_id, self._judges.name(run_id)

    def _made(
        self,
        name: str,
        request: PreviewRequest,
        run_id: int | None,
        row: int,
        image: NDArray[np.uint8],
    ) -> dict[str, Any]:
        """Views of a sample by activation maps: `labels`, `heat`, and `views` by way."""
        from cad_studio.training.judging import dimmed

        candidates = self._datasets.load(name).candidates
        labels = candidates.of(row)[:MOST_CANDIDATES]
        made: dict[str, Any] = {"labels": labels, "heat": None, "views": {}}
        if run_id is not None and labels:
            dense = candidates.dense(np.array([row]))[0]
            maps = self._judges.open(run_id).activation(image, dense, request.cam)[: len(labels)]
            made["heat"] = maps
            epsilon = self.epsilon(name) if request.epsilon is None else request.epsilon
            views = dimmed(image, maps, epsilon, request.fill)
            made["views"]["cam"] = dict(zip(labels, views, strict=True))
        return made

    def _add_edits(
        self,
        name: str,
        request: PreviewRequest,
        images: list[NDArray[np.uint8]],
        made: list[dict[str, Any]],
    ) -> dict[str, str]:
        """Add the in-domain edits, made now, and the stored ones of other editors."""
        missing = {}
        try:
            self._add_live(name, request, images, made)
        except CadStudioError as error:
            missing[IN_DOMAIN] = str(error)
        for offer in self._editors.offers(name):
            if offer["name"] == IN_DOMAIN:
                continue
            for row, views in zip(request.rows, made, strict=True):
                stored = self._sets.of_sample(name, row).get(offer["name"], {})
                if stored:
                    views["views"][offer["name"]] = {
                        label: self._sets.image(*numbers) for label, numbers in stored.items()
                    }
                else:
                    missing[offer["name"]] = offer["missing"] or "No edits of this yet."
        return missing

    def _add_live(
        self,
        name: str,
        request: PreviewRequest,
        images: list[NDArray[np.uint8]],
        made: list[dict[str, Any]],
    ) -> None:
        pixels = self._datasets.load(name).pixels
        assert pixels is not None
        settings = self._editors.settings(name, IN_DOMAIN, request.settings)
        editor = self._editors.open(name, IN_DOMAIN, settings)
        texts = self._editors.text_of_class(name, IN_DOMAIN)
        source = [at for at, views in enumerate(made) for _ in views["labels"]]
        labels = np.array([label for views in made for label in views["labels"]], np.int64)
        rows = np.array([request.rows[at] for at in source], np.int64)
        seeds = bonds(pixels, rows, labels, texts) % (1 << 31)
        edits = Batcher(editor).edit([images[at] for at in source], labels, seeds)
        for at, label, one in zip(source, labels.tolist(), edits, strict=True):
            if one is not None:
                made[at]["views"].setdefault(IN_DOMAIN, {})[label] = one

    def _sample(
        self,
        name: str,
        row: int,
        image: NDArray[np.uint8],
        made: dict[str, Any],
        run_id: int | None,
    ) -> tuple[dict[str, Any], dict[tuple[str, int], NDArray[np.float32]]]:
        """A sample as plain values, and the features of its views.

        Returns:
            `row`, `id`, `split`, `labels`, `n_left_out`, `source` (PNG), `best` (likeliest
            candidate or None), `before` (probability of each candidate), `heat` (a PNG by
            candidate), `views`: by way and candidate `image`, `similarity`, `after`, `top`.
        """
        data = self._datasets.load(name)
        labels, views = made["labels"], made["views"]
        keys = [(way, label) for way in views for label in views[way]]
        features: dict[tuple[str, int], NDArray[np.float32]] = {}
        probability = None
        if run_id is not None:
            sight = self._judges.open(run_id).look(
                [image, *(views[way][label] for way, label in keys)]
            )
            probability = sight.probability
            features = dict(zip([("source", -1), *keys], sight.features, strict=True))
        shown: dict[str, dict[int, Any]] = {way: {} for way in views}
        for at, (way, label) in enumerate(keys, 1):
            own = None if probability is None else probability[at]
            shown[way][label] = {
                "image": _url(views[way][label]),
                "similarity": round(similarity(image, views[way][label]), 3),
                "after": None if own is None else round(float(own[label]), 4),
                "top": None if own is None else int(own.argmax()),
            }
        source = None if probability is None else probability[0]
        return {
            "row": row,
            "id": data.ids[row],
            "split": data.record.split_names[data.splits[row]],
            "labels": labels,
            "n_left_out": len(data.candidates.of(row)) - len(labels),
            "source": _url(image),
            "best": None if source is None else best_of_class(data.candidates, row, source),
            "before": None
            if source is None
            else {label: round(float(source[label]), 4) for label in labels},
            "heat": None
            if made["heat"] is None
            else {label: _heat_url(one) for label, one in zip(labels, made["heat"], strict=True)},
            "views": shown,
        }, features


def _pair(
    samples: list[dict[str, Any]],
    features: list[dict[tuple[str, int], NDArray[np.float32]]],
    guides: tuple[int, ...] | None,
) -> dict[str, Any]:
    """How far apart two samples are before, and after each is edited towards its class."""
    chosen = list(guides) if guides is not None else [sample["best"] for sample in samples]
    if guides is None and chosen[0] == chosen[1] is not None:
        # The same likeliest class: B takes its next one, so that there is something to part.
        before = samples[1]["before"]
        others = [label for label in samples[1]["labels"] if label != chosen[0]]
        if others:
            chosen[1] = max(others, key=lambda label: before[label])
    a, b = features
    after = {}
    for way in samples[0]["views"]:
        ends = (a.get((way, chosen[0])), b.get((way, chosen[1])))
        if ends[0] is not None and ends[1] is not None:
            after[way] = round(distance(ends[0], ends[1]), 3)
    apart = distance(a["source", -1], b["source", -1])
    return {"guides": chosen, "before": round(apart, 3), "after": after}


def _url(pixels: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def _heat_url(activation: NDArray[np.float32]) -> str:
    """A map as a see-through layer: the more a place speaks for the class, the denser."""
    layer = np.empty((*activation.shape, 4), np.uint8)
    layer[..., :3] = _HEAT
    layer[..., 3] = (activation * 190).astype(np.uint8)
    return _url(layer)
