"""The names of what routes answer, as types that the window's scripts are checked against.

`python -m cad_studio.ui.script_types` writes them anew after a view or a route was changed.
"""

import re
from typing import Any

from cad_studio.ui.addresses import STATIC_FOLDER
from cad_studio.ui.routes import build_api, described

TYPES_FILE = STATIC_FOLDER / "views.d.ts"
_HEAD = (
    "// deno-lint-ignore-file no-explicit-any no-empty-interface\n"
    "// What the studio answers, by path. Made of the routes by `python -m"
    " cad_studio.ui.script_types`: do not edit.\n"
)
_PLAIN = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean"}


def script_types(told: dict[str, Any]) -> str:
    """TypeScript declarations of an API.

    Args:
        told: Its OpenAPI description.

    Returns:
        An interface for each view, and `Answer<Path>`: what `read` of `studio.js` gives for a path.
    """
    models = told["components"]["schemas"]
    found = [_interface(name, models[name]) for name in sorted(models)]
    views = {
        path: _type(answer["application/json"]["schema"])
        for path, methods in told["paths"].items()
        if "application/json" in (answer := methods["get"]["responses"]["200"].get("content", {}))
    }
    # The longest first: a part in braces stands for any text, slashes too.
    paths = sorted(views, key=lambda path: (-len(re.sub(r"\{\w+\}", "", path)), path))
    lines = [f"  Path extends `{_pattern(path)}` ? {views[path]} :" for path in paths]
    answer = "\n".join(["type Answer<Path extends string> =", *lines, "  any;"])
    return "\n".join([_HEAD, *found, answer, ""])


def _pattern(path: str) -> str:
    """A path as a type; `{i}-{j}` is one text."""
    return re.sub(r"\{\w+\}(-\{\w+\})*", "${string}", path)


def _interface(name: str, model: dict[str, Any]) -> str:
    needed = set(model.get("required", []))
    fields = [
        f"  {_key(field)}{'' if field in needed else '?'}: {_type(schema)};"
        for field, schema in model.get("properties", {}).items()
    ]
    return "\n".join([f"interface {name} {{", *fields, "}\n"])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"'{name}'"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    kind = schema.get("type")
    if kind == "array":
        inner = _type(schema.get("items", {}))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        inside = schema.get("additionalProperties")
        return f"Record<string, {_type(inside) if isinstance(inside, dict) else 'any'}>"
    return "null" if kind == "null" else _PLAIN.get(str(kind), "any")


if __name__ == "__main__":
    TYPES_FILE.write_text(script_types(described(build_api())), encoding="utf-8")
