"""Diagnosis of real small runs: figures, rows, maps, suspects, comparison, report, bad input."""

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.diagnosis.beliefs import probabilities, within
from cad_studio.diagnosis.projection import umap_plane
from cad_studio.services.container import Services
from cad_studio.services.diagnosis import answers, comparison, confusion, maps
from cad_studio.services.diagnosis.suspects import told as trusted
from cad_studio.services.operations import run_operation
from cad_studio.services.training import run_figures
from cad_studio.services.training.run_figures import figures_of
from tests.services.annotating import request
from tests.services.small import NASTY, save, sets, store
from tests.services.test_training import N_CLASSES, N_TEST, N_TRAIN, pictures, train, vectors


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Services with two runs on one dataset of images and one on vectors without truth."""
    folder = tmp_path_factory.mktemp("diagnosis")
    services = Services(AppConfig(folder / "project"))
    pictures(services, folder)
    first = train(services, epochs=3, snapshots=3)["run"]
    second = train(services, epochs=3, seed=1)["run"]
    vectors(services, folder, labels=None)
    third = train(services, "points")["run"]
    for run in (first, second, third):
        services.diagnosis.prepare(run, Silent())
    yield services, first, second, third, folder
    services.close()


@pytest.fixture(scope="module")
def diagnosis(project):
    return project[0].diagnosis


def test_the_figures_are_those_of_the_run_and_of_evaluate(project):
    services, first, *_ = project
    found = run_operation(services, "evaluate", {"run": first, "split": None}, Silent())
    assert found["accuracy"] == services.training.result(first)["test_accuracy"]
    assert found["figures"]["accuracy"] == pytest.approx(found["accuracy"])
    assert found["figures"]["covering_rate"] == pytest.approx(found["covering_rate"])
    closest = found["entangled"]["0.1"]
    assert found["figures"]["entangled_accuracy"] == pytest.approx(closest["instance_accuracy"])
    assert found["figures"]["swap_rate"] == pytest.approx(closest["swap_rate"])
    counts = np.array(found["confusion"]["counts"])
    assert counts.sum() == N_TEST
    assert np.trace(counts) / N_TEST == pytest.approx(found["accuracy"])
    for row in found["classes"]:
        assert row["recall"] == pytest.approx(found["class_accuracy"][row["name"]])
    assert set(found["entanglement"]["parts"]) == {"train", "test"}
    json.dumps(found, allow_nan=False)


@pytest.fixture
def seldom_made(project, monkeypatch):
    """A studio for which these samples are very many, and how often figures were made there."""
    services, first, *_ = project
    made = []
    monkeypatch.setattr(answers, "COUNTED_ANEW", 10)
    for module, name in ((run_figures, "_figures"), (confusion, "_made")):
        whole = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, whole=whole, name=name: made.append(name) or whole(*given)
        )

    def overview(split=None):
        again = Services(services.config)
        told = again.diagnosis.confusion.overview(first, split)
        again.close()
        return told

    yield services, overview, made
    for file in services.project.folder.glob("derived/run*.json"):
        file.unlink()


def test_figures_of_very_many_samples_are_kept_and_equal(seldom_made, monkeypatch):
    """The first look at a run over a million samples took half a minute, after every start."""
    _, overview, made = seldom_made
    first = overview()
    assert made == ["_made", "_figures"]
    assert overview() == first
    assert len(made) == 2
    assert overview("train") != first
    assert len(made) == 4
    monkeypatch.setattr(answers, "COUNTED_ANEW", 10**9)
    assert overview() == first


def test_kept_figures_that_are_damaged_are_made_anew(seldom_made):
    services, overview, made = seldom_made
    first = overview()
    for file in services.project.folder.glob("derived/run*.json"):
        file.write_text("{")
    assert overview() == first
    assert len(made) == 4


def test_who_asks_while_a_figure_is_made_waits_for_it(project, diagnosis):
    found, made = diagnosis.predictions.load(project[1]), []

    def slow():
        time.sleep(0.1)
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: found.once("of this test", slow), range(4)))
    assert (told, len(made)) == ([1] * 4, 1)


def test_a_cell_holds_exactly_its_samples(project, diagnosis):
    services, first, *_ = project
    found = diagnosis.predictions.load(first)
    counts = diagnosis.confusion.confusion_matrix(first, None)
    seen = []
    for a in range(N_CLASSES):
        for b in range(N_CLASSES):
            rows = diagnosis.confusion.cell(first, "confusion", a, b)
            assert len(rows) == counts[a, b]
            seen += rows.tolist()
    assert sorted(seen) == list(range(N_TRAIN, N_TRAIN + N_TEST))
    rows = diagnosis.confusion.cell(first, "co-occurrence", 0, 1, "train")
    dense = services.datasets.load("shades").candidates.dense(np.arange(N_TRAIN))
    assert sorted(rows.tolist()) == np.flatnonzero(dense[:, 0] & dense[:, 1]).tolist()
    by_sets = diagnosis.confusion.cell(first, "set-model", 2, 1, "all")
    assert by_sets.tolist() == diagnosis.confusion.cell(first, "ambiguity", 2, 1, "all").tolist()
    for row in by_sets:
        assert found.beliefs.best[row] == 2
        assert 1 in found.candidates.of(int(row))


def test_the_set_model_counts_by_the_confidence_of_the_run(project, diagnosis):
    _, first, *_ = project
    found = diagnosis.predictions.load(first)
    told = diagnosis.confusion.overview(first, "train", order="own")["matrices"]
    rows = found.rows("train")
    dense = found.candidates.dense(rows)
    belief = within(probabilities(found.logits[rows]), dense).astype(float)
    together, weight = belief.T @ dense, belief.sum(axis=0)
    rate = dense.mean(axis=0)
    for j in range(N_CLASSES):
        for k in set(range(N_CLASSES)) - {j}:
            share = (together[j, k] + 10 * rate[k]) / (weight[j] + 10)
            assert told["set-model"][j][k] == pytest.approx(np.clip(share, 1e-3, 0.999), abs=1e-4)
    assert np.diag(told["set-model"]).tolist() == [1.0] * N_CLASSES


def test_answers_are_asked_once_and_anew_when_the_model_changes(project, diagnosis):
    services, first, *_ = project
    folder = services.project.run_folder(first) / "diagnosis"
    before = (folder / "logits.npy").stat().st_mtime_ns
    diagnosis.prepare(first, Silent())
    assert (folder / "logits.npy").stat().st_mtime_ns == before
    model = services.runs.model_path(first)
    model.touch()
    assert not diagnosis.predictions.is_ready(first)
    with pytest.raises(RecordNotFoundError, match="was not asked"):
        diagnosis.predictions.load(first)
    diagnosis.prepare(first, Silent())
    assert (folder / "logits.npy").stat().st_mtime_ns > before
    assert not folder.with_name("diagnosis.unfinished").exists()


def test_settings_of_one_name_of_the_loop_and_of_a_method_are_told_apart(project, diagnosis):
    """The momentum of a slow copy stood where the momentum of the steps should be."""
    services, first, *_ = project
    run = services.project.runs.get(first)
    other = replace(run, method="cad-cam", settings={"momentum": 0.99})
    told = comparison.settings_of(other)
    assert told["momentum"] == run.config["momentum"]
    assert told["cad-cam: momentum"] == 0.99


def test_runs_on_three_versions_are_compared_and_the_versions_are_said(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    pictures(services, tmp_path)
    runs = []
    imported = services.datasets.load("shades").candidates
    for row in np.flatnonzero(imported.sizes() > 1)[:3].tolist():
        given = {"class": imported.of(row)[0]}
        services.annotation.act("shades", request("label", [row], "anna", given=given))
        runs.append(train(services, epochs=1)["run"])
        services.diagnosis.prepare(runs[-1], Silent())
    told = services.diagnosis.comparison.compare(runs)
    assert len({each["data_version"] for each in told["runs"]}) == 3
    assert len(told["settings"]["data version"]) == 3
    assert any("learned from v" in note for note in told["notes"])
    accuracy = next(each for each in told["figures"] if each["key"] == "accuracy")
    assert len(accuracy["values"]) == 3
    services.close()


def test_a_comparison_holds_runs_against_the_first(project, diagnosis):
    _, first, second, *_ = project
    told = diagnosis.comparison.compare([first, second])
    assert told["settings"]["seed"] == [0, 1]
    assert "learning_rate" not in told["settings"]
    figure = next(each for each in told["figures"] if each["key"] == "accuracy")
    before, after = (figures_of(diagnosis.predictions.load(run), None) for run in (first, second))
    gained = after["accuracy"] - before["accuracy"]
    assert figure["differences"] == [0, pytest.approx(gained)]
    changes = told["changes"]
    assert changes["fixed"] - changes["broken"] == pytest.approx(gained * N_TEST)
    rows = diagnosis.comparison.rows(first, second, "broken")
    assert len(rows) == changes["broken"]
    change = np.array(told["confusion_change"]["counts"])
    assert change.sum() == 0
    assert np.trace(change) == changes["fixed"] - changes["broken"]
    with pytest.raises(SettingError, match="2 to 20 different runs"):
        diagnosis.comparison.compare([first, first])


def test_runs_that_differ_in_the_seed_alone_give_a_spread(project, diagnosis, tmp_path_factory):
    services, _, second, *_ = project
    third = train(services, epochs=3, seed=2)["run"]
    diagnosis.prepare(third, Silent())
    told = diagnosis.comparison.compare([second, third])
    figure = told["figures"][0]
    assert figure["spread"][0]["n"] == 2
    assert figure["spread"][0]["sd"] == pytest.approx(np.std(figure["values"], ddof=1))
    services.runs.remove(third)


def test_runs_on_two_datasets_and_a_split_one_lacks_are_said_not_refused(project, diagnosis):
    _, first, second, third, _ = project
    told = diagnosis.comparison.compare([first, third, second])
    assert any("different datasets" in note for note in told["notes"])
    assert (told["changes"], told["confusion_change"]) == (None, None)
    accuracy = told["figures"][0]
    assert accuracy["values"][1] is None
    assert accuracy["values"][2] is not None
    with pytest.raises(SettingError, match="different datasets"):
        diagnosis.comparison.rows(first, third, "fixed")


def test_without_truth_there_is_ambiguity_and_no_oracle_figure(project, diagnosis):
    *_, third, _ = project
    told = diagnosis.confusion.overview(third)
    assert told["n_known"] == 0
    assert told["matrices"]["confusion"] is None
    assert np.array(told["matrices"]["ambiguity"]).sum(axis=1).max() == pytest.approx(1, abs=1e-3)
    oracle = {figure["key"] for figure in told["about"] if figure["oracle"]}
    assert {key for key, value in told["figures"].items() if value is None} == oracle
    assert told["pairs"]
    assert diagnosis.confusion.classes(third)["reliability"] is None
    assert diagnosis.confusion.entanglement(third)["curve"] is None
    with pytest.raises(SettingError, match="no true labels"):
        diagnosis.confusion.cell(third, "confusion", 0, 1)


def test_without_truth_fixed_and_broken_are_unknown_and_not_none_of_them(project, diagnosis):
    """Two runs nobody could judge were said to have fixed 0 and broken 0."""
    services, _, _, third, _ = project
    other = train(services, "points", seed=1)["run"]
    diagnosis.prepare(other, Silent())
    changes = diagnosis.comparison.compare([third, other])["changes"]
    assert (changes["fixed"], changes["broken"]) == (None, None)
    assert changes["moved"] >= 0
    assert "is not known" in comparison.fixed_and_broken(changes)
    services.runs.remove(other)


def test_one_sample_has_its_history_and_the_answers_of_every_run(project, diagnosis):
    _, first, second, *_ = project
    found = diagnosis.predictions.load(first)
    _, rows = diagnosis.predictions.history(found)
    row = int(rows[3])
    told = diagnosis.instances.instance(first, row)
    assert told["history"]["epochs"] == [0, 1, 2]
    last = {label: values[-1] for label, values in told["history"]["beliefs"].items()}
    assert set(last) == set(told["candidates"])
    assert sum(last.values()) == pytest.approx(1, abs=0.01)
    assert {each["run"] for each in told["runs"]} >= {first, second}
    near = told["runs"][0]["neighbours"]
    products = found.features @ found.features[row]
    products[row] = -np.inf
    assert near["similarity"][0] == pytest.approx(float(products.max()), abs=1e-4)
    test_row = diagnosis.instances.instance(first, N_TRAIN)
    assert test_row["history"] is None
    with pytest.raises(RecordNotFoundError, match="has no row"):
        diagnosis.instances.instance(first, N_TRAIN + N_TEST)


def test_the_belief_over_the_candidates_of_a_sample_sums_to_one(project, diagnosis):
    """Of samples the run did not learn from, only the best candidate had a belief."""
    _, first, *_ = project
    row = N_TRAIN + 1
    told = diagnosis.instances.instance(first, row)
    assert told["history"] is None
    assert list(told["belief"]) == told["candidates"]
    assert sum(told["belief"].values()) == pytest.approx(1.0, abs=1e-3)
    assert max(told["belief"], key=told["belief"].get) == told["runs"][0]["best"]


def test_one_pair_says_when_it_came_apart(project, diagnosis):
    _, first, *_ = project
    found = diagnosis.predictions.load(first)
    history, rows = diagnosis.predictions.history(found)
    told = diagnosis.instances.pair(first, int(rows[0]), int(rows[1]))
    assert len(history) == 3
    best = [[max(b, key=lambda c, b=b, at=at: b[c][at]) for at in range(3)]
            for b in (each["beliefs"] for each in told["histories"])]  # fmt: skip
    differs = [a != b for a, b in zip(*best, strict=True)]
    apart = next((at for at in range(3) if all(differs[at:])), None)
    assert told["apart"] == apart
    assert told["runs"][-1]["run"] == first
    with pytest.raises(SettingError, match="given twice"):
        diagnosis.instances.pair(first, 3, 3)


def test_maps_are_made_once_in_stages(project, diagnosis, monkeypatch):
    _, first, *_ = project
    # A test needs no good map: fewer epochs, all else as it is.
    monkeypatch.setattr(maps, "umap_plane", partial(umap_plane, epochs=5))
    with pytest.raises(RecordNotFoundError, match="not extracted yet"):
        diagnosis.maps.state("points", "raw2")
    spec = f"run:{first}"
    state = diagnosis.maps.state("shades", spec, 3)
    assert (state["stages"], state["n"], state["left_out"]) == (["pca"], N_TRAIN + N_TEST, 0)
    made = diagnosis.maps.make("shades", spec, "umap", 3, Silent())
    assert (made["stages"], made["cached"]) == (["pca", "umap"], False)
    assert np.isfinite(np.load(made["file"])).all()
    assert diagnosis.maps.make("shades", spec, "umap", 3, Silent())["cached"]
    points = diagnosis.maps.points("shades", spec, "umap", 3)
    assert (points.shape, points.dtype) == ((N_TRAIN + N_TEST, 2), np.uint16)
    with pytest.raises(RecordNotFoundError, match="not made yet"):
        diagnosis.maps.points("shades", spec, "umap-part", 3)
    with pytest.raises(SettingError, match="is not a kind of map"):
        diagnosis.maps.make("shades", "pixels", "tsne", 0, Silent())


def test_a_large_map_is_first_laid_out_by_a_part(project, diagnosis, monkeypatch):
    monkeypatch.setattr(maps, "umap_plane", partial(umap_plane, epochs=2))
    monkeypatch.setattr(maps, "_PART_SHARE", 3)
    monkeypatch.setattr(maps, "_PART_EPOCHS", 2)
    monkeypatch.setattr(maps, "_LEAST_FOR_PART", 100)
    told = []
    progress = type("P", (), {"report": lambda self, done, words: told.append(done)})()
    made = diagnosis.maps.make("shades", "pixels", "umap", 4, progress)
    assert made["stages"] == ["pca", "umap-part", "umap"]
    assert told == sorted(told)
    part = diagnosis.maps.points("shades", "pixels", "umap-part", 4)
    assert len(np.unique(part, axis=0)) > 100


def test_the_columns_of_the_map_are_those_of_the_run(project, diagnosis):
    services, first, second, *_ = project
    n = N_TRAIN + N_TEST
    body = diagnosis.colours.columns(second, first)
    assert len(body) == n * (4 * 2 + 6)
    wide = np.frombuffer(body[: 8 * n], "<u2").reshape(4, n)
    narrow = np.frombuffer(body[8 * n :], np.uint8).reshape(6, n)
    found = diagnosis.predictions.load(second)
    truth = services.datasets.load("shades").truth
    assert np.array_equal(wide[0], found.beliefs.best)
    assert np.array_equal(wide[2], truth)
    assert np.array_equal(narrow[0] == 2, found.beliefs.predicted == truth)
    change = diagnosis.comparison.change(first, second, "all")
    assert np.flatnonzero(narrow[5] == 1).tolist() == change.fixed.tolist()
    assert not narrow[3].any()


def test_suspects_have_reasons_and_are_found_once(project, diagnosis):
    _, first, *_ = project
    assert diagnosis.suspects.known("shades", first) is None
    found = diagnosis.suspects.find("shades", first, "", 0, Silent())
    assert found["n"] == N_TRAIN
    assert sum(found["counts"].values()) == len(found["suspects"]) > 0
    for each in found["suspects"]:
        assert each["reason"].endswith(".")
        assert each["id"]
    assert diagnosis.suspects.known("shades", first) == found
    said = diagnosis.suspects.reasons("shades", first)
    assert all(each["reason"] in said[each["row"]] for each in found["suspects"])
    assert diagnosis.suspects.reasons("shades", None) == {}
    with pytest.raises(SettingError, match="is on shades, not on points"):
        diagnosis.suspects.find("points", first, "", 0, Silent())


def test_the_newest_model_suggests_and_one_that_saw_true_labels_does_not(project, diagnosis):
    services, first, second, *_ = project
    row = int(np.flatnonzero(services.datasets.load("shades").candidates.sizes() > 1)[0])
    held = services.datasets.load("shades").candidates.of(row)
    services.beliefs.graph("shades", services.beliefs.features("shades"), Silent())
    told = services.suggestions.of("shades", row)["model"]
    assert told["run"] == second
    logits = diagnosis.predictions.load(second).logits[row][held].astype(float)
    wanted = np.exp(logits - logits.max())
    assert list(told["belief"]) == held
    assert np.allclose(list(told["belief"].values()), wanted / wanted.sum(), atol=1e-3)
    for run in (first, second):
        services.project.runs.change(run, method="supervised")
    assert services.suggestions.of("shades", row)["model"] is None
    for run in (first, second):
        services.project.runs.change(run, method="proden")


def test_the_report_stands_alone_and_says_the_same_numbers(project, diagnosis, tmp_path):
    _, first, second, *_ = project
    out = tmp_path / "report.html"
    made = diagnosis.report.write(second, first, out, Silent())
    assert made["bytes"] == out.stat().st_size < 10_000_000
    text = out.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", text.split("<body>", 1)[1])
    facts = json.loads(text.split('id="facts">', 1)[1].split("</script>", 1)[0])
    overview = diagnosis.confusion.overview(second, order="similar")
    assert facts["overview"] == json.loads(json.dumps(overview))
    assert facts["comparison"] == json.loads(
        json.dumps(diagnosis.comparison.compare([first, second]))
    )
    assert f"{100 * overview['figures']['accuracy']:.1f} %" in text
    assert facts["classes"] == json.loads(json.dumps(diagnosis.confusion.classes(second)))
    entanglement = diagnosis.confusion.entanglement(second)
    assert facts["entanglement"] == json.loads(json.dumps(entanglement))
    assert facts["suspects"] is None
    found = diagnosis.suspects.find("shades", second, "", 0, Silent())
    told = diagnosis.report.facts(second, None, Silent())["suspects"]
    assert [each[1] for each in told["kinds"]] == list(trusted(found)["counts"].values())
    assert told["is_weak"]  # 96 shades by their edges: the judge knows next to nothing
    assert "data:image/png;base64," in text
    with pytest.raises(SettingError, match="no folder"):
        diagnosis.report.write(second, None, tmp_path / "none" / "r.html", Silent())
    with pytest.raises(SettingError, match="against itself"):
        diagnosis.report.write(second, second, out, Silent())


def test_a_run_of_a_version_that_is_gone_or_of_renamed_classes(project, diagnosis):
    services, _, _, _, folder = project
    pictures(services, folder, name="gone", seed=3)
    run = train(services, "gone", epochs=1)["run"]
    services.project.datasets.add_version(
        "gone",
        services.project.blobs.save_array(
            np.roll(services.datasets.load("gone").candidates.packed, 1, axis=0)
        ),
        "annotate",
        {},
    )
    diagnosis.prepare(run, Silent())
    notes = diagnosis.confusion.overview(run)["notes"]
    assert any("Trained on v" in note for note in notes)
    card = services.project.run_folder(run) / "diagnosis" / "card.json"
    told = json.loads(card.read_text())
    card.write_text(json.dumps({**told, "classes": ["old", *told["classes"][1:]]}))
    diagnosis.predictions._held.clear()
    notes = diagnosis.confusion.overview(run)["notes"]
    assert any("Classes were renamed since: old is now 0" in note for note in notes)
    changed = np.frombuffer(diagnosis.colours.columns(run, None)[8 * 128 :], np.uint8)
    assert changed.reshape(6, 128)[3].any()  # the sets of the new version differ
    diagnosis.predictions._held.clear()
    services.project.blobs.path(services.project.runs.get(run).candidates).unlink()
    with pytest.raises(RecordNotFoundError, match="not in this project any more"):
        diagnosis.confusion.overview(run)


def test_one_class_predicted_for_all_and_classes_without_samples_are_said(project, diagnosis):
    services, _, _, _, folder = project
    pictures(services, folder, name="flat", seed=4, class_names=np.array([*NASTY[:4], "none"]),
             candidates=sets(N_TRAIN + N_TEST, 5, np.zeros(N_TRAIN + N_TEST, int), 4),
             labels=np.zeros(N_TRAIN + N_TEST, int))  # fmt: skip
    run = train(services, "flat", epochs=1)["run"]
    diagnosis.prepare(run, Silent())
    file = services.project.run_folder(run) / "diagnosis" / "logits.npy"
    logits = np.load(file)
    logits[:] = [0, 9, 0, 0, 0]
    logits[-1] = np.nan
    np.save(file, logits)
    diagnosis.predictions._held.clear()
    told = diagnosis.confusion.overview(run, "all")
    words = " ".join(told["notes"])
    assert "no finite answer for 1 of 128" in words
    assert "4 classes have no sample of known truth" in words
    assert told["figures"]["accuracy"] == 0
    logits[-1] = logits[0]
    np.save(file, logits)
    diagnosis.predictions._held.clear()
    words = " ".join(diagnosis.confusion.overview(run)["notes"])
    assert f"are predicted as {NASTY[1]}" in words
    json.dumps(diagnosis.evaluation(run, None, Silent()), allow_nan=False)
    page = folder / "flat.html"
    diagnosis.report.write(run, None, page, Silent())
    assert "<img src=x" not in page.read_text(encoding="utf-8").split("<body>", 1)[1]


def test_many_classes_one_test_sample_and_constant_or_missing_features(project, diagnosis):
    services, _, _, _, folder = project
    n = 60
    truth = np.arange(n) % 20
    features = np.ones((n, 4), np.float32)
    arrays = {
        "features": features, "candidates": sets(n, 500, truth, 6), "labels": truth,
        "split": np.array(["train"] * (n - 1) + ["test"]),
    }  # fmt: skip
    store(services, save(folder / "many.npz", **arrays), name="many")
    run = train(services, "many", epochs=1)["run"]
    diagnosis.prepare(run, Silent())
    told = diagnosis.confusion.overview(run, most=24)
    assert len(told["matrices"]["classes"]) == 24
    assert told["n"] == 1
    assert 7 in diagnosis.confusion.overview(run, find="7")["matrices"]["classes"]
    with pytest.raises(SettingError, match="No class has 'zebra'"):
        diagnosis.confusion.overview(run, find="zebra")
    state = diagnosis.maps.make("many", "raw", "umap", 0, Silent())
    assert (state["stage"], state["left_out"]) == ("umap", 0)
    assert diagnosis.suspects.find("many", run, "raw", 0, Silent())["n"] == n - 1
    holed = np.array(services.mining.load_features(services.mining.feature_sets("many")[0]))
    holed[5] = np.nan
    np.save(folder / "holed.npy", holed)
    with services.project.saving():
        file = services.project.blobs.save_array(holed)
        services.project.features.renew(services.mining.feature_sets("many")[0].id, file, 0.0)
    services.project.derived.remove_except(set())
    state = diagnosis.maps.state("many", "raw")
    assert state["left_out"] == 1
    assert diagnosis.maps.points("many", "raw", "pca")[5].tolist() == [0, 0]
    assert diagnosis.suspects.find("many", run, "raw", 1, Silent())["n"] == n - 2


def test_a_warm_studio_has_laid_out_the_map_of_the_run_asked_last(project, diagnosis):
    services = project[0]
    last = max(
        row["id"] for row in services.runs.all() if diagnosis.predictions.is_ready(row["id"])
    )
    services.project.derived.remove_except(set())
    diagnosis.warm()
    kept = services.project.derived.path("any").parent.iterdir()
    assert any(file.name.startswith(f"run{last}-") and "-pca-" in file.name for file in kept)


def test_what_a_page_asks_loads_no_torch(project):
    """Opening one sample imported torch into the window, more than a second."""
    services, _, second, *_ = project
    code = (
        "import sys; from pathlib import Path; from cad_studio.config import AppConfig; "
        "from cad_studio.services.container import Services; "
        f"services = Services(AppConfig(Path({str(services.project.folder)!r}))); "
        "services.diagnosis.warm(); "
        f"assert services.diagnosis.instances.instance({second}, 3)['history']; "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_removed_run_takes_its_maps_with_it(project, diagnosis):
    services, first, *_ = project
    diagnosis.maps.state("shades", f"run:{first}")
    derived = services.project.folder / "derived"
    assert list(derived.glob(f"run{first}-*"))
    with services.project.removing():
        pass
    assert list(derived.glob(f"run{first}-*"))
    with services.project.removing():
        services.project.runs.delete([first])
    assert not list(derived.glob(f"run{first}-*"))
    assert not services.project.run_folder(first).exists()
