"""Proof that nothing acknowledged is lost: clients annotate while the server is killed.

    python -m tests.benchmarks.annotation_kill --clients 10 --actions 1000 --kills 5

Every client sends its actions one after the other, each with a key of its own, and sends an action
again until the server says that it is saved. Meanwhile the server is ended by SIGKILL and started
again. At the end the log must hold every acknowledged action exactly once, under its number, and
replay to the state kept beside it.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services

ROOT = Path(__file__).parents[2]
NAME = "killed"
N_SAMPLES, N_CLASSES = 400, 6


@dataclass
class Server:
    """The studio in a process of its own, which can be killed and started again."""

    project: Path
    port: int
    program: tuple[str, ...] = ("app.py",)
    process: subprocess.Popen[bytes] | None = None
    component: int = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self.project.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable, *self.program, "--project", str(self.project),
                "--port", str(self.port),
            ],
            cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "CAD_READONLY": "0"},
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                config = httpx.get(f"{self.url}/config", timeout=5, trust_env=False).json()
            except (httpx.HTTPError, ValueError):
                time.sleep(0.1)
                continue
            self.component = next(
                part["id"]
                for part in config["components"]
                if part["props"].get("elem_id") == "annotate-page"
            )
            return
        raise RuntimeError("the studio did not start")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Proof:
    """What came of it."""

    clients: int
    actions: int
    kills: int
    acknowledged: int = 0
    sent_again: int = 0
    missing: int = 0
    twice: int = 0
    in_log: int = 0
    digest: str = ""
    agrees: bool = False
    seconds: float = 0.0
    acknowledgements: dict[str, int] = field(default_factory=dict, repr=False)


def make_project(folder: Path) -> None:
    """A project with one small dataset."""
    generator = np.random.default_rng(0)
    candidates = generator.random((N_SAMPLES, N_CLASSES)) < 0.5
    candidates[:, 0] = True
    file = folder.parent / "killed.npz"
    np.savez(
        file,
        images=generator.integers(0, 256, (N_SAMPLES, 8, 8), np.uint8),
        candidates=candidates,
        class_names=np.array([f"class {index}" for index in range(N_CLASSES)]),
    )
    services = Services(AppConfig(folder))
    services.importing.import_source(str(file), NAME, ReadOptions(), False, Silent())
    services.close()


def annotate(
    server: Server, client: int, n_actions: int, proof: Proof, lock: threading.Lock
) -> None:
    """One client: labels, toggles, undo and redo, each until it is acknowledged."""
    chance = random.Random(client)
    with httpx.Client(trust_env=False, timeout=10) as session:
        for number in range(n_actions):
            action = an_action(chance, client, number)
            while True:
                try:
                    answer = session.post(
                        f"{server.url}/gradio_api/component_server",
                        json={
                            "session_hash": f"c{client}", "component_id": server.component,
                            "fn_name": "act",
                            "data": {"dataset": NAME, "actions": [action]},
                        },
                    ).json()["answers"][0]  # fmt: skip
                    break
                except (httpx.HTTPError, ValueError, KeyError, TypeError):
                    with lock:
                        proof.sent_again += 1
                    time.sleep(0.05)
            with lock:
                if "error" not in answer:
                    proof.acknowledgements[action["key"]] = answer["number"]


def an_action(chance: random.Random, client: int, number: int) -> dict[str, object]:
    """Some action; clients meet on the same samples."""
    row, index = chance.randrange(N_SAMPLES), chance.randrange(N_CLASSES)
    common = {"who": f"client {client}", "window": f"w{client}", "key": f"{client}-{number}"}
    kind = chance.choices(["label", "toggle", "undo", "redo"], [6, 2, 1, 1])[0]
    if kind in {"undo", "redo"}:
        return {"kind": kind, **common}
    return {"kind": kind, "rows": [row], "arguments": {"class": index}, "seconds": 1.5, **common}


def prove(
    clients: int,
    actions: int,
    kills: int,
    folder: Path,
    program: tuple[str, ...] = ("app.py",),
) -> Proof:
    """Run the proof in a folder, against a program that serves actions as the studio does."""
    project = folder / "project"
    make_project(project)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server, proof, lock = (
        Server(project, port, program),
        Proof(clients, actions, kills),
        threading.Lock(),
    )
    server.start()
    started = time.monotonic()
    threads = [
        threading.Thread(target=annotate, args=(server, each, actions, proof, lock))
        for each in range(clients)
    ]
    for thread in threads:
        thread.start()
    for done in range(1, kills + 1):
        # in the middle of the work, wherever it is just then
        wanted = done * clients * actions // (kills + 1)
        while len(proof.acknowledgements) < wanted * 0.8 and any(t.is_alive() for t in threads):
            time.sleep(0.005)
        server.kill()
        server.start()
    for thread in threads:
        thread.join()
    server.kill()
    proof.seconds = round(time.monotonic() - started, 1)
    check(project, proof)
    return proof


def check(project: Path, proof: Proof) -> None:
    """Hold the log against what was acknowledged."""
    services = Services(AppConfig(project))
    try:
        log = [(line["key"], line["number"]) for line in services.history.everything(NAME)]
        found = services.history.verify(NAME)
    finally:
        services.close()
    kept = dict(log)
    proof.acknowledged = len(proof.acknowledgements)
    proof.in_log = len(log)
    proof.twice = len(log) - len(kept)
    proof.missing = sum(kept.get(key) != number for key, number in proof.acknowledgements.items())
    proof.digest, proof.agrees = found["digest"], found["agrees"]


def main() -> int:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--actions", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        proof = prove(given.clients, given.actions, given.kills, Path(folder))
    figures = asdict(proof)
    figures.pop("acknowledgements")
    print(json.dumps(figures, indent=2))
    return int(proof.missing or proof.twice or not proof.agrees)


if __name__ == "__main__":
    sys.exit(main())
