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
    assert data.log().kind.tolist() == ["label", "undo"]


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
        (lambda s: s.dataset(NAME).train("cadcam"), SettingError, "cad-cam"),
        (lambda s: s.dataset(NAME).train(epoch=3), SettingError, "epochs"),
        (lambda s: s.import_dataset("x", "y", split="a"), SettingError, "splits"),
        (lambda s: s.compare([1]), CadStudioError, "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_words(studio, ask, kind, words):
    with pytest.raises(kind, match=words):
        ask(studio)
