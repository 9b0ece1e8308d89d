"""What can be trained on a dataset: methods, networks, settings, presets."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.settings import describe_settings
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.training.inputs import HEADS, default_backbone, extractor_of, split_rows
from cad_studio.services.training.presets import FROZEN, PRESETS, head_settings
from cad_studio.training.settings import TrainConfig

if TYPE_CHECKING:
    from cad_studio.models._base import Backbone

DEFAULT_METHOD = "cad-cam"
_PHOTOGRAPH_PX = 96


def offers(data: LoadedDataset, features: list[str], stored: list[str]) -> dict[str, Any]:
    """What a form needs to know to ask for a run on a dataset.

    Args:
        data: The dataset.
        features: Extractors to choose from, the best one first.
        stored: Those whose features are there.

    Returns:
        `dataset`, `methods` (with whether each can learn from it, the description of its
        settings, and where it departs from its paper), `config`, `backbones`, `backbone`,
        `features`, `presets`, `preset` (the one to begin with), `method`.
    """
    from cad_studio.algorithms._base import ALGORITHMS
    from cad_studio.models._base import BACKBONES

    train_rows, test_rows = split_rows(data)
    methods = []
    for method in ALGORITHMS.names():
        member = ALGORITHMS.get(method)
        settings = describe_settings(member.config_type)
        given = {}
        if data.pixels is None:  # what reads vectors with other settings than its own begins so
            given = head_settings(member.config_type)
            settings = [{**each, "default": given.get(each["name"], each["default"])}
                        for each in settings]  # fmt: skip
        reason = why_not(member, data, member.config_type(**given))
        methods.append(
            {
                "name": method,
                "title": member.title,
                "summary": (member.__doc__ or "").partition("\n")[0],
                "paper": member.paper,
                "departures": [each._asdict() for each in member.departures],
                "needs_images": member.needs_images,
                "uses_truth": member.uses_truth,
                "available": not reason,
                "why_not": reason,
                "settings": settings,
            }
        )
    fitting = [
        backbone
        for backbone in BACKBONES.names()
        if backbone not in HEADS and BACKBONES.get(backbone).takes_features == (data.pixels is None)
    ]
    return {
        "dataset": {
            "name": data.record.name,
            "kind": data.record.kind,
            "n_train": len(train_rows),
            "n_test": len(test_rows),
            "version_number": data.record.version.number,
        },
        "methods": methods,
        "config": describe_settings(TrainConfig),
        "backbones": [
            *(
                f"{backbone}:{example}" if example else backbone
                for backbone in fitting
                for example in BACKBONES.get(backbone).examples or ("",)
            ),
            *(f"{head}:{spec}" for spec in features for head in HEADS),
        ],
        "backbone": default_backbone(data),
        "features": features,
        "presets": [asdict(preset) for preset in PRESETS],
        "preset": FROZEN if _is_photographs(data) and _pretrained(stored) else PRESETS[0].name,
        "method": DEFAULT_METHOD if data.pixels is not None else "proden",
    }


def _is_photographs(data: LoadedDataset) -> bool:
    shape = None if data.pixels is None else data.pixels.native_shape
    return data.pixels is not None and (shape is None or max(shape[:2]) >= _PHOTOGRAPH_PX)


def _pretrained(stored: list[str]) -> bool:
    return any(spec.startswith(("torchvision:", "hf:", "npy:")) for spec in stored)


def why_not(
    member: Any,  # a class of `algorithms`, which needs torch
    data: LoadedDataset,
    settings: Any,
    backbone: str = "",
) -> str:
    """Why a method cannot learn from a dataset; empty when it can.

    Args:
        member: The method.
        data: The dataset.
        settings: Of the method.
        backbone: The network; empty for one that reads the dataset itself.
    """
    name = data.record.name
    reads_vectors = bool(extractor_of(backbone)) or data.pixels is None
    if reads_vectors and member.reads_images(settings):
        reader = backbone if extractor_of(backbone) else name
        way_out = (
            "Set without_rl to true, or choose a network that reads images."
            if "without_rl" in member.config_type.__dataclass_fields__
            else "Choose proden."
        )
        return f"{member.title} needs images; {reader} gives feature vectors. {way_out}"
    if member.uses_truth:
        rows, _ = split_rows(data)
        known = data.truth is not None and bool((data.truth[rows] != UNKNOWN).all())
        if not known:
            return f"{member.title} needs the true label of every training sample of {name}."
    return ""


def check_backbone(spec: str, data: LoadedDataset) -> "type[Backbone]":
    """The kind of a network; one that is not known or reads another kind of data is refused.

    Raises:
        SettingError: It is such a one.
    """
    from cad_studio.models._base import BACKBONES

    member = BACKBONES.get(spec.partition(":")[0])
    if not extractor_of(spec) and member.takes_features != (data.pixels is None):
        kind = "images" if data.pixels is not None else "feature vectors"
        raise SettingError(
            f"{spec} does not read {kind}. Choose {default_backbone(data)}, which does."
        )
    return member
