"""Votes in a matrix beside images: counts, shares, and a column for each annotator."""

import numpy as np
import pytest

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError
from cad_studio.datasets._roles import TableChoices
from cad_studio.datasets.candidate_file import apply_candidates
from cad_studio.datasets.checks import check

NAMES = ["a", "b", "c", "d"]
# of ten votes each
COUNTS = np.array([[7, 3, 0, 0], [0, 10, 0, 0], [1, 0, 4, 5]])
SETS = [[0, 1], [1], [0, 2, 3]]
THREE = np.array([[0, 1, 0], [1, 1, -1], [3, 2, 0]])
OF_THREE = [[0, 1], [1], [0, 2, 3]]


def source(n_test=0):
    return SourceDataset(
        class_names=list(NAMES),
        ids=[f"{row}.png" for row in range(3 + n_test)],
        splits=["train"] * 3 + ["test"] * n_test,
        truth=np.array([0, 1, 2] + [3] * n_test, np.int32),
    )


def save(path, values, name="candidates"):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, **{name: values})
    else:
        import torch

        torch.save(torch.from_numpy(np.asarray(values)), path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt"])
@pytest.mark.parametrize(
    ("values", "sets", "n_votes"),
    [
        (COUNTS, SETS, 6),
        (COUNTS.astype(float), SETS, 6),
        (COUNTS / 10, SETS, 6),
        (THREE, OF_THREE, 8),
        (np.where(THREE < 0, np.nan, THREE), OF_THREE, 8),
    ],
)
def test_votes_are_kept_and_the_sets_follow(suffix, values, sets, n_votes, tmp_path):
    found = apply_candidates(source(), save(tmp_path / f"votes{suffix}", values), None)
    assert found.candidates.lists() == sets
    assert len(found.votes.label) == n_votes
    assert check(found).is_clean
    assert {each.what for each in found.understanding.taken} == {"votes", "threshold"}


@pytest.mark.parametrize("by", ["id", "row"])
@pytest.mark.parametrize("values", [COUNTS, COUNTS / 10, np.minimum(COUNTS, 3)])
def test_a_table_may_say_how_many_votes_each_class_got(by, values, tmp_path):
    """It was refused but for 0 and 1; small counts are no classes that annotators chose."""
    path = tmp_path / "votes.csv"
    order = [2, 0, 1] if by == "id" else [0, 1, 2]
    lines = [",".join(["file_name"] * (by == "id") + NAMES)]
    lines += [",".join([f"{row}.png"] * (by == "id") + [*map(str, values[row])]) for row in order]
    path.write_text("\n".join(lines))
    found = apply_candidates(source(), path, None)
    assert found.candidates.lists() == SETS
    weights = np.zeros_like(values, dtype=float)
    weights[found.votes.sample, found.votes.label] = found.votes.weight
    np.testing.assert_allclose(weights, values, rtol=1e-6)
    strict = apply_candidates(source(), path, None, threshold=0.45)
    assert strict.candidates.sizes().sum() < found.candidates.sizes().sum()


@pytest.mark.parametrize("cell", ["", "-1", "nan", "inf", "many"])
def test_a_number_of_votes_that_is_none_is_refused_by_its_line(cell, tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(f"file_name,a,b,c,d\n0.png,3,0,0,1\n1.png,2,{cell},0,0\n")
    with pytest.raises(DatasetFormatError, match=r"line 3: expected 0 or 1, or a number of votes"):
        apply_candidates(source(), path, None)


def test_threshold_leaves_out_what_few_chose(tmp_path):
    path = save(tmp_path / "counts.npy", COUNTS)
    assert apply_candidates(source(), path, None, threshold=0.4).candidates.lists() == [
        [0], [1], [2, 3],
    ]  # fmt: skip


def test_annotators_matrix_of_names_and_its_unknown_ones(tmp_path):
    path = save(tmp_path / "names.npy", np.array([["a", "b"], ["b", ""], ["c", "x"]]))
    found = apply_candidates(source(), path, None)
    assert found.candidates.lists() == [[0, 1], [1], [2]]
    [problem] = found.problems
    assert (problem.kind, problem.row) == ("unknown-class", 2)
    assert "'x' is not one of the 4 classes" in problem.message


def test_matrix_for_one_split_leaves_the_labels_of_the_others(tmp_path):
    found = apply_candidates(source(n_test=2), save(tmp_path / "counts.npy", COUNTS), None)
    assert found.candidates.lists() == [*SETS, [3], [3]]


def test_sample_without_a_vote_is_told(tmp_path):
    counts = COUNTS.copy()
    counts[1] = 0
    [problem] = apply_candidates(source(), save(tmp_path / "c.npy", counts), None).problems
    assert problem.message == "c.npy: there is no vote for '1.png'."


def test_small_whole_numbers_with_a_column_a_class_are_asked_about(tmp_path):
    """Counts below the number of classes could be the classes that annotators gave."""
    values = np.array([[2, 1, 0, 0], [0, 3, 0, 0], [1, 0, 1, 1]])
    path = save(tmp_path / "few.npy", values)
    with pytest.raises(DoubtfulSourceError, match="--votes-as counts or --votes-as annotators"):
        apply_candidates(source(), path, None)
    as_counts = apply_candidates(source(), path, None, "counts")
    assert as_counts.candidates.lists() == [[0, 1], [1], [0, 2, 3]]
    as_people = apply_candidates(source(), path, None, "annotators")
    assert as_people.candidates.lists() == [[0, 1, 2], [0, 3], [0, 1]]
    named = save(tmp_path / "few.npz", values, "counts")
    assert apply_candidates(source(), named, None).candidates == as_counts.candidates


def test_bits_of_another_width_are_asked_about(tmp_path):
    path = save(tmp_path / "bits.npy", np.array([[0, 1], [1, 1], [0, 0]]))
    with pytest.raises(DoubtfulSourceError, match="2 columns, the source has 4 classes"):
        apply_candidates(source(), path, None)
    assert apply_candidates(source(), path, None, "annotators").candidates.lists() == [
        [0, 1], [1], [0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "votes_as", "words"),
    [
        (COUNTS / 20, None, r"neither 0 nor 1 .*--votes-as shares"),
        (COUNTS - 1, "counts", r"are below 0 or infinite \(first: -1 in row 0, column 2\)"),
        (COUNTS[:, :3], "counts", "3 columns, the source has 4 classes"),
        (np.full((3, 2), 9), None, "class indices from 0 to 3 and -1 for none"),
        (COUNTS.astype(complex), None, "expected numbers or class names, found complex"),
    ],
)
def test_what_is_no_matrix_of_votes_is_refused_in_words(values, votes_as, words, tmp_path):
    with pytest.raises(DatasetFormatError, match=words):
        apply_candidates(source(), save(tmp_path / "a.npy", values), None, votes_as)


def test_unknown_kind_of_votes_is_refused(tmp_path):
    path = save(tmp_path / "counts.npy", COUNTS)
    with pytest.raises(SettingError, match=r"--votes-as is 'count'.*counts"):
        apply_candidates(source(), path, None, "count")


def test_columns_of_a_tensor_file_are_annotators_once_they_are_named(tmp_path):
    """As CIFAR-10N is published: one array for each annotator, and the truth beside them."""
    import torch

    path = tmp_path / "noisy.pt"
    people = {f"random_label{at + 1}": THREE[:, at] for at in range(3)}
    torch.save({"clean_label": np.array([0, 1, 2]), **people}, path)
    with pytest.raises(DoubtfulSourceError, match=r"'clean_label', 'random_label1'.*--columns"):
        apply_candidates(source(), path, None)
    found = apply_candidates(
        source(), path, None, choices=TableChoices(columns={"annotator": list(people)})
    )
    assert found.candidates.lists() == OF_THREE
    assert found.votes.annotators == list(people)
    with pytest.raises(
        DatasetFormatError, match=r"no column 'random_label9'.*Closest: 'random_label"
    ):
        apply_candidates(
            source(), path, None, choices=TableChoices(columns={"annotator": ["random_label9"]})
        )


def test_votes_with_ids_find_their_samples(tmp_path):
    path = tmp_path / "by_id.npz"
    ids = [f"{row}.png" for row in (2, 0, 1)]
    np.savez(path, counts=COUNTS[[2, 0, 1]], ids=np.array(ids))
    assert apply_candidates(source(), path, None).candidates.lists() == SETS
