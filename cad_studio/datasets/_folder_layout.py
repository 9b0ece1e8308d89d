"""What the folders around pictures mean: splits, classes, or a wrapping that means nothing."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cad_studio.core.errors import DoubtfulSourceError, SettingError, closest
from cad_studio.datasets._trees import SPLIT_WORDS

OPTION = "--split-from"
SPLIT_FROM = ("folders", "none")

_DRESSED = re.compile(r"[-_ .]?(set|data|images?|imgs|split|\d{4})$")


@dataclass(frozen=True)
class Layout:
    """What pictures are by the folders they lie in.

    Attributes:
        words: The layout as a phrase.
        splits: Split of each picture, None where no folder tells.
        labels: Class of each picture, None where it lies in no class folder.
    """

    words: str
    splits: list[str | None]
    labels: list[str | None]


def is_split_name(name: str) -> bool:
    """Whether a folder is called like a split, e.g. `train`, `Test` or `training_set`."""
    lower = name.lower()
    return lower in SPLIT_WORDS or _DRESSED.sub("", lower) in SPLIT_WORDS


def wrapping(names: Sequence[str], class_names: Collection[str] = ()) -> str:
    """The folders around everything that only wrap it, as a prefix that ends with a slash.

    Args:
        names: Pictures and tables by relative name.
        class_names: Known classes; a folder of one of these is no wrapping.
    """
    prefix = ""
    while True:
        inner = [name[len(prefix) :] for name in names if name.startswith(prefix)]
        tops = {name.partition("/")[0] for name in inner if "/" in name}
        if len(tops) != 1:
            return prefix
        (top,) = tops
        in_top = [name for name in inner if name.startswith(f"{top}/")]
        is_deep = any(name.count("/") > 1 or name.endswith(_TABLE_ENDS) for name in in_top)
        if is_split_name(top) or top in class_names or not is_deep or len(in_top) < len(inner) / 2:
            return prefix
        prefix += f"{top}/"


_TABLE_ENDS = ("/metadata.csv", "/metadata.jsonl", "/metadata.tsv", "/metadata.xlsx")


def find_layout(
    names: Sequence[str],
    split_from: str | None,
    class_names: Collection[str] = (),
    has_sets: bool = False,
) -> Layout:
    """What the folders of pictures mean.

    Args:
        names: Pictures by relative name, below what `wrapping` gives.
        split_from: One of `SPLIT_FROM`, or None to find out.
        class_names: Known classes.
        has_sets: Whether candidate sets come from a file, so that pictures need no class folder.

    Raises:
        SettingError: Another `split_from`.
        DoubtfulSourceError: The folders could be splits or classes.
    """
    if split_from is not None and split_from not in SPLIT_FROM:
        raise SettingError(
            f"split_from is {split_from!r}. {closest(split_from, SPLIT_FROM)}".rstrip()
        )
    parts = _without_doubles([name.split("/") for name in names])
    tops = Counter(part[0] for part in parts if len(part) > 1)
    words = [top for top in tops if is_split_name(top)]
    seconds = {part[1] for part in parts if len(part) > 2}
    is_inner = bool(seconds) and all(is_split_name(second) for second in seconds)
    if split_from is None:
        _require_one_reading(parts, tops, words, is_inner, class_names, has_sets)
    if split_from != "none" and words and words == [*tops]:
        return _by_split(parts)
    if split_from != "none" and is_inner and len(tops) > 1 and not words:
        return Layout(
            "a folder for each class, in it one for each split",
            [part[1] if len(part) > 2 else None for part in parts],
            [part[0] if len(part) > 1 else None for part in parts],
        )
    if split_from == "folders":
        return _by_split(parts)
    labels = [part[0] if len(part) > 1 else None for part in parts]
    return Layout("a folder for each class", [None] * len(parts), labels)


def _by_split(parts: list[list[str]]) -> Layout:
    labels = [part[1] if len(part) > 2 else None for part in parts]
    has_classes = any(label is not None for label in labels)
    return Layout(
        "a folder for each split" + ", in it one for each class" * has_classes,
        [part[0] if len(part) > 1 else None for part in parts],
        labels,
    )


def _without_doubles(parts: list[list[str]]) -> list[list[str]]:
    """The paths with `x/x/...` shortened to `x/...`, as some archives unpack, where all are so."""
    doubled: dict[str, bool] = {}
    for part in parts:
        if len(part) > 1:
            is_double = len(part) > 2 and part[1] == part[0]
            doubled[part[0]] = doubled.get(part[0], True) and is_double
    return [part[1:] if len(part) > 1 and doubled[part[0]] else part for part in parts]


def _require_one_reading(
    parts: list[list[str]],
    tops: Counter[str],
    words: list[str],
    is_inner: bool,
    class_names: Collection[str],
    has_sets: bool,
) -> None:
    """Refuse folders that could be splits as well as classes.

    Raises:
        DoubtfulSourceError: They could.
    """
    if set(tops) <= set(class_names):
        return
    choose = f"Say {OPTION} folders where they are splits, {OPTION} none where they are classes."
    others = [top for top in tops if top not in words]
    if words and others:
        raise DoubtfulSourceError(
            f"The folders {_some(words)} look like splits, {_some(others)} "
            f"({tops[others[0]]:,} images in the first) like classes. {choose}"
        )
    inside: dict[str, set[str]] = {top: set() for top in tops}
    for part in parts:
        if len(part) > 2:
            inside[part[0]].add(part[1])
    if words:
        if not any(inside.values()) and len(words) > 1 and not (has_sets or class_names):
            raise DoubtfulSourceError(
                f"The folders {_some(words)} look like splits, but no folder in them names a "
                f"class. {choose} Where they are splits, give the classes with --class-names and "
                "the sets with --candidates."
            )
        return
    shared = Counter(frozenset(names) for names in inside.values() if len(names) > 1)
    if not is_inner and shared and shared.most_common(1)[0][1] > 1:
        same = sorted(shared.most_common(1)[0][0])
        alike = [top for top, names in inside.items() if names == set(same)]
        raise DoubtfulSourceError(
            f"The folders {_some(alike)} hold the same folders ({_some(same)}). Either "
            f"the outer ones are splits and the inner ones classes, or the outer ones are the "
            f"classes. {choose}"
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
