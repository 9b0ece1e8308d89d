"""Thumbnails and single images show what is stored."""

import io

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.datasets.pictures import MAX_SPRITE_CELLS, SPRITE_COLUMNS, THUMBNAIL_PX
from tests.services.small import save, store


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def cell(sheet, position, side):
    line, column = divmod(position, SPRITE_COLUMNS)
    return sheet[line * side : (line + 1) * side, column * side : (column + 1) * side]


def folder_of(tmp_path, pictures):
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file_name,candidates"]
    for name, (picture, options) in pictures.items():
        picture.save(folder / name, **options)
        lines.append(f"{name},a|b")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def noise(height, width):
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(height).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 3), (6, 4), (3, 7, 3)])
def test_a_cell_of_a_sheet_holds_the_pixels_of_its_image(services, tmp_path, shape):
    images = np.random.default_rng(0).integers(1, 256, (25, *shape), np.uint8)
    store(services, save(tmp_path / "a.npz", images=images, labels=np.arange(25) % 2))
    rows = [24, *range(22), 3]  # two lines, one row twice
    side = max(shape[:2])
    sheet = pixels_of(services.pictures.sprite("pets", rows))
    assert sheet.shape[:2] == (2 * side, SPRITE_COLUMNS * side)
    assert services.pictures.cell_px(services.datasets.load("pets")) == side
    for position, row in enumerate(rows):
        found = cell(sheet, position, side)
        top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
        inner = found[top : top + shape[0], left : left + shape[1]]
        np.testing.assert_array_equal(inner, images[row])
        assert int(found.sum()) == int(inner.sum())  # black beside it
    assert not cell(sheet, len(rows), side).any()


def test_large_images_are_made_smaller_and_keep_their_aspect(services, tmp_path):
    white = Image.new("RGB", (200, 100), "white")
    store(services, folder_of(tmp_path, {"a.png": (white, {}), "b.png": (noise(90, 90), {})}))
    sheet = pixels_of(services.pictures.sprite("pets", [0, 1]))
    first = cell(sheet, 0, THUMBNAIL_PX)
    assert (first[16:48] == 255).all()
    assert not first[:16].any()
    assert not first[48:].any()
    assert cell(sheet, 1, THUMBNAIL_PX).all(axis=2).mean() > 0.9


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_file_that_browsers_show_is_passed_on_byte_for_byte(services, tmp_path, name):
    folder = folder_of(tmp_path, {name: (noise(100, 120), {}), "b.png": (noise(10, 10), {})})
    store(services, folder)
    data, media_type = services.pictures.image("pets", 0)
    assert data == (folder / name).read_bytes()
    assert media_type == f"image/{name[2:].replace('jpg', 'jpeg')}"


@pytest.mark.parametrize(
    ("name", "picture", "options"),
    [
        ("a.bmp", noise(80, 70), {}),
        ("a.png", noise(30, 1500), {}),
        ("a.png", noise(80, 70).quantize(16), {}),
        ("a.jpg", noise(80, 70), {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6"
                                          b"\0\0\0\0\0\0"}),
    ],
    ids=["no web format", "too large", "palette", "place and time inside"],
)  # fmt: skip
def test_any_other_file_is_shown_as_a_plain_png(services, tmp_path, name, picture, options):
    folder = folder_of(tmp_path, {name: (picture, options), "b.png": (noise(10, 10), {})})
    store(services, folder)
    data, media_type = services.pictures.image("pets", 0)
    assert media_type == "image/png"
    shown = Image.open(io.BytesIO(data))
    assert shown.format == "PNG"
    assert not shown.getexif()
    assert max(shown.size) <= 1024


def test_a_small_image_is_shown_without_loss(services, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4), np.uint8)
    store(services, save(tmp_path / "a.npz", images=images, labels=np.arange(2)))
    data, media_type = services.pictures.image("pets", 1)
    assert media_type == "image/png"
    np.testing.assert_array_equal(pixels_of(data)[..., 0], images[1])


def test_a_vector_is_drawn_as_bars_about_the_middle(services, tmp_path):
    vectors = np.array([[1.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]])
    store(services, save(tmp_path / "v.npz", features=vectors, labels=np.arange(2)))
    data, media_type = services.pictures.image("pets", 0)
    strip = pixels_of(data)
    assert (strip.shape, media_type) == ((64, 64, 3), "image/png")
    back = (24, 30, 40)
    heights = [int((strip[:, column] != back).any(axis=1).sum()) for column in (0, 16, 32, 48)]
    assert heights == [32, 32, 17, 1]  # 31, -31, 16 and 0 beside the middle line
    assert (strip[10, 0] != back).any()
    assert (strip[50, 16] != back).any()
    sheet = pixels_of(services.pictures.sprite("pets", [1, 0]))
    np.testing.assert_array_equal(cell(sheet, 1, 64), strip)


@pytest.mark.parametrize("n_features", [1, 63, 64, 65, 1000])
def test_vectors_of_any_width_fill_the_strip(services, tmp_path, n_features):
    vectors = np.full((2, n_features), 3.0)
    store(services, save(tmp_path / "v.npz", features=vectors, labels=np.arange(2)))
    strip = pixels_of(services.pictures.image("pets", 0)[0])
    assert ((strip != (24, 30, 40)).any(axis=2).sum(axis=0) == 32).all()


def test_a_sheet_of_no_rows_or_too_many_is_refused(services, tmp_path):
    store(services, save(tmp_path / "v.npz", features=np.eye(2), labels=np.arange(2)))
    for rows in ([], [0] * (MAX_SPRITE_CELLS + 1)):
        with pytest.raises(SettingError, match=f"1 to {MAX_SPRITE_CELLS} thumbnails, not"):
            services.pictures.sprite("pets", rows)
    assert services.pictures.sprite("pets", [0] * MAX_SPRITE_CELLS)


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_is_refused(services, tmp_path, row):
    store(services, save(tmp_path / "v.npz", features=np.eye(2), labels=np.arange(2)))
    with pytest.raises(RecordNotFoundError, match=f"pets has no row {row}"):
        services.pictures.sprite("pets", [0, row])
    with pytest.raises(RecordNotFoundError, match=f"pets has no row {row}"):
        services.pictures.image("pets", row)
