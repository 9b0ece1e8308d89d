"""Read a log that is still being written, piece by piece."""

import codecs
from pathlib import Path

from cad_studio.jobs._base import LOG_PART_BYTES, LogPart


def read_part(file: Path, after_byte: int) -> LogPart:
    """What stands in a log from a byte on, as whole characters.

    Args:
        file: UTF-8 text; one that is not there yet counts as empty.
        after_byte: Where to begin; below 0 counts from the end. Beyond the end nothing is read.

    Returns:
        At most `LOG_PART_BYTES`. A character whose last bytes are not written yet is left for the
        next time; bytes that are no text at all show as U+FFFD.
    """
    try:
        with file.open("rb") as log:
            size = log.seek(0, 2)
            begin = max(0, size + after_byte) if after_byte < 0 else min(after_byte, size)
            log.seek(begin)
            data = log.read(LOG_PART_BYTES)
    except FileNotFoundError:
        return LogPart("", max(0, after_byte))
    if after_byte < 0:
        # the middle of a character is passed over, not shown as an unknown one
        rest = data.lstrip(bytes(range(0x80, 0xC0))) if begin else data
        begin, data = begin + len(data) - len(rest), rest
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data)
    unfinished, _state = decoder.getstate()
    return LogPart(text, begin + len(data) - len(unfinished))
