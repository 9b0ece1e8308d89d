"""What goes out comes back: exports of annotations, and files corrected elsewhere."""

import csv
import json
import zipfile

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
    return services.annotation_files.export(NAME, format_name, out, **more), out


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


def test_label_studio_tasks_hold_image_and_answers_and_come_back(services, tmp_path):
    _, out = export(services, tmp_path, "label-studio")
    tasks = json.loads(out.read_text())
    assert tasks[0]["data"]["id"] == "img 0"
    assert tasks[0]["data"]["image"].startswith("data:image;base64,iVBOR")
    said = [each["completed_by"]["email"] for each in tasks[0]["annotations"]]
    assert said == ["anna", "bo", "cad-studio"]
    assert '<Choice value="fox"/>' in tasks[0]["meta"]["label_config"]
    tasks[3]["annotations"][-1]["result"][0]["value"]["choices"] = ["fox"]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(tasks))
    preview = services.corrections.preview(NAME, changed)
    assert preview["changed"] == 1
    assert preview["changes"][0]["after"] == ["fox"]
    services.corrections.apply(NAME, changed, request("correct", who="anna"))
    assert now(services, 3) == [2]


def test_a_hub_folder_has_data_card_log_and_votes_and_is_read_back(services, tmp_path):
    _, out = export(services, tmp_path, "huggingface")
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "hub")
        card = archive.read("README.md").decode()
    assert card.startswith("---\nconfigs:")
    assert "path: data/train.parquet" in card
    assert "4 votes of 2 annotators" in card
    assert (tmp_path / "hub" / "annotation" / "history.jsonl").stat().st_size > 0
    store(services, tmp_path / "hub" / "data" / "train.parquet", "again")
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
        ("a.json", "[{]", "is no JSON"),
        ("a.json", '[{"data": {}}]', "task 1: expected data.id"),
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
