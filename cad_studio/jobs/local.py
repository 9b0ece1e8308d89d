"""Start worker processes on this machine."""

import subprocess
import sys
import threading
from pathlib import Path

_CODE_FOLDER = Path(__file__).parent.parent.parent


def start_worker(project: Path, log_file: Path) -> None:
    """Start a process that claims the next job of a project.

    It leads a process group of its own, so that it outlives the window and can be ended as a
    whole.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cad_studio.worker", str(project)],
            cwd=_CODE_FOLDER,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # waiting for it keeps an ended worker from staying in the process table
    threading.Thread(target=process.wait, name=f"worker-{process.pid}", daemon=True).start()
