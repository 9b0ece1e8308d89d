"""Pixels of every kind of image, and the limits."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets import decoding, picture_formats
from cad_studio.datasets.decoding import decode
from tests.datasets.sources import pixels, png


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG", "WEBP", "GIF"])
def test_every_format_gives_its_size_and_colour(kind):
    found = decode(encoded(Image.new("RGB", (6, 4), (250, 10, 10)), kind), "a")
    assert found.shape == (4, 6, 3)
    assert found.dtype == np.uint8
    assert abs(found.astype(int) - (250, 10, 10)).max() < 8


def test_endings_known_beforehand_agree_with_pillow():
    """These are told apart without loading all of Pillow's formats."""
    known = picture_formats.known_suffixes()
    assert known >= picture_formats._FIRST_SUFFIXES
    assert known.isdisjoint(picture_formats.NOT_PICTURES)
    assert set(picture_formats._FIRST_FORMATS) <= set(picture_formats.known_formats())
    for suffix in known | {"", ".csv", ".nothing"}:
        assert picture_formats.is_picture_name(f"a/b{suffix.upper()}") == (suffix in known)


def test_lossless_pixels_come_back_exactly():
    assert np.array_equal(decode(png(1), "a"), pixels(1))


def test_orientation_of_the_camera_is_applied():
    image = Image.fromarray(pixels(0))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees to be upright
    assert np.array_equal(decode(encoded(image, exif=exif), "a"), np.rot90(pixels(0), 3))


def test_grey_sixteen_bits_palette_and_transparency():
    grey = decode(encoded(Image.new("L", (2, 2), 7)), "a")
    assert grey.shape == (2, 2)
    assert (grey == 7).all()
    deep = Image.fromarray(np.full((2, 2), 0x80FF, np.uint16))
    assert (decode(encoded(deep), "a") == 0x80).all()
    palette = Image.new("RGB", (2, 2), (1, 2, 3)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode(encoded(palette), "a").tolist()[0][0] == [1, 2, 3]
    # Half of black over white is grey; all transparent is white.
    assert decode(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 128))), "a").tolist() == [[[127] * 3]]
    assert decode(encoded(Image.new("LA", (1, 1), (0, 0))), "a").tolist() == [[255]]


def test_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, "a")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_truncated_image_is_refused_by_name(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for length in (len(data) // 2, 20, 3):
        with pytest.raises(DatasetFormatError, match=r"cat\.png: "):
            decode(data[:length], "cat.png")


def test_image_bomb_is_refused_before_it_is_unpacked():
    data = bytearray(encoded(Image.new("L", (1, 1))))
    for side in (8_000, 60_000):
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        with pytest.raises(DatasetFormatError, match=r"bomb\.png.*50 megapixels"):
            decode(bytes(data), "bomb.png")


def test_text_and_foreign_formats_and_large_files_are_refused(monkeypatch):
    # of another program's, which Pillow would run
    script = encoded(Image.new("RGB", (16, 16)), "EPS")
    for data in (b"hello", script, b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(DatasetFormatError, match="known format"):
            decode(data, "a")
    with pytest.raises(DatasetFormatError, match="empty"):
        decode(b"", "a")
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 2**20)
    with pytest.raises(DatasetFormatError, match="at most 1 MiB"):
        decode(bytes(2**20 + 1), "a")
