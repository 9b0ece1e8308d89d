"""Folders as other people have them: splits, wrappings, links, formats, orientation and depth."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError
from cad_studio.datasets.decoding import decode
from tests.datasets.sources import png
from tests.datasets.test_decoding import encoded
from tests.datasets.test_image_folder import read, tree, zipped

KAGGLE = [f"train/{name}/{row}.png" for name in ("maple", "oak", "pine") for row in range(4)]


def left(found):
    return {item.kind: item for item in found.understanding.left_out}


def test_flat_test_folder_beside_class_folders_is_unlabelled(tmp_path):
    root = tree(tmp_path, *KAGGLE, *(f"test/{row}.png" for row in range(5)))
    found = read(root)
    assert found.class_names == ["maple", "oak", "pine"]
    assert found.splits == ["train"] * 12
    assert left(found)["samples without label and candidates"].count == 5
    kept = read(root, unlabelled="keep")
    assert kept.splits.count("test") == 5
    sizes = kept.candidates.sizes()
    assert [size for size, split in zip(sizes, kept.splits, strict=True) if split == "test"] == [
        3
    ] * 5
    assert (sizes[kept.truth >= 0] == 1).all()
    assert read(root, split_from="none").class_names == ["test", "train"]


def test_one_stray_picture_does_not_turn_splits_into_classes(tmp_path):
    root = tree(tmp_path, *KAGGLE, "val/oak/1.png", "preview.png")
    found = read(root)
    assert found.class_names == ["maple", "oak", "pine"]
    assert left(found)["samples without label and candidates"].names == ("preview.png",)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*KAGGLE, "extra/1.png"], "'train' look like splits, 'extra' .* like classes"),
        (["train/1.png", "test/2.png"], "no folder in them names a class"),
        (["a/oak/1.png", "a/elm/1.png", "b/oak/1.png", "b/elm/1.png"], "hold the same folders"),
    ],
)
def test_folders_that_could_be_splits_or_classes_are_asked_about(names, words, tmp_path):
    root = tree(tmp_path, *names)
    with pytest.raises(DoubtfulSourceError, match=f"{words}.*--split-from folders.*none"):
        read(root)
    assert len(read(root, split_from="none").class_names) == len({n.split("/")[0] for n in names})
    if len(names) != 2:
        assert "oak" in read(root, split_from="folders").class_names
    with pytest.raises(SettingError, match="split_from is 'fold'"):
        read(root, split_from="fold")


@pytest.mark.parametrize(
    ("names", "classes", "splits"),
    [
        (["w/cat/1.png", "w/dog/1.png"], ["cat", "dog"], ["train"]),
        (["w/v/train/cat/1.png", "w/v/test/dog/1.png"], ["cat", "dog"], ["test", "train"]),
        (["train_set/cat/1.png", "test_set/dog/1.png"], ["cat", "dog"], ["test_set", "train_set"]),
        (["cat/train/1.png", "cat/val/1.png", "dog/val/1.png"], ["cat", "dog"], ["train", "val"]),
        (["train/train/cat/1.png", "test/test/dog/1.png"], ["cat", "dog"], ["test", "train"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_zip", [False, True])
def test_wrappings_and_orders_of_folders(names, classes, splits, is_zip, tmp_path):
    root = tree(tmp_path / "a", *names)
    (root / "LICENSE").write_text("free")
    found = read(zipped(root, tmp_path / "a.zip") if is_zip else root)
    assert found.class_names == classes
    assert sorted(set(found.splits)) == splits
    assert any("LICENSE" in item.names for item in found.understanding.left_out)


def test_pictures_without_class_folders_need_names_and_sets(tmp_path):
    root = tree(tmp_path / "a", "1.png", "2.png")
    with pytest.raises(
        DatasetFormatError, match=r"2 images but neither metadata\.csv.*--class-names"
    ):
        read(root)
    found = read(root, class_names=("cat", "dog"), unlabelled="keep")
    assert found.candidates.lists() == [[0, 1], [0, 1]]
    (tmp_path / "sets.csv").write_text("file_name,candidates\n1.png,cat|dog\n2.png,dog\n")
    found = read(root, class_names=("cat", "dog"), candidates=str(tmp_path / "sets.csv"))
    assert found.candidates.lists() == [[0, 1], [1]]


def test_links_are_followed_inside_and_elsewhere_on_demand(tmp_path):
    store = tree(tmp_path / "store", "blight/1.png", "blight/2.png")
    root = tree(tmp_path / "set", "rust/1.png", "scab/1.png")
    (root / "again").symlink_to(root / "rust")
    (root / "blight").symlink_to(store / "blight")
    found = read(root)
    assert found.ids == ["again/1.png", "rust/1.png", "scab/1.png"]
    item = left(found)["links that lead out of the folder"]
    assert (item.names, item.how.split()[1]) == (("blight",), "--follow-links")
    found = read(root, follow_links=True)
    assert found.class_names == ["again", "blight", "rust", "scab"]
    assert found.images.read(1) == png(0)


def test_a_folder_of_links_alone_says_so(tmp_path):
    store = tree(tmp_path / "store", "1.png", "2.png")
    for row, name in enumerate(("cat", "dog"), start=1):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / f"{row}.png").symlink_to(store / f"{row}.png")
    with pytest.raises(
        DatasetFormatError, match=r"links that lead out of the folder: 2 .*--follow-links"
    ):
        read(tmp_path / "set")
    assert len(read(tmp_path / "set", follow_links=True).ids) == 2


def test_links_in_a_circle_end(tmp_path):
    root = tree(tmp_path, "cat/1.png", "dog/1.png")
    (root / "cat" / "up").symlink_to(root)
    (root / "dog" / "other").symlink_to(root / "cat")
    found = read(root)
    assert found.ids == ["cat/1.png", "dog/1.png", "dog/other/1.png"]
    assert left(found)["links to a folder they lie in"].count == 2


@pytest.mark.parametrize("named", ["datasets--a--b", "datasets--a--b/snapshots/abc"])
def test_the_cache_of_the_hub_is_a_folder(named, tmp_path):
    cache = tree(tmp_path / "datasets--a--b", "blobs/1", "blobs/2")
    for name, blob in (("cat/1.png", "1"), ("dog/2.png", "2")):
        link = cache / "snapshots" / "abc" / name
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(cache / "blobs" / blob, link.parent))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    found = read(tmp_path / named)
    assert found.ids == ["cat/1.png", "dog/2.png"]
    assert found.images.read(1) == png(1)


def test_every_format_pillow_reads_is_found_by_content(tmp_path):
    kinds = {"a.avif": "AVIF", "b.jp2": "JPEG2000", "c": "JPEG", "d.odd": "PNG", "e.tga": "TGA"}
    kinds |= {"f.ico": "ICO", "g.webp": "WEBP", "h": "TIFF", "i.qoi": "QOI"}
    if not features.check("avif"):
        del kinds["a.avif"]
    for number, (name, kind) in enumerate(kinds.items()):
        path = tmp_path / ("ripe", "raw")[number % 2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(Image.new("RGB", (16, 16), (200, 40, 40)), kind))
    found = read(tmp_path)
    assert len(found.ids) == len(kinds)
    assert not found.understanding.left_out
    for row in range(len(kinds)):
        assert decode(found.images.read(row), "a").shape == (16, 16, 3)


def test_texts_that_begin_like_pictures_are_no_pictures(tmp_path):
    root = tree(tmp_path, "cat/1.png", "dog/1.png")
    for name, text in (("BM", "BMW and others"), ("P5", "P5 is a chip"), ("id3", "\n\r")):
        (root / "cat" / name).write_text(text)
    assert len(read(root).ids) == 2


def test_colours_of_another_profile_become_srgb():
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    red = Image.new("RGB", (4, 4), (220, 30, 30))
    found = decode(encoded(ImageCms.applyTransform(red, to_lab), "TIFF"), "a")
    assert np.abs(found.astype(int) - (220, 30, 30)).max() <= 3
    # a profile that swaps red and blue tells that it is used, and not only for RGB
    swapped = _swapped_profile()
    found = decode(encoded(red, icc_profile=swapped), "a")
    assert np.abs(found[0, 0].astype(int) - (30, 30, 220)).max() <= 12
    over = decode(encoded(red.convert("RGBA"), icc_profile=swapped), "a")
    assert np.array_equal(over, found)
    # one that is damaged is left aside
    assert decode(encoded(red, icc_profile=b"damaged" * 30), "a")[0, 0].tolist() == [220, 30, 30]


def _swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for old, new in (
        (b"sRGB", b"swap"),
        (b"s\0R\0G\0B", b"s\0w\0a\0p"),
        (b"\0s\0R\0G\0B", b"\0s\0w\0a\0p"),
    ):
        data = data.replace(old, new)
    tags = {
        bytes(data[at : at + 4]): at
        for at in range(132, 132 + 12 * int.from_bytes(data[128:132]), 12)
    }
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    place = bytes(data[red + 4 : red + 12])
    data[red + 4 : red + 12] = data[blue + 4 : blue + 12]
    data[blue + 4 : blue + 12] = place
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_orientation_holds_for_deep_pixels(kind):
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) << 8
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, exif=exif)
    assert decode(buffer.getvalue(), "a").shape == (4, 3)


ROWS = [f"{row}.png,{'fig|oak' if row % 2 else 'oak|elm'}" for row in range(4)]
HEADER = "file_name,candidates"


@pytest.mark.parametrize("lines", [[HEADER, *ROWS], ROWS])
@pytest.mark.parametrize(("pictures", "table"), [("", "labels.csv"), ("images/", "my sets.csv")])
@pytest.mark.parametrize("is_zip", [False, True])
def test_the_one_table_beside_the_pictures_is_read_whatever_it_is_called(
    tmp_path, lines, pictures, table, is_zip
):
    root = tree(tmp_path / "own", *(f"{pictures}{row}.png" for row in range(4)))
    (root / table).write_text("\n".join(lines))
    found = read(zipped(root, tmp_path / "own.zip") if is_zip else root)
    assert found.class_names == ["elm", "fig", "oak"]
    assert [found.candidates.of(row) for row in range(2)] == [[0, 2], [1, 2]]
    assert any(table in item.value for item in found.understanding.taken)
    assert not found.understanding.left_out


@pytest.mark.parametrize(
    ("separator", "named"), [(";", "oak|elm"), ("\t", "oak|elm"), ("|", "oak;elm")]
)
def test_a_picture_and_its_set_need_no_header(tmp_path, separator, named):
    root = tree(tmp_path / "own", *(f"{row}.png" for row in range(4)))
    table = root / "sets.csv"
    table.write_text("\n".join(f"{row}.png{separator}{named}" for row in range(4)))
    assert read(table).class_names == ["elm", "oak"]


def test_folders_of_classes_count_more_than_a_table_which_is_told_of(tmp_path):
    root = tree(tmp_path / "own", "oak/0.png", "oak/2.png", "fig/1.png", "fig/3.png")
    (root / "labels.csv").write_text("\n".join([HEADER, *ROWS]))
    found = read(root)
    assert found.class_names == ["fig", "oak"]
    assert "labels.csv" in str(found.understanding.left_out)


def test_of_two_tables_none_is_taken_and_both_are_named(tmp_path):
    root = tree(tmp_path / "own", *(f"{row}.png" for row in range(4)))
    for name in ("a.csv", "b.csv"):
        (root / name).write_text("\n".join([HEADER, *ROWS]))
    with pytest.raises(DatasetFormatError, match=r"give the table beside them \(a.csv, b.csv\)"):
        read(root)
