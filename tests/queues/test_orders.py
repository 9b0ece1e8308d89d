"""What every order promises, and what each puts first, on a graph small enough to see."""

from dataclasses import replace

import numpy as np
import pytest

from cad_studio.core.candidate_graph import CandidateGraph
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.mining.propagation import propagate
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues.expected_gain import gains

NAMES = ["cat", "dog", "fox"]
N_SAMPLES, K = 60, 4


@pytest.fixture(scope="module")
def situation():
    generator = np.random.default_rng(5)
    features = generator.normal(size=(N_SAMPLES, 6)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosine = features @ features.T
    np.fill_diagonal(cosine, -2)
    index = np.argsort(-cosine, axis=1)[:, :K]
    dense = generator.random((N_SAMPLES, 3)) < 0.6
    dense[np.arange(N_SAMPLES), generator.integers(0, 3, N_SAMPLES)] = True
    near = np.take_along_axis(cosine, index, axis=1)
    candidates = PartialLabels.from_dense(dense)
    is_open = np.ones(N_SAMPLES, bool)
    is_open[::7] = False
    is_seen = np.zeros(N_SAMPLES, bool)
    is_seen[::14] = True
    consensus = generator.dirichlet(np.ones(3), N_SAMPLES).astype(np.float32)
    consensus[::5] = 0.0  # nobody voted on these
    return Situation(
        candidates, is_open, NAMES, 0, index, near, propagate(index, near, candidates),
        rows=[8, 3, 7, 20], reasons=["a", "b", "c", "d"], disputed=[8, 3, 7, 20],
        consensus=consensus, features=features, is_seen=is_seen,
    )  # fmt: skip


@pytest.mark.parametrize("name", ORDERS.names())
def test_every_order_puts_forward_open_samples_once_best_first_and_says_why(situation, name):
    order = ORDERS.get(name)
    ranked = order.rank(situation, 12)
    assert 0 < len(ranked) <= 12
    rows = [row for item in ranked for row in (item.row, item.other) if row is not None]
    assert len(set(rows)) == len(rows)
    assert situation.is_open[rows].all()
    scores = [item.score for item in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(item.why.endswith((".", "a", "b", "c", "d")) for item in ranked)
    assert order.rank(situation, 3) == ranked[:3]
    assert order.title
    assert order.says.endswith(".")


@pytest.mark.parametrize("name", ORDERS.names())
def test_a_belief_that_is_a_few_answers_old_serves_as_it_is(situation, name):
    """A queue was refilled after an answer by the belief from before it, and crashed."""
    dense = situation.candidates.dense().copy()
    dense[3], dense[10] = [True, False, False], [False, True, False]
    dense[20] = True
    dense[25] = ~dense[25]
    now = replace(situation, candidates=PartialLabels.from_dense(dense))
    ranked = ORDERS.get(name).rank(now, 60)
    decided = now.candidates.sizes() <= 1
    if not ORDERS.get(name).needs_rows and name not in {"consensus", "disagreement"}:
        assert not any(decided[[item.row]].all() and item.other is None for item in ranked)
    if name == "expected-gain":
        before = {item.row: item.score for item in ORDERS.get(name).rank(situation, 60)}
        assert all(item.score == before[item.row] for item in ranked if item.row in before)


@pytest.mark.parametrize("name", ["random", "least-certain", "expected-gain"])
def test_decided_samples_are_not_put_forward(situation, name):
    sizes = situation.candidates.sizes()
    assert all(sizes[item.row] > 1 for item in ORDERS.get(name).rank(situation, 60))


def test_a_list_keeps_its_order_and_reasons_and_leaves_out_what_is_closed(situation):
    ranked = ORDERS.get("suspects").rank(situation, 10)
    assert [(item.row, item.why) for item in ranked] == [(8, "a"), (3, "b"), (20, "d")]


def test_pairs_are_neighbours_with_a_shared_candidate_and_different_best_labels(situation):
    best = situation.belief.toarray().argmax(axis=1)
    for item in ORDERS.get("entangled").rank(situation, 12):
        assert item.other in situation.index[item.row] or item.row in situation.index[item.other]
        assert best[item.row] != best[item.other]
        both = set(situation.candidates.of(item.row)) & set(situation.candidates.of(item.other))
        assert both


def test_gain_of_a_chain_worked_out_by_hand():
    # 1 -> 0 and 2 -> 1: sample 1 looks at 0, sample 2 at 1; sample 0 looks at nothing
    index = np.array([[-1], [0], [1]])
    belief = np.array([[0.6, 0.4], [0.8, 0.2], [0.5, 0.5]], np.float32)
    held = np.ones((3, 2), bool)
    cosine = np.array([[0.0], [1.0], [1.0]], np.float32)
    graph = CandidateGraph(index, cosine, PartialLabels.from_dense(held))
    gain, reach, _ = gains(graph, belief.ravel())
    reach = reach.reshape(3, 2)
    # to b: sample 1 can gain 0.8, sample 2 0.5. From 0 it takes one step to 1 and two to 2.
    assert reach[0, 1] == pytest.approx(0.95 * 0.8 + 0.95**2 * 0.5)
    assert reach[1, 1] == pytest.approx(0.95 * 0.5)
    assert reach[2].tolist() == [0, 0]
    # the best class is left out: only b counts for samples 0 and 1
    assert gain[0] == pytest.approx(0.4 * (1 + reach[0, 1]))
    assert gain[1] == pytest.approx(0.2 * (1 + reach[1, 1]))
    assert gain[2] == pytest.approx(0.5)


def test_no_two_samples_of_one_filling_are_neighbours(situation):
    chosen = [item.row for item in ORDERS.get("expected-gain").rank(situation, 60)]
    for row in chosen:
        assert not set(situation.index[row].tolist()) & set(chosen)


def test_least_agreed_comes_first_and_samples_without_votes_never(situation):
    ranked = ORDERS.get("consensus").rank(situation, N_SAMPLES)
    assert not any(each.row % 5 == 0 for each in ranked)
    shares = np.where(situation.candidates.dense(), situation.consensus, 0.0)
    shares = [shares[each.row].max() / shares[each.row].sum() for each in ranked]
    assert shares == sorted(shares)
