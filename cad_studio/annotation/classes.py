"""Actions on classes: rename, merge, remove. Indices never move, so nothing saved loses sense."""

from dataclasses import replace
from typing import Any

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import SettingError

_MOST_NAME = 200


def after_class_action(
    kind: str, given: dict[str, Any], names: list[str], classes: ClassMap
) -> tuple[list[str], ClassMap]:
    """Names and class map after an action on classes.

    Args:
        kind: `rename-class`, `merge-class` or `remove-class`.
        given: `class`, and `name` or `into`.
        names: All class names now.
        classes: What became of them so far.

    Raises:
        SettingError: The class or name cannot be used.
    """
    chosen = _live(given.get("class"), names, classes)
    if kind == "rename-class":
        name = str(given.get("name") or "").strip()
        if not 0 < len(name) <= _MOST_NAME:
            raise SettingError(f"A class name has 1 to {_MOST_NAME} characters.")
        if name in names and names.index(name) != chosen:
            raise SettingError(
                f"There is a class {name!r} already. To make the two one, merge them."
            )
        return [name if at == chosen else old for at, old in enumerate(names)], classes
    if len(classes.live(len(names))) <= 2:
        raise SettingError("A dataset needs two classes; there are only two left.")
    if kind == "merge-class":
        into = _live(given.get("into"), names, classes)
        if into == chosen:
            raise SettingError("A class cannot be merged into itself. Choose another.")
        return names, replace(classes, merged={**classes.merged, chosen: into})
    return names, replace(classes, removed=classes.removed | {chosen})


def _live(index: Any, names: list[str], classes: ClassMap) -> int:
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(names):
        raise SettingError(f"There is no class {index!r:.40}; classes are 0 to {len(names) - 1}.")
    if classes.target(index) != index:
        raise SettingError(f"The class {names[index]!r} was merged or removed already.")
    return index


CLASS_KINDS = {
    "rename-class": "Rename a class",
    "merge-class": "Merge a class into another",
    "remove-class": "Remove a class from every set",
}
"""What can be done to classes, and what it says; all of it is an owner's."""
