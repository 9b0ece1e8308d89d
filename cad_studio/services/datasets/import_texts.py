"""What a user types about an import, as the options that readers take."""

import csv
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.datasets._base import ReadOptions


def names_in(text: str) -> list[str]:
    """Names with commas between; one that holds a comma stands in double quotes.

    Raises:
        SettingError: A quote is not closed.
    """
    try:
        cells = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise SettingError(
            f"{text!r} is not a list of names ({error}). Put commas between them, and double "
            "quotes around a name that holds a comma."
        ) from error
    return [cell.strip() for cell in cells if cell.strip()]


def columns_in(text: str) -> dict[str, list[str]]:
    """Columns by role, written as `image=file,candidates=labels`; a role may come again.

    Raises:
        SettingError: A part is written otherwise.
    """
    found: dict[str, list[str]] = {}
    for part in names_in(text):
        role, sign, name = part.partition("=")
        if not (sign and role.strip() and name.strip()):
            raise SettingError(
                f"{part!r} does not say which column is what. Write ROLE=COLUMN with commas "
                "between, e.g. image=file,candidates=labels."
            )
        found.setdefault(role.strip(), []).append(name.strip())
    return found


def options_from_json(plain: Mapping[str, Any]) -> ReadOptions:
    """The options that a job stores as plain values.

    Raises:
        SettingError: There is no such option.
    """
    known = {field.name for field in fields(ReadOptions)}
    odd = next((name for name in plain if name not in known), None)
    if odd is not None:
        raise SettingError(f"{odd!r} is not an option of an import.")
    options = {name: value for name, value in plain.items() if value is not None}
    options["splits"] = tuple(options.get("splits") or ())
    if options.get("class_names"):
        options["class_names"] = tuple(options["class_names"])
    return ReadOptions(**options)
