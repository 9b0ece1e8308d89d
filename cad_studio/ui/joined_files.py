"""The window's scripts as two files and its styles as one: three answers instead of seventy.

Each script stays a module that can be read, checked and loaded by itself. Here it becomes a
function of one of two files, which runs when it is first imported and gives what the script
exports. The first file has what every window begins with; the other comes when it is asked for.
A browser asks one host for six things at a time, so a slow line feels every file.
"""

import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import brotli

FIRST, REST, STYLES = "first.js", "rest.js", "styles.css"
NAMES = (FIRST, REST, STYLES)
"""Under which names the files are served, beside what they are made of."""
BEGINS = ("studio", "header", "home_page", "dataset_page")
OFFERS = ("begin", "mount")
_SHEETS = ("viewers", "annotate", "diagnose", "shell")  # a later one overrules those before
_PACKING = 9  # a seventh less than what Gradio's packing gives, in a tenth of a second

_IMPORT = re.compile(r"^import (?:(\{[^}]*\}|\* as \w+) from )?'\./(\w+)\.js';", re.MULTILINE)
_PASSED_ON = re.compile(r"^export \{([\w, ]+)\} from '\./(\w+)\.js';", re.MULTILINE)
_LOADED = re.compile(r"\bimport\(`\./\$\{(\w+)\}\.js`\)|\bimport\(`\./(\$\{\w+\}\w+)\.js`\)")
_EXPORT = re.compile(r"^export ((?:async )?function\*?|const|class) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"\s*(?!//|/\*|\*)((import\b(?!\()|export\b)|.*\bimport\((?!`))")


@cache
def joined(folder: Path, begins: tuple[str, ...] = BEGINS) -> dict[str, str]:
    """All scripts of a folder as modules by file name; the first exports `studio.js`'s `OFFERS`.

    Args:
        folder: Of the scripts, one of which is `studio.js`, and of the styles.
        begins: Scripts that are in the first file, with all they import.

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
    at_once = set(begins)
    for name in reversed(order):
        if name in at_once:
            at_once |= needs[name]
    functions = {name: _function(name, sources[name]) for name in order}
    first = "\n".join(
        [
            "const made = {}, modules = {",
            *(text for name, text in functions.items() if name in at_once),
            "};",
            "function of(name) {",
            "  if (!modules[name]) throw new Error(`There is no script ${name}.`);",
            "  return made[name] ??= modules[name]();",
            "}",
            "async function load(name) {",
            "  if (!modules[name])",
            f"    Object.assign(modules, (await import('./{REST}')).join(of, load));",
            "  return of(name);",
            "}",
            f"export const {{{', '.join(OFFERS)}}} = of('studio');",
            "",
        ]
    )
    later = (text for name, text in functions.items() if name not in at_once)
    rest = "\n".join(["export const join = (of, load) => ({", *later, "});", ""])
    return {FIRST: first, REST: rest, STYLES: _styles(folder)}


@cache
def packed(folder: Path, name: str) -> bytes:
    """One of the files, packed once and well by Brotli: every first visit waits for it."""
    text = joined(folder)[name].encode()
    return brotli.compress(text, mode=brotli.MODE_TEXT, quality=_PACKING)


def _styles(folder: Path) -> str:
    return "".join((folder / f"{name}.css").read_text(encoding="utf-8") for name in _SHEETS)


def _function(name: str, text: str) -> str:
    given = [found[2] for found in _EXPORT.finditer(text)]
    for found in _PASSED_ON.finditer(text):
        given += [
            f"{each.strip()}: of('{found[2]}').{each.strip()}" for each in found[1].split(",")
        ]
    text = _IMPORT.sub(lambda found: _taken(found[1], found[2]), text)
    text = _EXPORT.sub(r"\1 \2", _PASSED_ON.sub("", text))
    text = _LOADED.sub(lambda found: f"load(`{found[2] or f'${{{found[1]}}}'}`)", text)
    for line in text.splitlines():
        if _LEFT.match(line):
            raise ValueError(f"{name}.js: {line.strip()!r} is not understood here.")
    return f"{name}() {{\n{text}\nreturn {{{', '.join(given)}}};\n}},"


def _taken(what: str | None, module: str) -> str:
    if what is None:
        return f"of('{module}');"
    if what.startswith("*"):
        return f"const {what.rpartition(' ')[2]} = of('{module}');"
    return f"const {what.replace(' as ', ': ')} = of('{module}');"
