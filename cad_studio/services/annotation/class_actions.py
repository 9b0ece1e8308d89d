"""Actions on classes: what would follow, and how many samples they touch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotation.classes import after_class_action
from cad_studio.core.annotation import Book, ClassMap
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.annotated_sets import AnnotatedSets


@dataclass(frozen=True)
class ClassOutcome:
    """What an action on classes comes to.

    Attributes:
        names: All class names after it.
        classes: What became of the classes after it.
        touched: Samples that hold the class now, ascending, int64 (M,).
    """

    names: list[str]
    classes: ClassMap
    touched: NDArray[np.int64]


def class_outcome(
    sets: AnnotatedSets,
    base: PartialLabels,
    book: Book | None,
    names: list[str],
    request: ActionRequest,
) -> ClassOutcome:
    """Work out an action on classes; nothing is changed.

    Args:
        sets: Of the project.
        base: The imported sets.
        book: The log as it is, or None where nothing was done.
        names: All class names now.
        request: The action.

    Raises:
        SettingError: It cannot be done, with the reason.
    """
    before = ClassMap.from_json(None if book is None else book.classes)
    later, after = after_class_action(request.kind, request.arguments, names, before)
    chosen = request.arguments["class"]
    now = sets.under(base, book, before)
    if request.kind == "remove-class":
        mapped = sets.under(base, book, after)
        empty = np.flatnonzero((mapped.sizes() == 0) & (now.sizes() > 0))
        if len(empty):
            raise SettingError(
                f"{len(empty):,} samples have no candidate but {names[chosen]!r} "
                f"(first: row {empty[0]}). Decide them first, or merge the class into another."
            )
    return ClassOutcome(later, after, np.flatnonzero(now.has(chosen)))


def told_outcome(found: ClassOutcome, names: list[str], request: ActionRequest) -> dict[str, Any]:
    """An outcome for a window: `changed` (samples that hold the class now), `says` (sentences)."""
    name, n_samples = names[request.arguments["class"]], len(found.touched)
    held = f"{n_samples:,} sample{'s hold' if n_samples != 1 else ' holds'} {name!r}"
    if request.kind == "rename-class":
        says = f"{held}; it is called {found.names[request.arguments['class']]!r} from then on."
    elif request.kind == "merge-class":
        into = names[request.arguments["into"]]
        says = f"{held} and get {into!r} in its place, as do true labels and votes."
    else:
        says = f"{held} and lose it; votes for it count no more, true labels of it are not known."
    return {"changed": n_samples, "says": says}
