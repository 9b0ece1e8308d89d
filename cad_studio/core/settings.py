"""Frozen settings dataclasses: range checks from field metadata, to and from JSON."""

from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from cad_studio.core.errors import SettingError, closest

Settings = TypeVar("Settings")

_LARGEST_WHOLE = 1e15  # beyond it not every whole number is a float
_KINDS = {"bool": "true or false", "float": "a number", "int": "a whole number", "str": "a text"}


def check_settings(settings: object) -> None:
    """Hold every field against the `minimum`, `maximum` and `choices` of its metadata.

    Raises:
        SettingError: The first field that is out of range, by name, with its value.
    """
    for field in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if value is None:
            continue
        meta = field.metadata
        if "choices" in meta and value not in meta["choices"]:
            hint = closest(str(value), [str(choice) for choice in meta["choices"]])
            raise SettingError(f"{field.name} is {value!r}. {hint}".rstrip())
        if isinstance(value, float) and value != value:
            raise SettingError(f"{field.name} is not a number.")
        if "minimum" in meta and value < meta["minimum"]:
            raise SettingError(f"{field.name} is {value}; the least is {meta['minimum']}.")
        if "maximum" in meta and value > meta["maximum"]:
            raise SettingError(f"{field.name} is {value}; the most is {meta['maximum']}.")


def settings_to_json(settings: object) -> dict[str, Any]:
    """The fields as plain values, ready for `json.dumps`."""
    assert is_dataclass(settings)
    return asdict(settings)  # type: ignore[arg-type]


def settings_from_json(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Build settings from plain values; what is absent takes its default.

    Raises:
        SettingError: A name that the settings do not have, a value of another type, or a value
            out of range.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    clean: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise SettingError(f"{name!r} is not a setting here. {closest(name, known)}".rstrip())
        clean[name] = _converted(name, value, hints[name])
    for name, field in known.items():
        if name not in clean and field.default is MISSING and field.default_factory is MISSING:
            raise SettingError(f"{name} is missing.")
    return kind(**clean)


def describe_settings(kind: type) -> list[dict[str, Any]]:
    """The fields of a settings dataclass as plain values, in order, for forms built elsewhere.

    Args:
        kind: A frozen dataclass. Field metadata may have `label`, `help`, `minimum`, `maximum`,
            `choices`, `suggestions`, and `advanced` for what few will ever touch.

    Returns:
        Of each field: `name`, `label` (the name in words where none is stated), `type` (`int`,
        `float`, `bool`, `str` or `choice`), `optional` (whether None is a value), `default` (None
        where there is none), `required` (whether it must be given), `help`, `minimum`, `maximum`,
        `choices`, `suggestions` (values beside which others may stand) and `advanced`; what is not
        stated is None, an empty text or False.
    """
    hints = get_type_hints(kind)
    return [_described(field, hints[field.name]) for field in fields(kind)]


def _described(field: Field[Any], hint: Any) -> dict[str, Any]:
    meta = field.metadata
    allowed = getattr(hint, "__args__", (hint,))
    plain = [each for each in allowed if each is not type(None)]
    # a number that may be whole or not is asked for as one that may not be
    of_type = "float" if float in plain else plain[0].__name__
    default = field.default
    if default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    return {
        "name": field.name,
        "label": meta.get("label") or field.name.replace("_", " ").capitalize(),
        "type": "choice" if "choices" in meta else of_type,
        "optional": type(None) in allowed,
        "default": None if default is MISSING else default,
        "required": default is MISSING,
        "help": meta.get("help", ""),
        "minimum": meta.get("minimum"),
        "maximum": meta.get("maximum"),
        "choices": list(meta["choices"]) if "choices" in meta else None,
        "suggestions": list(meta["suggestions"]) if "suggestions" in meta else None,
        "advanced": bool(meta.get("advanced", False)),
    }


def _converted(name: str, value: Any, hint: Any) -> Any:
    allowed = set(getattr(hint, "__args__", (hint,)))
    if value is None and type(None) in allowed:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed:
        return float(value)
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE
    if is_whole and int in allowed and float not in allowed:
        return int(value)
    if type(value) in allowed:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and allowed == {str}:
        return str(value)  # a number where more than a number may stand
    kinds = sorted(kind.__name__ for kind in allowed if kind is not type(None))
    wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
    raise SettingError(f"{name} is {'empty' if value is None else repr(value)}; expected {wanted}.")
