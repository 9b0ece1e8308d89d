"""Divide a dataset into splits within the studio, also by groups; an action that can be undone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotation.splitting import SplitConfig, divide
from cad_studio.core.errors import SettingError, closest
from cad_studio.services.access import Access
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.annotation import AnnotationService
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.projects import Project


class SplitService:
    """Splits of the datasets of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        annotation: AnnotationService,
        access: Access,
    ) -> None:
        """Write through `annotation`, which keeps the log."""
        self._project = project
        self._datasets = datasets
        self._annotation = annotation
        self._access = access

    def preview(self, name: str, config: SplitConfig) -> dict[str, Any]:
        """What a split would be, changing nothing.

        Returns:
            `splits` (samples by name), `before` (the same now), `changed` (samples that come into
            another split), `groups` (how many; None where none are kept together), `notes`.

        Raises:
            SettingError: No such field or split, or a split would be empty.
        """
        data = self._datasets.load(name)
        return self._told(data, config, self._divided(data, config))

    def make(self, name: str, config: SplitConfig, request: ActionRequest) -> dict[str, Any]:
        """Divide the samples, as an action.

        Args:
            name: The dataset.
            config: How.
            request: Who does it, with its key; the configuration goes into the log.

        Returns:
            As `AnnotationService.act`, and what `preview` gives.

        Raises:
            SettingError: As `preview`, or nothing would change.
        """
        self._access.require("owner")
        data = self._datasets.load(name)
        names, codes = divided = self._divided(data, config)
        told = self._told(data, config, divided)
        if not told["changed"]:
            raise SettingError(f"{name} is divided like this already.")
        asked = ActionRequest(
            "split", [], config.to_json(), request.who, request.key, request.window,
            request.seconds, request.why,
        )  # fmt: skip

        def store() -> dict[str, Any]:
            file = self._project.blobs.save_array(codes.astype(np.int16))
            return {"file": file, "names": names}

        return {**self._annotation.act_split(name, asked, store, told["changed"]), **told}

    def _divided(
        self, data: LoadedDataset, config: SplitConfig
    ) -> tuple[list[str], NDArray[np.int64]]:
        """All split names, and the split of each sample, int64 (N,)."""
        known = data.record.split_names
        rows = np.arange(len(data))
        if config.within:
            if config.within not in known:
                hint = closest(config.within, known)
                raise SettingError(
                    f"{config.within!r} is not a split of {data.record.name}. {hint}".rstrip()
                )
            rows = np.flatnonzero(data.splits == known.index(config.within))
        groups = rows
        if config.group_by:
            groups = self._datasets.fields.field(data, config.group_by).groups()[rows]
        made = divide(groups, list(config.shares.values()), config.seed)
        counts = np.bincount(made, minlength=len(config.shares))
        for split, count in zip(config.shares, counts.tolist(), strict=True):
            if not count:
                few = f"the values of {config.group_by!r}" if config.group_by else "the samples"
                raise SettingError(
                    f"The split {split!r} would be empty: {few} are too few for its share. Give "
                    "it a larger one, or leave it out."
                )
        others = [each for each in known if config.within and each != config.within]
        names = list(dict.fromkeys([*config.shares, *others]))
        codes = np.empty(len(data), np.int64)
        place = np.array([names.index(split) for split in config.shares])
        codes[rows] = place[made]
        kept = np.setdiff1d(np.arange(len(data)), rows)
        if len(kept):
            old = np.array([names.index(each) if each in names else -1 for each in known])
            codes[kept] = old[data.splits[kept]]
        return names, codes

    def _told(
        self, data: LoadedDataset, config: SplitConfig, divided: tuple[list[str], NDArray[np.int64]]
    ) -> dict[str, Any]:
        names, codes = divided
        known = data.record.split_names
        before = np.array(known, object)[np.asarray(data.splits, np.int64)]
        after = np.array(names, object)[codes]
        counts = np.bincount(codes, minlength=len(names))
        told: dict[str, Any] = {
            "splits": {split: int(n) for split, n in zip(names, counts, strict=True)},
            "before": {split: int((before == split).sum()) for split in known},
            "changed": int((before != after).sum()),
            "groups": None,
            "notes": [],
        }
        if config.group_by:
            field = self._datasets.fields.field(data, config.group_by)
            groups = field.groups()
            told["groups"] = len(np.unique(groups))
            loose = int((~field.known()).sum())
            if loose:
                told["notes"].append(
                    f"{loose:,} samples have no {config.group_by!r}; each is divided by itself."
                )
            pairs = np.unique(np.stack([groups, codes]), axis=1)
            torn = int((np.bincount(pairs[0]) > 1).sum())
            if torn:
                told["notes"].append(
                    f"{torn:,} values of {config.group_by!r} are in several splits, as the samples "
                    f"outside {config.within!r} stay where they are."
                )
        return told


def split_config(value: Any) -> SplitConfig:
    """A split as a page asks for it.

    Raises:
        SettingError: It is none.
    """
    if not isinstance(value, dict):
        raise SettingError(f"The split is {value!r:.40}; expected its settings by name.")
    return SplitConfig.from_json(value)
