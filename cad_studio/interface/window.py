"""The studio's pages beside a notebook, or in it."""

import html
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from cad_studio.core.errors import CadStudioError

_CODE_FOLDER = Path(__file__).parents[2]  # where Python finds the package, whatever the notebook's
_START_SECONDS = 120
_POLL_SECONDS = 0.1
_NOTEBOOKS = "http://localhost:* http://127.0.0.1:* vscode-webview:"


class StudioWindow:
    """The pages over a project, served by a process of their own; in a notebook it shows itself.

    Attributes:
        url: Where the pages are, on this machine alone.
        height: Of the frame in a notebook, in pixels.
    """

    def __init__(self, project: Path, height: int = 900, page: str = "") -> None:
        """Start it, and wait until it answers.

        Args:
            project: The project's folder.
            height: Of the frame in a notebook, in pixels.
            page: What the address opens, such as `open=pairs&dataset=sample`; empty for Home.

        Raises:
            CadStudioError: It does not start; says why.
        """
        self.height = height
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/" + (f"?{page}" if page else "")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the window
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cad_studio.window", "--project", str(project.absolute()),
             "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
            env={**os.environ, "CAD_FRAMES": _NOTEBOOKS, "PYTHONPATH": _search_path()},
        )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def close(self) -> None:
        """Stop serving; what was begun in the background goes on."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        self._log.close()

    def __repr__(self) -> str:
        """Where it is."""
        return f"<CAD Studio at {self.url}>"

    def _repr_html_(self) -> str:
        address = html.escape(self.url, quote=True)
        return (
            f'<iframe src="{address}" width="100%" height="{self.height}" style="border:0" '
            f'title="CAD Studio"></iframe><a href="{address}" target="_blank">Open in a tab</a>'
        )

    def _wait(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        until = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                opener.open(self.url, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(_POLL_SECONDS)
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").strip()
        raise CadStudioError(f"The window did not start. {said[-500:]}".strip())


def _search_path() -> str:
    """Where Python looks for modules, the package's own folder first."""
    others = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_CODE_FOLDER), *([others] if others else [])])
