"""Whole steps of CAD-CAM and DIRK-REF against loops that follow the formulas word by word."""

import math

import pytest
import torch

from tests.algorithms.small import ALL_VIEWS, make_batch, make_images, make_method, make_setup


def cosine(left, right):
    return (left @ right / (left.norm() * right.norm())).item()


def contrast_by_loops(queries, columns, positive, scores, tau, tau_d):
    """Mean over anchors of -(tau / 0.07) * sum of W log pi; the first columns are the queries."""
    losses = []
    for a, query in enumerate(queries):
        others = [c for c in range(len(columns)) if c != a]
        total = math.log(sum(math.exp(query @ columns[c] / tau) for c in others))
        liked = [c for c in others if positive(a, c)]
        weight = {c: math.exp(cosine(scores[a], scores[c]) / tau_d) for c in liked}
        share = sum(w * (query @ columns[c] / tau - total) for c, w in weight.items())
        losses.append(-tau / 0.07 * share / sum(weight.values()))
    return (sum(losses) / len(losses)).item()


def moco_by_loops(queries, keys, queue, tau):
    losses = []
    for query, key in zip(queries, keys, strict=True):
        own = math.exp(query @ key / tau)
        losses.append(-math.log(own / (own + sum(math.exp(query @ q / tau) for q in queue))))
    return sum(losses) / len(losses)


def take_two_steps(method, epoch, read):
    """What the second step is made of, by `read`, and its contrast; the queue is half full.

    In evaluation mode, so that a view's features do not depend on the others in the batch.
    """
    images = make_images()
    with torch.no_grad():
        method.begin_epoch(epoch)
        first, second = (make_batch(method, images, seed=seed) for seed in (1, 2))
        method.eval()
        method.network.backbone.layers[1].running_var.fill_(0.02)
        seen = [read(method, batch) for batch in (first, second)]
        method.step(first)
        contrast = method.step(second).parts["contrast"].item()
    return seen, contrast


def read_cad(method, batch):
    student, teacher = method.network, method.teacher
    return {
        "queries": student.project(student.features(batch.class_views["strong"])),
        "keys": teacher.project(teacher.features(batch.class_views["weak"])),
        "scores": teacher(batch.class_views["cls"]),
        "labels": batch.guide,
    }


@pytest.mark.parametrize("epoch", [0, 1])
def test_contrast_of_cad_cam_as_the_formulas_say(epoch):
    settings = {"warm_up_epochs": 1, "ramp_epochs": 1, "queue_size": 40, "tau_d": 0.3}
    settings = {**ALL_VIEWS, **settings}
    method = make_method("cad-cam", make_setup(), **settings)
    (first, second), found = take_two_steps(method, epoch, read_cad)
    assert 0 < len(first["keys"]) < 40
    if epoch == 0:
        expected = moco_by_loops(second["queries"], second["keys"], first["keys"], 0.12)
    else:
        labels = torch.cat([second["labels"], second["labels"], first["labels"]])
        expected = contrast_by_loops(
            second["queries"],
            torch.cat([second["queries"], second["keys"], first["keys"]]),
            lambda a, c: labels[a] == labels[c],
            torch.cat([second["scores"], second["scores"], first["scores"]]),
            0.12,
            0.3,
        )
    assert found == pytest.approx(expected, rel=1e-4)


def read_dirk(method, batch):
    student, teacher = method.network, method.teacher
    probabilities = teacher(batch.views["cls"]).softmax(dim=1)
    targets = []
    for p, inside in zip(probabilities, batch.candidates, strict=True):
        if inside.all():
            targets.append(p)
            continue
        s, c = p * inside / p[inside].sum(), p * ~inside / p[~inside].sum()
        mass = 1 / p[inside].sum()
        a = mass * c.max() / (mass * c.max() + s[inside].min())
        targets.append(a * s + (1 - a) * c)
    return {
        "queries": student.project(student.features(batch.views["strong"])),
        "keys": teacher.project(teacher.features(batch.views["weak"])),
        "targets": torch.stack(targets),
        "candidates": batch.candidates,
    }


@pytest.mark.parametrize("epoch", [0, 1])
def test_contrast_of_dirk_ref_as_the_formulas_say(epoch):
    method = make_method("dirk-ref", make_setup(), queue_size=20)
    (first, second), found = take_two_steps(method, epoch, read_dirk)
    if epoch == 0:
        expected = moco_by_loops(second["queries"], second["keys"], first["keys"], 0.07)
    else:
        targets = torch.cat([second["targets"], second["targets"], first["targets"]])
        sets = torch.cat([second["candidates"], second["candidates"], first["candidates"]])
        best = targets.argmax(dim=1)
        pairs = [(a, c) for a in range(8) for c in range(24) if a != c]
        shares = {pair: bool((sets[pair[0]] & sets[pair[1]]).any()) for pair in pairs}
        alike = {pair: bool(best[pair[0]] == best[pair[1]]) for pair in pairs}
        assert {(shares[p], alike[p]) for p in pairs} >= {(True, False), (True, True)}
        expected = contrast_by_loops(
            second["queries"],
            torch.cat([second["queries"], second["keys"], first["keys"]]),
            lambda a, c: shares[a, c] and alike[a, c],
            targets,
            0.07,
            0.4,
        )
    assert found == pytest.approx(expected, rel=1e-4)


def read_pico(method, batch):
    student, teacher = method.network, method.teacher
    weak = student.features(batch.views["weak"])
    probabilities = student.classify(weak).softmax(dim=1) * batch.candidates
    return {
        "queries": student.project(weak),
        "keys": teacher.project(teacher.features(batch.views["strong"])),
        "labels": probabilities.argmax(dim=1),
    }


@pytest.mark.parametrize("epoch", [0, 1])
def test_contrast_of_pico_as_the_formulas_say(epoch):
    method = make_method("pico", make_setup(), queue_size=20)
    (first, second), found = take_two_steps(method, epoch, read_pico)
    if epoch == 0:
        expected = moco_by_loops(second["queries"], second["keys"], first["keys"], 0.07)
    else:
        labels = torch.cat([second["labels"], second["labels"], first["labels"]])
        assert len(set(labels.tolist())) > 1
        expected = contrast_by_loops(
            second["queries"],
            torch.cat([second["queries"], second["keys"], first["keys"]]),
            lambda a, c: labels[a] == labels[c],
            torch.ones(24, 1),  # the same likeness for all: equal weights
            0.07,
            1.0,
        )
    assert found == pytest.approx(expected, rel=1e-4)


def test_lws_remembers_the_weights_on_both_sides():
    method = make_method("lws", make_setup())
    batch = make_batch(method, make_images(), rows=torch.tensor([6, 2]))
    method.begin_epoch(0)
    with torch.no_grad():
        p = method.network(batch.views["cls"]).softmax(dim=1)
        method.step(batch)
    on, off = p * batch.candidates, p * ~batch.candidates
    torch.testing.assert_close(method.belief[batch.row], on / on.sum(dim=1, keepdim=True))
    torch.testing.assert_close(method.outside[batch.row], off / off.sum(dim=1, keepdim=True))
