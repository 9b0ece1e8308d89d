import io
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.ui.small_project import CLASSES, HOSTILE, N_SHAPES, N_VECTORS, SHAPES, VECTORS

ABOUT = f"/datasets/{quote(SHAPES)}"


def fetched(client, path, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_state_lists_datasets_jobs_and_whether_changes_are_allowed(client):
    found = fetched(client, "/state")
    assert [(data["name"], data["n"], data["k"]) for data in found["datasets"]] == [
        (SHAPES, N_SHAPES, 4),
        (VECTORS, N_VECTORS, 3),
    ]
    assert found["read_only"] is False
    assert found["jobs"] == []


def test_description_and_co_occurrence_agree_with_the_sets_themselves(client, services):
    dense = services.datasets.load(SHAPES).candidates.dense()
    about = fetched(client, ABOUT)
    assert about["class_names"] == CLASSES
    assert about["size_histogram"] == np.bincount(dense.sum(1), minlength=5).tolist()
    assert about["splits"] == {"test": 8, "train": 32}
    matrix = fetched(client, ABOUT + "/co-occurrence")
    assert matrix["counts"] == (dense.T.astype(int) @ dense).tolist()


def test_what_the_sets_say_of_the_classes_is_served(client, services):
    about = fetched(client, ABOUT)
    assert about["worst_distractor"] == services.datasets.describe(SHAPES)["worst_distractor"]
    assert (about["held_together"], about["note"]) == (None, "")
    unlabelled = fetched(client, f"/datasets/{VECTORS}")
    assert unlabelled["worst_distractor"] is None
    assert [row["class"] for row in unlabelled["held_together"]["classes"]] == unlabelled[
        "class_names"
    ]
    for name, n_classes, n_samples in ((quote(SHAPES), 4, N_SHAPES), (VECTORS, 3, N_VECTORS)):
        found = fetched(client, f"/datasets/{name}/set-model")
        assert found["uses_true_labels"] is False
        assert (found["n_classes"], found["n_samples"]) == (n_classes, n_samples)
        table = np.array(found["table"])
        assert table.shape == (n_classes, n_classes)
        assert ((table > 0) & (table <= 1)).all()


def test_rows_answer_every_part_of_a_filter_at_once(client, services):
    data = services.datasets.load(SHAPES)
    dense = data.candidates.dense()
    query = {"holds": ["cat", HOSTILE], "size": 3, "split": "train", "text": "Ü02"}
    parts = {
        "holds": lambda row: dense[row, 0] and dense[row, 2],
        "size": lambda row: dense[row].sum() == 3,
        "split": lambda row: row % 5 != 0,
        "text": lambda row: 20 <= row < 30,
    }
    for wanted in (*([part] for part in parts), list(parts)):
        found = fetched(client, ABOUT + "/rows", **{part: query[part] for part in wanted})
        expected = [row for row in range(N_SHAPES) if all(parts[part](row) for part in wanted)]
        assert 1 <= len(expected) < N_SHAPES
        assert found["rows"] == expected
        assert found["total"] == len(expected)
        assert found["ids"] == [data.ids[row] for row in expected]
        assert found["candidates"] == [np.flatnonzero(dense[row]).tolist() for row in expected]


def test_rows_come_in_pages_within_limits(client):
    page = fetched(client, ABOUT + "/rows", offset=30, limit=6)
    assert page["rows"] == list(range(30, 36))
    assert fetched(client, ABOUT + "/rows", offset=-5, limit=0)["rows"] == [0]
    assert fetched(client, ABOUT + "/rows", limit=10**9)["total"] == N_SHAPES
    beyond = fetched(client, ABOUT + "/rows", offset=10**9)
    assert (beyond["rows"], beyond["sprite"]) == ([], None)


def test_a_page_names_a_sheet_that_holds_its_images_in_order(client, services):
    page = fetched(client, ABOUT + "/rows", offset=3, limit=25)
    sprite = page["sprite"]
    assert (sprite["columns"], sprite["px"], sprite["lines"]) == (20, 9, 2)
    sheet = picture(client.get(sprite["url"].removeprefix("/gradio_api/cad")))
    assert sheet.shape == (18, 180)
    pixels = services.datasets.load(SHAPES).pixels.batch(np.array(page["rows"]), 9, 9, 1)[..., 0]
    for position, own in enumerate(pixels):
        top, left = position // 20 * 9, position % 20 * 9
        np.testing.assert_array_equal(sheet[top : top + 9, left : left + 9], own)
    assert not sheet[9:, 5 * 9 :].any()


def test_vectors_are_drawn_as_strips(client):
    page = fetched(client, f"/datasets/{VECTORS}/rows")
    assert page["sprite"]["px"] == 64
    sheet = picture(client.get(page["sprite"]["url"].removeprefix("/gradio_api/cad")))
    cells = sheet[:, : N_VECTORS * 64].reshape(64, N_VECTORS, 64, 3).swapaxes(0, 1)
    assert len(np.unique(cells.reshape(N_VECTORS, -1), axis=0)) == N_VECTORS
    assert picture(client.get(f"/image/now/{VECTORS}/0")).shape == (64, 64, 3)


def test_single_image_is_the_stored_one(client, services):
    shown = picture(client.get(f"/image/now/{quote(SHAPES)}/7"))
    pixels = services.datasets.load(SHAPES).pixels.image(7)
    np.testing.assert_array_equal(shown, pixels)


def test_truth_is_not_sent_before_it_is_asked_for(client):
    hidden = fetched(client, ABOUT + "/instance/6")
    assert hidden["truth_known"]
    assert "truth" not in hidden
    assert fetched(client, ABOUT + "/instance/6", reveal=1)["truth"] == 2
    unknown = fetched(client, f"/datasets/{VECTORS}/instance/6", reveal=1)
    assert not unknown["truth_known"]
    assert "truth" not in unknown


@pytest.mark.parametrize("limit", [1, 10])
def test_lists_of_rows_and_pairs_do_not_carry_the_truth(client, limit):
    for path in (f"{ABOUT}/rows", f"{ABOUT}/minings/1/pair/0-1"):
        assert '"truth"' not in client.get(path, params={"limit": limit}).text
