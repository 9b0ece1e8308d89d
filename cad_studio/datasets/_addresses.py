"""Sources at an address (`https://`, `s3://`, `gs://`, `hf://`), fetched into a cache.

What fsspec finds (environment, configuration files, a login at the hub) opens what is not public;
an address that holds a credential itself is refused, because it would be stored. A download that
was cut off goes on where it ended, as long as the file is still the same.
"""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.datasets._memory import in_words
from cad_studio.datasets._trees import MAX_ENTRIES, MAX_TOTAL_BYTES, is_inside

DEFAULT_CACHE = Path("~/.cache/cad-studio/downloads")
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
"""What fsspec needs beside itself, by the start of the address."""

_ADDRESS = re.compile(r"(https?|s3|gs|gcs|hf)://", re.IGNORECASE)
_SECRET = re.compile(r"token|sig|secret|passw|credential|auth|api[-_]?key|^key$|^sas$|^x-", re.I)
_STEP_BYTES = 2**20
_SPARE_BYTES = 2**28
_BEGINNINGS = {b"PK\x03\x04": ".zip", b"PAR1": ".parquet", b"ARROW1": ".arrow"}
# The errors that the packages of fsspec raise beside those of Python, by module.
_FOREIGN = {
    "aiohttp": ("ClientError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError",),
    "httpx": ("HTTPError",),
    "httpx2": ("HTTPError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}


@dataclass(frozen=True)
class _File:
    """A file at an address.

    Attributes:
        path: As its file system calls it.
        name: Relative to what was asked for, with forward slashes.
        size_bytes: None where the server does not tell.
        state: Changes when its content does, as far as the server tells.
    """

    path: str
    name: str
    size_bytes: int | None
    state: str


def is_address(source: str) -> bool:
    """Whether a source lies somewhere else and has to be fetched first."""
    return _ADDRESS.match(source) is not None


def check_address(source: str) -> None:
    """Refuse an address that holds a credential; it would be stored with the dataset.

    Raises:
        SettingError: It does.
    """
    parts = urlsplit(source)
    secret = next((key for key, _ in parse_qsl(parts.query) if _SECRET.search(key)), None)
    if parts.username or parts.password or secret:
        held = f"{secret}=..." if secret else "a user name or password"
        raise SettingError(
            f"The address at {parts.hostname} holds {held}; it would be stored with the dataset. "
            "Give the address without it, and the credential where fsspec looks for it "
            "(environment, configuration file, login); or download the file and import that."
        )


def fetch(source: str, cache: Path | None, progress: Progress) -> Path:
    """The file or folder at an address, in the cache; what is there already is not fetched again.

    Args:
        source: The address.
        cache: Where downloads are kept; None is `DEFAULT_CACHE`.
        progress: Told how far it is; a stop leaves what was fetched, for the next time.

    Raises:
        SettingError: The address holds a credential.
        MissingPackageError: fsspec needs another package for it.
        ResourceError: It cannot be had, is beyond the limits, or does not fit on the disk.
    """
    check_address(source)
    scheme = source.partition(":")[0].lower()
    if scheme in PACKAGES:
        require(
            PACKAGES[scheme], install=PACKAGES[scheme], purpose=f"Reading {scheme}:// addresses"
        )
    import fsspec

    place = (cache or DEFAULT_CACHE).expanduser() / hashlib.sha256(source.encode()).hexdigest()[:16]
    progress.report(0.0, f"Asking for {_shown(source)}")
    try:
        system, path = fsspec.core.url_to_fs(source)
        files, is_folder = _listed(system, path, source)
        place.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock  # reading what lies here does without

        with FileLock(place / ".lock"):
            _check_limits(files, place, source)
            folder = place / _name_of(path) if is_folder else place
            _fetch_all(system, files, folder, place / ".state", progress)
    except _errors() as error:
        reason = (str(error).splitlines() or [""])[0][:300].rstrip(".") or type(error).__name__
        raise ResourceError(
            f"{_shown(source)} cannot be had ({reason}). Check the address, the network, and "
            "that you may read it; what was fetched is kept, and fetched on the next time."
        ) from error
    return folder if is_folder else _with_ending(folder / files[0].name)


def _listed(system: Any, path: str, source: str) -> tuple[list[_File], bool]:
    """The files at an address, and whether it is a folder. Any: fsspec has no types."""
    is_web = source.lower().startswith("http")
    info = system.info(path)
    if is_web and source.endswith("/"):
        raise ResourceError(
            f"{_shown(source)} is a folder on a web server, which cannot be listed for sure. Give "
            "the address of one file, such as a zip."
        )
    if is_web or info.get("type") != "directory":
        return [_file(info, path, _name_of(path))], False
    found = system.find(path, detail=True)
    root = path.rstrip("/")
    files = [
        _file(info, name, name.removeprefix(root).lstrip("/"))
        for name, info in sorted(found.items())
        if info.get("type") == "file"
    ]
    if not files:
        raise ResourceError(f"{_shown(source)} holds no files.")
    odd = next((file.name for file in files if not is_inside(file.name)), None)
    if odd is not None:
        raise ResourceError(f"{_shown(source)} holds {odd!r}, which would lie outside its folder.")
    return files, True


def _file(info: dict[str, Any], path: str, name: str) -> _File:
    keys = ("ETag", "etag", "oid", "blob_id", "md5Hash", "LastModified", "last_modified", "mtime")
    size = info.get("size")
    state = json.dumps([size, *(str(info[key]) for key in keys if info.get(key))])
    return _File(path, name, size, state)


def _check_limits(files: list[_File], place: Path, source: str) -> None:
    total = sum(file.size_bytes or 0 for file in files)
    if len(files) > MAX_ENTRIES or total > MAX_TOTAL_BYTES:
        raise ResourceError(
            f"{_shown(source)} has {len(files):,} files of {in_words(total)}; at most "
            f"{MAX_ENTRIES:,} files of {in_words(MAX_TOTAL_BYTES)} are fetched. Import a part."
        )
    kept = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    _check_room(total - kept, place, source)


def _check_room(size_bytes: int, place: Path, source: str) -> None:
    free = shutil.disk_usage(place).free - _SPARE_BYTES
    if size_bytes > free:
        raise ResourceError(
            f"{_shown(source)} needs {in_words(size_bytes)} more on the disk of {place}; "
            f"{in_words(free)} are free. Make room, or choose another place with --cache."
        )


def _fetch_all(
    system: Any, files: list[_File], folder: Path, state: Path, progress: Progress
) -> None:
    total = sum(file.size_bytes or 0 for file in files)
    done = 0
    for number, file in enumerate(files):
        name = file.name if len(files) == 1 else f"{number + 1:,} of {len(files):,}, {file.name}"

        def tell(n_bytes: int, name: str = name, before: int = done) -> None:
            if before + n_bytes > MAX_TOTAL_BYTES:
                raise ResourceError(f"{name}: more than {in_words(MAX_TOTAL_BYTES)}.")
            words = f"Fetching {name}: {in_words(n_bytes)}"
            progress.report(min((before + n_bytes) / total, 1.0) if total else 0.0, words)

        done += _fetch_one(system, file, folder / file.name, state / file.name, tell)


def _fetch_one(
    system: Any, file: _File, target: Path, state: Path, tell: Callable[[int], None]
) -> int:
    """Fetch a file unless it is there, from where an earlier try ended; returns its size.

    Args:
        system: An fsspec file system.
        file: What is fetched.
        target: Where it is put once it is whole.
        state: Start of the names of what is kept about it meanwhile.
        tell: Told how many bytes are there.
    """
    note = state.with_name(f"{state.name}.state")
    part = state.with_name(f"{state.name}.part")
    known = note.read_text(encoding="utf-8") if note.is_file() else ""
    if known == file.state and target.is_file():
        return target.stat().st_size
    for path in (target, note):
        path.parent.mkdir(parents=True, exist_ok=True)
    if known != file.state:
        part.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        note.write_text(file.state, encoding="utf-8")
    done = part.stat().st_size if part.is_file() and file.size_bytes is not None else 0
    with system.open(file.path, "rb") as remote, part.open("ab") as local:
        if done:
            try:
                remote.seek(done)
            except (OSError, ValueError, NotImplementedError):  # the server sends it as a whole
                done = 0
        local.truncate(done)
        tell(done)
        while piece := remote.read(_STEP_BYTES):
            local.write(piece)
            done += len(piece)
            tell(done)
    if file.size_bytes is not None and done != file.size_bytes:
        raise OSError(f"{file.name} ended after {done:,} of {file.size_bytes:,} bytes")
    part.replace(target)
    return done


def _with_ending(path: Path) -> Path:
    """The file, by a link with the ending of its kind where its address has none."""
    if path.suffix:
        return path
    with path.open("rb") as file:
        start = file.read(8)
    ending = next((end for mark, end in _BEGINNINGS.items() if start.startswith(mark)), "")
    named = path.with_name(path.name + ending)
    if ending and not named.exists():
        with suppress(FileExistsError):
            named.symlink_to(path.name)
    return named


def _name_of(path: str) -> str:
    name = PurePosixPath(urlsplit(path).path).name
    return "data" if name in ("", "..") else name


def _shown(source: str) -> str:
    """An address for a message, without its query."""
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _errors() -> tuple[type[BaseException], ...]:
    """What may go wrong on the way, of the packages that are loaded."""
    found: list[type[BaseException]] = [
        OSError, ValueError, RuntimeError, LookupError, TypeError, NotImplementedError,
    ]  # fmt: skip
    for module, names in _FOREIGN.items():
        loaded = sys.modules.get(module)
        found += [getattr(loaded, name) for name in names if hasattr(loaded, name)]
    return tuple(found)
