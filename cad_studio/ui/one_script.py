"""The window's scripts as one file, so that a slow line carries one answer instead of seventy.

Each script stays a module that can be read, checked and loaded by itself. Here it becomes a
function of one file that runs when it is first imported and gives what the script exports.
"""

import re
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

NAME = "whole.js"
"""Under which name the file is served, beside the scripts."""

_IMPORT = re.compile(r"^import (?:(\{[^}]*\}|\* as \w+) from )?'\./(\w+)\.js';", re.MULTILINE)
_PASSED_ON = re.compile(r"^export \{([\w, ]+)\} from '\./(\w+)\.js';", re.MULTILINE)
_LOADED = re.compile(r"\bimport\(`\./\$\{(\w+)\}\.js`\)|\bimport\(`\./(\$\{\w+\}\w+)\.js`\)")
_EXPORT = re.compile(r"^export ((?:async )?function\*?|const|class) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^\s*(import\b(?!\()|export\b).*|.*\bimport\((?!`).*", re.MULTILINE)


@cache
def one_script(folder: Path) -> str:
    """All scripts of a folder as one module that exports `studio.js`'s `mount`.

    Raises:
        ValueError: A script imports or exports in a way that is not known here, or two import
            each other.
    """
    sources = {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.js"))}
    needs = {
        name: {found[2] for each in (_IMPORT, _PASSED_ON) for found in each.finditer(text)}
        for name, text in sources.items()
    }
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise ValueError(f"Scripts import each other: {' -> '.join(error.args[1])}.") from error
    return "\n".join(
        [
            "const made = {}, modules = {",
            *(_function(name, sources[name]) for name in order),
            "};",
            "function of(name) {",
            "  if (!modules[name]) throw new Error(`There is no script ${name}.`);",
            "  return made[name] ??= modules[name]();",
            "}",
            "export const mount = of('studio').mount;",
            "",
        ]
    )


def _function(name: str, text: str) -> str:
    given = [found[2] for found in _EXPORT.finditer(text)]
    for found in _PASSED_ON.finditer(text):
        given += [
            f"{each.strip()}: of('{found[2]}').{each.strip()}" for each in found[1].split(",")
        ]
    text = _IMPORT.sub(lambda found: _taken(found[1], found[2]), text)
    text = _EXPORT.sub(r"\1 \2", _PASSED_ON.sub("", text))
    text = _LOADED.sub(
        lambda found: f"Promise.resolve().then(() => of(`{found[2] or f'${{{found[1]}}}'}`))", text
    )
    left = _LEFT.search(_without_comments(text))
    if left:
        raise ValueError(f"{name}.js: {left[0].strip()!r} is not understood here.")
    return f"{name}() {{\n{text}\nreturn {{{', '.join(given)}}};\n}},"


def _taken(what: str | None, module: str) -> str:
    if what is None:
        return f"of('{module}');"
    if what.startswith("*"):
        return f"const {what.rpartition(' ')[2]} = of('{module}');"
    return f"const {what.replace(' as ', ': ')} = of('{module}');"


def _without_comments(text: str) -> str:
    lines: Iterable[str] = text.splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("//", "/*", "*")))
