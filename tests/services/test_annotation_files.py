"""What goes out comes back: exports of annotations, and files corrected elsewhere."""

import csv
import json

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.services.container import Services
from tests.services.annotating import CLASSES, NAME, act, label, make, now, request
from tests.services.small import store


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    make(services, tmp_path)
    label(services, 0, 1, "anna")
    label(services, 0, 0, "bo")
    label(services, 1, 1, "anna")
    label(services, 1, 1, "bo")
    act(services, "toggle", [2], "anna", given={"class": 3})
    yield services
    services.close()


def export(services, tmp_path, format_name, **more):
    out = tmp_path / f"out.{format_name}"
    return services.exporting.export(NAME, format_name, out, **more), out


def lines(out):
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_only_what_changed(services, tmp_path):
    result, out = export(services, tmp_path, "sets", only_changed=True)
    found = {line["id"]: json.loads(line["candidates"]) for line in lines(out)}
    assert result["rows"] == len(found)
    assert found["img 1"] == ["dog"]
    assert set(found) <= {"img 0", "img 1", "img 2"}


def test_exactly_some_rows_by_the_sets_of_now(services, tmp_path):
    _, out = export(services, tmp_path, "sets", rows=[5, 1])
    first = lines(out)[0]
    assert (first["id"], first["candidates"]) == ("img 1", '["dog"]')
    assert len(lines(out)) == 2


def test_the_history_is_the_whole_log(services, tmp_path):
    _, out = export(services, tmp_path, "history")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["who"], line["kind"]) for line in found] == [
        ("anna", "label"), ("bo", "label"), ("anna", "label"), ("bo", "label"), ("anna", "toggle"),
    ]  # fmt: skip


def test_votes_can_be_imported_as_votes(services, tmp_path):
    _, out = export(services, tmp_path, "votes")
    assert [tuple(line.values()) for line in lines(out)] == [
        ("img 0", "anna", "dog"), ("img 0", "bo", "cat"),
        ("img 1", "anna", "dog"), ("img 1", "bo", "dog"),
    ]  # fmt: skip


def test_imported_votes_give_the_same_views(services, tmp_path):
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for name in "ab":
        Image.new("L", (6, 6), ord(name)).save(images / f"{name}.png")
    votes = tmp_path / "votes.csv"
    votes.write_text("image,annotator,label\na.png,x,cat\na.png,y,dog\nb.png,x,cat\nb.png,y,cat\n")
    store(services, votes, "voted", images_dir=str(images))
    found = services.annotators.agreement("voted")
    assert (found["votes"], found["items"], found["raw"], found["disputed"]) == (4, 2, 0.5, 1)
    assert [pair["classes"] for pair in found["class_pairs"]] == [[0, 1]]
    queue = services.queues.open("voted", "disagreement")
    (item,) = services.queues.take("voted", queue.id, "anna")
    assert "2 imported votes differ. x: cat; y: dog." in item.why
    services.annotation.act("voted", request("label", [item.row], given={"class": 0}))
    assert services.annotators.disputed("voted") == []


def returned(tasks, *answers):
    """What Label Studio gives back for tasks: per task who chose what, None for a skip."""
    out = []
    for number, (task, said) in enumerate(zip(tasks, answers, strict=False)):
        annotations = [
            {
                "id": 10 * number + at, "completed_by": who, "was_cancelled": chosen is None,
                "updated_at": f"2026-02-0{at + 1}T10:00:00Z",
                "result": [] if chosen is None else [{
                    "type": "choices", "from_name": "candidates", "value": {"choices": chosen},
                }],
            }
            for at, (who, chosen) in enumerate(said)
        ]  # fmt: skip
        out.append({"id": number, "data": task["data"], "annotations": annotations,
                    "predictions": [{"result": []}], "drafts": []})  # fmt: skip
    return out


def test_label_studio_tasks_are_open_with_sets_as_predictions_and_no_truth(services, tmp_path):
    """A stock Label Studio refused them for the e-mails of people it does not know."""
    _, out = export(services, tmp_path, "label-studio")
    tasks = json.loads(out.read_text())
    assert set(tasks[0]["data"]) == {"id", "sample_id", "split", "image"}
    assert tasks[0]["data"]["sample_id"] == "img 0"
    assert tasks[0]["data"]["image"].startswith("data:image/png;base64,iVBOR")
    assert '<Choice value="fox"/>' in tasks[0]["meta"]["label_config"]
    for row, task in enumerate(tasks):
        [prediction] = task["predictions"]
        [result] = prediction["result"]
        assert task["annotations"] == []
        assert result["value"]["choices"] == [CLASSES[index] for index in now(services, row)]
    assert "completed_by" not in out.read_text()


def test_answers_of_label_studio_are_statements_of_each_annotator(services, tmp_path):
    """The last of several answers won without a word, and was the importer's own statement."""
    _, out = export(services, tmp_path, "label-studio", rows=list(range(10, 17)))
    tasks = json.loads(out.read_text())
    file = tmp_path / "back.json"
    file.write_text(json.dumps(returned(
        tasks,
        [("a@x.org", ["cat"]), (2, ["cat", "dog"])],  # they overlap: cat
        [("a@x.org", ["dog"]), (2, ["fox"])],  # they contradict
        [("a@x.org", None), (2, ["fox"])],
        [("a@x.org", None)],
        [],
        [({"id": 7, "email": "a@x.org"}, ["cat"]), ("a@x.org", ["owl"])],  # changed their mind
    )))  # fmt: skip
    head = services.history.newest(NAME)["head"]
    found = services.corrections.preview(NAME, file)
    assert services.history.newest(NAME)["head"] == head
    assert (found["changed"], found["statements"], found["contradictions"]) == (4, 6, 1)
    assert found["people"] == {"a@x.org": 3, "2": 3}
    assert (found["n_rows"], found["empty"]) == (6, 2)
    assert found["left_out"] == [
        "skipped annotations: 2 (back.json, task 2, back.json, task 3).",
        "earlier answers of an annotator who answered again: 1 (back.json, task 5).",
    ]
    assert found["changes"][1] == {
        "id": "img 11", "before": [CLASSES[index] for index in now(services, 11)],
        "after": ["dog", "fox"], "said": {"a@x.org": ["dog"], "2": ["fox"]}, "contradicts": True,
    }  # fmt: skip
    answer = services.corrections.apply(NAME, file, request("correct", who="olga"))
    assert (answer["number"], answer["changed"]) == (head + 1, 4)
    assert [now(services, row) for row in (10, 11, 12, 15)] == [[0], [1, 2], [2], [3]]
    assert answer["rows"]["10"]["said"] == {"a@x.org": [0], "2": [0, 1]}
    assert answer["rows"]["11"]["contradicts"]
    votes = set(services.annotators.votes(NAME))
    assert {(10, "a@x.org", 0), (11, "2", 2)} <= votes
    assert (10, "2", 0) not in votes  # of several classes
    assert services.history.verify(NAME)["agrees"]
    services.history.rebuild(NAME)
    assert now(services, 10) == [0]
    with pytest.raises(SettingError, match="says nothing else than the dataset does"):
        services.corrections.apply(NAME, file, request("correct", who="olga"))
    act(services, "undo", who="olga")
    assert services.history.verify(NAME)["agrees"]
    assert not [vote for vote in services.annotators.votes(NAME) if vote[1] in {"a@x.org", "2"}]


def test_answers_in_the_short_form_of_label_studio_are_the_same(services, tmp_path):
    _, out = export(services, tmp_path, "label-studio", rows=[20, 21])
    records = [
        {**task["data"], "id": 7, "annotator": "a@x.org", "annotation_id": 3, "candidates": choice}
        for task, choice in zip(
            json.loads(out.read_text()), ("fox", {"choices": ["cat", "owl"]}), strict=True
        )
    ]
    (tmp_path / "min.json").write_text(json.dumps(records))
    services.corrections.apply(NAME, tmp_path / "min.json", request("correct", who="olga"))
    assert [now(services, row) for row in (20, 21)] == [[2], [0, 3]]


def test_a_hub_folder_has_data_card_log_and_votes_and_is_read_back(services, tmp_path):
    _, out = export(services, tmp_path, "huggingface")
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nconfigs:")
    assert "path: data/train.parquet" in card
    assert "4 votes of 2 annotators" in card
    assert (out / "annotation" / "history.jsonl").stat().st_size > 0
    store(services, out, "again")
    again, here = services.datasets.load("again"), services.sets.effective(NAME)
    assert again.record.class_names == CLASSES
    assert again.candidates == here


def test_a_corrected_csv_is_one_action_after_a_look(services, tmp_path):
    _, out = export(services, tmp_path, "sets")
    text = out.read_text().replace('img 1,train,"[""dog""]"', "img 1,train,fox|owl")
    out = tmp_path / "corrected.csv"
    out.write_text(text + "img 999,train,cat,\n")
    head = services.history.newest(NAME)["head"]
    preview = services.corrections.preview(NAME, out)
    assert preview["changes"] == [{"id": "img 1", "before": ["dog"], "after": ["fox", "owl"]}]
    assert (preview["unknown"], preview["unknown_first"]) == (1, "img 999")
    assert services.history.newest(NAME)["head"] == head
    answer = services.corrections.apply(NAME, out, request("correct", who="cy"))
    assert (answer["number"], answer["changed"]) == (head + 1, 1)
    # cy's sets and those of anna and bo exclude each other: nothing is overwritten
    assert answer["rows"]["1"]["contradicts"]
    act(services, "undo", who="cy")
    assert now(services, 1) == [1]


def test_a_log_comes_back_and_one_cut_in_the_middle_of_a_line_is_told(services, tmp_path):
    _, out = export(services, tmp_path, "history")
    out = out.rename(tmp_path / "log.jsonl")
    make(services, tmp_path, "twin", extra=None)
    services.corrections.apply("twin", out, request("correct"))
    assert services.sets.effective("twin").of(1) == [1]
    out.write_text(out.read_text()[:-30])
    with pytest.raises(DatasetFormatError, match=r"log.jsonl, line 5: no JSON"):
        services.corrections.preview("twin", out)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "id,candidates\nimg 1,wolf\n", "line 2: 'wolf' is not a class. Allowed"),
        ("a.csv", "id,label\nimg 1,cat\n", "no column 'candidates'"),
        ("a.csv", "id,candidates\nother,cat\n", "names no sample of pets"),
        (
            "a.csv",
            "id,candidates\nimg 1,cat\nimg 1,dog\n",
            "line 3: the sample 'img 1' stands there again",
        ),
        ("a.jsonl", '{"changes": ["x"], "digest": ""}\n', "line 1: 'x' is no change"),
        ("a.json", "[{]", "is not readable JSON"),
        ("a.json", '[{"data": {}}]', "holds no choices"),
        ("a.txt", "", "is no file of corrections"),
    ],
)
def test_bad_corrections_are_told_with_their_place(services, tmp_path, name, text, words):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(DatasetFormatError, match=words):
        services.corrections.preview(NAME, file)


def test_a_part_of_the_tasks_brings_the_interface_along(services, tmp_path):
    """It came with row 0 only, so that a file of changed samples had none."""
    _, out = export(services, tmp_path, "label-studio", rows=[3, 4])
    tasks = json.loads(out.read_text())
    assert [task["data"]["id"] for task in tasks] == ["img 3", "img 4"]
    assert "label_config" in tasks[0]["meta"]


def test_a_long_file_that_names_a_sample_twice_at_its_end_is_told_at_once(services, tmp_path):
    """Every line was compared with all before it, for hours."""
    lines = [f"no {number},cat" for number in range(100_000)]
    (tmp_path / "long.csv").write_text("\n".join(["id,candidates", *lines, lines[-1]]))
    with pytest.raises(DatasetFormatError, match="line 100002: the sample 'no 99999'"):
        services.corrections.preview(NAME, tmp_path / "long.csv")


def test_an_unknown_format_is_told(services, tmp_path):
    with pytest.raises(SettingError, match="'xml' is not an export"):
        export(services, tmp_path, "xml")


def test_an_imported_answer_of_several_classes_is_no_vote_for_one(services, tmp_path):
    """The last of them counted as the annotator's vote."""
    from PIL import Image

    Image.new("L", (6, 6)).save(tmp_path / "a.png")
    said = {"from_name": "kind", "type": "choices"}
    annotations = [
        {"completed_by": who, "result": [{**said, "value": {"choices": chosen}}]}
        for who, chosen in ((1, ["cat", "dog"]), (2, ["dog"]), (3, ["cat", "dog", "fox"]))
    ]
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": annotations}
    (tmp_path / "p.json").write_text(json.dumps([task]))
    store(services, tmp_path / "p.json", "answered")
    assert services.annotators.votes("answered") == [(0, "2", 1)]
