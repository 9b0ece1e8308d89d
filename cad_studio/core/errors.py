"""Errors a user can do something about.

Everything else (a bug) is a built-in exception. `JobCancelled` is neither: it is control flow.
"""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches


class CadStudioError(Exception):
    """What is wrong, where, and what to do next, in words for the user."""


class DatasetFormatError(CadStudioError):
    """A source of data is not what its format asks for."""


class DoubtfulSourceError(DatasetFormatError):
    """A source can be read in two ways that give different datasets; the user has to choose."""


class ReaderEndedError(CadStudioError):
    """The process that read a source crashed, or went past its memory or its time."""


class SettingError(CadStudioError):
    """A setting is out of range or names something that does not exist."""


class RecordNotFoundError(CadStudioError):
    """The project holds no such thing."""


class ProjectError(CadStudioError):
    """The project folder cannot be used."""


class StorageError(CadStudioError):
    """The disk did not take what was to be saved."""


class DamageError(CadStudioError):
    """Something stored is missing, or not what was written."""


class MissingPackageError(CadStudioError):
    """An optional package is not installed."""


class ResourceError(CadStudioError):
    """Something from outside (weights, a dataset, a device) cannot be had here."""


class NotReadyError(CadStudioError):
    """Work beside has to end first; asked again in a moment there is an answer."""


class ReadOnlyError(CadStudioError):
    """This studio may be looked at but not changed."""


class NotAllowedError(CadStudioError):
    """The visitor's role does not allow this."""


class JobCancelled(Exception):
    """A job was asked to stop and has stopped."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException) -> bool:
    """Whether the system refused a write for lack of space, quota or allowed file size."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    # safetensors wraps the system's error and keeps only its text.
    return any(text in str(error) for text in ("os error 28", "os error 27", "os error 122"))


# What torch says on the CPU, CUDA and MPS; most of it comes as a bare RuntimeError.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can(?:'|no)t allocate memory|_ALLOC_FAILED", re.IGNORECASE
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, of the machine or of a device."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))


def closest(word: str, allowed: Iterable[str]) -> str:
    """A sentence that helps with a misspelt name.

    Args:
        word: What the user wrote.
        allowed: What would have been right.

    Returns:
        `Closest: 'x'.`, or all names when there are at most twenty, or an empty string.
    """
    names = list(allowed)
    match = get_close_matches(word, names, n=1, cutoff=0.6)
    if match:
        return f"Closest: {match[0]!r}."
    if 0 < len(names) <= 20:
        return f"Allowed: {', '.join(names)}."
    return ""
