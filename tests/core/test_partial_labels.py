"""Packed candidate sets against slow, obvious counterparts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_studio.core.partial_labels import PartialLabels


@st.composite
def dense_sets(draw):
    """bool (N, C); N may be 0, rows may be empty or full, C crosses byte borders."""
    n_classes = draw(st.integers(1, 20))
    row = st.lists(st.booleans(), min_size=n_classes, max_size=n_classes)
    rows = draw(st.lists(row, max_size=12))
    return np.array(rows, bool).reshape(len(rows), n_classes)


@given(dense_sets())
def test_dense_packed_and_listed_sets_are_the_same(dense):
    n_classes = dense.shape[1]
    lists = [np.flatnonzero(row).tolist() for row in dense]
    labels = PartialLabels.from_dense(dense)
    np.testing.assert_array_equal(labels.dense(), dense)
    assert labels.lists() == lists
    assert [labels.of(row) for row in range(len(dense))] == lists
    assert labels.sizes().tolist() == [len(members) for members in lists]
    assert PartialLabels.from_lists(lists, n_classes) == labels
    repeated = [members[::-1] + members for members in lists]
    assert PartialLabels.from_lists(repeated, n_classes) == labels
    rows, columns = np.nonzero(dense)
    assert PartialLabels.from_coordinates(rows, columns, len(dense), n_classes) == labels
    assert PartialLabels(labels.packed.copy(), n_classes) == labels
    assert labels.dense().dtype == bool


@given(dense_sets(), st.data())
def test_rows_are_taken_in_the_order_asked_for(dense, data):
    labels = PartialLabels.from_dense(dense)
    index = st.integers(0, max(0, len(dense) - 1))
    rows = np.array(data.draw(st.lists(index, max_size=6 if len(dense) else 0)), np.int64)
    np.testing.assert_array_equal(labels.take(rows).dense(), dense[rows])
    np.testing.assert_array_equal(labels.dense(rows), dense[rows])
    assert labels.lists(rows) == [np.flatnonzero(dense[row]).tolist() for row in rows]


@given(dense_sets(), st.data())
def test_membership_equals_a_look_into_the_matrix(dense, data):
    n_samples, n_classes = dense.shape
    labels = PartialLabels.from_dense(dense)
    one = st.integers(-1, n_classes - 1)
    chosen = data.draw(st.lists(one, min_size=n_samples, max_size=n_samples))
    wanted = [y >= 0 and bool(dense[row, y]) for row, y in enumerate(chosen)]
    assert labels.contains(np.array(chosen, np.int32)).tolist() == wanted
    for class_index in range(n_classes):
        assert labels.has(class_index).tolist() == dense[:, class_index].tolist()


@settings(max_examples=50)
@given(dense_sets())
def test_shared_candidates_equal_a_loop_over_sets(dense):
    labels = PartialLabels.from_dense(dense)
    sets = [set(np.flatnonzero(row)) for row in dense]
    couples = [(a, b) for a in range(len(sets)) for b in range(len(sets))]
    left = np.array([a for a, _ in couples], np.int64)
    right = np.array([b for _, b in couples], np.int64)
    assert labels.shared(left, right).tolist() == [len(sets[a] & sets[b]) for a, b in couples]


@settings(max_examples=50)
@given(dense_sets())
def test_co_occurrence_equals_a_loop_over_classes(dense):
    n_classes = dense.shape[1]
    wanted = [
        [int((dense[:, a] & dense[:, b]).sum()) for b in range(n_classes)] for a in range(n_classes)
    ]
    assert PartialLabels.from_dense(dense).co_occurrence().tolist() == wanted


def test_more_samples_than_one_block_are_counted_and_listed_whole():
    n_samples = 65536 + 3
    labels = PartialLabels.from_labels(np.arange(n_samples) % 3, 3)
    assert labels.co_occurrence().tolist() == np.diag([21847, 21846, 21846]).tolist()
    assert labels.lists()[65535:] == [[0], [1], [2], [0]]


def test_labels_make_sets_of_one_and_unknown_labels_empty_sets():
    labels = PartialLabels.from_labels(np.array([2, -1, 0]), 9)
    assert labels.lists() == [[2], [], [0]]


def test_a_thousand_classes_take_125_bytes_a_sample():
    labels = PartialLabels.from_lists([[0, 999], [512]], 1000)
    assert labels.packed.shape == (2, 125)
    assert labels.lists() == [[0, 999], [512]]


def test_sets_over_other_classes_are_not_equal():
    bits = np.zeros((2, 1), np.uint8)
    assert PartialLabels(bits, 3) != PartialLabels(bits, 4)
    assert PartialLabels(bits, 3) != "sets"


def test_bits_beyond_the_last_class_are_refused():
    # Class c of the first byte is bit 128 >> c, so 3 classes use the bits 128, 64 and 32.
    PartialLabels(np.array([[0b11100000]], np.uint8), 3)
    with pytest.raises(ValueError, match="beyond the last class"):
        PartialLabels(np.array([[0b11100000], [0b00010000]], np.uint8), 3)


@pytest.mark.parametrize(
    "packed",
    [np.zeros((2, 1), np.uint8), np.zeros(2, np.uint8), np.zeros((2, 2), np.int64)],
)
def test_packed_bits_of_another_shape_or_kind_are_refused(packed):
    with pytest.raises(ValueError, match=r"must be uint8 \(N, 2\)"):
        PartialLabels(packed, 9)
