"""The page of the HTTP API, made of its own description; it needs no script and no network."""

from html import escape
from typing import Any

from cad_studio.core.assets import ASSETS

_STYLE = """
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: "IBM Plex Mono", ui-monospace, monospace; }
details { border-top: 1px solid #8884; padding: .5rem 0; } summary { cursor: pointer; }
table { border-collapse: collapse; margin: .5rem 0 .5rem 1rem; }
td, th { text-align: left; vertical-align: top; padding: .15rem .75rem .15rem 0; }
"""


def api_page(described: dict[str, Any], prefix: str) -> str:
    """An API as HTML.

    Args:
        described: Its OpenAPI description.
        prefix: What all its paths begin with.
    """
    about = described["info"]
    groups: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            told = _route(f"{method.upper()} {prefix}{path}", route)
            groups.setdefault(next(iter(route.get("tags", ["Other"]))), []).append(told)
    routes = "".join(f"<h2>{escape(name)}</h2>{''.join(told)}" for name, told in groups.items())
    models = described.get("components", {}).get("schemas", {})
    answers = "".join(_model(name, models[name]) for name in sorted(models))
    theme = (ASSETS / "theme.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>HTTP API of {escape(about['title'])}</title><style>{theme}{_STYLE}</style></head>"
        f"<body><main><h1>HTTP API of {escape(about['title'])} {escape(about['version'])}</h1>"
        f"<p>{_text(about['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"{routes}<h1>Answers</h1>{answers}</main></body></html>"
    )


def _route(title: str, route: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{_kind(each['schema'])}</td>"
        f"<td>{'required' if each.get('required') else ''}</td>"
        f"<td>{_text(each.get('description', '') or each['schema'].get('description', ''))}</td>"
        "</tr>"
        for each in route.get("parameters", [])
    )
    kinds = route["responses"]["200"].get("content", {})
    gives = ", ".join(
        _kind(told["schema"]) if "schema" in told else escape(kind) for kind, told in kinds.items()
    )
    return (
        f"<details><summary><code>{escape(title)}</code></summary>"
        f"<p>{_text(route.get('description', ''))}</p><table>{rows}</table>"
        f"<p>Answers with {gives}.</p></details>"
    )


def _model(name: str, model: dict[str, Any]) -> str:
    needed = set(model.get("required", []))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(kind)}</td>"
        f"<td>{'' if field in needed else 'may be absent'}</td></tr>"
        for field, kind in model.get("properties", {}).items()
    )
    return (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<p>{_text(model.get('description', ''))}</p><table>{rows}</table></details>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """A type in words, with links to what it is made of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"by name: {_kind(schema['additionalProperties'])}"
    return escape(str(schema.get("type", "any")))


def _text(text: str) -> str:
    """Running text, with `code` marked and its lines kept."""
    parts = escape(text).split("`")
    marked = [f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)]
    return "".join(marked).replace("\n", "<br>")
