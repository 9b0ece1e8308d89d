"""Fields, tags, splits and votes of a small dataset, through the services."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from cad_studio.annotation.splitting import SplitConfig
from cad_studio.core.errors import NotAllowedError, SettingError
from cad_studio.core.fields import make_field
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions, read_here
from cad_studio.services.datasets.datasets import RowFilter
from cad_studio.services.training.inputs import split_rows
from cad_studio.services.training.training import TrainingRequest
from tests.datasets.sources import png, write_csv
from tests.services.annotating import act, request
from tests.services.small import store

NAME = "pets"
CLASSES = ["cat", "dog", "fox"]
N = 24


@pytest.fixture
def pets(services, tmp_path):
    """24 images of 8 patients by two cameras, three votes each; and no split of its own."""
    rows = [["image", "annotator", "label", "camera", "patient", "age", "taken"]]
    for row in range(N):
        (tmp_path / f"{row:02d}.png").write_bytes(png(row))
        for who, label in (("a", row % 3), ("b", row % 3), ("c", (row + row // 12) % 3)):
            rows.append([
                f"{row:02d}.png", who, CLASSES[label], "north" if row % 2 else "south",
                f"p{row // 3:03d}", "" if row == 5 else 20 + row, f"2024-05-{1 + row:02d}",
            ])  # fmt: skip
    store(services, write_csv(tmp_path / "votes.csv", rows), NAME)
    return services


def found(services, *where):
    return services.datasets.rows(NAME, RowFilter(where=where)).tolist()


def test_further_columns_are_fields_that_can_be_asked_for(pets):
    about = {each["name"]: each for each in pets.datasets.describe(NAME)["fields"]}
    assert {name: each["kind"] for name, each in about.items()} == {
        "camera": "category", "patient": "category", "age": "number", "taken": "date",
    }  # fmt: skip
    assert dict(map(tuple, about["camera"]["values"])) == {"north": 12, "south": 12}
    assert (about["age"]["known"], about["age"]["low"], about["age"]["high"]) == (23, 20, 43)
    assert found(pets, "camera=north", "age=20..25") == [1, 3]
    assert found(pets, "age=") == [5]
    assert found(pets, "taken=2024-05-03..2024-05-04") == [2, 3]
    assert pets.datasets.instance(NAME, 1)["fields"] == {
        "camera": "north", "patient": "p000", "age": 21, "taken": "2024-05-02",
    }  # fmt: skip
    with pytest.raises(SettingError, match=r"'cam=north' is no condition .* 'camera'"):
        found(pets, "cam=north")


def test_content_and_version_do_not_depend_on_fields(pets, tmp_path):
    """An export without fields must come back as the same version."""
    bare = [line.split(",")[:3] for line in (tmp_path / "votes.csv").read_text().splitlines()]
    store(pets, write_csv(tmp_path / "bare.csv", bare), "bare")
    versions = [pets.datasets.get(name).version.hash for name in (NAME, "bare")]
    assert versions[0] == versions[1]


def test_tags_are_put_on_and_taken_off_and_undone(pets):
    act(pets, "tag", [1, 2, 3], given={"tag": "blurred  one"})
    act(pets, "untag", [2], "ben", given={"tag": "blurred one"})
    assert found(pets, "tag=blurred one") == [1, 3]
    assert pets.datasets.instance(NAME, 3)["tags"] == ["blurred one"]
    assert pets.history.verify(NAME)["agrees"]
    act(pets, "undo", who="ben")
    assert found(pets, "tag=blurred one") == [1, 2, 3]
    act(pets, "undo")
    assert not pets.datasets.describe(NAME)["tags"]
    act(pets, "redo")
    assert found(pets, "tag=blurred one") == [1, 2, 3]
    assert pets.history.rebuild(NAME)["agrees"]
    assert found(pets, "tag=blurred one") == [1, 2, 3]
    with pytest.raises(SettingError, match="A tag is a text"):
        act(pets, "tag", [1], given={"tag": "a|b"})


def test_split_keeps_groups_together_and_can_be_undone(pets):
    before = pets.datasets.get(NAME)
    config = SplitConfig({"train": 0.5, "test": 0.5}, seed=1, group_by="patient")
    told = pets.splitting.preview(NAME, config)
    assert pets.datasets.get(NAME).version == before.version
    made = pets.splitting.make(NAME, config, request("split"))
    assert made["splits"] == told["splits"] == {"train": 12, "test": 12}
    assert made["groups"] == 8
    data = pets.datasets.load(NAME)
    assert data.record.split_names == ["train", "test"]
    patients = np.array([data.fields["patient"].shown(row) for row in range(N)])
    train, test = split_rows(data)
    assert not set(patients[train]) & set(patients[test])
    assert data.record.version.hash != before.version.hash
    assert pets.history.verify(NAME)["agrees"]
    with pytest.raises(SettingError, match="divided like this already"):
        pets.splitting.make(NAME, config, request("split"))
    act(pets, "undo")
    assert pets.datasets.get(NAME).split_names == before.split_names
    assert pets.datasets.get(NAME).version.hash == before.version.hash
    act(pets, "redo")
    assert len(split_rows(pets.datasets.load(NAME))[1]) == 12
    assert not pets.project.blobs.check([pets.datasets.get(NAME).files["splits"]])


def test_run_keeps_the_split_of_its_version(pets):
    old = pets.datasets.get(NAME).version.hash
    pets.splitting.make(NAME, SplitConfig(), request("split"))
    assert len(split_rows(pets.datasets.load_for_run(NAME, old))[1]) == 0
    now = pets.datasets.get(NAME).version.hash
    assert len(split_rows(pets.datasets.load_for_run(NAME, now))[1]) == 5


def test_splits_outside_the_one_that_is_divided_stay(pets):
    pets.splitting.make(NAME, SplitConfig({"train": 0.75, "test": 0.25}), request("split"))
    test = split_rows(pets.datasets.load(NAME))[1].tolist()
    config = SplitConfig({"train": 0.5, "val": 0.5}, within="train", group_by="patient")
    told = pets.splitting.make(NAME, config, request("split"))
    assert split_rows(pets.datasets.load(NAME))[1].tolist() == test
    assert set(told["splits"]) == {"train", "val", "test"}
    assert any("in several splits" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (SplitConfig(group_by="ward"), "has no field 'ward'. Its fields: camera, patient"),
        (SplitConfig(within="val"), "'val' is not a split"),
        (SplitConfig({"train": 0.999, "test": 0.001}), "'test' would be empty"),
    ],
)
def test_split_that_cannot_be_made_is_told(pets, config, words):
    with pytest.raises(SettingError, match=words):
        pets.splitting.preview(NAME, config)


def test_sets_are_made_again_with_another_threshold(pets):
    """The first twelve agree; of the others the third vote is for another class."""
    assert pets.sets.effective(NAME).sizes().tolist() == [1] * 12 + [2] * 12
    act(pets, "label", [20], given={"class": 0})
    told = pets.vote_sets.preview(NAME, 0.5)
    assert (told["changed"], told["now"], told["thin"]) == (12, 0.0, 0)
    made = pets.vote_sets.apply(NAME, 0.5)
    assert made["changed"] == 12
    assert pets.sets.effective(NAME).of(20) == [0]  # what an annotator said lies over it
    assert pets.sets.effective(NAME).sizes().tolist() == [1] * N
    assert pets.datasets.describe(NAME)["mean_candidates"] == 1.0
    with pytest.raises(SettingError, match=r"already that 0\.5 of the votes makes"):
        pets.vote_sets.apply(NAME, 0.5)
    assert pets.vote_sets.apply(NAME, 0.0)["now"] == 0.5
    assert pets.sets.effective(NAME).sizes().tolist()[12:20] == [2] * 8


def test_consensus_tells_good_annotators_and_orders_a_queue(pets):
    people = {each["who"]: each for each in pets.consensus.people(NAME)["people"]}
    assert people["a"]["accuracy"] > 0.9 > 0.7 > people["c"]["accuracy"]
    assert people["c"]["low"] < people["c"]["accuracy"] < people["c"]["high"]
    assert people["c"]["n_votes"] == N
    queue = pets.queues.open(NAME, "consensus", "anna")
    items = pets.queues.take(NAME, queue.id, "anna", 3)
    assert all(item.row >= 12 for item in items)
    assert "weighed" in items[0].why


def test_crowdlab_hears_a_classifier_too(pets):
    """The pictures of the three classes differ, so the classifier settles what votes leave open."""
    told = pets.consensus.people(NAME, "crowdlab")
    people = {each["who"]: each for each in told["people"]}
    assert (told["by"], told["features"]) == ("crowdlab", pets.mining.best_features(NAME))
    assert people["a"]["rating"] > people["c"]["rating"]
    assert people["a"]["accuracy"] > 0.7 > people["c"]["accuracy"]
    assert all(each["rating"] is None for each in pets.consensus.people(NAME)["people"])
    queue = pets.queues.open(NAME, "crowdlab", "anna")
    items = pets.queues.take(NAME, queue.id, "anna", 3)
    assert all(item.row >= 12 for item in items)
    assert "classifier" in items[0].why
    with pytest.raises(SettingError, match=r"dawid-skene or crowdlab, not by 'glad'"):
        pets.consensus.people(NAME, "glad")


def test_run_starts_from_crowdlab_over_its_own_features(pets):
    wanted = TrainingRequest(NAME, "proden", config={"start": "crowdlab", "epochs": 2})
    run = pets.training.create(wanted)
    inputs = pets.training.inputs(run, Silent())
    expected = pets.consensus.for_run(NAME, run.version_hash, "crowdlab", run.features)
    assert np.array_equal(
        inputs.outside.start(inputs.data.train_rows), expected[inputs.data.train_rows]
    )
    assert not np.array_equal(expected, pets.consensus.for_run(NAME, run.version_hash))


def test_run_starts_from_the_consensus_of_its_version(pets):
    old = pets.datasets.get(NAME).version.hash
    before = pets.consensus.for_run(NAME, old)
    assert before.sum(axis=1) == pytest.approx(np.ones(N), abs=1e-5)
    for row in range(12, N):
        for who in ("a", "b"):
            act(pets, "label", [row], who, given={"class": (row + 1) % 3})
    new = pets.sets.settle(NAME).version.hash
    assert np.array_equal(pets.consensus.for_run(NAME, old), before)
    after = pets.consensus.for_run(NAME, new)
    assert (after[12:].argmax(axis=1) == (np.arange(12, N) + 1) % 3).all()


def test_start_from_the_consensus_is_what_the_trainer_is_given(pets, tmp_path):
    wanted = TrainingRequest(NAME, "proden", config={"start": "consensus", "epochs": 2})
    run = pets.training.create(wanted)
    inputs = pets.training.inputs(run, Silent())
    rows = inputs.data.train_rows
    expected = pets.consensus.for_run(NAME, run.version_hash)[rows]
    assert np.array_equal(inputs.outside.start(rows), expected)
    assert inputs.outside.refresh is None
    bare = [[f"{row}.png", "abc"[row % 3]] for row in range(4)]
    folder = tmp_path / "bare"
    folder.mkdir()
    for row in range(4):
        (folder / f"{row}.png").write_bytes(png(row))
    write_csv(folder / "metadata.csv", [["file_name", "label"], *bare])
    store(pets, folder, "bare")
    with pytest.raises(SettingError, match="bare has no votes"):
        pets.training.create(replace(wanted, dataset="bare"))


def test_removed_dataset_leaves_no_files_of_its_fields(pets):
    pets.splitting.make(NAME, SplitConfig(), request("split"))
    assert pets.verifying is not None
    names = {each.blob for each in pets.project.references()}
    stored = {part for each in pets.datasets.get(NAME).fields for part in (each["values"],)}
    assert stored <= names
    pets.datasets.remove(NAME)
    assert not any(pets.project.blobs.has(blob) for blob in names)


def test_counts_without_names_are_votes(services, tmp_path):
    np.savez(
        tmp_path / "data.npz", images=np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6),
        labels=np.array([0, 1, 2, 0]), class_names=np.array(CLASSES),
    )  # fmt: skip
    np.save(tmp_path / "counts.npy", np.array([[9, 1, 0], [0, 8, 2], [5, 0, 5], [10, 0, 0]]))
    store(
        services, tmp_path / "data.npz", NAME, candidates=str(tmp_path / "counts.npy"),
        threshold=0.2,
    )  # fmt: skip
    assert services.sets.effective(NAME).lists() == [[0], [1, 2], [0, 2], [0]]
    agreement = services.annotators.agreement(NAME)
    # couples that agree: 36, 29, 20 and 45 of 45 each
    assert agreement["raw"] == pytest.approx(130 / 180, abs=1e-4)
    assert (agreement["votes"], agreement["disputed"]) == (40, 3)
    assert services.consensus.judge(NAME).confidence[1].tolist() == pytest.approx([0, 0.8, 0.2])
    assert services.datasets.instance(NAME, 1)["votes"] == [
        {"annotator": "", "label": 1, "weight": 8.0},
        {"annotator": "", "label": 2, "weight": 2.0},
    ]
    assert services.vote_sets.threshold(NAME) == pytest.approx(0.2)
    services.vote_sets.apply(NAME, 0.0)
    assert services.sets.effective(NAME).lists() == [[0, 1], [1, 2], [0, 2], [0]]


def test_viewer_changes_neither_splits_nor_sets(pets, monkeypatch):
    monkeypatch.setattr(pets.access, "role", lambda: "annotator")
    monkeypatch.setattr(pets.access, "require", _only_annotates)
    for change in (
        lambda: pets.splitting.make(NAME, SplitConfig(), request("split")),
        lambda: pets.vote_sets.apply(NAME, 0.5),
    ):
        with pytest.raises(NotAllowedError):
            change()


def _only_annotates(role):
    if role == "owner":
        raise NotAllowedError("Only an owner.")


@pytest.mark.parametrize("form", ["npz", "csv", "parquet"])
def test_fields_and_tags_are_columns_of_exports(pets, tmp_path, form):
    act(pets, "tag", [0, 2], given={"tag": "odd"})
    act(pets, "tag", [2], given={"tag": "dark"})
    out = tmp_path / f"out.{form}"
    pets.exporting.export(NAME, form, out, Silent())
    data = pets.datasets.load(NAME)
    wanted = pets.datasets.fields.columns(data)
    assert list(wanted) == ["camera", "patient", "age", "taken", "tags"]
    assert wanted["tags"][:3] == ["odd", None, "dark|odd"]
    if form == "csv":
        with out.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert [line["age"] for line in lines[4:7]] == ["24", "", "26"]
        assert lines[2]["tags"] == "dark|odd"
    elif form == "parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(out).to_pydict()
        assert {name: table[name] for name in wanted} == wanted
    else:
        store(pets, out, "again")
        assert pets.datasets.get("again").version.hash != ""
        again = pets.datasets.load("again").fields
        for name in ("camera", "patient", "age", "taken"):
            assert again[name].kind == data.fields[name].kind
            assert [again[name].shown(row) for row in range(N)] == wanted[name]


def test_other_arrays_of_an_archive_are_left_out_with_a_word(tmp_path):
    np.savez(
        tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.arange(3) % 2,
        when=np.array(["2024-05-31", "2024-06-01", "NaT"], "datetime64[ns]"),
        site=np.array(["x", "", "y"]), boxes=np.zeros((3, 4)), more=np.array([{}, 1, 2], object),
    )  # fmt: skip
    found = read_here(str(tmp_path / "a.npz"), ReadOptions(), Silent())
    assert make_field("when", found.fields["when"]).kind == "date"
    assert found.fields["site"] == ["x", "", "y"]
    assert set(found.fields) == {"when", "site"}
    [left] = found.understanding.left_out
    assert set(left.names) == {"boxes", "more"}


def test_columns_of_an_image_table_are_fields(services, tmp_path):
    lines = ["file_name,label,camera,taken"]
    for row in range(6):
        (tmp_path / f"{row}.png").write_bytes(png(row))
        lines.append(f"{row}.png,{CLASSES[row % 3]},{'' if row else 'north'},2024-05-0{row + 1}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    store(services, tmp_path, NAME)
    found = services.datasets.describe(NAME)["fields"]
    assert [(each["name"], each["kind"], each["known"]) for each in found] == [
        ("camera", "category", 1), ("taken", "date", 6),
    ]  # fmt: skip


def test_crowdlab_is_refused_before_a_run_where_nobody_can_be_compared(pets, services, tmp_path):
    """The run was made, and failed in its job after its features were extracted."""
    pixels = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6)
    np.savez(tmp_path / "data.npz", images=pixels, class_names=np.array(CLASSES))
    np.save(tmp_path / "counts.npy", np.array([[9, 1, 0], [0, 8, 2], [5, 0, 5], [10, 0, 0]]))
    store(services, tmp_path / "data.npz", "nameless", candidates=str(tmp_path / "counts.npy"))
    request = TrainingRequest("nameless", "proden", config={"start": "crowdlab", "epochs": 2})
    with pytest.raises(SettingError, match="two annotators whose names are known"):
        services.training.create(request)
    assert services.runs.all() == []


def test_crowdlab_is_left_to_the_command_line_where_it_takes_long(pets, monkeypatch):
    monkeypatch.setattr("cad_studio.services.annotation.consensus.AT_ONCE", N - 1)
    assert pets.consensus.people(NAME, "crowdlab")["people"]  # who works there waits
    pets.consensus.is_patient = False
    pets.consensus._held["crowdlab"].clear()
    with pytest.raises(SettingError, match="annotate agreement pets --by crowdlab"):
        pets.consensus.people(NAME, "crowdlab")
    assert pets.consensus.people(NAME)["people"]
