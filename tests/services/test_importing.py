"""Imports: what is stored, and in which form."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.store.pixels import EncodedPixels, MappedPixels
from tests.services.small import NASTY, blobs_in, noise, picture_folder, save, store


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (1, 1), (64, 64), (3, 64, 3)])
def test_small_images_of_one_shape_are_one_mapped_array(services, tmp_path, shape):
    images = noise(6, *shape)
    store(services, save(tmp_path / "a.npz", images=images, labels=np.arange(6) % 2))
    data = services.datasets.load("pets")
    channels = 3 if len(shape) == 3 else 1
    assert isinstance(data.pixels, MappedPixels)
    assert (data.record.height, data.record.width, data.record.channels) == (*shape[:2], channels)
    found = data.pixels.batch(np.arange(6), *shape[:2], channels)
    np.testing.assert_array_equal(found.reshape(images.shape), images)
    assert data.features is None


@pytest.mark.parametrize("shape", [(65, 4), (4, 65, 3)])
def test_large_images_from_an_array_are_kept_as_files_without_loss(services, tmp_path, shape):
    images = noise(3, *shape)
    store(services, save(tmp_path / "a.npz", images=images, labels=np.arange(3)))
    data = services.datasets.load("pets")
    assert isinstance(data.pixels, EncodedPixels)
    assert data.record.height is None
    for row in range(3):
        pixels = data.pixels.image(row)
        np.testing.assert_array_equal(pixels[..., : images[row, ..., None].shape[2]].squeeze(),
                                      images[row])  # fmt: skip


@pytest.mark.parametrize(
    "shapes",
    [[(5, 4), (4, 5), (5, 4, 3)], [(5, 4, 3), (99, 4)], [(5, 4)] * 5 + [(5, 4, 3)]],
    ids=["sizes", "one large", "grey before colour"],
)
def test_images_of_different_sizes_keep_their_bytes(services, tmp_path, shapes):
    arrays = [noise(*shape, seed=row) for row, shape in enumerate(shapes)]
    folder = picture_folder(tmp_path / "mixed", arrays)
    store(services, folder)
    data = services.datasets.load("pets")
    assert isinstance(data.pixels, EncodedPixels)
    for row in range(len(arrays)):
        assert data.pixels.file(row) == (folder / f"{row}.png").read_bytes()


def test_grey_images_among_colour_ones_of_the_same_size_become_colour(services, tmp_path):
    arrays = [noise(5, 4, 3), noise(5, 4, seed=1)]
    store(services, picture_folder(tmp_path / "mixed", arrays))
    data = services.datasets.load("pets")
    assert isinstance(data.pixels, MappedPixels)
    np.testing.assert_array_equal(data.pixels.image(0), arrays[0])
    np.testing.assert_array_equal(data.pixels.image(1), np.repeat(arrays[1][..., None], 3, axis=2))


def test_everything_of_a_source_is_stored(services, tmp_path):
    candidates = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]], bool)
    result = store(
        services,
        save(
            tmp_path / "a.npz",
            images=noise(4, 3, 3),
            candidates=candidates,
            labels=np.array([0, -1, 0, 2]),
            ids=np.array(["ü/1", "2", "3", "4"]),
            split=np.array(["train", "test", "train", "val"]),
            class_names=np.array(NASTY[:3]),
            class_descriptions=np.array(["a <b>cat</b>", "", "dog"]),
        ),
        name="Ü 1.+-_",
    )
    data = services.datasets.load("Ü 1.+-_")
    np.testing.assert_array_equal(data.candidates.dense(), candidates)
    np.testing.assert_array_equal(data.truth, [0, -1, 0, 2])
    assert data.ids == ["ü/1", "2", "3", "4"]
    assert [data.record.split_names[s] for s in data.splits] == ["train", "test", "train", "val"]
    assert data.record.class_names == NASTY[:3]
    assert data.record.class_descriptions == {NASTY[0]: "a <b>cat</b>", NASTY[2]: "dog"}
    assert (result["n"], result["k"], result["left_out"]) == (4, 3, [])
    assert result["version"] == data.record.version.hash
    json.dumps(result)


def test_a_source_of_labels_alone_has_them_as_only_candidates(services, tmp_path):
    store(services, save(tmp_path / "a.npz", images=noise(4, 3, 3), labels=np.array([2, 0, 1, 1])))
    assert services.datasets.load("pets").candidates.lists() == [[2], [0], [1], [1]]


def test_one_instance_is_enough(services, tmp_path):
    store(services, save(tmp_path / "a.npz", images=noise(1, 3, 3),
                         candidates=np.array([[True, True]])))  # fmt: skip
    assert services.datasets.describe("pets")["n"] == 1


def test_equal_sources_give_equal_versions_and_share_their_files(services, tmp_path):
    file = save(tmp_path / "a.npz", images=noise(4, 3, 3), labels=np.arange(4))
    first = store(services, file, name="one")
    files = blobs_in(services.project.folder)
    second = store(services, file, name="two")
    assert first["version"] == second["version"]
    assert blobs_in(services.project.folder).keys() == files.keys()


def test_a_removed_dataset_frees_its_files_but_not_shared_ones(services, tmp_path):
    file = save(tmp_path / "a.npz", images=noise(4, 3, 3), labels=np.arange(4))
    store(services, file, name="one")
    store(services, file, name="two")
    assert services.datasets.remove("one") == {"removed": "one", "freed_bytes": 0}
    assert services.datasets.instance("two", 3)["candidates"] == [3]
    assert services.datasets.remove("two")["freed_bytes"] > 0
    assert blobs_in(services.project.folder) == {}


def test_a_file_of_png_bytes_keeps_them_byte_for_byte(services, tmp_path):
    out = io.BytesIO()
    Image.fromarray(noise(80, 70, 3)).save(out, "JPEG", quality=70)
    folder = tmp_path / "jpegs"
    folder.mkdir()
    (folder / "ü 1.jpg").write_bytes(out.getvalue())
    (folder / "metadata.csv").write_text("file_name,candidates\nü 1.jpg,a|b\n", encoding="utf-8")
    store(services, folder)
    assert services.datasets.load("pets").pixels.file(0) == out.getvalue()


def test_a_dataset_may_be_removed_while_another_is_imported(services, tmp_path):
    """The removal took the unfinished files of the import along."""
    store(services, save(tmp_path / "a.npz", images=noise(4, 3, 3), labels=np.arange(4)))
    file = save(tmp_path / "b.npz", images=noise(4, 5, 5), labels=np.arange(4))
    other = Services(AppConfig(services.project.folder))

    class Remover:
        def report(self, fraction, message):
            if message == "Saving":
                other.datasets.remove("pets")

    services.importing.import_source(str(file), "new", ReadOptions(), False, Remover())
    assert services.datasets.names() == ["new"]
    np.testing.assert_array_equal(
        services.datasets.load("new").pixels.batch(np.arange(4), 5, 5, 1)[..., 0], noise(4, 5, 5)
    )
    other.close()


def test_a_removed_dataset_takes_its_features_along_unless_another_has_its_content(
    services, tmp_path
):
    """Features of removed datasets stayed on the disk for ever."""
    for name, seed in (("one", 0), ("twin", 0), ("other", 1)):
        file = save(tmp_path / f"{name}.npz", images=noise(9, 4, 4, seed=seed),
                    labels=np.arange(9))  # fmt: skip
        store(services, file, name=name)
        services.mining.extract(name, "pixels", Silent())
    services.datasets.remove("one")
    assert len(services.mining.feature_sets("twin")) == 1
    services.datasets.remove("twin")
    assert len(services.mining.feature_sets("other")) == 1
    services.datasets.remove("other")
    assert blobs_in(services.project.folder) == {}
