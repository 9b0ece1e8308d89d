"""How long the Annotate page waits for a project with very many actions.

    python -m tests.benchmarks.annotation_opening --actions 1000000

Writes a log of that many labels by ten annotators on 100,000 samples, with true digests, and the
state that follows, straight into the tables; then opens the project anew and reads what the page
reads first: the overview, the effective sets, a card, and one action.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np

from cad_studio.annotation.replay import digest_of
from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services

NAME, N_SAMPLES, N_CLASSES = "large", 100_000, 10


def main() -> None:
    """Build, open, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        build(project, Path(folder), given.actions)
        started = time.perf_counter()
        services = Services(AppConfig(project))
        spent = {"open": time.perf_counter() - started}
        for name, work in (
            ("overview", lambda: services.cards.overview(NAME, "anna 3")),
            ("effective sets", lambda: services.sets.effective(NAME)),
            ("card", lambda: services.cards.card(NAME, [5], "anna 3", near=False)),
            ("action", lambda: act(services, "k1")),
            ("second action", lambda: act(services, "k2")),
        ):
            begun = time.perf_counter()
            work()
            spent[name] = time.perf_counter() - begun
        spent["page"] = sum(spent[name] for name in ("open", "overview", "effective sets", "card"))
        services.close()
        size = (project / "project.db").stat().st_size
    print(json.dumps({
        "actions": given.actions, "database_mb": round(size / 1e6),
        "seconds": {name: round(value, 3) for name, value in spent.items()},
    }, indent=2))  # fmt: skip


def act(services: Services, key: str) -> None:
    """One more action."""
    wanted = ActionRequest("label", [7], {"class": 3}, "anna 3", key, "w")
    services.annotation.act(NAME, wanted)


def build(project: Path, folder: Path, n_actions: int) -> None:
    """A project whose dataset has that many actions."""
    file = folder / "large.npz"
    generator = np.random.default_rng(0)
    candidates = generator.random((N_SAMPLES, N_CLASSES)) < 0.4
    candidates[:, 0] = True
    np.savez(
        file,
        features=generator.normal(size=(N_SAMPLES, 4)).astype(np.float32),
        candidates=candidates,
        class_names=np.array([f"class {index}" for index in range(N_CLASSES)]),
    )
    services = Services(AppConfig(project))
    services.importing.import_source(str(file), NAME, ReadOptions(), False, Silent())
    act(services, "first")
    services.close()
    with sqlite3.connect(project / "project.db") as connection:
        _write_log(connection, n_actions)


def _write_log(connection: sqlite3.Connection, n_actions: int) -> None:
    book, digest = connection.execute("SELECT id, digest FROM annotation_book").fetchone()
    said: dict[tuple[int, str], int] = {}
    lines, touches = [], []
    for number in range(2, n_actions + 1):
        row, who, index = (number * 7919) % N_SAMPLES, f"anna {number % 10}", number % N_CLASSES
        before = said.get((row, who))
        said[row, who] = number
        earlier = None if before is None else [[before % N_CLASSES], before]
        columns = {
            "number": number, "who": who, "window": "w", "at": "2026-01-01T00:00:00.000000+00:00",
            "kind": "label", "details": {"arguments": {"class": index}, "rows": [row]},
            "changes": [[row, "mine", earlier, [[index], number], [0], [index]]], "why": "",
            "version": "v", "seconds": 2.0, "key": f"key {number}", "queue_id": None,
            "position": None, "reverses": None,
        }  # fmt: skip
        digest = digest_of(digest, columns)
        lines.append((book, *(
            json.dumps(value) if name in {"details", "changes"} else value
            for name, value in columns.items()
        ), digest))  # fmt: skip
        touches.append((book, row, number))
    marks = ", ".join("?" * len(lines[0]))
    connection.executemany(
        'INSERT INTO annotation_action (book_id, number, who, "window", at, kind, details, changes,'
        f" why, version, seconds, key, queue_id, position, reverses, digest) VALUES ({marks})",
        lines,
    )
    connection.executemany("INSERT INTO annotation_touch VALUES (?, ?, ?)", sorted(touches))
    connection.execute("UPDATE annotation_book SET head = ?, digest = ?", (n_actions, digest))
    connection.executemany(
        "INSERT OR REPLACE INTO annotation_statement VALUES (?, ?, ?, ?, ?)",
        [
            (book, row, who, json.dumps([number % N_CLASSES]), number)
            for (row, who), number in sorted(said.items())
        ],
    )
    last: dict[int, tuple[int, int]] = {}
    for (row, _), number in said.items():
        old, bits = last.get(row, (0, 0))
        last[row] = max(old, number), bits | 1 << (15 - number % N_CLASSES)
    connection.executemany(
        "INSERT OR REPLACE INTO annotation_row VALUES (?, ?, NULL, ?, 1, 0, 0, 0, ?, 'w', 'anna')",
        [
            (book, row, bits.to_bytes(2, "big"), number)
            for row, (number, bits) in sorted(last.items())
        ],
    )


if __name__ == "__main__":
    main()
