"""Every kind of blob, damaged in every way: words, nothing overwritten, and `verify` says so."""

import shutil
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError, DamageError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.services.training.training import TrainingRequest
from cad_studio.store import blobs as blobs_module
from cad_studio.store.projects import Project
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.routes import build_routes
from tests import every_kind
from tests.every_kind import DAMAGES, IMAGES, POINTS, VOTED, addresses

WAYS = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
KINDS = {
    "names of the samples", "splits", "true labels", "imported votes", "images",
    "places of the images", "vectors", "candidate sets", "features pixels", "pairs", "run 1",
    "editor 1",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The whole project, and its run; nobody changes it."""
    folder = tmp_path_factory.mktemp("whole") / "project"
    return folder, every_kind.build(folder)


@pytest.fixture(scope="module")
def named(made):
    """Every blob that a record names, with what it is."""
    project = Project(made[0])
    found = {}
    for each in project.references():
        found.setdefault(each.blob, set()).add(each.words)
    project.close()
    return found


@pytest.fixture(scope="module")
def one_of_each(named):
    """One blob of each kind, whatever its dataset."""
    kinds = {}
    for name, words in named.items():
        first = min(words)
        kinds.setdefault((first.partition(" of ")[0].partition(" that ")[0], first[-2:]), name)
    return sorted(kinds.values())


@pytest.fixture
def folder(made, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(made[0], tmp_path / "project"))


def blob(folder, name):
    return folder / "blobs" / name[:2] / name


def state_of(path):
    return path.read_bytes() if path.exists() else None


def test_the_project_has_every_kind(named, made):
    words = " ".join(text for texts in named.values() for text in texts)
    assert [kind for kind in KINDS if kind not in words] == []
    services = Services(AppConfig(made[0]))
    found = services.verifying.verify(Silent())
    assert (found["is_whole"], found["problems"], found["orphans"]) == (True, [], 0)
    assert found["n_blobs"] == len(named)
    services.close()


@WAYS
def test_verify_finds_each_and_names_what_is_affected(folder, named, damage):
    services = Services(AppConfig(folder))
    for name, words in named.items():
        whole = blob(folder, name).read_bytes()
        damage(blob(folder, name))
        found = services.verifying.verify(Silent())
        assert not found["is_whole"]
        (problem,) = found["problems"]
        assert set(problem["affects"]) == words
        assert problem["file"].endswith(name)
        assert problem["advice"]
        blob(folder, name).write_bytes(whole)
    assert services.verifying.verify(Silent())["is_whole"]
    services.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "as_large"),
    [
        pytest.param(every_kind.delete, False, marks=pytest.mark.slow),
        pytest.param(every_kind.truncate, False, marks=pytest.mark.slow),
        (every_kind.flip, False),
        (every_kind.flip, True),
        pytest.param(every_kind.behead, True, marks=pytest.mark.slow),
    ],
)
def test_no_route_shows_a_traceback_or_changes_the_file(
    made, folder, one_of_each, named, damage, as_large, monkeypatch
):
    if as_large:  # as if images and features were too large to be read whole at once
        monkeypatch.setattr(blobs_module, "_CHECKED_WHOLE", -1)
    untold = []
    for name in one_of_each:
        if as_large and not named[name] & {
            "the images of dataset 'b'", "the images of dataset 'voted'",
            "the features pixels of dataset 'b'", "the vectors of dataset 'points'",
        }:  # fmt: skip
            continue
        whole = blob(folder, name).read_bytes()
        damage(blob(folder, name))
        damaged = state_of(blob(folder, name))
        services = Services(AppConfig(folder))
        app = Starlette(routes=build_routes(services))
        told = False
        with TestClient(app, f"http://testserver{PREFIX}") as client:
            for address in addresses(made[1]):
                answer = client.get(address)
                assert answer.status_code < 500, (address, named[name], answer.text)
                told |= name.encode() in answer.content
        untold += [] if told else [named[name]]
        assert state_of(blob(folder, name)) == damaged
        services.close()
        shutil.rmtree(folder / "derived", ignore_errors=True)
        blob(folder, name).write_bytes(whole)
    # no route reads the sets an untrained editor is to learn from, or the features of a start
    assert as_large or len(untold) <= 2, untold


def operations(services, folder):
    """What makes something lasting of blobs: a name, and a function to call."""
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    for name in (IMAGES, VOTED, POINTS):
        for kind, formats in (("export", ("csv",)), ("export-annotation", ("sets", "votes"))):
            for each in formats:
                arguments = {"name": name, "format": each, "out": str(out / f"{name}.{each}")}
                yield f"{kind} {each}", name, (kind, arguments)
    yield "mine", IMAGES, ("mine", {"name": IMAGES, "features": "pixels",
                                    "config": {"quantile": 0.2}})  # fmt: skip
    yield "synthesize", IMAGES, ("synthesize", {"name": IMAGES, "config": {"epochs": 1,
                                                "annotator": "mlp"}})  # fmt: skip
    yield "report", IMAGES, ("report", {"run": 1, "out": str(out / "report.html")})
    request = TrainingRequest(IMAGES, "proden", config={"epochs": 1})
    yield "train", IMAGES, (lambda: services.training.create(request), None)


def dataset_blobs(services, name):
    record = services.datasets.get(name)
    return {*record.files.values(), record.version.candidates}


@pytest.mark.parametrize("damage", [every_kind.delete, every_kind.flip])
def test_nothing_is_made_of_damaged_data(folder, named, damage, monkeypatch):
    """Changed images, labels and sets were exported with exit 0."""
    monkeypatch.setattr(blobs_module, "_CHECKED_WHOLE", -1)
    services = Services(AppConfig(folder))
    wanted = {name: dataset_blobs(services, name) for name in (IMAGES, VOTED, POINTS)}
    services.close()
    n_refused = 0
    for name in sorted(set().union(*wanted.values())):
        whole = blob(folder, name).read_bytes()
        damage(blob(folder, name))
        damaged = state_of(blob(folder, name))
        services = Services(AppConfig(folder))
        versions = {each: len(services.project.datasets.versions(each)) for each in wanted}
        for title, dataset, (kind, arguments) in operations(services, folder):
            if name not in wanted[dataset]:
                continue
            with pytest.raises(DamageError, match=r"Nothing was changed\.") as refused:
                kind() if arguments is None else run_operation(services, kind, arguments, Silent())
            assert name in str(refused.value), title
            assert f"'{dataset}'" in str(refused.value), title
            n_refused += 1
        assert list((folder.parent / "out").iterdir()) == []
        assert versions == {each: len(services.project.datasets.versions(each)) for each in wanted}
        assert state_of(blob(folder, name)) == damaged
        services.close()
        blob(folder, name).write_bytes(whole)
    assert n_refused > 40


def test_damaged_features_are_computed_again_and_damaged_searches_forgotten(folder):
    services = Services(AppConfig(folder))
    features = services.mining.feature_sets(IMAGES)[0]
    mining = services.mining.minings(IMAGES)[0]
    every_kind.flip(blob(folder, features.file))
    every_kind.delete(blob(folder, mining.files["rows"]))
    arguments = {"name": IMAGES, "features": features.spec}
    run_operation(services, "extract", arguments, Silent())
    found = services.verifying.verify(Silent())
    assert {words for each in found["problems"] for words in each["affects"]} == {
        f"the pairs of dataset 'b' found in {features.spec} (search {mining.id})"
    }
    services.close()
    from cad_studio.store.repair import repair

    assert len(repair(folder)["forgotten"]) == 1
    services = Services(AppConfig(folder))
    assert services.verifying.verify(Silent())["is_whole"]
    assert mining.id not in [each.id for each in services.mining.minings(IMAGES)]
    services.close()


def test_the_models_of_runs_are_checked_too(folder, made):
    services = Services(AppConfig(folder))
    file = services.runs.model_path(made[1])
    whole = file.read_bytes()
    for damage in (every_kind.delete, every_kind.truncate, every_kind.lengthen):
        damage(file)
        (problem,) = services.verifying.verify(Silent())["problems"]
        assert "the model of run 1" in problem["affects"][0]
        file.write_bytes(whole)
    services.close()


@pytest.mark.parametrize(
    "damage",
    [
        every_kind.truncate,
        pytest.param(every_kind.delete, marks=pytest.mark.slow),
        pytest.param(every_kind.behead, marks=pytest.mark.slow),
    ],
)
def test_the_answers_of_a_run_are_words_when_they_are_damaged(folder, made, damage):
    kept = folder / "runs" / str(made[1])
    for file in sorted([*(kept / "diagnosis").iterdir(), *(kept / "beliefs").glob("*.npy")]):
        whole = file.read_bytes()
        damage(file)
        services = Services(AppConfig(folder))
        app = Starlette(routes=build_routes(services))
        with TestClient(app, f"http://testserver{PREFIX}") as client:
            for address in addresses(made[1]):
                if address.startswith(("/diagnosis", "/annotate/b")):
                    answer = client.get(address)
                    assert answer.status_code < 500, (file.name, address, answer.text)
        services.close()
        file.write_bytes(whole)


def test_a_dataset_of_which_everything_is_damaged_can_be_removed(folder):
    services = Services(AppConfig(folder))
    for name in dataset_blobs(services, VOTED):
        every_kind.truncate(blob(folder, name))
    assert services.datasets.remove(VOTED)["freed_bytes"] > 0
    assert services.verifying.verify(Silent())["is_whole"]
    services.close()


def test_a_file_cut_while_it_is_mapped_does_not_end_the_process(folder):
    """The next look into the map was a bus error."""
    services = Services(AppConfig(folder))
    data = services.datasets.load(IMAGES)
    assert data.pixels.image(3).any()
    every_kind.truncate(blob(folder, data.record.files["pixels"]))
    with pytest.raises(CadStudioError, match=r"not what was written"):
        services.datasets.load(IMAGES).pixels.image(3)
    services.close()
