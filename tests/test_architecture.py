"""Imports point inwards, heavy packages load where they are used, and both are checked here."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = "cad_studio"

LEAVES = {
    "store",
    "datasets",
    "extractors",
    "mining",
    "annotators",
    "annotation",
    "diagnosis",
    "queues",
}
ENGINE = {"models", "algorithms", "training", "augment"}
"""Rooms that may load torch when they are imported, and are imported where they are used."""
WITHOUT_ENGINE = {
    f"{HOUSE}.training.settings",
    f"{HOUSE}.training.denoiser_settings",
    f"{HOUSE}.algorithms._cad_paper",
}
"""Modules of these rooms that load no torch, for forms."""
MAY_IMPORT = {
    "core": {"core"},
    "views": {"core", "views"},
    **{room: {"core", room} for room in LEAVES},
    "models": {"core", "models"},
    "augment": {"core", "models", "augment"},
    "algorithms": {"core", "models", "algorithms"},
    "training": {"core", "models", "algorithms", "training"},
    "jobs": {"core", "store", "jobs"},
    "cluster": {"core", "cluster"},
    "services": {"core", "jobs", "cluster", "services", "config", "elsewhere", "views"}
    | LEAVES
    | ENGINE,
    "ui": {"core", "services", "ui", "views"},
    "interface": {"core", "services", "interface", "config", "datasets", "mining", "views"},
    "config": {"core"},
}
"""Room to the rooms and top modules it may import; a top module not named may import all."""
PUTS_TOGETHER = {
    "app",
    "cli",
    "cli_annotate",
    "cli_augment",
    "cli_diagnosis",
    "cli_fields",
    "cli_jobs",
    "cli_project",
    "cli_run",
    "cli_search",
    "cli_training",
    "cli_words",
    "command_line",
    "elsewhere",
    "window",
    "worker",
    "__main__",
    "__init__",
}

HOMES = {
    "gradio": {"ui"},
    "sqlalchemy": {"store"},
    "sqlite3": {"store"},
    "alembic": {"store"},
    "faiss": {"mining"},
    "diffusers": {"augment", "models"},
    "accelerate": {"training"},
    "typer": {
        "cli",
        "cli_annotate",
        "cli_augment",
        "cli_diagnosis",
        "cli_fields",
        "cli_jobs",
        "cli_project",
        "cli_run",
        "cli_search",
        "cli_training",
        "command_line",
    },
    "umap": {"diagnosis"},
    "plotly": {"services"},
    "krippendorff": {"annotation"},
    "ray": {"cluster"},
}
"""Packages that belong to one room."""

WITHOUT_TORCH = {"core", "store", "ui", "jobs", "services"}
TORCH_EXCEPTION = Path(HOUSE, "core", "optional.py")
"""Imports torchvision for everyone else, and torch to make that possible."""

HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "diffusers",
    "accelerate",
    "faiss",
    "datasets",
    "scipy",
    "pandas",
    "sklearn",
    "umap",
    "numba",
    "plotly",
    "ray",
}
"""Packages that must not load when the application starts."""

IMPORTING_CALLS = {"require", "import_module", "__import__"}


def imports(tree: ast.AST, at_start: bool = True) -> Iterator[tuple[str, int, bool]]:
    """Every import below a node.

    Yields:
        Dotted name, line, and whether it happens when the module is imported. The names of a
        `from` import are appended, so that `from cad_studio import store` shows its room. A
        relative import starts with a dot.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, at_start
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origin = "." * node.level + (node.module or "")
                yield f"{origin}.{alias.name}", node.lineno, at_start
        elif isinstance(node, ast.Call) and _is_importing(node):
            yield node.args[0].value, node.lineno, at_start
            yield from imports(node, at_start)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for part in node.body:
                yield from imports(ast.Module([part], []), False)
            for part in node.orelse:
                yield from imports(ast.Module([part], []), at_start)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, False)
        else:
            yield from imports(node, at_start)


def _is_importing(call: ast.Call) -> bool:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name not in IMPORTING_CALLS or not call.args:
        return False
    return isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def violations(root: Path) -> list[str]:
    """What is wrong with the imports of `app.py` and the house below a folder."""
    found = []
    for path in sorted([*root.glob("app.py"), *root.glob(f"{HOUSE}/**/*.py")]):
        place = path.relative_to(root)
        room = place.parts[1] if len(place.parts) > 2 else place.stem
        if room not in MAY_IMPORT and room not in PUTS_TOGETHER:
            found.append(f"{place}: {room} is no room of the house")
            continue
        for name, line, at_start in imports(ast.parse(path.read_text(encoding="utf-8"))):
            problem = _problem(place, room, name, at_start)
            if problem:
                found.append(f"{place}:{line}: {problem}")
    return found


def _problem(place: Path, room: str, name: str, at_start: bool) -> str | None:
    package, *rest = name.split(".")
    if not package:
        return "relative import"
    if package == HOUSE:
        target = rest[0] if rest else ""
        inside = target in MAY_IMPORT or target in PUTS_TOGETHER
        allowed = MAY_IMPORT.get(room)
        if inside and allowed is not None and target not in allowed:
            return f"{room} imports {target}"
        is_light = any(f"{name}.".startswith(f"{module}.") for module in WITHOUT_ENGINE)
        if at_start and target in ENGINE and room not in ENGINE and not is_light:
            return f"{target} is imported at start, and torch with it"
        return None
    if room not in HOMES.get(package, {room}):
        return f"{package} belongs to {' and '.join(sorted(HOMES[package]))}"
    if package == "torch" and room in WITHOUT_TORCH and place != TORCH_EXCEPTION:
        return f"torch stays out of {room}"
    if (package == "torch" and room in ENGINE) or (package == "pandas" and room == "interface"):
        return None
    if package in HEAVY and at_start:
        return f"{package} is imported at start"
    return None


def test_imports_point_inwards_and_heavy_packages_wait():
    assert "\n".join(violations(ROOT)) == ""


@pytest.mark.parametrize(
    ("place", "code", "problem"),
    [
        ("core/dataset.py", "from cad_studio.store.blobs import Blobs", "core imports store"),
        ("mining/scan.py", "import cad_studio.datasets._base", "mining imports datasets"),
        ("store/jobs.py", "from cad_studio import mining", "store imports mining"),
        ("jobs/queue.py", "def f():\n    import cad_studio.services.jobs", "jobs imports services"),
        ("services/jobs.py", "from cad_studio.cli import main", "services imports cli"),
        ("ui/tabs/pairs.py", "from cad_studio.store import blobs", "ui imports store"),
        ("ui/tabs/pairs.py", "from .pairs import build", "relative import"),
        ("services/jobs.py", "import gradio as gr", "gradio belongs to ui"),
        ("services/pairs/pairs.py", "from sqlalchemy import text", "sqlalchemy belongs to store"),
        (
            "services/pairs/pairs.py",
            "f = lambda: require('faiss', 'x', 'y')",
            "faiss belongs to mining",
        ),
        ("worker.py", "import typer", "typer belongs to cli"),
        ("store/blobs.py", "def f():\n    import torch", "torch stays out of store"),
        (
            "mining/scan.py",
            "try:\n    import scipy.io\nexcept E: ...",
            "scipy is imported at start",
        ),
        ("datasets/npz.py", "class A:\n    import pandas as pd", "pandas is imported at start"),
        ("extractors/clip.py", "T = require('transformers', 'a', 'b')", "transformers is imported"),
        ("models/mlp.py", "from cad_studio.algorithms import cc", "models imports algorithms"),
        ("algorithms/cc.py", "import cad_studio.training.views", "algorithms imports training"),
        ("training/trainer.py", "from cad_studio.store import blobs", "training imports store"),
        ("training/views.py", "import torchvision", "torchvision is imported at start"),
        (
            "services/training/training.py",
            "from cad_studio.training.trainer import Trainer",
            "training is imported at start",
        ),
        ("cli.py", "from cad_studio import algorithms", "algorithms is imported at start"),
        ("helpers/many.py", "", "helpers is no room"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, place, code, problem):
    path = tmp_path / HOUSE / place
    path.parent.mkdir(parents=True)
    path.write_text(f'"""Planted."""\n{code}\n')
    (found,) = violations(tmp_path)
    assert problem in found
    assert found.startswith(f"{HOUSE}/{place}:")


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("ui/app.py", "import gradio\nfrom cad_studio import __version__"),
        ("services/pairs/pairs.py", "from cad_studio.mining.pairs import Pairs"),
        ("mining/scan.py", "def f():\n    import faiss\n    from cad_studio.mining import pairs"),
        ("annotators/cnn.py", "if TYPE_CHECKING:\n    from torch import nn"),
        ("core/optional.py", "def f():\n    import_module('torch')"),
        ("worker.py", "from cad_studio.services.container import Services"),
        ("training/trainer.py", "import torch\nfrom cad_studio.algorithms._base import Batch"),
        (
            "services/training/training.py",
            "def f():\n    from cad_studio.training.trainer import Trainer",
        ),
        ("services/training/training.py", "from cad_studio.training.settings import TrainConfig"),
    ],
)
def test_what_is_allowed_passes(tmp_path, place, code):
    path = tmp_path / HOUSE / place
    path.parent.mkdir(parents=True)
    path.write_text(f'"""Allowed."""\n{code}\n')
    assert violations(tmp_path) == []


def circles(root: Path) -> list[list[str]]:
    """Groups of modules that import each other, at start or later; not for the checker alone."""
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in root.glob(f"{HOUSE}/**/*.py")
        if path.name != "__init__.py"
    }
    known = {}
    for module, path in files.items():
        tree = _WithoutTyping().visit(ast.parse(path.read_text(encoding="utf-8")))
        names = {name for name, *_ in imports(tree)}
        known[module] = {
            target for name in names for target in (name, name.rpartition(".")[0])
            if target in files and target != module
        }  # fmt: skip
    reached = {module: _reached(module, known) for module in files}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in files
    }
    return sorted(list(group) for group in groups if len(group) > 1)


class _WithoutTyping(ast.NodeTransformer):
    """Leaves out what only a type checker reads."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if "TYPE_CHECKING" in ast.unparse(node.test) else node


def _reached(module: str, known: dict[str, set[str]]) -> set[str]:
    seen, ahead = set(), [module]
    while ahead:
        new = known[ahead.pop()] - seen
        seen |= new
        ahead += new
    return seen


def test_no_module_imports_its_way_back_to_itself():
    """A network and its two kinds did: the parent named its children."""
    assert circles(ROOT) == []


def test_a_planted_circle_is_found(tmp_path):
    room = tmp_path / HOUSE / "store"
    room.mkdir(parents=True)
    (room / "a.py").write_text(f"def f():\n    from {HOUSE}.store.b import g\n")
    (room / "b.py").write_text(f"from {HOUSE}.store import c\n")
    (room / "c.py").write_text(
        f"from typing import TYPE_CHECKING\nimport {HOUSE}.store.a\n"
        f"if TYPE_CHECKING:\n    from {HOUSE}.store import d\n"
    )
    (room / "d.py").write_text(f"import {HOUSE}.store.c\n")
    assert circles(tmp_path) == [[f"{HOUSE}.store.{name}" for name in "abc"]]


def test_importing_every_module_outside_the_window_loads_nothing_heavy():
    # ui and interface are left out: gradio loads pandas itself, and data frames are pandas. The
    # engine may load torch, but for some modules.
    program = (
        "import sys, pkgutil, importlib, cad_studio\n"
        "for m in pkgutil.walk_packages(cad_studio.__path__, 'cad_studio.'):\n"
        f"    if m.name.split('.')[1] not in {ENGINE | {'ui', 'interface', '__main__'}}:\n"
        "        importlib.import_module(m.name)\n"
        f"for name in {WITHOUT_ENGINE}: importlib.import_module(name)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stdout.split()) == set()
