"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from cad_studio.core.errors import StorageError, is_disk_full

UNFINISHED = ".unfinished"
"""Ending of what is being written; a killed process leaves it."""
RESUME = "Free some and resume; the last checkpoint is intact."
"""What to do when a run finds the disk full."""


@contextmanager
def replacing(target: Path, advice: str = "Free some and start again.") -> Iterator[Path]:
    """A file beside `target` that takes its place when the block ends well, and else is gone.

    Args:
        target: The file wanted; its folder is made when needed.
        advice: What to do when the disk is full.

    Raises:
        StorageError: The disk is full.
    """
    unfinished = target.with_name(f"{target.name}.{os.getpid()}-{get_ident()}{UNFINISHED}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, target)
    except Exception as error:
        if is_disk_full(error):
            raise StorageError(f"No space is left for {target}. {advice}") from error
        raise
    finally:
        unfinished.unlink(missing_ok=True)
