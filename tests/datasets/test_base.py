"""What every reader promises, and how a source finds its reader."""

import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import READERS, ReadOptions, read_source, recognise
from cad_studio.datasets.checks import check
from cad_studio.datasets.decoding import decode
from tests.datasets.sources import MAKERS, SETS, TRUTH, image_folder, png


@pytest.mark.parametrize("name", READERS.names())
def test_tiny_source_is_recognised_and_read_whole(name, tmp_path):
    made = MAKERS[name](tmp_path, False)
    assert recognise(made.source) == name
    found = read_source(made.source, made.options, Silent())
    assert tuple(found.class_names) == made.names
    assert made.ids is None or tuple(found.ids) == made.ids
    assert found.splits == ["train"] * 4
    if made.has_truth:
        assert found.truth.tolist() == TRUTH
        assert found.truth.dtype == np.int32
    if made.has_sets:
        assert found.candidates.lists() == SETS
    else:
        assert found.candidates is None
    assert check(found).is_clean
    if not made.has_images:
        assert found.features.shape == (4, 6)
        return
    assert len(found.images) == 4
    for row in (3, 0, 2, 1):
        data = found.images.read(row)
        image = decode(data, "here") if isinstance(data, bytes) else data
        if made.has_sets:
            assert np.array_equal(image, decode(png(row), "there"))
        assert image.dtype == np.uint8


@pytest.mark.parametrize("name", READERS.names())
def test_broken_source_is_refused_by_its_file_name(name, tmp_path):
    made = MAKERS[name](tmp_path, True)
    assert recognise(made.source) == name
    with pytest.raises(DatasetFormatError) as refusal:
        read_source(made.source, made.options, Silent())
    assert made.broken_file in str(refusal.value)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("name", [n for n in READERS.names() if n != "torchvision"])
def test_missing_file_is_named(name, tmp_path):
    for options in (ReadOptions(format=name), ReadOptions()):
        with pytest.raises(DatasetFormatError, match=r"nowhere.*does not exist"):
            read_source(str(tmp_path / "nowhere"), options, Silent())


def test_unknown_source_is_described_with_the_known_formats(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DatasetFormatError, match=r"\.txt \(1\)(.|\n)*image-folder"):
        recognise(str(tmp_path))


def test_unknown_format_suggests_the_closest(tmp_path):
    with pytest.raises(SettingError, match="Closest: 'image-folder'"):
        read_source(str(tmp_path), ReadOptions(format="imagefolder"), Silent())


def test_split_that_is_not_there_is_refused(tmp_path):
    made = image_folder(tmp_path, False)
    with pytest.raises(DatasetFormatError, match="no split 'test'"):
        read_source(made.source, ReadOptions(splits=("test",)), Silent())


def test_rooms_import_leaves_heavy_packages_alone():
    import subprocess
    import sys

    code = (
        "import sys; from cad_studio.datasets._base import READERS; READERS.names();"
        "heavy = {'torch', 'torchvision', 'datasets', 'pandas', 'scipy', 'pyarrow'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "source", ["", "\0", "x" * 5000, "hf:/etc", "hf:", "torchvision:", "~nobody"]
)
def test_odd_names_of_sources_are_refused_in_words(source):
    with pytest.raises(DatasetFormatError):
        read_source(source, ReadOptions(), Silent())
