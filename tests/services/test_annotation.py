"""Actions, undo and redo, several annotators and windows, classes, versions."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from cad_studio.annotation.replay import digest_of
from cad_studio.config import AppConfig
from cad_studio.core.errors import ProjectError, RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.operations import run_operation
from tests.services.annotating import CLASSES, NAME, act, label, make, now, request


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    make(services, tmp_path)
    yield services
    services.close()


def test_an_action_tells_what_holds_and_is_in_the_log(services):
    before = now(services, 0)
    answer = label(services, 0, 1, seconds=2.5, why="tail")
    assert answer["rows"]["0"] == {
        "candidates": [1], "flagged": False, "tags": [], "last": 1, "contradicts": False,
        "blind": False,
        "mine": [1], "said": {"anna": [1]},
    }  # fmt: skip
    (line,) = services.history.newest(NAME)["actions"]
    assert (line["who"], line["kind"], line["seconds"], line["why"]) == (
        "anna",
        "label",
        2.5,
        "tail",
    )
    assert line["changes"] == [{"row": 0, "before": before, "after": [1]}]
    assert line["ids"] == [services.datasets.load(NAME).ids[0]]
    assert line["version"] == services.datasets.get(NAME).version.hash


def test_the_same_key_is_the_same_action(services):
    first = label(services, 0, 1, key="k")
    again = label(services, 0, 0, key="k")
    assert (again["number"], again["repeated"], now(services, 0)) == (first["number"], True, [1])
    with pytest.raises(SettingError, match="somebody else"):
        label(services, 0, 0, who="bo", key="k")


def test_ten_rapid_keys_are_ten_actions(services):
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda row: label(services, row, 1), range(10)))
    assert sorted(answer["number"] for answer in answers) == list(range(1, 11))
    assert services.history.verify(NAME)["actions"] == 10


def test_undo_and_redo_over_many_steps_and_a_restart(services, tmp_path):
    before = [now(services, row) for row in range(20)]
    for row in range(20):
        label(services, row, 1)
    for _ in range(12):
        act(services, "undo")
    services.close()
    again = Services(AppConfig(tmp_path / "project"))
    try:
        for _ in range(8):
            act(again, "undo")
        assert [now(again, row) for row in range(20)] == before
        with pytest.raises(SettingError, match="nothing to undo"):
            act(again, "undo")
        for _ in range(20):
            act(again, "redo")
        assert [now(again, row) for row in range(20)] == [[1]] * 20
        with pytest.raises(SettingError, match="nothing to redo"):
            act(again, "redo")
        assert again.history.verify(NAME)["actions"] == 60
    finally:
        again.close()


def test_a_new_action_ends_what_could_be_redone(services):
    label(services, 0, 1)
    act(services, "undo")
    label(services, 1, 1)
    with pytest.raises(SettingError, match="nothing to redo"):
        act(services, "redo")
    assert act(services, "undo")["reverses"] == 3


def test_undo_is_each_annotators_own(services):
    label(services, 0, 0, "anna")
    label(services, 0, 1, "bo")
    assert now(services, 0) == [0, 1]
    act(services, "undo", who="anna")
    assert now(services, 0) == [1]
    act(services, "redo", who="anna")
    act(services, "undo", who="bo")
    assert now(services, 0) == [0]


def test_a_contradiction_is_kept_shown_queued_and_decided(services):
    label(services, 0, 0, "anna")
    answer = label(services, 0, 1, "bo")
    assert answer["rows"]["0"]["contradicts"]
    assert answer["rows"]["0"]["said"] == {"anna": [0], "bo": [1]}
    queue = services.queues.open(NAME, "disagreement", "cy")
    (item,) = services.queues.take(NAME, queue.id, "cy")
    assert (item.row, "anna: cat; bo: dog" in item.why) == (0, True)
    decided = act(services, "decide", [0], "cy", given={"classes": [1]})
    assert (decided["rows"]["0"]["contradicts"], now(services, 0)) == (False, [1])
    act(services, "undo", who="cy")
    assert now(services, 0) == [0, 1]


def test_adding_what_another_has_excluded_is_noted_and_told(services):
    """The class went away again without a word."""
    label(services, 0, 1, "anna")
    answer = act(services, "toggle", [0], "bo", given={"class": 2})
    assert answer["rows"]["0"]["said"] == {"anna": [1], "bo": [1, 2]}
    assert answer["rows"]["0"]["candidates"] == [1]
    assert answer["note"] == "Noted; but others have excluded fox, so the set does not get it."
    assert act(services, "toggle", [1], "bo", given={"class": 3})["note"] == ""


def test_another_window_is_told_and_nothing_is_overwritten(services):
    seen = label(services, 0, 1, window="one")["number"]
    label(services, 0, 0, window="two", seen={0: seen})
    with pytest.raises(SettingError, match="in another window meanwhile; it has now: cat"):
        label(services, 0, 1, window="one", seen={0: seen})
    assert now(services, 0) == [0]


def test_many_samples_are_one_step(services):
    rows = list(range(40))
    before = [now(services, row) for row in rows]
    wanted = request("set", rows, given={"class": 2})
    preview = services.annotation.preview(NAME, wanted)
    assert preview["says"].startswith(f"{preview['changed']} of 40 samples keep only 'fox'")
    assert services.annotation.act(NAME, wanted)["changed"] == preview["changed"]
    assert [now(services, row) for row in rows] == [[2]] * 40
    act(services, "undo")
    assert [now(services, row) for row in rows] == before


def test_html_and_long_comments(services):
    text = "<img src=x onerror=alert(1)> ${alert(1)}"
    act(services, "comment", [3], given={"text": text})
    (side,) = services.cards.card(NAME, [3], "anna")["sides"]
    assert [note["text"] for note in side["comments"]] == [text]
    with pytest.raises(SettingError, match="the most is 10,000"):
        act(services, "comment", [3], given={"text": "x" * 100_000})


def test_history_of_a_sample_and_back_to_a_point_as_a_new_action(services):
    base = now(services, 0)
    label(services, 0, 1)
    label(services, 1, 1)
    label(services, 0, 0)
    assert [line["number"] for line in services.history.of_row(NAME, 0)] == [1, 3]
    services.history.restore(NAME, 1, [0], request("restore"))
    assert (now(services, 0), now(services, 1)) == ([1], [1])
    services.history.restore(NAME, 0, None, request("restore"))
    assert now(services, 0) == base
    act(services, "undo")
    assert (now(services, 0), now(services, 1)) == ([1], [1])
    with pytest.raises(SettingError, match="Nothing has changed since action 1"):
        services.history.restore(NAME, 1, [0], request("restore"))
    with pytest.raises(SettingError, match="There is no action 99; the last is 6"):
        services.history.restore(NAME, 99, None, request("restore"))
    assert services.history.verify(NAME)["agrees"]


def test_classes_are_renamed_merged_and_removed_as_steps(services):
    label(services, 0, 1)
    act(services, "rename-class", given={"class": 1, "name": "hound"})
    assert services.datasets.get(NAME).class_names[1] == "hound"
    act(services, "merge-class", given={"class": 1, "into": 0})
    assert now(services, 0) == [0]
    assert not services.sets.effective(NAME).has(1).any()
    with pytest.raises(SettingError, match="was merged into 'cat'"):
        label(services, 2, 1)
    act(services, "undo")
    act(services, "undo")
    assert (services.datasets.get(NAME).class_names, now(services, 0)) == (CLASSES, [1])
    with pytest.raises(SettingError, match="no candidate but 'dog'"):
        act(services, "remove-class", given={"class": 1})
    act(services, "undo")
    label(services, 0, 0)
    if all(services.sets.effective(NAME).of(row) != [1] for row in range(60)):
        act(services, "remove-class", given={"class": 1})
        assert not services.sets.effective(NAME).has(1).any()
    with pytest.raises(SettingError, match="There is a class 'owl' already"):
        act(services, "rename-class", given={"class": 0, "name": "owl"})
    assert services.history.verify(NAME)["agrees"]


def test_the_version_follows_from_the_log(services):
    first = services.datasets.get(NAME).version
    assert services.sets.settle(NAME).version == first
    label(services, 0, 1)
    settled = services.sets.settle(NAME).version
    assert (settled.number, settled.reason, settled.details["action"]) == (2, "annotation", 1)
    assert services.sets.settle(NAME).version == settled
    assert services.datasets.load(NAME).candidates.of(0) == [1]
    act(services, "undo")
    back = services.sets.settle(NAME).version
    assert (back.number, back.hash) == (3, first.hash)


def test_new_imported_sets_during_annotation_keep_what_was_said(services):
    label(services, 0, 1)
    services.sets.settle(NAME)
    services.synthesis.synthesize(NAME, SynthesisConfig(epochs=1, annotator="mlp"), Silent())
    assert now(services, 0) == [1]
    assert services.sets.base_version(NAME).reason == "synthesize"
    assert services.sets.settle(NAME).version.number == 4


def test_a_removed_dataset_keeps_its_log_and_late_actions_are_told(services):
    label(services, 0, 1)
    act(services, "comment", [1], given={"text": "blurred"})
    services.datasets.remove(NAME)
    (kept,) = services.history.removed()
    lines = list(services.history.of_removed(kept["book"]))
    assert [line["kind"] for line in lines] == ["label", "comment"]
    with pytest.raises(RecordNotFoundError, match="There is no dataset"):
        act(services, "comment", [1], given={"text": "late"})


def test_an_older_copy_of_the_project_is_noticed(services, tmp_path):
    label(services, 0, 1)
    services.close()
    copy = tmp_path / "copy.db"
    with sqlite3.connect(tmp_path / "project" / "project.db") as old, sqlite3.connect(copy) as new:
        old.backup(new)
    again = Services(AppConfig(tmp_path / "project"))
    known = label(again, 1, 1)
    again.close()
    for file in (tmp_path / "project").glob("project.db*"):
        file.unlink()
    copy.rename(tmp_path / "project" / "project.db")
    restored = Services(AppConfig(tmp_path / "project"))
    try:
        with pytest.raises(RecordNotFoundError, match="put back to an older copy: action 2"):
            label(restored, 2, 1, known=(known["number"], known["digest"]))
        assert label(restored, 1, 1)["number"] == 2  # sent again, it is done again
        assert restored.history.verify(NAME)["agrees"]
    finally:
        restored.close()


def test_the_log_cannot_be_changed_and_a_damaged_state_is_found_and_mended(services, tmp_path):
    label(services, 0, 1)
    with sqlite3.connect(tmp_path / "project" / "project.db") as connection:
        for statement in (
            "UPDATE annotation_action SET who = 'eve'",
            "DELETE FROM annotation_action",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        connection.execute("UPDATE annotation_statement SET classes = '[0]'")
    with pytest.raises(ProjectError, match=r"does not follow from them .first: row 0"):
        services.history.verify(NAME)
    assert services.history.rebuild(NAME)["agrees"]
    assert now(services, 0) == [1]


@pytest.mark.parametrize(
    "damage",
    ["UPDATE annotation_row SET sets = X'80'", "UPDATE annotation_book SET classes = '{bad}'"],
)
def test_damaged_sets_and_classes_are_found_too(services, tmp_path, damage):
    """Only statements were compared; the sets that training reads were not."""
    label(services, 0, 1)
    bad = '{"merged": [[1, 0]], "removed": []}'
    with sqlite3.connect(tmp_path / "project" / "project.db") as connection:
        connection.execute(damage.replace("{bad}", bad))
    with pytest.raises(ProjectError, match="does not follow from them"):
        services.history.verify(NAME)
    assert services.history.rebuild(NAME)["agrees"]


def test_the_clock_may_go_back(services, monkeypatch):
    label(services, 0, 1)
    monkeypatch.setattr(
        "cad_studio.services.annotation.annotation.now", lambda: "1999-01-01T00:00:00+00:00"
    )
    label(services, 0, 0)
    assert (now(services, 0), services.history.verify(NAME)["agrees"]) == ([0], True)


@pytest.mark.parametrize(
    ("kind", "rows", "given", "words"),
    [
        ("paint", [0], {}, "'paint' is no action"),
        ("label", [0, 1], {"class": 0}, r"about 1 sample\(s\), not 2"),
        ("same", [0, 0], {}, "different samples"),
        ("label", [999], {"class": 0}, "has no row 999"),
        ("label", [0], {"class": 9}, "There is no class 9"),
        ("restore", [0], {"sets": [[0]]}, "by its own command"),
        ("set", [], {"class": 0}, "1 to 200,000 different samples; 0 were given"),
        ("decide", [0], {"classes": []}, "at least one class"),
        ("none", [0], {"classes": 3}, "expected a list of class numbers"),
        ("label", [0], {"class": 0, "more": "x" * 60_000}, "at most 50,000 characters"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(services, kind, rows, given, words):
    with pytest.raises((SettingError, RecordNotFoundError), match=words):
        act(services, kind, rows, given=given)
    assert services.history.newest(NAME)["head"] == 0


def test_editors_and_suspects_take_what_was_annotated_until_then(services):
    """Only training, pairs and export did; an editor learned from the sets of the import."""
    label(services, 3, 1)
    model = services.edit_models.create(EditModelRequest(NAME))
    assert model.version_hash == services.datasets.get(NAME).version.hash
    assert services.datasets.get(NAME).version.number == 2
    label(services, 4, 1)
    arguments = {"name": NAME, "run": None, "features": "pixels", "seed": 0, "limit": 1}
    run_operation(services, "suspects", arguments, Silent())
    assert services.datasets.get(NAME).version.number == 3


@pytest.mark.parametrize("seconds", [0, 1, 2.0, 0.25, 3600, None])
def test_the_log_agrees_whatever_time_an_action_took(services, seconds):
    """A window that took exactly two seconds sent 2, the log held 2.0, and verify saw damage."""
    act(services, "label", [3], given={"class": 1}, seconds=seconds)
    assert services.history.verify(NAME)["agrees"]


def test_a_log_written_before_whole_seconds_were_told_apart_is_whole_too(services, monkeypatch):
    from cad_studio.services.annotation import annotation

    def as_before(digest, columns):
        return digest_of(digest, {**columns, "seconds": int(columns["seconds"])})

    monkeypatch.setattr(annotation, "digest_of", as_before)
    act(services, "label", [3], given={"class": 1}, seconds=2.0)
    monkeypatch.undo()
    act(services, "label", [4], given={"class": 1}, seconds=2.0)
    assert services.history.verify(NAME)["agrees"]
