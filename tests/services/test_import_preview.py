"""What an import says before it does anything, and what becomes of pixels with more than 8 bits."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.datasets.deep_pixels import ValueRange
from cad_studio.services.datasets.import_texts import columns_in, names_in, options_from_json
from tests.services.small import blobs_in, noise, picture_folder, store


def look(services, source, **options):
    return services.importing.preview(str(source), ReadOptions(**options), Silent(), True)


def deep_folder(root, arrays, suffix="png"):
    for row, values in enumerate(arrays):
        (root / "ab"[row % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(root / "ab"[row % 2] / f"{row}.{suffix}")
    return root


def stored(services, name="pets"):
    pixels = services.datasets.load(name).pixels
    return [pixels.image(row)[..., 0] for row in range(len(pixels))]


def test_a_preview_says_all_that_an_import_does_and_stores_nothing(services, tmp_path):
    folder = picture_folder(tmp_path / "set", [noise(5, 4, seed=row) for row in range(12)])
    (folder / "notes.txt").write_text("odd")
    before = blobs_in(tmp_path)
    found = look(services, folder)
    assert blobs_in(tmp_path) == before
    assert services.datasets.all() == []
    made = store(services, folder)
    assert (found["n"], found["k"]) == (made["n"], made["k"]) == (12, 2)
    assert found["splits"] == {"train": 12}
    assert found["classes"] == {"a": 6, "b": 6}
    said = [line for line in found["lines"] if not line.startswith("Image formats")]
    assert set(said) <= set(made["understood"])
    assert "Left out: files with the ending .txt, which are no pictures: 1 (notes.txt)." in said
    data = services.datasets.load("pets")
    for row, shown in enumerate(found["rows"]):
        assert shown["id"] == data.ids[row]
        assert shown["candidates"] == [shown["label"]] == ["ab"[row % 2]]
        assert shown["picture"].startswith("data:image/png;base64,")
    assert data.record.report["understanding"]["layout"] == "a table of images"
    json.dumps(found)


def test_a_preview_shows_what_is_wrong_without_refusing(services, tmp_path):
    folder = picture_folder(tmp_path / "set", [noise(5, 4, seed=row) for row in range(3)])
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:45])
    with (folder / "metadata.csv").open("a") as file:
        file.write("\n7.png,a")
    found = look(services, folder)
    assert found["n_bad"] == 1
    assert (
        "1 of 4: unreadable images (first: metadata.csv, line 5: '7.png' does not exist)."
        in (found["problem_lines"])
    )
    assert "damaged" in found["rows"][1]["trouble"]
    with pytest.raises(DatasetFormatError, match="Nothing was imported"):
        store(services, folder)


@pytest.mark.parametrize("side", [8, 80])
def test_twelve_bits_share_one_scale(services, tmp_path, side):
    arrays = [np.full((side, side), value, np.uint16) for value in (0, 1000, 2000, 3000)]
    folder = deep_folder(tmp_path / "set", arrays)
    lines = look(services, folder)["lines"]
    assert any("0 to 4095 becomes 0 to 255" in line for line in lines)
    made = store(services, folder)
    assert any("values 0 to 3,000; 0 to 4095 becomes 0 to 255" in s for s in made["understood"])
    # by hand: value / 4095 * 255; ids are sorted a/0, a/2, b/1, b/3
    assert [image[0, 0] for image in stored(services)] == [0, 125, 62, 187]
    store(services, folder, "full", bit_depth=16)
    assert [image[0, 0] for image in stored(services, "full")] == [0, 8, 4, 12]


def test_scales_of_integers_floats_and_eight_bits_stand_side_by_side(services, tmp_path):
    folder = tmp_path / "set"
    deep_folder(folder, [np.array([[0, 65535]], np.uint16), np.array([[7, 200]], np.uint8)])
    for row, values in enumerate(([[-2.0, 2.0]], [[0.0, 1.0]])):
        Image.fromarray(np.array(values, np.float32)).save(folder / "a" / f"f{row}.tif")
    made = store(services, folder)
    found = {i: image[0].tolist() for i, image in enumerate(stored(services))}
    assert found == {0: [0, 255], 1: [0, 255], 2: [128, 191], 3: [7, 200]}
    assert sum(line.startswith("Value scale: ") for line in made["understood"]) == 2


def test_colours_of_sixteen_bits_keep_what_they_use(services, tmp_path):
    """Pillow keeps the upper byte only, which is black in pictures of 10 or 12 bits."""
    data = _png_of_sixteen_bits(np.array([[[1023, 512, 0], [0, 256, 1023]]], np.uint16))
    folder = picture_folder(tmp_path / "set", [noise(1, 2, 3), noise(1, 2, 3)])
    (folder / "0.png").write_bytes(data)
    store(services, folder)
    image = services.datasets.load("pets").pixels.image(0)
    assert image.tolist() == [[[255, 128, 0], [0, 64, 255]]]


def _png_of_sixteen_bits(values):
    import struct
    import zlib

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        out.write(struct.pack(">I", len(body)) + kind + body)
        out.write(struct.pack(">I", zlib.crc32(kind + body)))
    return out.getvalue()


def test_a_pixel_that_is_no_number_is_a_problem_of_its_image(services, tmp_path):
    arrays = [np.array([[0.5, 1.0]], np.float32), np.array([[np.nan, 1.0]], np.float32)]
    folder = deep_folder(tmp_path / "set", [*arrays, arrays[0]], "tif")
    with pytest.raises(DatasetFormatError, match=r"unreadable images.*b/1\.tif"):
        store(services, folder)
    assert store(services, folder, skip_bad=True, class_names=("a", "b"))["n"] == 2


def test_the_bits_in_use_are_the_first_depth_that_holds_them():
    for largest, bits in ((200, 8), (256, 10), (3049, 12), (5000, 14), (65535, 16)):
        seen = ValueRange()
        seen.add(np.array([[0, largest]], np.uint16))
        assert seen.scale().whole == (0.0, 2.0**bits - 1)
    seen = ValueRange()
    seen.add(np.array([[-5, 100_000]], np.int32))
    assert seen.scale().whole == (-5.0, 100_000.0)


def test_further_frames_and_turned_images_are_said(services, tmp_path):
    folder = picture_folder(tmp_path / "set", [noise(5, 4, 3), noise(5, 4, 3, seed=1)])
    frames = [Image.new("RGB", (4, 5), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "0.png", "GIF", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(noise(5, 4, 3)).save(folder / "1.png", exif=exif)
    said = store(services, folder)["understood"]
    assert "Left out: further frames or pages of images; the first is taken: 1 (0.png)." in said
    assert "Orientation: 1 images turned upright by EXIF." in said
    assert "Image formats: GIF (1), PNG (1)." in said


def test_names_and_columns_are_read_as_they_are_typed():
    assert names_in('elm,oak, "beech, red"') == ["elm", "oak", "beech, red"]
    assert names_in("") == []
    assert columns_in('image=file, class=a,"class=b, c"') == {
        "image": ["file"], "class": ["a", "b, c"],
    }  # fmt: skip
    with pytest.raises(SettingError, match="'file' does not say which column is what"):
        columns_in("image=x,file")
    with pytest.raises(SettingError, match="is not a list of names"):
        names_in('"beech, red')
    with pytest.raises(SettingError, match="'formt' is not an option"):
        options_from_json({"formt": "npz"})
    assert options_from_json({"splits": None, "columns": None, "threshold": None}) == ReadOptions()
