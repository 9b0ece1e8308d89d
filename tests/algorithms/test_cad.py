import torch

from tests.algorithms.small import ALL_VIEWS, make_batch, make_images, make_method, make_setup
from tests.vectors import assert_near

ROWS = torch.arange(8)


class Shelf:
    """Edits of some samples and classes, uint8 of one colour that tells both."""

    def __init__(self, side=8, missing=()):
        self.side = side
        self.missing = set(missing)

    def __call__(self, row, guide):
        keys = list(zip(row.tolist(), guide.tolist(), strict=True))
        values = torch.tensor([10 * r + c for r, c in keys], dtype=torch.uint8)
        images = values[:, None, None, None].expand(-1, self.side, self.side, 3)
        return images, torch.tensor([key not in self.missing for key in keys])


def make_cad(edits, **settings):
    return make_method("cad", make_setup(edits=edits), **{**ALL_VIEWS, **settings})


def test_class_views_are_the_stored_edits_of_sample_and_class():
    for side in (8, 16):
        method = make_cad(Shelf(side))
        rows = torch.tensor([6, 2])
        source, guide = torch.tensor([0, 1, 1]), torch.tensor([3, 2, 3])
        edited = method.edit(make_images()[rows], rows, source, guide)
        assert edited.shape == (3, 3, 8, 8)
        assert_near(edited[:, 0, 0, 0], [63 / 255, 22 / 255, 23 / 255])


def test_a_missing_edit_is_made_by_the_activation_map():
    method, cam = make_cad(Shelf(missing={(2, 3)})), make_cad(None)
    images = make_images()
    source, guide = torch.tensor([2, 2]), torch.tensor([2, 3])
    for each in (method, cam):
        # a network of one epoch has no maps worth having, however early the contrast begins
        each.begin_epoch(1)
    assert torch.equal(method.edit(images, ROWS, source, guide)[1], images[2])
    for each in (method, cam):
        each.begin_epoch(5)
    found = method.edit(images, ROWS, source, guide)
    assert_near(found[0], torch.full((3, 8, 8), 22 / 255))
    assert torch.equal(found[1], cam.edit(images, ROWS, source, guide)[1])
    assert not torch.equal(found[1], images[2])


def test_contrast_is_by_class_from_epoch_one():
    images = make_images()
    for epoch, is_zero in ((0, True), (1, False)):
        method = make_cad(Shelf(), queue_size=16)
        method.begin_epoch(epoch)
        parts = method.step(make_batch(method, images)).parts
        assert (parts["contrast"] == 0) == is_zero
