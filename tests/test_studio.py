"""The Python interface: its page's examples as they stand, and what they cannot show."""

import re
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from cad_studio import Studio
from cad_studio.core.errors import CadStudioError, JobCancelled, RecordNotFoundError, SettingError
from cad_studio.interface.window import StudioWindow
from tests.services.annotating import NAME, make

PAGE = Path(__file__).parents[1] / "cad_studio" / "PYTHON.md"


def examples():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.long
def test_the_examples_of_its_page_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "sets.csv-folder"
    source.mkdir()
    from PIL import Image

    for number in range(4):
        Image.new("L", (8, 8), 60 * number).save(source / f"{number}.png")
    lines = ["file_name,candidates", *(f"{number}.png,a|b" for number in range(4))]
    (source / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    found: dict = {}
    for example in examples():
        exec(compile(example, str(PAGE), "exec"), found)
    assert found["pairs"].similarity.is_monotonic_decreasing
    assert (found["samples"].loc[found["pairs"].i[0]].id) == found["pairs"].id_i[0]
    assert found["images"].dtype == np.uint8
    assert found["matrix"].to_numpy().sum() == found["samples"].n_candidates.sum()
    assert len(found["curve"]) == 2
    assert found["confused"].to_numpy().sum() == len(found["said"]) == 2000
    accuracy = (found["said"].label.astype(str) == found["said"].truth.astype(str)).mean()
    assert accuracy == pytest.approx(found["run"].result()["test_accuracy"])
    assert Path("report.html").stat().st_size > 10_000
    assert Path("corrected.csv").read_text(encoding="utf-8").startswith("id,split,candidates")
    assert len(found["mine"]) == 4
    assert not found["window"].is_open


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "project") as opened:
        make(opened.services, tmp_path)
        yield opened


@pytest.mark.long
def test_its_window_shows_in_notebooks_of_this_machine_and_ends_with_it(tmp_path):
    with Studio(tmp_path / "project") as opened:
        window = opened.window(height=500, page='open=train&dataset="x"')
        assert opened.window() is window
        answer = httpx.get(window.url, trust_env=False)
        assert answer.status_code == 200
        assert "http://127.0.0.1:*" in answer.headers["Content-Security-Policy"]
        assert 'height="500"' in window._repr_html_()
        assert 'dataset="x"' not in window._repr_html_()
    assert not window.is_open


def test_a_window_that_does_not_start_says_why(tmp_path):
    (tmp_path / "project").write_text("no folder")
    with pytest.raises(CadStudioError, match=r"did not start.*project"):
        StudioWindow(tmp_path / "project")


def test_a_search_is_made_once_and_anew_when_the_sets_changed(studio):
    data = studio.dataset(NAME)
    first = data.pairs(quantile=0.5)
    assert len(first)
    pd.testing.assert_frame_equal(first, data.pairs(quantile=0.5))
    assert len(studio.services.mining.minings(NAME)) == 1
    data.pairs(threshold=0.5)
    data.annotate("label", [0], who="me", label=data.samples().candidates[0][0])
    data.pairs(quantile=0.5)
    assert len(studio.services.mining.minings(NAME)) == 3


def test_what_is_annotated_shows_at_once(studio):
    data = studio.dataset(NAME)
    before = data.samples().candidates[0]
    data.annotate("label", [0], who="me", label=before[0])
    assert data.samples().candidates[0] == (before[0],)
    assert data.candidates().loc[0].sum() == 1
    data.annotate("undo", who="me")
    assert data.samples().candidates[0] == before
    assert data.annotation.log().kind.tolist() == ["label", "undo"]


def test_a_queue_is_gone_through_and_what_was_done_is_restored(studio):
    data = studio.dataset(NAME)
    queue = data.annotation.queue("random", who="me", seed=1)
    taken = queue.take(3)
    assert len(taken) == 3
    first = taken.index[0]
    row = int(taken.row[first])
    queue.answer("label", first, label=data.samples().candidates[row][0])
    assert data.samples().n_candidates[row] == 1
    assert data.annotation.log(row).queue.tolist() == [queue.describe()["id"]]
    queue.release()
    assert row not in queue.take(3).row.tolist()
    assert "random" in data.annotation.orders().index
    assert data.annotation.queues("me").order.tolist() == ["random"]
    data.annotation.restore(0, who="me")
    assert data.samples().n_candidates[row] > 1


def test_rows_are_gone_through_as_a_queue_in_their_order(studio):
    queue = studio.dataset(NAME).annotation.queue(rows=[7, 2, 5], who="me")
    assert queue.take().row.tolist() == [7, 2, 5]


@pytest.mark.parametrize("rows", [[5], np.array([5]), 5, np.arange(60) == 5, range(5, 6)])
def test_rows_and_numbers_of_any_kind_mean_the_same(studio, rows):
    """A mask was taken for rows 0 and 1, and NumPy's numbers for ones nobody has."""
    data = studio.dataset(NAME)
    assert len(data.images(rows)) == 1
    assert len(pd.read_csv(data.export("csv", rows=rows))) == 1
    queue = data.annotation.queue(rows=rows, who="me", overlap=np.int64(1))
    taken = queue.take(np.int64(1))
    assert taken.row.tolist() == [5]
    queue.answer("label", taken.index[0], label=data.samples().candidates[5][0])
    assert data.annotation.log(np.int64(5)).kind.tolist() == ["label"]
    data.annotate("tag", rows, tag="seen")
    assert data.rows(where="tag=seen").tolist() == [5]
    data.annotation.restore(np.int64(0), rows)


def test_a_mask_of_another_length_is_refused(studio):
    with pytest.raises(SettingError, match="60 samples"):
        studio.dataset(NAME).images(np.ones(3, bool))
    with pytest.raises(SettingError, match="whole numbers"):
        studio.dataset(NAME).images([0.5])


def test_an_action_is_looked_at_without_being_done_and_unknown_words_are_refused(studio):
    data = studio.dataset(NAME)
    before = data.samples().candidates[0]
    data.annotate("label", 0, label=before[0], preview=True)
    assert data.samples().candidates[0] == before
    assert data.annotation.log().empty
    with pytest.raises(SettingError, match="label"):
        data.annotate("label", 0, labl=before[0])


def test_tables_without_a_line_have_their_columns(studio):
    data = studio.dataset(NAME)
    assert data.annotation.log()[["who", "kind", "rows"]].empty
    assert studio.runs()[["name", "status"]].empty
    assert data.searches()[["threshold"]].empty
    assert data.annotation.queues()[["order"]].empty
    assert data.augmentations.sets()[["editor"]].empty


def test_votes_of_nobody_known_have_no_name(studio, tmp_path):
    votes = np.array([[0, 0, 1], [0, -1, 1], [1, 0, 1]])
    make(studio.services, tmp_path, "voted", votes=votes, annotators=np.array(["Al", "Bo"]))
    found = studio.dataset("voted").votes()
    assert found.annotator.isna().tolist() == [False, True, False]
    assert found.annotator.dropna().tolist() == ["Al", "Bo"]
    assert found.weight.tolist() == [1, 1, 1]


def test_a_studio_to_be_looked_at_changes_nothing(studio, tmp_path, monkeypatch):
    folder = studio.services.project.folder
    studio.close()
    monkeypatch.setenv("CAD_READONLY", "1")
    with Studio(folder) as closed:
        data = closed.dataset(NAME)
        assert len(data) == 60
        for change in (
            lambda: closed.import_dataset(tmp_path, "other"),
            lambda: data.pairs("pixels", quantile=0.5),
            lambda: data.features("hog"),
            lambda: data.export("csv", tmp_path / "out.csv"),
            lambda: data.augmentations.set_prompts("a {class}"),
            lambda: data.annotate("tag", 0, tag="x"),
            lambda: data.train("proden"),
        ):
            with pytest.raises(CadStudioError, match="read-only"):
                change()
    assert not (tmp_path / "out.csv").exists()


def test_belief_is_over_the_candidates_as_they_are(studio, monkeypatch):
    monkeypatch.setattr("cad_studio.services.annotation.beliefs.RENEWED_AT_ONCE", 10)
    data = studio.dataset(NAME)
    data.annotation.belief("pixels")
    data.annotate("label", 0, label=data.samples().candidates[0][0])
    belief = data.annotation.belief("pixels").to_numpy()
    np.testing.assert_allclose(belief.sum(axis=1), 1, atol=1e-5)
    assert not belief[~data.candidates().to_numpy()].any()


def test_a_corrected_file_is_looked_at_and_taken_over(studio, tmp_path):
    data = studio.dataset(NAME)
    table = pd.read_csv(data.export("csv", tmp_path / "sets.csv", rows=[0, 1]))
    assert len(table) == 2
    kept = data.samples().candidates[0][0]
    table.loc[0, "candidates"] = f'["{kept}"]'
    table.to_csv(tmp_path / "sets.csv", index=False)
    assert data.annotation.correct(tmp_path / "sets.csv", preview=True)["changed"] == 1
    assert data.samples().n_candidates[0] > 1
    data.annotation.correct(tmp_path / "sets.csv", who="me")
    assert data.samples().candidates[0] == (kept,)


def test_samples_are_filtered_tagged_and_divided(studio):
    data = studio.dataset(NAME)
    rows = data.rows(holds=["cat", "dog"], split="train")
    data.annotate("tag", rows, who="me", tag="blurred")
    assert data.rows(where=["tag=blurred"]).tolist() == rows.tolist()
    assert data.fields().tags.eq("blurred").sum() == len(rows)
    told = data.divide(shares={"train": 0.5, "val": 0.5}, preview=True)
    assert told["splits"] == {"train": 30, "val": 30}
    data.divide(shares={"train": 0.5, "val": 0.5}, who="me")
    assert set(data.samples().split) == {"train", "val"}
    assert data.sample(0)["id"] == "img 0"
    assert data.standing()["name"] == NAME


def test_searches_are_listed_and_held_against_each_other(studio):
    data = studio.dataset(NAME)
    data.pairs("pixels", quantile=0.5)
    data.pairs("hog", threshold=0.2)
    first, second = data.searches().index
    assert data.agreement_of_searches(first, first) == 1
    assert 0 < data.agreement_of_searches(first, second) <= 1


def test_samples_have_a_place_on_a_map(studio):
    places = studio.dataset(NAME).map("pixels")
    assert places.shape == (60, 2)
    assert places.nunique().min() > 30


def test_augmentations_are_looked_at_and_texts_are_kept(studio):
    augmentations = studio.dataset(NAME).augmentations
    look = augmentations.look(0, 1, with_edits=False)
    assert len(look["samples"]) == 2
    assert "in-domain" in augmentations.editors().index
    augmentations.set_prompts("a drawing of {class}", {"cat": "a cat"})
    augmentations.set_prompts("a photo of {class}")
    assert augmentations.prompts()["rows"][0]["description"] == "a cat"
    augmentations.restore_prompts(1)
    assert augmentations.prompts()["template"] == "a drawing of {class}"
    assert augmentations.sets().empty
    assert augmentations.trained_editors().empty


@pytest.mark.long
def test_a_run_is_looked_into_renamed_packed_and_put_away(studio, tmp_path):
    data = studio.dataset(NAME)
    assert data.estimate("proden", epochs=1)["seconds"] > 0
    run = data.train("proden", epochs=1, name="first").wait()
    assert set(run.classes().index) == set(data.classes)
    assert run.reliability().counts.sum() == len(run.predictions(None))
    assert {"parts", "distances"} <= set(run.entanglement())
    data.annotate("tag", range(10), who="me", tag="a")
    assert run.slices("tag").n["a"] > 0
    confused = run.confusion()
    row, column = np.argwhere(confused.to_numpy() > 0)[0]
    cell = run.behind("confusion", confused.index[row], confused.columns[column])
    assert len(cell) == confused.iloc[row, column]
    assert run.sample(int(cell[0]))["row"] == cell[0]
    assert run.pair(0, 1)["rows"] == [0, 1]
    assert set(run.came_apart().columns) == {"i", "j"}
    run.rename("second")
    run.note("better")
    assert studio.runs().name.tolist() == ["second"]
    again = data.retrain().wait()
    assert len(studio.compare([run, again]).columns) == 2
    run.remove()
    assert run.id not in studio.runs().index
    run.restore()
    assert run.id in studio.runs().index
    packed = data.pack(tmp_path / "away.run.zip", "proden", epochs=1)
    assert (tmp_path / "away.run.zip").stat().st_size > 1000
    assert packed.status == "packed"
    group = data.train_over(["seed=0,1"], "proden", epochs=1)
    assert len(group) == 2
    group[0].stop()
    assert studio.verify()["is_whole"]
    assert studio.job_log(studio.jobs().index[-1])


def test_a_run_is_waited_for_and_stopped(studio):
    data = studio.dataset(NAME)
    run = data.train("proden", epochs=1)
    assert run.status in {"queued", "running"}
    with pytest.raises(TimeoutError, match="it goes on"):
        run.wait(timeout=0.0)
    run.stop()
    with pytest.raises(JobCancelled):
        run.wait(timeout=120)


@pytest.mark.parametrize(
    ("ask", "kind", "words"),
    [
        (lambda s: s.dataset("nothing"), RecordNotFoundError, "nothing"),
        (lambda s: s.run(7), RecordNotFoundError, "7"),
        (lambda s: s.dataset(NAME).images([10**6]), RecordNotFoundError, "row"),
        (lambda s: s.dataset(NAME).annotate("label", [0], label="cot"), SettingError, "cat"),
        (lambda s: s.dataset(NAME).pairs(quantile=2.0), SettingError, "quantile"),
        (lambda s: s.dataset(NAME).rows(hold=["cat"]), SettingError, "holds"),
        (lambda s: s.dataset(NAME).rows(holds=["cot"]), SettingError, "cat"),
        (lambda s: s.dataset(NAME).divide(shares={"train": 0.4}), SettingError, "0.4"),
        (lambda s: s.dataset(NAME).annotation.queue("entanged"), CadStudioError, "entangled"),
        (lambda s: s.dataset(NAME).augmentations.image(3, 4), RecordNotFoundError, "3"),
        (lambda s: s.dataset(NAME).sets_from_votes(0.5), SettingError, "vote"),
        (lambda s: s.take("nothing.zip"), CadStudioError, "nothing.zip"),
        (lambda s: s.preview("/nowhere/at all"), CadStudioError, "nowhere"),
        (lambda s: s.dataset(NAME).train("cadcam"), SettingError, "cad-cam"),
        (lambda s: s.dataset(NAME).train(epoch=3), SettingError, "epochs"),
        (lambda s: s.import_dataset("x", "y", splitt="a"), SettingError, "splits"),
        (lambda s: s.import_dataset("/nowhere at all", "y", split="a"), CadStudioError, "nowhere"),
        (lambda s: s.dataset(NAME).rows(holds="cot"), SettingError, "cat"),
        (lambda s: s.compare([1]), CadStudioError, "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_words(studio, ask, kind, words):
    with pytest.raises(kind, match=words):
        ask(studio)
