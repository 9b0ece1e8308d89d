"""A dataset of a project, in Python."""

from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError, closest
from cad_studio.core.records import Mining
from cad_studio.core.settings import settings_to_json
from cad_studio.interface.annotation import StudioAnnotation, request_of
from cad_studio.interface.augmentations import StudioAugmentations
from cad_studio.interface.given import Rows, known_fields, listed, maybe_run, rows_of, run_number
from cad_studio.interface.run import StudioRun
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.datasets import RowFilter, check_row
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.datasets.pictures import png, read_picture
from cad_studio.services.datasets.search import SearchQuery
from cad_studio.services.datasets.splitting import split_config
from cad_studio.services.training.training import TrainingRequest
from cad_studio.views.datasets import DatasetView, InstanceView
from cad_studio.views.loop import StandingView
from cad_studio.views.training import TrainingOffersView

if TYPE_CHECKING:
    from cad_studio.interface.studio import Studio

_OF_REQUEST = ("backbone", "features", "settings", "name")
_OF_ACTION = frozenset(
    {
        "label", "other_label", "labels", "class", "other_class", "classes", "text", "skip_last",
        "name", "into", "tag",
    }
)  # fmt: skip


class StudioDataset:
    """A dataset of a project; what it gives is of the sets as they are annotated now.

    Attributes:
        name: Its name.
    """

    def __init__(self, studio: "Studio", name: str) -> None:
        """Made by `Studio.dataset`."""
        self.name = name
        self._studio = studio
        self._services = studio.services

    def __len__(self) -> int:
        """N, its samples."""
        return self._services.datasets.get(self.name).n_samples

    def __repr__(self) -> str:
        """Its name and size."""
        return f"<dataset {self.name}: {len(self):,} samples, {len(self.classes)} classes>"

    @property
    def classes(self) -> list[str]:
        """C names, in the order of the indices."""
        return list(self._services.datasets.get(self.name).class_names)

    def describe(self) -> DatasetView:
        """What it holds in numbers: `DatasetService.describe`."""
        self._services.sets.settle(self.name)
        return self._services.datasets.describe(self.name)

    def standing(self) -> StandingView:
        """Where the work on it stands, and the step that pays most now: `LoopService.standing`."""
        return self._services.loop.standing(self.name)

    def remove(self) -> dict[str, Any]:
        """Take it out of the project and free its space; what was annotated stays in the log."""
        return self._services.datasets.remove(self.name)

    @property
    def annotation(self) -> StudioAnnotation:
        """Its log, its annotators, and the orders in which samples are asked about."""
        return StudioAnnotation(self._studio, self)

    @property
    def augmentations(self) -> StudioAugmentations:
        """Its class-specific augmentations, editors, and stored edits."""
        return StudioAugmentations(self._studio, self.name)

    def samples(self) -> pd.DataFrame:
        """A row each sample: `id`, `split`, `candidates` (a tuple of names), `n_candidates`."""
        data = self._data()
        names = np.array(data.record.class_names, object)
        splits = pd.Categorical.from_codes(np.asarray(data.splits), data.record.split_names)
        sets = [tuple(names[one]) for one in data.candidates.lists()]
        return pd.DataFrame(
            {
                "id": data.ids,
                "split": splits,
                "candidates": sets,
                "n_candidates": data.candidates.sizes(),
            },
            index=pd.RangeIndex(len(data), name="row"),
        )

    def rows(self, **wanted: Any) -> NDArray[np.int64]:
        """The samples that answer a filter, int64 (M,), ascending.

        Args:
            wanted: Fields of `RowFilter`: `holds` (class names), `size`, `split`, `text`, `where`
                (conditions on fields and tags, such as `["camera=north"]`).
        """
        return self._services.datasets.rows(
            self.name, RowFilter(**known_fields(RowFilter, wanted, "part of a filter"))
        )

    def sample(self, row: int) -> InstanceView:
        """One sample with everything that is known of it: `DatasetService.instance`."""
        return self._services.datasets.instance(self.name, index(row), reveal=True)

    def candidates(self) -> pd.DataFrame:
        """The candidate matrix: bool, a row each sample, a column each class."""
        data = self._data()
        return pd.DataFrame(
            data.candidates.dense(),
            columns=data.record.class_names,
            index=pd.RangeIndex(len(data), name="row"),
        )

    def fields(self) -> pd.DataFrame:
        """What the source says of each sample beside its label, a column each field."""
        columns = self._services.datasets.fields.columns(self._data())
        return pd.DataFrame(dict(columns), index=pd.RangeIndex(len(self), name="row"))

    def truth(self) -> pd.Series:
        """The true label of each sample by name, missing where not known. Nothing trains on it."""
        data = self._data()
        truth = np.full(len(data), UNKNOWN) if data.truth is None else np.asarray(data.truth)
        return self._named(truth, "truth")

    def votes(self) -> pd.DataFrame:
        """Imported votes, one a row: `row`, `annotator`, `label`, `weight` (1 for one vote).

        Annotator and label are names; the annotator is missing where not known.
        """
        data = self._data()
        columns = ["row", "annotator", "label", "weight"]
        votes = data.votes
        if votes is None:
            return pd.DataFrame(columns=columns)
        annotators = pd.Series([*votes.annotators, None], dtype=object).to_numpy()
        weight = np.ones(len(votes.sample)) if votes.weight is None else votes.weight
        found = {
            "row": votes.sample,
            "annotator": annotators[votes.annotator],  # -1, not known, is the last
            "label": np.array(data.record.class_names)[votes.label],
            "weight": weight,
        }
        return pd.DataFrame(found, columns=columns)

    def images(self, rows: Rows | None = None) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """Images as pixels, uint8.

        Args:
            rows: Which: numbers, one number or a mask; None takes all, which must fit into memory.

        Returns:
            (B, H, W, 3) or, for grey images, (B, H, W, 1); where sizes differ, a list of (H, W, 3).

        Raises:
            SettingError: The dataset holds vectors alone.
            RecordNotFoundError: There is no such row.
        """
        data = self._data()
        if data.pixels is None:
            raise SettingError(f"{self.name} has no images; `features('raw')` has its vectors.")
        wanted = np.arange(len(data))
        if rows is not None:
            wanted = np.array(rows_of(rows, len(data)), np.int64)
        for row in wanted:
            check_row(data, int(row))
        if data.pixels.native_shape is None:
            return [data.pixels.image(int(row)) for row in wanted]
        return data.pixels.batch(wanted, *data.pixels.native_shape)

    def features(self, spec: str = "best") -> NDArray[np.float32]:
        """Features of every sample, float32 (N, D), memory-mapped; computed when first asked for.

        Args:
            spec: `pixels`, `hog`, `raw`, `torchvision:NAME`, `hf:ID-or-folder` or `npy:FILE`;
                `best` takes those, of all that were extracted, whose neighbours fit the sets best.
        """
        mining = self._services.mining
        if mining.stored(self.name, spec) is None:
            self._services.require_writable()
        spec = mining.check_spec(self.name, spec)
        return mining.load_features(mining.extract(self.name, spec, self._studio.progress))

    def pairs(
        self,
        features: str = "best",
        quantile: float | None = None,
        threshold: float | None = None,
        *,
        labels: str = "auto",
        split: str | None = None,
        **config: Any,
    ) -> pd.DataFrame:
        """The entangled pairs, the closest first.

        A search that was made before on the same sets is not made again.

        Args:
            features: Extractor, as of `features`; `best` takes those, of all that were extracted,
                whose neighbours fit the sets best.
            quantile: Share of the cross-class pairs that counts as close; 0.001 where neither this
                nor `threshold` is given.
            threshold: Least cosine of a pair.
            labels: `auto` judges "different class" by true labels where known, else by the best
                current label; `best` never looks at true labels.
            split: Search within this split only.
            config: Further fields of `MiningConfig`, such as `limit`.

        Returns:
            `i`, `j` (rows), `id_i`, `id_j`, `similarity` (cosine), `shared` (candidates in
            common), `class_i`, `class_j` (what each was taken for; missing where not known).
        """
        self._services.sets.settle(self.name)
        if quantile is None and threshold is None:
            quantile = 1e-3
        wanted = MiningConfig(threshold=threshold, quantile=quantile, **config)
        features = self._services.mining.check_spec(self.name, features)
        asked = {
            **settings_to_json(wanted), "features": features, "labels": labels, "split": split,
        }  # fmt: skip
        mining = self._search_of(asked)
        found = self._services.mining.load_pairs(mining)
        data, ids = self._data(), np.array(self._data().ids, object)
        taken = np.asarray(self._services.mining.labels_of(mining))
        names = pd.Series([*data.record.class_names, None], dtype=object).to_numpy()
        return pd.DataFrame(
            {
                "i": found.i,
                "j": found.j,
                "id_i": ids[found.i],
                "id_j": ids[found.j],
                "similarity": found.similarity,
                "shared": found.shared,
                "class_i": names[taken[found.i]],
                "class_j": names[taken[found.j]],
            }
        )

    def searches(self) -> pd.DataFrame:
        """The searches for pairs that were made, newest first; index `id`."""
        made = [vars(each) for each in self._services.mining.minings(self.name)]
        return listed(made, "id", Mining.__dataclass_fields__)

    def agreement_of_searches(self, first: int, second: int, top: int = 1000) -> float | None:
        """Share of the closest pairs that two searches have in common, 0 to 1; None without pairs.

        Args:
            first: An index of `searches`.
            second: Another one.
            top: How many pairs of each are compared.
        """
        return self._services.pairs.agreement(self.name, index(first), index(second), index(top))[
            "share"
        ]

    def neighbours(self, row: int, features: str = "best", count: int = 10) -> pd.DataFrame:
        """The samples most similar to one: `row`, `id`, `similarity`, `candidates`."""
        features = self._services.mining.check_spec(self.name, features)
        extracted = self._services.mining.extract(self.name, features, self._studio.progress)
        found = self._services.pairs.neighbours(self.name, extracted.id, index(row), index(count))
        names, ids = self.classes, self._data().ids
        return pd.DataFrame(
            {
                "row": found["rows"],
                "id": [ids[each] for each in found["rows"]],
                "similarity": found["similarity"],
                "candidates": [tuple(names[k] for k in one) for one in found["candidates"]],
            }
        )

    def search(
        self,
        words: str = "",
        picture: "str | Path | NDArray[np.uint8] | None" = None,
        count: int = 20,
        features: str = "",
    ) -> pd.DataFrame:
        """The samples most similar to words or a picture: `row`, `id`, `similarity` (cosine).

        Args:
            words: What is on the images.
            picture: An image file, or pixels uint8 (H, W, 3), from anywhere.
            count: How many.
            features: Extractor of stored features; empty takes the newest that can be used, which
                for words are those of an image-text model.

        Raises:
            SettingError: There are no such features, with what to extract.
        """
        kept = ""
        if picture is not None:
            data, where = _file_of(picture)
            kept = self._services.search.keep_picture(self.name, data, where, features)
        found = self._services.search.search(self.name, SearchQuery(words, kept, features, count))
        columns = {"row": found["rows"], "id": found["ids"], "similarity": found["similarity"]}
        return pd.DataFrame(columns)

    def zero_shot(self, out: str | Path, features: str = "", **limits: Any) -> dict[str, Any]:
        """Write candidates suggested by the words for each class; no set is changed.

        Args:
            out: The table, `.csv`, which `import --candidates` reads.
            features: As of `search`.
            limits: `mass` and `most` of `ZeroShotService.suggest`.
        """
        place, progress = Path(out).absolute(), self._studio.progress
        return self._services.zero_shot.suggest(self.name, place, progress, features, **limits)

    def co_occurrence(self) -> pd.DataFrame:
        """Samples that hold both of two classes, int64 (C, C); the diagonal counts one class."""
        return self._by_class(self._data().together)

    def set_model(self) -> pd.DataFrame:
        """P(class of the column in the set | class of the row), by the sets alone, (C, C)."""
        return self._by_class(self._data().set_model.table)

    def suspects(
        self, run: "StudioRun | int | None" = None, features: str = "", seed: int = 0
    ) -> pd.DataFrame:
        """Samples whose set, or whose partner in a pair, is probably wrong, each kind ranked.

        Args:
            run: A run whose beliefs are looked at too.
            features: Extractor; empty takes the run's, or else the plainest.
            seed: Of the folds.

        Returns:
            `kind`, `row`, `id`, `score`, `reason`, `label`, `other`.
        """
        arguments = {
            "name": self.name, "run": maybe_run(run),
            "features": features, "seed": seed, "limit": 1000,
        }  # fmt: skip
        columns = ["kind", "row", "id", "score", "reason", "label", "other"]
        return pd.DataFrame(self._studio.do("suspects", **arguments)["suspects"], columns=columns)

    def annotate(
        self,
        kind: str,
        rows: Rows = (),
        *,
        who: str = "owner",
        why: str = "",
        place: tuple[int, int] | None = None,
        preview: bool = False,
        **given: Any,
    ) -> dict[str, Any]:
        """One action of the Annotate page, logged and undoable.

        Args:
            kind: `label`, `toggle`, `add`, `remove`, `none`, `undo` and so on.
            rows: The samples it is about.
            who: Name of the annotator.
            why: A reason, if there is one.
            place: The number of the queue they were taken from, and the position there.
            preview: Whether only to tell what would become of it.
            given: What belongs to the action, such as `class="Shirt"` as `label="Shirt"`: classes
                may be named (`label`, `other_label`, `labels`).

        Returns:
            What became of it, or would: `AnnotationService.act` or `AnnotationService.preview`.

        Raises:
            SettingError: Something is given that actions do not have.
        """
        if unknown := sorted(set(given) - _OF_ACTION):
            hint = closest(unknown[0], _OF_ACTION)
            raise SettingError(f"{unknown[0]!r} is not part of an action. {hint}".strip())
        for word, key in (("label", "class"), ("other_label", "other_class")):
            if word in given:
                given[key] = self._class_index(given.pop(word))
        if "labels" in given:
            given["classes"] = [self._class_index(each) for each in given.pop("labels")]
        request = request_of(kind, rows_of(rows, len(self)), given, who, why, place)
        if preview:
            return self._services.annotation.preview(self.name, request)
        return self._services.annotation.act(self.name, request)

    def divide(self, *, who: str = "owner", preview: bool = False, **config: Any) -> dict[str, Any]:
        """Divide the samples into splits, as an action that `undo` takes back.

        Args:
            who: Name of the annotator.
            preview: Whether only to tell how many samples each split would have.
            config: Fields of `SplitConfig`, such as `shares={"train": 0.8, "test": 0.2}`.
        """
        wanted = split_config(config)
        if preview:
            return self._services.splitting.preview(self.name, wanted)
        request = request_of("split", [], {}, who, "")
        return self._services.splitting.make(self.name, wanted, request)

    def sets_from_votes(
        self, threshold: float, *, who: str = "owner", preview: bool = False
    ) -> dict[str, Any]:
        """Make the sets again of the imported votes, as a new version.

        Args:
            threshold: Share of a sample's votes that makes a class a candidate, 0 to 1.
            who: Name of the annotator.
            preview: Whether only to tell what would change.
        """
        if preview:
            return self._services.vote_sets.preview(self.name, threshold)
        return self._services.vote_sets.apply(self.name, threshold, who)

    def synthesize(self, **config: Any) -> dict[str, Any]:
        """Make candidate sets with a trained annotator, as a new version: `SynthesisConfig`."""
        return self._studio.do("synthesize", name=self.name, config=config)

    def export(
        self,
        format: str,
        out: str | Path | None = None,
        *,
        rows: Rows | None = None,
        only_changed: bool = False,
    ) -> Path:
        """Write the dataset as it is now, all or nothing.

        Args:
            format: As of `python -m cad_studio export --format`.
            out: The file; None makes one in the project.
            rows: Only these samples; None for all.
            only_changed: Only samples whose set annotators have changed.
        """
        place = None if out is None else Path(out).absolute()
        self._services.require_writable()
        only = None if rows is None else rows_of(rows, len(self))
        self._services.sets.settle(self.name)
        told = self._services.exporting.export(
            self.name, format, place, self._studio.progress, only, only_changed
        )
        return Path(told["out"])

    def training_offers(self) -> TrainingOffersView:
        """The methods, networks and settings that suit it: `TrainingService.offers`."""
        return self._services.training.offers(self.name)

    def train(self, method: str = "cad-cam", **wanted: Any) -> "StudioRun":
        """Train in the background, as the Train page does; `StudioRun.wait` waits for its end.

        Args:
            method: A partial-label method.
            wanted: `backbone` (a network; left out, the plainest for this dataset), `features` (the
                extractor that a propagated start and the entangled pairs take), `settings` (the
                method's own, a dict), `name` (what the run is called), and fields of
                `TrainConfig`, such as `epochs=10`, `start="uniform"`, `seed=0`.

        Raises:
            SettingError: A setting is out of range, or the method cannot learn from the dataset.
        """
        submitted = self._services.training.submit(self._request(method, wanted))
        return StudioRun(self._studio, submitted["run"])

    def train_over(
        self, over: Iterable[str], method: str = "cad-cam", **wanted: Any
    ) -> "list[StudioRun]":
        """Train a run for every combination of some settings, one after the other.

        Args:
            over: Settings with their values, such as `["seed=0..4", "method=cad-cam,proden"]`.
            method: As in `train`, as is `wanted`.
            wanted: What the runs have in common.
        """
        submitted = self._services.groups.submit(self._request(method, wanted), over)
        return [StudioRun(self._studio, run) for run in submitted["runs"]]

    def estimate(self, method: str = "cad-cam", **wanted: Any) -> dict[str, Any]:
        """Measure on this machine how long `train` would take; arguments as there."""
        request = self._request(method, wanted)
        return self._services.training.estimate(request, self._studio.progress)

    def pack(
        self, out: str | Path, method: str = "cad-cam", *, truth: bool = False, **wanted: Any
    ) -> "StudioRun":
        """Write a run with all that it needs into a file, to be trained on another machine.

        `Studio.take` brings the result back.

        Args:
            out: The file.
            method: As in `train`, as is `wanted`.
            truth: Whether true labels travel too.
            wanted: As in `train`.
        """
        self._services.require_writable()
        run = self._services.travel.create(self._request(method, wanted), truth)
        self._studio.do("pack", run=run.id, out=str(Path(out).absolute()))
        return StudioRun(self._studio, run.id)

    def retrain(self) -> "StudioRun":
        """Train once more as the newest finished run was, on the sets as they are now."""
        return StudioRun(self._studio, self._services.loop.retrain(self.name)["run"])

    def map(self, features: "str | StudioRun | int" = "best", seed: int = 0) -> pd.DataFrame:
        """Every sample's place on a map of features, by UMAP: `x` and `y`, missing where left out.

        Args:
            features: Extractor, or a run for its own features; `best` as in `features`.
            seed: Random seed.
        """
        if isinstance(features, str):
            spec = self._services.mining.check_spec(self.name, features)
            self.features(spec)
        else:
            spec = f"run:{run_number(features)}"
        self._studio.do("map", name=self.name, features=spec, method="umap", seed=seed)
        points = self._services.diagnosis.maps.points(self.name, spec, "umap", seed)
        places = points.astype(np.float64)
        places[(points == 0).all(axis=1)] = np.nan
        return pd.DataFrame(
            places, columns=["x", "y"], index=pd.RangeIndex(len(places), name="row")
        )

    def runs(self) -> pd.DataFrame:
        """The runs on this dataset: `Studio.runs`."""
        return self._studio.runs(self.name)

    def _request(self, method: str, wanted: dict[str, Any]) -> TrainingRequest:
        own = {key: wanted[key] for key in _OF_REQUEST if key in wanted}
        config = {key: value for key, value in wanted.items() if key not in own}
        return TrainingRequest(self.name, method, config=config, **own)

    def _data(self) -> LoadedDataset:
        self._services.sets.settle(self.name)
        return self._services.datasets.load(self.name)

    def _named(self, labels: NDArray[np.integer], name: str) -> pd.Series:
        found = pd.Categorical.from_codes(labels, self.classes)
        return pd.Series(found, index=pd.RangeIndex(len(labels), name="row"), name=name)

    def _by_class(self, table: NDArray[Any]) -> pd.DataFrame:
        return pd.DataFrame(table, index=self.classes, columns=self.classes)

    def _class_index(self, label: str | int) -> int:
        if isinstance(label, int | np.integer):
            return int(label)
        if label not in self.classes:
            hint = closest(label, self.classes)
            raise SettingError(f"{label!r} is not a class of {self.name}. {hint}".rstrip())
        return self.classes.index(label)

    def _search_of(self, asked: dict[str, Any]) -> Mining:
        version = self._services.datasets.get(self.name).version.hash
        for mining in self._services.mining.minings(self.name):
            if mining.version_hash == version and asked.items() <= mining.settings.items():
                return mining
        config = {key: asked[key] for key in settings_to_json(MiningConfig(quantile=1.0))}
        self._studio.do(
            "mine", name=self.name, features=asked["features"], config=config,
            labels=asked["labels"], split=asked["split"],
        )  # fmt: skip
        return self._services.mining.minings(self.name)[0]


def _file_of(picture: str | Path | NDArray[np.uint8]) -> tuple[bytes, str]:
    """An image file, and what to call it."""
    if not isinstance(picture, np.ndarray):
        return read_picture(Path(picture)), str(picture)
    if picture.dtype != np.uint8:
        raise SettingError(f"The picture has values of type {picture.dtype}; give uint8, 0 to 255.")
    return png(picture), "The picture"
