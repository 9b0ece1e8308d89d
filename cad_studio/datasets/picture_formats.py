"""Which files are pictures that can be read: by what Pillow knows, by ending and by content.

Formats that Pillow hands to another program (EPS to Ghostscript) or only recognises are left out.
HEIC is read where the package `pillow-heif` is installed.
"""

from functools import cache
from importlib import import_module
from typing import BinaryIO

from PIL import Image

from cad_studio.core.optional import is_installed

START_BYTES = 64
"""How much of a file `picture_in` needs."""

HEIC = "HEIC"
HOW_TO_READ_HEIC = "Install pillow-heif to read them, or convert them to JPEG or PNG."

_COMMON = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF")
# Run by another program, film, or recognised without being read.
_NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF", "PALM", "IPTC"}
# Formats whose first bytes tell them for sure; of `BM` or `P5` texts may begin, too.
_SURE = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF", "JPEG2000", "HEIF", "PSD")
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_HEIC_SUFFIXES = {".heic", ".heif", ".hif"}
# Pillow knows these from the start. Its other formats are forty modules, loaded when first met.
_FIRST_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM")
_FIRST_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ppm", ".pgm"})

NOT_PICTURES = frozenset(
    {
        *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".toml"),
        *(".md", ".rst", ".html", ".htm", ".css", ".js", ".pdf", ".doc", ".docx", ".xls", ".xlsx"),
        *(".py", ".ipynb", ".sh", ".m", ".r", ".log", ".ini", ".cfg", ".lock"),
        *(".npy", ".npz", ".mat", ".pkl", ".pt", ".pth", ".h5", ".hdf5", ".parquet", ".arrow"),
        *(".zip", ".gz", ".tar", ".tgz", ".7z", ".rar", ".db", ".sqlite"),
        *(".svg", ".mp4", ".avi", ".mov", ".mkv", ".wav", ".mp3"),
    }
)
"""Endings that are not looked into: a set may hold one of these beside each image."""


@cache
def known_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, common ones first."""
    if is_installed("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    Image.init()
    names = sorted(name for name in Image.OPEN if name not in _NOT_READ)
    # tried one after the other
    return (*(n for n in _COMMON if n in names), *(n for n in names if n not in _COMMON))


@cache
def known_suffixes() -> frozenset[str]:
    """File name endings of these formats, in lower case with the dot."""
    formats = {*known_formats(), "MPO"}  # opened as JPEG
    return frozenset(
        suffix for suffix, name in Image.registered_extensions().items() if name in formats
    )


def is_picture_name(name: str) -> bool:
    """Whether the ending of a file name is that of a picture that can be read."""
    suffix = suffix_of(name)
    if suffix in _FIRST_SUFFIXES:
        return True
    return bool(suffix) and suffix not in NOT_PICTURES and suffix in known_suffixes()


def open_picture(stream: BinaryIO) -> Image.Image:
    """Open a picture of any known format, going by its content.

    Raises:
        PIL.UnidentifiedImageError: It is in none of them.
    """
    try:
        return Image.open(stream, formats=_FIRST_FORMATS)
    except Image.UnidentifiedImageError:
        stream.seek(0)
    return Image.open(stream, formats=known_formats())


def suffix_of(name: str) -> str:
    """The ending of a file name in lower case with the dot; empty without one."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{ending}".lower() if stem else ""


def is_heic_name(name: str) -> bool:
    """Whether a name says HEIC while nothing that reads it is installed."""
    return suffix_of(name) in _HEIC_SUFFIXES and not is_picture_name(name)


def picture_in(start: bytes) -> str | None:
    """The format of the picture that begins so, or None where it is none for sure.

    Args:
        start: The first `START_BYTES` bytes of a file.

    Returns:
        Pillow's name of the format, or `HEIC` for one that nothing here reads.
    """
    formats = known_formats()
    for name in _SURE:
        accept = Image.OPEN[name][1] if name in formats else None
        if accept is not None and accept(start[:16]) is True:
            return name
    is_box = start[4:8] == b"ftyp"
    return HEIC if is_box and start[8:12] in _HEIC_BRANDS and "HEIF" not in formats else None
