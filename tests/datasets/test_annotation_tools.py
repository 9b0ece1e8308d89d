"""What people chose in annotation tools, as each of them exports it."""

import csv
import json

import pytest

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions, read_here, recognise
from cad_studio.datasets._written_images import plain_path
from tests.datasets.sources import png

VOTES = [["tabby", "lynx"], ["lynx", "lynx"], ["tabby", None], [["tabby", "lynx"], "lynx"]]
SAID = {
    (0, "1"): {"tabby": 1.0}, (0, "2"): {"lynx": 1.0}, (1, "1"): {"lynx": 1.0},
    (1, "2"): {"lynx": 1.0}, (2, "1"): {"tabby": 1.0},
    (3, "1"): {"tabby": 0.5, "lynx": 0.5}, (3, "2"): {"lynx": 1.0},
}  # fmt: skip
"""By image and annotator: a vote, shared among several choices; a skip is none."""


def read(path, **options):
    """In this process; a process apart for each file would take most of the test's time."""
    return read_here(str(path), ReadOptions(**options), Silent())


def said(found):
    votes = found.votes
    weights = [1.0] * len(votes.sample) if votes.weight is None else votes.weight.tolist()
    out = {}
    for row, who, label, weight in zip(
        votes.sample.tolist(), votes.annotator.tolist(), votes.label.tolist(), weights, strict=True
    ):
        name = "" if who < 0 else votes.annotators[who]
        out.setdefault((row, name), {})[found.class_names[label]] = weight
    return out


def sets(found):
    return [{found.class_names[index] for index in row} for row in found.candidates.lists()]


def task(number, annotations, data=None, **more):
    return {"id": number, "data": data or {"image": f"{number}.png"}, "annotations": annotations,
            **more}  # fmt: skip


def annotation(who, choices, question="choice", **more):
    result = {"from_name": question, "to_name": "image", "type": "choices",
              "value": {"choices": choices}}  # fmt: skip
    return {"completed_by": who, "result": [result] if choices else [], **more}


def project(folder):
    """A Label Studio project of four uploads and two annotators, in each of its exports."""
    (folder / "img").mkdir()
    tasks, small, rows, number = [], [], [], 0
    for at, votes in enumerate(VOTES):
        name = f"{at:08x}-photo{at}.png"
        (folder / "img" / name).write_bytes(png(at))
        url, annotations = f"/data/upload/1/{name}", []
        for who, vote in enumerate(votes, 1):
            number += 1
            chosen = [] if vote is None else vote if isinstance(vote, list) else [vote]
            annotations.append(annotation(who, chosen, id=number, was_cancelled=vote is None))
            if chosen:
                cell = chosen[0] if len(chosen) == 1 else {"choices": chosen}
                record = {"image": url, "id": at + 1, "choice": cell, "annotator": who,
                          "annotation_id": number, "lead_time": 3.1}  # fmt: skip
                small.append(record)
                text = json.dumps(cell) if isinstance(cell, dict) else cell
                rows.append({**record, "choice": text})
        tasks.append(task(at + 1, annotations, {"image": url, "camera": f"c{at % 2}"}))
    (folder / "json.json").write_text(json.dumps(tasks))
    (folder / "min.json").write_text(json.dumps(small))
    for name, label in (("table.csv", "choice"), ("votes.csv", "label")):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([label if key == "choice" else key for key in rows[0]])
            writer.writerows(row.values() for row in rows)


@pytest.mark.parametrize("name", ["json.json", "min.json", "table.csv", "votes.csv"])
def test_each_export_of_label_studio_gives_the_same_votes_and_sets(name, tmp_path):
    project(tmp_path)
    assert recognise(str(tmp_path / name)) == "label-studio"
    found = read(tmp_path / name)
    assert found.class_names == ["lynx", "tabby"]
    assert sets(found) == [{"tabby", "lynx"}, {"lynx"}, {"tabby"}, {"tabby", "lynx"}]
    assert said(found) == SAID
    assert [found.images.read(row) for row in range(4)] == [png(row) for row in range(4)]
    assert not found.problems
    left = {item.kind: item.count for item in found.understanding.left_out}
    assert left == ({"skipped annotations": 1} if name == "json.json" else {})
    assert found.fields.get("camera", []) == (["c0", "c1"] * 2 if name == "json.json" else [])


def test_a_share_of_the_votes_can_be_asked_for(tmp_path):
    project(tmp_path)
    found = read(tmp_path / "json.json", threshold=0.7)
    assert sets(found) == [{"tabby", "lynx"}, {"lynx"}, {"tabby"}, {"lynx"}]


def test_what_does_not_count_in_a_task_is_told(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    tasks = [
        task(
            0,
            [
                annotation(1, ["cat"], updated_at="2026-01-02"),
                annotation(1, ["dog"], updated_at="2026-01-01"),
                annotation(2, []),
                annotation(3, ["cat"], ground_truth=True),
                annotation(4, ["blurred"], question="quality"),
            ],
            drafts=[annotation(5, ["dog"])],
            predictions=[{"model_version": "net", **annotation(0, ["dog"])}],
        ),
        task(1, [annotation({"id": 9, "email": "a@b.org"}, ["dog"])]),
    ]
    (tmp_path / "p.json").write_text(json.dumps(tasks))
    with pytest.raises(DoubtfulSourceError, match=r"choice, quality.*--columns label=choice"):
        read(tmp_path / "p.json")
    found = read(tmp_path / "p.json", columns={"label": ["choice"]})
    assert said(found) == {
        (0, "1"): {"cat": 1.0}, (0, "3"): {"cat": 1.0}, (1, "a@b.org"): {"dog": 1.0},
    }  # fmt: skip
    assert found.truth.tolist() == [0, -1]
    assert {item.kind: item.count for item in found.understanding.left_out} == {
        "other questions": 1,
        "annotations without a choice": 2,
        "drafts, which were not submitted": 1,
        "earlier answers of an annotator who answered again": 1,
        "predictions of a model": 1,
    }


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/data/upload/1/ab%20c.png", "data/upload/1/ab c.png"),
        ("/data/local-files/?d=shots/a%2Bb.png", "shots/a+b.png"),
        ("s3://bucket/deep/a.png", "deep/a.png"),
        ("https://x.org/a/b.png?size=3#top", "a/b.png"),
        ("C:\\shots\\a.png", "shots/a.png"),
        ("./a.png", "a.png"),
        ("http://[", "http://["),
        ("", ""),
    ],
)
def test_the_path_in_an_address(written, path):
    assert plain_path(written) == path


def test_an_image_is_found_by_its_name_where_that_is_one_file_only(tmp_path):
    for place in ("a", "b"):
        (tmp_path / "shots" / place).mkdir(parents=True)
        (tmp_path / "shots" / place / "same.png").write_bytes(png(0))
    (tmp_path / "shots" / "a" / "one.png").write_bytes(png(1))
    (tmp_path / "shots" / "a" / "two.png").write_bytes(png(2))
    written = ["/home/me/one.png", "/home/me/same.png", "x/b/same.png", "gone.png", "../two.png"]
    tasks = [task(at, [annotation(1, ["ab"[at % 2]])], {"image": name})
             for at, name in enumerate(written)]  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(tasks))
    found = read(tmp_path / "p.json", images_dir=str(tmp_path / "shots"))
    assert [found.images.read(row) for row in (0, 2, 4)] == [png(1), png(0), png(2)]
    assert [(problem.kind, problem.row) for problem in found.problems] == [
        ("unreadable-image", 1), ("unreadable-image", 3),
    ]  # fmt: skip
    assert "'/home/me/same.png' could be 'a/same.png' or 'b/same.png' in shots." in str(
        found.problems[0].message
    )
    assert "is not in shots. Give the folder of the images with --images." in (
        found.problems[1].message
    )


def test_argilla_as_the_flat_table_of_a_hub_dataset(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": ["x", "y"],
            "status": ["completed", "pending"],
            "image": [{"bytes": png(row), "path": None} for row in range(2)],
            "camera": ["left", None],
            "kind.responses": [["cat", "dog", "dog"], ["dog"]],
            "kind.responses.users": [["u1", "u2", "u3"], ["u1"]],
            "kind.responses.status": [["submitted", "submitted", "draft"], ["submitted"]],
            "kind.suggestion": ["cat", None],
        }
    )
    pq.write_table(table, tmp_path / "data.parquet")
    assert recognise(str(tmp_path / "data.parquet")) == "argilla"
    found = read(tmp_path / "data.parquet")
    assert found.ids == ["x", "y"]
    assert sets(found) == [{"cat", "dog"}, {"dog"}]
    assert said(found)[0, "u2"] == {"dog": 1.0}
    assert found.fields == {"camera": ["left", None]}
    assert found.images.read(1) == png(1)
    [left] = found.understanding.left_out
    assert (left.kind, left.count) == ("responses that were not submitted", 1)


def test_the_options_of_an_argilla_question_are_the_classes(tmp_path):
    root = tmp_path / "saved"
    (root / ".argilla").mkdir(parents=True)
    (root / "0.png").write_bytes(png(0))
    options = [{"value": name} for name in ("owl", "cat", "dog")]
    question = {"name": "kind", "settings": {"type": "label_selection", "options": options}}
    (root / ".argilla" / "settings.json").write_text(json.dumps({"questions": [question]}))
    record = {
        "id": "x",
        "fields": {"image": "0.png"},
        "metadata": {"day": 3},
        "suggestions": {},
        "responses": {"kind": [{"value": "cat", "user_id": "u"}]},
    }
    (root / "records.json").write_text(json.dumps([record]))
    found = read(root)
    assert found.class_names == ["owl", "cat", "dog"]
    assert sets(found) == [{"cat"}]
    assert found.fields == {"day": [3]}


def coco(images, annotations):
    return json.dumps({
        "categories": [{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}],
        "images": [{"id": n, "file_name": name, "camera": "c"} for n, name in images],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category}
            for n, (image, category) in enumerate(annotations)
        ],
    })  # fmt: skip


def test_coco_categories_of_an_image_are_its_candidates_and_files_are_splits(tmp_path):
    root = tmp_path / "coco"
    for place in ("annotations", "train2017", "val2017"):
        (root / place).mkdir(parents=True)
    for row, place in enumerate(("train2017/a.png", "train2017/b.png", "val2017/c.png")):
        (root / place).write_bytes(png(row))
    train = coco([(1, "a.png"), (2, "b.png")], [(1, 1), (1, 2), (1, 1), (2, 2), (9, 1), (2, 7)])
    (root / "annotations" / "instances_train2017.json").write_text(train)
    (root / "annotations" / "instances_val2017.json").write_text(coco([(1, "c.png")], [(1, 1)]))
    assert recognise(str(root)) == "coco"
    found = read(root)
    assert found.class_names == ["cat", "dog"]
    assert found.splits == ["train", "train", "val"]
    assert found.candidates.lists() == [[0, 1], [1], [0]]
    assert [found.images.read(row) for row in range(3)] == [png(row) for row in range(3)]
    assert found.fields == {"camera": ["c"] * 3}
    [left] = found.understanding.left_out
    assert (left.kind, left.count) == (
        "annotations of images or categories that are not listed", 2,
    )  # fmt: skip


def test_coco_as_roboflow_lays_it_out(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "same.png").write_bytes(png(len(split)))
        (tmp_path / split / "_annotations.coco.json").write_text(coco([(0, "same.png")], [(0, 1)]))
    assert recognise(str(tmp_path)) == "coco"
    found = read(tmp_path)
    assert found.ids == ["train/same.png", "valid/same.png"]
    assert found.splits == ["train", "valid"]
    assert found.truth.tolist() == [0, 0]
    assert found.images.read(1) == png(5)


def test_cvat_tags_are_sets_and_shapes_count_only_without_tags(tmp_path):
    head = "<annotations><meta><task><labels><label><name>dog</name></label><label><name>cat</name>"
    head += "</label></labels></task></meta>"
    for row in range(3):
        (tmp_path / f"{row}.png").write_bytes(png(row))
    images = [
        '<tag label="cat"/><tag label="dog"/><box label="dog"/>', '<tag label="dog"/>',
        '<box label="cat"/>',
    ]  # fmt: skip
    body = "".join(
        f'<image id="{n}" name="{n}.png" subset="Train">{each}</image>'
        for n, each in enumerate(images)
    )
    (tmp_path / "annotations.xml").write_text(f"{head}{body}</annotations>")
    found = read(tmp_path / "annotations.xml", unlabelled="keep")
    assert found.class_names == ["dog", "cat"]
    assert found.candidates.lists()[:2] == [[0, 1], [0]]
    assert found.splits == ["Train"] * len(found.splits)
    [left] = found.understanding.left_out[:1]
    assert (left.kind, left.count) == (
        "images with boxes or other shapes, whose labels do not count", 2,
    )  # fmt: skip
    body = body.replace("tag", "box")
    (tmp_path / "annotations.xml").write_text(f"{head}{body}</annotations>")
    assert read(tmp_path / "annotations.xml").candidates.lists() == [[0, 1], [0], [1]]


def test_yolo_lists_of_several_labels_are_sets(tmp_path):
    root = tmp_path / "yolo"
    for place in ("train/cat", "train/no_label", "val/dog"):
        (root / place).mkdir(parents=True)
    for row, place in enumerate(("train/cat/a.png", "train/cat/b.png", "val/dog/c.png")):
        (root / place).write_bytes(png(row))
    (root / "train" / "no_label" / "d.png").write_bytes(png(3))
    (root / "train" / "labels.json").write_text(json.dumps({
        "a": {"path": "cat/a.png", "labels": ["cat", "dog"]},
        "b": {"path": "cat/b.png", "labels": ["cat"]},
    }))  # fmt: skip
    (root / "val" / "labels.json").write_text(
        json.dumps({"c": {"path": "dog/c.png", "labels": ["dog"]}})
    )
    assert recognise(str(root)) == "yolo"
    found = read(root)
    assert found.candidates.lists() == [[0, 1], [0], [1]]
    assert found.splits == ["train", "train", "val"]
    [left] = found.understanding.left_out
    assert left.line() == "images that labels.json does not list: 1 (train/no_label/d.png)."


def test_yolo_boxes_name_the_classes_of_an_image(tmp_path):
    root = tmp_path / "yolo"
    for place in ("images/train", "labels/train"):
        (root / place).mkdir(parents=True)
    for row in range(2):
        (root / "images" / "train" / f"{row}.png").write_bytes(png(row))
    (root / "labels" / "train" / "0.txt").write_text("1 0.5 0.5 1 1\n0 0.1 0.1 1 1\n7 0 0 1 1\n")
    (root / "labels" / "train" / "1.txt").write_text("1 0.5 0.5 1 1\n")
    (root / "data.yaml").write_text("names: [zebra, ape]\ntrain: images/train\n")
    found = read(root)
    assert found.class_names == ["zebra", "ape"]
    assert found.candidates.lists() == [[0, 1], [1]]
    assert found.splits == ["train"] * 2
    [left] = found.understanding.left_out
    assert (left.kind, left.count) == ("lines of label files that name no class", 1)


def test_files_of_tools_in_a_zip_are_read_as_in_a_folder(tmp_path):
    import zipfile

    path = tmp_path / "job.zip"
    with zipfile.ZipFile(path, "w") as archive:
        image = '<image id="0" name="a.png"><tag label="cat"/></image>'
        other = '<image id="1" name="b.png"><tag label="dog"/></image>'
        archive.writestr("annotations.xml", f"<annotations>{image}{other}</annotations>")
        archive.writestr("images/a.png", png(0))
        archive.writestr("images/b.png", png(1))
    assert recognise(str(path)) == "cvat"
    found = read(path)
    assert found.truth.tolist() == [0, 1]
    assert found.images.read(1) == png(1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '[{"annotations": [], "data": 3}]', "a task has no 'data'"),
        ("a.json", '[{"annotations": [], "data": {"text": "x"}}]', "names no image files"),
        ("a.json", '[{"annotations": [], "data": {"image": "a.png"}}]', "holds no choices"),
        ("a.json", '{"images": [], "annotations": [], "categories": [3]}', "list of objects"),
        ("a.json", '[{"fields": {}, "responses": {}}]', "no field of images"),
    ],
)  # fmt: skip
def test_what_holds_no_classes_is_told_in_words(name, content, words, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetFormatError, match=words):
        read(tmp_path / name)
