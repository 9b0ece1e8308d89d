"""Measures a studio under load, and prints JSON: nothing may fail, and nobody waits long.

    python -m tests.benchmarks.load --seconds 60
    python -m tests.benchmarks.load --followers 200 --seconds 20

Makes a project with runs of many epochs, one of which is being trained (an epoch a second, through
the store), serves it on the loopback address by `app.py`, and asks over real connections:

- readers ask for a page of samples, a sheet of thumbnails, one sample, and how the jobs stand;
- annotators take items of a queue that shows each to two of them, and answer;
- followers ask once a second how the training comes along, as the Train page does.

Printed for each kind of request: how many, errors, and milliseconds (median, p95, longest). With
`--followers` there are only so many of them, and another request is timed beside them; compare two
versions of the studio by running the same line in each.
"""

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.core.records import ACTIVE
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from tests.benchmarks.train_page import growing, make_run
from tests.browser.conftest import start_studio
from tests.ui.small_project import SHAPES, shapes

CAD = "/gradio_api/cad"
N_READERS, N_ANNOTATORS, N_RUNS, N_EPOCHS = 20, 5, 8, 200
MARK = {"errors": 0, "p95_ms": 1000}


class Asked:
    """Milliseconds and errors of each kind of request."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.milliseconds: dict[str, list[float]] = defaultdict(list)
        self.errors: dict[str, list[str]] = defaultdict(list)

    async def ask(self, kind: str, request: Any) -> Any:
        """What a request answers, or None where it failed."""
        begun = time.perf_counter()
        try:
            answer = await request
            answer.raise_for_status()
            return answer
        except httpx.HTTPError as error:
            self.errors[kind].append(f"{type(error).__name__} {error}"[:200])
            return None
        finally:
            self.milliseconds[kind].append(1000 * (time.perf_counter() - begun))

    def told(self) -> dict[str, Any]:
        """The figures, by kind."""
        return {
            kind: {
                "n": len(spent), "errors": len(self.errors[kind]),
                "first_error": next(iter(self.errors[kind]), None),
                "median_ms": round(float(np.median(spent)), 1),
                "p95_ms": round(float(np.quantile(spent, 0.95)), 1),
                "longest_ms": round(max(spent), 1),
            }
            for kind, spent in sorted(self.milliseconds.items())
        }  # fmt: skip


async def read(client: httpx.AsyncClient, asked: Asked, who: int, until: float) -> None:
    """A reader who turns pages."""
    for turn in itertools.count(who):
        if time.monotonic() > until:
            return
        page = await asked.ask(
            "rows", client.get(f"{CAD}/datasets/{SHAPES}/rows?offset={turn % 7 * 20}&limit=20")
        )
        if page is not None and page.json()["sprite"]:  # none for a page behind the last
            await asked.ask("sprite", client.get(page.json()["sprite"]["url"]))
        await asked.ask("sample", client.get(f"{CAD}/datasets/{SHAPES}/instance/{turn % 40}"))
        await asked.ask("state", client.get(f"{CAD}/state"))
        await asyncio.sleep(0.5)


async def annotate(
    client: httpx.AsyncClient, asked: Asked, who: int, queue: int, part: int, until: float
) -> None:
    """An annotator who takes items and answers them, one key after the other."""
    name = f"annotator {who}"

    async def call(kind: str, **wanted: Any) -> Any:
        body = {"session_hash": f"s{who}", "component_id": part, "fn_name": kind,
                "data": {"dataset": SHAPES, "who": name, **wanted}}  # fmt: skip
        answer = await asked.ask(kind, client.post("/gradio_api/component_server", json=body))
        value = {} if answer is None else answer.json()
        if "error" in value:
            asked.errors[kind].append(value["error"])
        return value

    n_done = 0
    while time.monotonic() < until:
        cards = (await call("take", queue=queue, count=5)).get("cards", [])
        if not cards:
            await asyncio.sleep(1.0)
        for card in cards:
            [side] = card["sides"]
            assert not side["said"], "an annotator saw what another said"
            n_done += 1
            action = {"who": name, "window": name, "key": f"{name}-{n_done}", "kind": "label",
                      "rows": [side["row"]], "arguments": {"class": side["candidates"][0]},
                      "queue": queue, "position": card["position"], "seconds": 0.3}  # fmt: skip
            answer = await call("act", actions=[action])
            for each in answer.get("answers", []):
                if "error" in each:
                    asked.errors["act"].append(each["error"])
            await asyncio.sleep(0.3)


async def follow(client: httpx.AsyncClient, asked: Asked, runs: list[int], until: float) -> None:
    """A window on the Train page with all runs shown: after the first look, what is new of those
    that are at work (`train_page.js`, `wanted`).
    """
    known = dict.fromkeys(runs, -1)
    kind = "open the Train page"
    while time.monotonic() < until:
        wanted = ",".join(f"{run}:{epoch}" for run, epoch in known.items())
        answer = await asked.ask(
            kind, client.get(f"{CAD}/training/follow", params={"runs": wanted})
        )
        kind = "follow"
        found = {"runs": {}, "reports": {}} if answer is None else answer.json()
        for run, told in found["runs"].items():
            known[int(run)] = max([known[int(run)], *found["reports"][run]["epoch"]])
            if told["status"] not in ACTIVE:
                del known[int(run)]
        await asyncio.sleep(1.0)


async def beside(client: httpx.AsyncClient, asked: Asked, until: float) -> None:
    """Somebody who wants one sample while others follow."""
    while time.monotonic() < until:
        await asked.ask("beside", client.get(f"{CAD}/datasets/{SHAPES}/instance/3"))
        await asyncio.sleep(0.2)


async def load(url: str, queue: int, runs: list[int], arguments: argparse.Namespace) -> Asked:
    """Everybody at once."""
    asked, until = Asked(), time.monotonic() + arguments.seconds
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, timeout=120, limits=limits
    ) as client:
        if arguments.followers:
            people = [follow(client, asked, runs, until) for _ in range(arguments.followers)]
            people.append(beside(client, asked, until))
        else:
            config = (await client.get("/config")).json()["components"]
            pages = {each["props"].get("elem_id"): each["id"] for each in config}
            part = pages["annotate-page"]
            people = [read(client, asked, who, until) for who in range(N_READERS)]
            people += [
                annotate(client, asked, who, queue, part, until) for who in range(N_ANNOTATORS)
            ]
            people += [follow(client, asked, runs, until) for _ in range(2)]
        await asyncio.gather(*people)
    return asked


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one studio."""
    project = folder / "project"
    services = Services(AppConfig(project))
    services.importing.import_source(str(shapes(folder)), SHAPES, ReadOptions(), False, Silent())
    runs = [make_run(services, f"run {n}", N_EPOCHS, N_EPOCHS) for n in range(N_RUNS - 1)]
    running = make_run(services, "running", 2 * N_EPOCHS, N_EPOCHS)
    job = services.jobs.run_here("train", {"run": running}, dataset="x")
    services.project.runs.change(running, job_id=job.id)
    queue = services.queues.open(SHAPES, "random", "owner", overlap=2)
    try:
        for studio in start_studio(project):
            with growing(services, running):
                asked = asyncio.run(load(studio.url, queue.id, [*runs, running], arguments))
            return asked.told()
    finally:
        services.close()
    raise AssertionError("the studio did not start")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--followers", type=int, default=0)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["measured"] = measure(Path(folder), arguments)
    print(json.dumps({
        **vars(arguments), **found, "marks": MARK, "load_average": os.getloadavg(),
        "processors": os.cpu_count(),
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
