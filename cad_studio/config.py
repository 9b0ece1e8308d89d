"""Where the studio works and listens; read once, by the entry points."""

import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cad_studio.core.errors import SettingError

_SPACE_FOLDER = Path("/data")
_ROOT_PATH = re.compile(r"(https?://[A-Za-z0-9.:\[\]_-]+)?(/[A-Za-z0-9._~-]+)*/?")
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//[A-Za-z0-9.\[\]_-]+(:([0-9]{1,5}|\*))?)?")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|[0-9A-Fa-f:.]+")


@dataclass(frozen=True)
class AppConfig:
    """Settings of one start of the studio.

    Attributes:
        project: Folder that holds everything the user makes.
        host: Address to listen on.
        port: Port to listen on; None takes 7860 or the next free one.
        share: Whether to open a public Gradio link.
        read_only: Whether visitors may only look.
        allow_hosts: Names under which the studio is served, beside those of this machine.
        trust_proxy: Whether `X-Forwarded-*` headers are what a proxy of the owner says.
        space_hosts: Names of the Hugging Face Space it runs on; empty elsewhere.
        space: Id of that Space, `OWNER/NAME`; empty elsewhere.
        root_path: Path, or whole address, under which a proxy serves the studio; empty for none.
        frames: Sources of other pages that may show the studio in a frame, as CSP writes them.
        cluster: Address of the Ray cluster that does the inner work of jobs, `local` for one on
            this machine, empty for the job's own process.
    """

    project: Path
    host: str = "127.0.0.1"
    port: int | None = None
    share: bool = False
    read_only: bool = False
    allow_hosts: tuple[str, ...] = ()
    trust_proxy: bool = False
    space_hosts: tuple[str, ...] = ()
    root_path: str = ""
    space: str = ""
    frames: str = ""
    cluster: str = ""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set what libraries read when they are imported; what is set already stays.

    Called first thing by every entry point. Nothing about the user leaves the machine; and threads
    that wait do so without spinning, which would take the core from the one they wait for.
    On a Mac, what PyTorch cannot compute on the graphics part goes to the processor.
    """
    environment.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    environment.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    environment.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def cluster_of(environment: Mapping[str, str]) -> str:
    """The cluster that `CAD_CLUSTER` names; empty for none. Asked by whatever runs jobs."""
    return environment.get("CAD_CLUSTER", "").strip()


def read_config(
    environment: Mapping[str, str],
    project: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    allow_hosts: Sequence[str] = (),
    trust_proxy: bool = False,
    root_path: str | None = None,
) -> AppConfig:
    """Put together arguments, then environment, then defaults.

    `CAD_PROJECT` names the project folder and `CAD_READONLY` (1 or 0) closes or opens a studio to
    changes; `CAD_ALLOW_HOSTS` (commas between) and `CAD_TRUST_PROXY` (1 or 0) say where it is
    served, as `--allow-host` and `--trust-proxy` do, and `CAD_ROOT_PATH` is `--root-path`. Gradio's
    own `GRADIO_SERVER_NAME` and `GRADIO_ROOT_PATH` count where the studio's are not given. On a
    Hugging Face Space (`SPACE_ID` is set) the project lies in `/data` when that is writable, the
    studio listens on all addresses and is served under the names in `SPACE_HOST`, and it is
    read-only unless `CAD_READONLY=0`. `CAD_FRAMES` names the pages, with spaces between, that may
    show the studio in a frame, such as those of a notebook server.

    Raises:
        SettingError: The name of a host or the path is none.
    """
    on_space = bool(environment.get("SPACE_ID"))
    if project is None and environment.get("CAD_PROJECT"):
        project = Path(environment["CAD_PROJECT"])
    if project is None and on_space and os.access(_SPACE_FOLDER, os.W_OK):
        project = _SPACE_FOLDER / "cad-studio"
    return AppConfig(
        project=(project or Path.home() / ".cad-studio").expanduser().absolute(),
        host=host
        or environment.get("GRADIO_SERVER_NAME", "").strip()
        or ("0.0.0.0" if on_space else "127.0.0.1"),
        port=port,
        share=share,
        read_only=environment.get("CAD_READONLY", "1" if on_space else "0") not in {"0", ""},
        allow_hosts=tuple(
            map(_checked, (*allow_hosts, *_listed(environment.get("CAD_ALLOW_HOSTS", ""))))
        ),
        trust_proxy=trust_proxy or environment.get("CAD_TRUST_PROXY", "0") not in {"0", ""},
        space_hosts=_listed(environment.get("SPACE_HOST", "")) if on_space else (),
        root_path=_root_path(
            root_path
            or environment.get("CAD_ROOT_PATH", "")
            or environment.get("GRADIO_ROOT_PATH", "")
        ),
        frames=_frames(environment.get("CAD_FRAMES", "")),
        space=environment.get("SPACE_ID", ""),
    )


def _root_path(given: str) -> str:
    path = given.strip().rstrip("/")
    if not _ROOT_PATH.fullmatch(path):
        raise SettingError(
            f"{given!r} is not a path. Give one such as /studio with --root-path or CAD_ROOT_PATH."
        )
    return path


def _frames(given: str) -> str:
    if not all(map(_SOURCE.fullmatch, given.split())):
        raise SettingError(
            f"{given!r} in CAD_FRAMES names no pages. Give addresses such as http://localhost:8888 "
            "with spaces between."
        )
    return " ".join(given.split())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _checked(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise SettingError(
            f"{host!r} is not the name of a host. Give one such as studio.example.org with "
            "--allow-host or CAD_ALLOW_HOSTS, without http:// and path."
        )
    return host
