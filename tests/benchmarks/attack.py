"""Attacks a studio from other people's pages and by each role, and prints JSON with the counts.

    python -m tests.benchmarks.attack [--without-browser] [--seconds 5]

Three parts, on studios of its own on this machine:

- `raw`: each call that changes something, or that Gradio would read as one, from each origin, by
  each role. A try is one that must fail: from another site, or beyond the role. It `held` when the
  studio refused and nothing came of it; else it `broke`. `allowed` counts the calls that must work,
  `failed` those of them that did not.
- `browser`: what pages of other sites try in Chromium, with and without an owner's cookie.
- `login`: how long another request takes before and while a dozen wrong passwords are tried at
  once, in milliseconds, and how many of those were looked at and made to wait.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import sync_playwright

from cad_studio.services.access import user_line
from tests.browser.conftest import FLAGS, Studio, start_studio
from tests.browser.other_site import (
    ATTACK,
    CALLS,
    EVIL,
    READING,
    REBOUND,
    RESOLVER,
    other_site,
)
from tests.ui.small_project import SHAPES, VECTORS, build_services

WORDS = "a long password"
ROLES = {"nobody": "", "vera": "viewer", "anna": "annotator", "olga": "owner"}
CAD = "/gradio_api/cad"
JSON = {"Content-Type": "application/json"}
ASKED = {"Access-Control-Request-Method": "POST"}
N_LOGINS = 12


@dataclass
class Target:
    """A studio under attack, as one person has it.

    Attributes:
        role: What they may do; `nobody` has not logged in.
        asking: Carries their cookie and nothing of a browser.
    """

    studio: Studio
    role: str
    asking: httpx.Client
    ids: dict[str, int]


def origins(port: int) -> dict[str, tuple[dict[str, str], bool]]:
    """Headers of a request by where it comes from, and whether that is the studio itself."""
    own = f"http://127.0.0.1:{port}"
    return {
        "a program": ({}, True),
        "its own page": ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, True),
        "its own page over HTTP": ({"Origin": own}, True),
        "another site": ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
        "another site, old browser": ({"Origin": "https://evil.example"}, False),
        "a hidden origin": ({"Origin": "null"}, False),
        "a hidden origin, other site": ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
        "another port": ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, False),
        "localhost": ({"Origin": f"http://localhost:{port}"}, False),
        "a rebound name": ({"Host": f"evil.example:{port}",
                            "Origin": f"http://evil.example:{port}",
                            "Sec-Fetch-Site": "same-origin"}, False),
        "a rebound name, no origin": ({"Host": f"evil.example:{port}"}, False),
        "a forged proxy": ({"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"},
                           False),
    }  # fmt: skip


def _server(target: Target, page: str, function: str, data: Any) -> str:
    return json.dumps({"session_hash": "attack", "component_id": target.ids[page],
                       "fn_name": function, "data": data})  # fmt: skip


def calls(target: Target) -> dict[str, tuple[str, Callable[[dict[str, str]], httpx.Response]]]:
    """Each call by name: the least role for which it may do something ("" for never), and it."""
    asking, server = target.asking, "/gradio_api/component_server"
    remove = _server(target, "dataset-page", "remove", {"name": VECTORS})
    label = {"kind": "label", "rows": [0], "arguments": {"class": 1}, "who": "x"}
    features = {"features": "npy:/etc/passwd"}
    path = {"dataset": SHAPES, "order": "expected-gain", "settings": features}
    start = _server(target, "dataset-page", "export", {"name": SHAPES, "fields": {}})

    reach = _server(target, "annotate-page", "open_queue", path)

    def get(path: str) -> Callable[[dict[str, str]], httpx.Response]:
        return lambda headers: asking.get(path, headers=headers)

    def post(
        path: str, body: str, kind: str = JSON["Content-Type"]
    ) -> Callable[[dict[str, str]], httpx.Response]:
        return lambda headers: asking.post(
            path, content=body, headers={"Content-Type": kind, **headers}
        )

    def act(headers: dict[str, str]) -> httpx.Response:
        action = {**label, "key": f"key {time.monotonic_ns()}"}
        body = _server(target, "annotate-page", "act", {"dataset": SHAPES, "actions": [action]})
        return asking.post(server, content=body, headers={**JSON, **headers})

    def upload(headers: dict[str, str]) -> httpx.Response:
        return asking.post("/gradio_api/upload", files={"files": ("a.npz", b"x")}, headers=headers)

    return {
        "annotate": ("annotator", act),
        "upload": ("owner", upload),
        "export by a form": ("owner", post(server, start)),
        "remove as text": ("", post(server, remove, "text/plain")),
        "remove as a form": ("", post(server, remove, "application/x-www-form-urlencoded")),
        "remove without a type": ("", post(server, remove, "")),
        "a form as text": ("", post(server, start, "text/plain")),
        "a path as features": ("owner", post(server, reach)),
        "log out by GET": ("", get("/logout")),
        "deep link by GET": ("", get("/gradio_api/deep_link?session_hash=a")),
        "fetch an address": ("", get("/gradio_api/file=https://example.com/a")),
        "preflight": ("", lambda headers: asking.options(server, headers={**ASKED, **headers})),
    }  # fmt: skip


def did_something(answer: httpx.Response) -> bool:
    """Whether a call got through and was not refused in words."""
    if not answer.is_success:
        return False
    try:
        found = answer.json()
    except ValueError:
        return True
    told = found if isinstance(found, dict) else {}
    inner = [each for each in told.get("answers", []) if isinstance(each, dict)]
    return not any("error" in each for each in [told, *inner])


def raw(targets: list[Target]) -> dict[str, Any]:
    """Every origin, call and role."""
    counts: Counter[str] = Counter()
    broke = []
    ranks = ["nobody", "viewer", "annotator", "owner"]
    for target in targets:
        port = urlsplit(target.studio.url).port or 0
        for origin, (headers, is_own) in origins(port).items():
            for call, (least, send) in calls(target).items():
                may = is_own and bool(least) and ranks.index(target.role) >= ranks.index(least)
                if call == "a path as features" and may:
                    continue  # an owner's own business
                done = did_something(send(headers))
                counts["allowed" if may else "tried"] += 1
                counts["failed"] += may and not done
                counts["held"] += not may and not done
                if done and not may:
                    broke.append(f"{target.role}, {origin}: {call}")
        names = {each["name"] for each in _state(targets[0])["datasets"]}
        if names != {SHAPES, VECTORS}:
            broke.append(f"a dataset is gone: {sorted(names)}")
    return {**counts, "broke": len(broke), "which": broke}


def _state(target: Target) -> dict[str, Any]:
    return dict(target.asking.get(f"{CAD}/state").raise_for_status().json())


def browser(target: Target) -> dict[str, Any]:
    """Pages of other sites in Chromium, with the cookie of the one in front of the studio."""
    tried, broke = 0, []
    studio_port = urlsplit(target.studio.url).port
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright, other_site() as port:
        started = playwright.chromium.launch(executable_path=path, args=[*FLAGS, RESOLVER])
        places = {f"{host}:{port}": "127.0.0.1" for host in ("127.0.0.1", "localhost", EVIL)}
        for host, asked in {**places, f"{REBOUND}:{studio_port}": REBOUND}.items():
            context = started.new_context()
            context.add_cookies([
                {"name": name, "value": value, "url": target.studio.url}
                for name, value in target.asking.cookies.items()
            ])  # fmt: skip
            page = context.new_page()
            page.goto(f"http://{host}/")
            page.evaluate(ATTACK)
            version = _state(target)["datasets"][0]["version"]
            body = _server(target, "dataset-page", "remove", {"name": VECTORS})
            image = f"{CAD}/image/{version}/{SHAPES}/1"
            origin = f"http://{asked}:{studio_port}"
            page.evaluate("given => prepare(...given)", [origin, body, image])
            for call in CALLS:
                tried += 1
                told = page.evaluate("name => attack(name)", call)
                if call in READING and told == "worked":
                    broke.append(f"{host}: {call}")
            names = {each["name"] for each in _state(target)["datasets"]}
            if VECTORS not in names or list(target.studio.project.parent.rglob("stolen*")):
                broke.append(f"{host}: something was changed")
            context.close()
        started.close()
    return {"tried": tried, "held": tried - len(broke), "broke": len(broke), "which": broke}


def login(target: Target, seconds: float) -> dict[str, Any]:
    """Other requests before and while wrong passwords are tried."""
    quiet = _timed(target.asking, seconds)
    answers: Counter[int] = Counter()
    stop = threading.Event()

    def guess(number: int) -> None:
        with httpx.Client(base_url=target.studio.url, trust_env=False, timeout=120) as asking:
            tries = 0
            while not stop.is_set():
                wrong = {"username": f"name {number} {tries // 4}", "password": "wrong word"}
                answers[asking.post("/login", json=wrong).status_code] += 1
                tries += 1

    guessing = [threading.Thread(target=guess, args=[number]) for number in range(N_LOGINS)]
    for each in guessing:
        each.start()
    time.sleep(0.5)
    busy = _timed(target.asking, seconds)
    stop.set()
    for each in guessing:
        each.join()
    told = {"looked_at": answers[401], "made_to_wait": answers[429]}
    return {"before": quiet, "during": busy, **told}


def _timed(asking: httpx.Client, seconds: float) -> dict[str, float]:
    spent = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        asking.get(f"{CAD}/state").raise_for_status()
        spent.append(1000 * (time.perf_counter() - start))
        time.sleep(0.02)
    found = {"p50_ms": median(spent), "p95_ms": quantiles(spent, n=20)[-1], "max_ms": max(spent)}
    return {"n": len(spent), **{name: round(value, 1) for name, value in found.items()}}


def _ids(config: dict[str, Any]) -> dict[str, int]:
    return {part["props"].get("elem_id"): part["id"] for part in config["components"]}


@contextmanager
def person(studio: Studio, name: str, role: str, ids: dict[str, int]) -> Iterator[Target]:
    """Someone in front of a studio; `name` logs in where there is a role."""
    with httpx.Client(base_url=studio.url, trust_env=False, timeout=60) as asking:
        if name != "nobody":
            asking.post("/login", json={"username": name, "password": WORDS}).raise_for_status()
        yield Target(studio, role or "nobody", asking, ids or _ids(asking.get("/config").json()))


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--without-browser", action="store_true")
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    users = ";".join(user_line(name, role, WORDS) for name, role in ROLES.items() if role)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        build_services(folder).close()
        temporary = {"GRADIO_TEMP_DIR": str(folder / "uploads")}
        for kind, more in (("open", {}), ("closed", {"CAD_USERS": users})):
            with closing(start_studio(folder / "project", **temporary, **more)) as starting:
                studio = next(starting)
                people = {"olga": "owner"} if kind == "open" else ROLES
                found[kind] = _attack(studio, kind, people, given)
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _attack(
    studio: Studio, kind: str, people: dict[str, str], given: argparse.Namespace
) -> dict[str, Any]:
    with ExitStack() as stack:
        first = person(studio, "olga" if kind == "closed" else "nobody", "owner", {})
        owner = stack.enter_context(first)
        targets = [owner]
        for name, role in people.items():
            if name != "olga":
                targets.append(stack.enter_context(person(studio, name, role, owner.ids)))
        found = {"raw": raw(targets)}
        if not given.without_browser:
            found["browser"] = browser(owner)
        if kind == "closed":
            found["login"] = login(owner, given.seconds)
    return found


if __name__ == "__main__":
    main()
