"""A path or a name on the Hub reaches nothing unless an owner gives it, whichever service takes it.

Every public method of every service is called with such texts in each place that takes a text, a
path, settings or a request, as each role; what the file system is asked for is watched.
"""

import dataclasses
import inspect
import itertools
import os
import shutil
import sys
import typing
from pathlib import Path
from types import UnionType

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError, NotAllowedError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.access import Login, acting_as, read_users, user_line
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.store.projects import Project
from tests.jobs.null_runner import NoWorkers
from tests.services.annotating import NAME, make

ROLES = {"vera": "viewer", "anna": "annotator", "olga": "owner"}
TOKEN = "forbidden-place"
KEYS = ("features", "model", "source", "candidates", "out", "split", "backbone", "path", "file")
KNOWN = {
    "name": NAME, "dataset": NAME, "features": "pixels", "spec": "pixels", "who": "anna", "row": 0,
    "rows": [0], "run_id": 1, "seed": 0, "method": "pca", "stage": "pca", "editor": "in-domain",
    "order_name": "expected-gain", "order": "expected-gain", "queue": "expected-gain",
    "format_name": "csv", "kind": "mine", "count": 1, "overlap": 1, "settings": {}, "options": None,
    "source": "rows", "fill": "zero", "cam": "contrast", "labels": "auto", "annotator": "auto",
    "given": {}, "key": "k", "run": None, "repository": "a/b", "backbone": "", "split": None,
}  # fmt: skip
"""What an argument is, or a field of a request, where it is not the one under attack."""
READY = {
    MiningConfig: MiningConfig(quantile=0.1), ActionRequest: ActionRequest("label", key="k"),
}  # fmt: skip
"""Requests that say no to what is left out."""
NAMES = {"name", "title", "who", "password", "address", "given", "template", "text"}
SPECIAL = {
    "importing.import_source": {"name": "new"}, "exporting.export": {"format_name": "sets"},
    "diagnosis.suspects.find": {"run_id": None}, "diagnosis.suspects.submit": {"run_id": None},
}  # fmt: skip
"""Where a method takes something else, or it would refuse for another reason."""

_watched: list[str] = []
_is_watching = False


def _see(place: object) -> None:
    text = os.fsdecode(place) if isinstance(place, str | bytes | os.PathLike) else ""
    if _is_watching and TOKEN in text:
        _watched.append(text)


sys.addaudithook(lambda event, given: _see(given[0]) if event in {"open", "os.listdir"} else None)


@pytest.fixture
def reached(monkeypatch):
    """The forbidden places the file system was asked for."""
    stat = os.stat

    def watched(place, *given, **more):
        _see(place)
        return stat(place, *given, **more)

    monkeypatch.setattr(os, "stat", watched)
    monkeypatch.setitem(globals(), "_is_watching", True)
    _watched.clear()
    return _watched


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Holds a project, and beside it what nobody but an owner may reach."""
    found = tmp_path_factory.mktemp("made")
    alone = Services(AppConfig(found / "project"))
    make(alone, found)
    alone.mining.extract(NAME, "pixels", Silent())
    alone.close()
    rng = np.random.default_rng(0)
    np.save(found / f"{TOKEN}.npy", rng.normal(size=(60, 4)).astype(np.float32))
    (found / TOKEN).mkdir()
    return found


@pytest.fixture
def folder(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def services(folder):
    users = read_users("\n".join(user_line(n, r, "long enough") for n, r in ROLES.items()), "users")
    runner = NoWorkers(Project(folder / "project"))
    built = Services(AppConfig(folder / "project"), runner, Login(users))
    yield built
    built.close()


def texts(folder, with_hub=True):
    """Paths and names on the Hub."""
    place = folder / TOKEN
    hub = [f"hf:{TOKEN}/model", f"hf:{place}"]
    return [f"npy:{place}.npy", f"{place}.npy", *(hub if with_hub else [])]


def methods(services):
    """Every public method of every service, and of the services inside them."""
    seen: set[int] = set()

    def below(thing, label):
        for name, value in vars(thing).items():
            module = type(value).__module__
            if not name.startswith("_") and module.startswith("cad_studio.services."):
                if id(value) in seen:
                    continue
                seen.add(id(value))
                for method, _ in inspect.getmembers(type(value), inspect.isfunction):
                    if not method.startswith("_"):
                        yield f"{label}{name}.{method}", getattr(value, method)
                yield from below(value, f"{label}{name}.")

    yield from below(services, "")


def kinds(hint):
    """The members of a hint, without None."""
    if typing.get_origin(hint) in {typing.Union, UnionType}:
        return [part for part in typing.get_args(hint) if part is not type(None)]
    return [hint]


def attacked(hint, text):
    """Values of a hint that carry a text, as many as there are places for it."""
    for kind in kinds(hint):
        if kind is str or kind is typing.Any:
            yield text
        elif kind is Path:
            yield Path(text)
        elif typing.get_origin(kind) is dict or kind is dict:
            for key in KEYS:
                yield {key: text}
        elif dataclasses.is_dataclass(kind) and "cad_studio.core" not in kind.__module__:
            hints = typing.get_type_hints(kind)  # records come from the database, not from people
            for each in dataclasses.fields(kind):
                for value in attacked(hints[each.name], text):
                    given = {
                        other.name: plain(other.name, hints[other.name])
                        for other in dataclasses.fields(kind)
                        if other.default is dataclasses.MISSING
                        and other.default_factory is dataclasses.MISSING
                    }
                    try:
                        yield kind(**{**given, "dataset": NAME, each.name: value})
                    except TypeError:
                        yield from _without_dataset(kind, given, each.name, value)
                    except CadStudioError:
                        continue


def _without_dataset(kind, given, name, value):
    try:
        yield kind(**{**given, name: value})
    except CadStudioError:
        return


def plain(name, hint):
    """A value that nothing is wrong with."""
    if name in KNOWN and KNOWN[name] is not None:
        return KNOWN[name]
    for kind in kinds(hint):
        if kind is str:
            return "x"
        if kind in {int, float}:
            return kind(1)
        if kind is bool:
            return False
        if typing.get_origin(kind) in {list, dict, tuple}:
            return typing.get_origin(kind)()
        if kind in READY:
            return READY[kind]
        if dataclasses.is_dataclass(kind):
            hints = typing.get_type_hints(kind)
            needed = [
                each for each in dataclasses.fields(kind)
                if each.default is dataclasses.MISSING
                and each.default_factory is dataclasses.MISSING
            ]  # fmt: skip
            return kind(**{each.name: plain(each.name, hints[each.name]) for each in needed})
    return Silent() if name == "progress" else None


def calls(label, method, text):
    """A method with the text in each of its places in turn."""
    parameters = inspect.signature(method).parameters
    hints = {name: each.annotation for name, each in parameters.items()}  # a quoted one is no text
    for attacked_name in parameters:
        if attacked_name in NAMES and not text.startswith("/"):
            continue  # the one plain path is enough for what is no specification
        for value in attacked(hints.get(attacked_name, object), text):
            given = {
                name: plain(name, hints.get(name, object))
                for name, each in parameters.items()
                if name == "progress" or each.default is inspect.Parameter.empty
            }
            yield {**given, **SPECIAL.get(label, {}), attacked_name: value}


def call(method, given):
    """Call it; what comes out step by step is drawn out."""
    try:
        found = method(**given)
        if inspect.isgenerator(found):
            list(itertools.islice(found, 3))
    except Exception:
        pass  # a service trusts its callers about types; only what is reached counts here


def walk(services, folder, only=None):
    """Attack the methods; how many calls were made."""
    n_calls = 0
    for label, method in list(methods(services)):
        if only is None or label in only:
            for text in texts(folder, with_hub=only is None):
                for given in calls(label, method, text):
                    n_calls += 1
                    call(method, given)
    return n_calls


# A viewer may do nothing that an annotator may not.
@pytest.mark.parametrize("who", [None, pytest.param("vera", marks=pytest.mark.slow), "anna"])
def test_no_service_follows_a_path_of_someone_who_is_no_owner(services, folder, reached, who):
    """An annotator made the server open any file through the features of a queue."""
    labels = [label for label, _ in methods(services)]
    assert len(labels) > 120
    assert {"queues.open", "beliefs.graph", "diagnosis.maps.make", "importing.import_source",
            "editors.open", "publishing.push", "mining.mine", "travel.submit_take", "travel.take",
            "travel.pack", "verifying.verify", "copying.copy_if_due"} <= set(labels)  # fmt: skip
    with acting_as(who):
        assert walk(services, folder) > 500
    assert reached == []
    assert not any(TOKEN in str(job.arguments) for job in services.jobs.recent())
    kept = services.project.annotation_queues.of(services.datasets.get(NAME).id)
    assert not any(TOKEN in str(queue.settings.get("features")) for queue in kept)
    assert services.datasets.names() == [NAME]


REACHING = {
    "mining.extract", "mining.mine", "beliefs.graph", "beliefs.vectors", "beliefs.standing",
    "beliefs.suggestion", "diagnosis.maps.make", "diagnosis.suspects.find",
    "importing.import_source", "exporting.export", "editors.open",
    "travel.submit_take", "travel.take",
}  # fmt: skip


@pytest.mark.parametrize("label", sorted(REACHING))
def test_the_same_texts_of_an_owner_reach_their_places(services, folder, reached, label):
    """What is watched is seen: the walk above would notice."""
    with acting_as("olga"):
        walk(services, folder, {label})
    assert reached


def test_annotators_choose_among_features_that_exist(services, folder, reached):
    spec = f"npy:{folder / TOKEN}.npy"
    with acting_as("anna"), pytest.raises(NotAllowedError, match="anna has the role annotator; on"):
        services.queues.open(NAME, "expected-gain", settings={"features": spec})
    assert reached == []
    with acting_as("olga"):
        queue = services.queues.open(NAME, "expected-gain", settings={"features": spec})
    with acting_as("anna"), pytest.raises(NotAllowedError, match="only an owner may name a file"):
        services.queues.is_ready(NAME, queue)
    with acting_as("olga"):
        assert services.queues.take(NAME, queue.id, "")
    reached.clear()
    with acting_as("anna"):
        assert services.queues.open(NAME, "expected-gain", settings={"features": spec}) == queue
        assert services.queues.is_ready(NAME, queue)
        assert services.queues.take(NAME, queue.id, "")
    assert reached == []


def test_a_job_of_the_house_follows_no_path_that_no_queue_has(services, folder, reached):
    """Anybody may make a large dataset's neighbours wait in the queue of jobs."""
    given = {"name": NAME, "features": f"hf:{folder / TOKEN}"}
    with acting_as("olga"), pytest.raises(SettingError, match="No queue of pets is by the feat"):
        run_operation(services, "prepare-queue", given, Silent())
    with acting_as("anna"), pytest.raises(NotAllowedError, match="needs the role owner"):
        services.jobs.submit_for_the_house("import", {"source": given["features"]})
    assert reached == []
