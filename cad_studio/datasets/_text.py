"""Text files of unknown origin: their encoding, found out or given."""

import codecs
import re

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError
from cad_studio.core.understanding import Understanding

OPTION = "--encoding"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "cp1252"
_LOOKED_AT = 65536
# In texts of Western languages accented letters stand among plain ones; what was written in another
# encoding shows runs of them.
_RUN = re.compile(r"[^\x00-\x7f]{2,}")
_ODD = re.compile(r"[^\x00-\x7f\w\u20ac\u2010-\u2026\u201e\xa7\xa9\xab\xae\xb0\xbb\xbf\xa1]")


def decoded(
    data: bytes, name: str, encoding: str | None = None, told: Understanding | None = None
) -> str:
    """The text of a file: Unicode by its mark or as UTF-8, else Western European, else refused.

    Args:
        data: The file.
        name: What to call it in a message.
        encoding: What the user says it is.
        told: Takes down the encoding.

    Raises:
        SettingError: There is no such encoding.
        DatasetFormatError: It is not text in this encoding; with the line.
        DoubtfulSourceError: It may be in several encodings, none of them Unicode.
    """
    if encoding is not None:
        if told is not None:
            told.take("encoding", f"{encoding} in {name}", OPTION)
        return _as_given(data, name, encoding)
    found = next((named for mark, named in _MARKS if data.startswith(mark)), None)
    found = found or _without_mark(data[:_LOOKED_AT]) or "utf-8"
    try:
        text = data.decode(found)
    except UnicodeDecodeError as error:
        if found != "utf-8":
            raise _not_text(data, name, found, error) from error
        text, found = _western(data, name, error), _WESTERN
    if told is not None:
        words = "cp1252 (Western European Windows)" if found == _WESTERN else found.upper()
        words = words.removesuffix("-SIG")
        told.take("encoding", f"{words} in {name}", OPTION)
    return text


def _as_given(data: bytes, name: str, encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        text = data.decode("utf-8-sig" if codec == "utf-8" else codec)
    except (LookupError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise _not_text(data, name, encoding, error) from error
        raise SettingError(
            f"{encoding!r} is not a known encoding. Examples: utf-8, utf-16, cp1252, gb18030, "
            "shift_jis."
        ) from error
    return text


def _without_mark(start: bytes) -> str | None:
    """UTF-16 without a byte order mark: every other byte of plain letters is zero."""
    half = len(start) // 2
    if half < 4:
        return None
    if start[1::2].count(0) > 0.4 * half and not start[::2].count(0):
        return "utf-16-le"
    if start[::2].count(0) > 0.4 * half and not start[1::2].count(0):
        return "utf-16-be"
    return None


def _western(data: bytes, name: str, error: UnicodeDecodeError) -> str:
    """The text as cp1252, where it looks like that.

    Raises:
        DoubtfulSourceError: It does not.
    """
    line = data[: error.start].count(b"\n") + 1
    place = f"{name}, line {line}: this is not UTF-8 text"
    try:
        text = data.decode(_WESTERN)
    except UnicodeDecodeError:
        text = ""
    foreign = sum(not char.isascii() for char in text[:_LOOKED_AT])
    odd = sum(len(run) for run in _RUN.findall(text[:_LOOKED_AT]))
    odd += len(_ODD.findall(text[:_LOOKED_AT]))
    if text and odd <= foreign // 4:
        return text
    from charset_normalizer import from_bytes  # needed for few files, and slow to load

    guess = from_bytes(data[:_LOOKED_AT]).best()
    names = dict.fromkeys([guess.encoding.replace("_", "-")] if guess else [])
    names |= dict.fromkeys([_WESTERN, "gb18030", "shift_jis"])
    sample = data[error.start : error.start + 12].split(b"\n")[0]
    shown = ", ".join(
        f"{sample.decode(named, 'replace')!r} in {named}" for named in list(names)[:4]
    )
    raise DoubtfulSourceError(
        f"{place}, and its encoding is not certain: {shown}. Say which with {OPTION}, or save the "
        "file as UTF-8."
    )


def _not_text(
    data: bytes, name: str, encoding: str, error: UnicodeDecodeError
) -> DatasetFormatError:
    line = data[: error.start].count(b"\n") + 1
    return DatasetFormatError(
        f"{name}, line {line}: this is not {encoding} text. Name another encoding with {OPTION}, "
        "or save the file as UTF-8."
    )
