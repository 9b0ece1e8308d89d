"""The forms that start a job over a dataset, as settings that one script draws."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cad_studio.core.errors import SettingError, closest
from cad_studio.core.settings import check_settings, describe_settings, settings_from_json
from cad_studio.services.datasets.export_formats import formats_of
from cad_studio.services.datasets.import_texts import columns_in, names_in
from cad_studio.services.datasets.importing import formats, resolved_source
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.pairs.mining import BEST, LABEL_CHOICES, OFFERED, MiningConfig
from cad_studio.views.settings import SettingView

_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_LONGEST_PATH, _LONGEST_TEXT = 4096, 1_000_000
_PLACES = ("source", "name", "candidates", "images_dir")
_MINED = ("quantile", "threshold", "method")


def _rare(label: str, **more: Any) -> Any:
    """A field of the import that is needed where the source does not tell."""
    return field(default=None, metadata={"label": label, "advanced": True, **more})


@dataclass(frozen=True)
class ImportForm:
    """What to import and how to read it, each part as it is typed."""

    source: str = field(
        default="",
        metadata={
            "help": "File or folder on the machine the studio runs on, an address (https, s3, gs, "
            "hf), hf:OWNER/NAME, or torchvision:CIFAR10."
        },
    )
    name: str = field(default="", metadata={"label": "Name in the project"})
    candidates: str = field(
        default="",
        metadata={
            "label": "Candidate sets (optional)",
            "help": "A separate table, .npy, .npz, .pt or PLCIFAR10 pickle for a labelled source.",
        },
    )
    format: str | None = _rare("Format", choices=formats())
    splits: str = field(
        default="",
        metadata={"help": "Separated by commas; empty takes all.", "advanced": True},
    )
    split_from: str | None = _rare("Top folders are splits", choices=("folders", "none"))
    class_names: str | None = _rare(
        "Class names",
        help='In order, commas between; double quotes around a name with a comma: "beech, red".',
    )
    columns: str | None = _rare("Columns", help="By role: image=file,candidates=labels,split=set.")
    separator: str | None = _rare("Between columns", choices=("comma", "semicolon", "tab", "bar"))
    list_separator: str | None = _rare(
        "Between candidates in a cell",
        choices=("bar", "semicolon", "comma", "slash", "space", "none"),
    )
    encoding: str | None = _rare("Encoding of tables", help="Such as cp1252 or gb18030.")
    unlabelled: str | None = _rare("Samples without label", choices=("leave-out", "keep"))
    bit_depth: int | None = _rare(
        "Bits in use", help="Of images with more than 8 bits, such as 12.", minimum=1, maximum=64
    )
    images_dir: str | None = _rare("Image folder of a table")
    votes_as: str | None = _rare(
        "A matrix of votes holds", choices=("counts", "shares", "annotators")
    )
    threshold: float = field(
        default=0.0,
        metadata={
            "label": "Share of votes",
            "help": "That makes a class a candidate; 0: any vote.",
            "minimum": 0.0,
            "maximum": 1.0,
            "advanced": True,
        },
    )
    follow_links: bool = field(
        default=False,
        metadata={"label": "Follow links that lead out of the source", "advanced": True},
    )
    skip_bad: bool = field(
        default=False,
        metadata={"label": "Import the rest when some samples are bad, and list what was left out"},
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range, or a text is too long.
        """
        check_settings(self)
        for name, text in asdict(self).items():
            most = _LONGEST_PATH if name in _PLACES else _LONGEST_TEXT
            if len(str(text)) > most:
                raise SettingError(f"{name} has more than {most:,} characters.")

    def place(self, upload: str | None) -> str:
        """The one source that is given.

        Args:
            upload: Where a file lies that was handed in, or None.

        Raises:
            SettingError: There is none, or two.
        """
        typed = self.source.strip()
        if upload and typed:
            raise SettingError(
                f"Two sources are given: the uploaded file {Path(upload).name} and {typed}. "
                "Remove one of them."
            )
        if not (upload or typed):
            raise SettingError("Give a source: a path, hf:OWNER/NAME, torchvision:NAME, or a file.")
        return upload or typed

    def options(self) -> dict[str, Any]:
        """The options of the import, as a job stores them.

        Raises:
            SettingError: A text is not what its field asks for.
        """
        found: dict[str, Any] = {}
        for name in ("candidates", *_option_names()):
            value = getattr(self, name)
            found[name] = (value.strip() or None) if isinstance(value, str) else value
        found["splits"] = names_in(found["splits"] or "")
        found["class_names"] = names_in(found["class_names"] or "") or None
        found["columns"] = columns_in(found["columns"] or "")
        for name in ("candidates", "images_dir"):
            found[name] = found[name] and resolved_source(found[name])
        return found


@dataclass(frozen=True)
class MineForm:
    """What to search for pairs in, beside the settings of the search."""

    features: str = field(
        default="",
        metadata={
            "help": "Empty or best: of those that were extracted, the ones whose neighbours fit "
            "the sets best. pixels and hog need no download; raw is for datasets of vectors. "
            "Others: any torchvision:NAME, hf:ID-or-folder, npy:FILE.",
            "suggestions": (BEST, *OFFERED, "raw"),
        },
    )
    labels: str = field(
        default=LABEL_CHOICES[0],
        metadata={
            "label": "Classes by",
            "help": "auto: true labels where known, else the best current label; best: never true "
            "labels.",
            "choices": LABEL_CHOICES,
        },
    )
    split: str = field(default="", metadata={"help": "Search within one split; empty takes all."})

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            SettingError: One is none of those offered.
        """
        check_settings(self)


@dataclass(frozen=True)
class ExportForm:
    """What to make a file of."""

    format: str = field(default="csv", metadata={"choices": tuple(formats_of(annotation=False))})

    def __post_init__(self) -> None:
        """Check the format.

        Raises:
            SettingError: There is no such format.
        """
        check_settings(self)


def _mining() -> list[dict[str, Any]]:
    search = {each["name"]: each for each in describe_settings(MiningConfig)}
    search["quantile"]["default"] = 1e-3  # one of quantile and threshold is given
    features, *others = describe_settings(MineForm)
    return [features, *(search[name] for name in _MINED), *others]


_FORMS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "import": lambda: describe_settings(ImportForm),
    "synthesize": lambda: describe_settings(SynthesisConfig),
    "export": lambda: describe_settings(ExportForm),
    "mine": _mining,
}


def described_form(name: str) -> list[SettingView]:
    """The fields of a form, in order.

    Raises:
        SettingError: There is no such form.
    """
    if name not in _FORMS:
        raise SettingError(f"{name!r} is not a form. {closest(name, _FORMS)}".rstrip())
    return _FORMS[name]()  # type: ignore[return-value]


def mining_asked(fields: dict[str, Any]) -> tuple[MineForm, dict[str, Any]]:
    """The two parts of the form `mine`: where to search, and the settings of the search.

    Raises:
        SettingError: A value is none that its field takes.
    """
    search = {"quantile": 1e-3, **{name: fields[name] for name in _MINED if name in fields}}
    rest = {name: value for name, value in fields.items() if name not in _MINED}
    settings_from_json(MiningConfig, search)
    return settings_from_json(MineForm, rest), search


def in_fields(words: str) -> str:
    """Words about options of the command line as words about the fields of the import form."""
    return _OPTION.sub(lambda match: _labels().get(match[1], match[0]), words)


@cache
def _labels() -> dict[str, str]:
    """What each field is called in the window, in quotes, by its option of the command line."""
    told = {each["name"]: each["label"] for each in describe_settings(ImportForm)}
    named = ("candidates", "skip_bad", *_option_names())
    return {name.replace("_", "-"): f'"{told[name].partition(" (")[0]}"' for name in named}


@cache
def _option_names() -> tuple[str, ...]:
    return tuple(each["name"] for each in describe_settings(ImportForm) if each["advanced"])
