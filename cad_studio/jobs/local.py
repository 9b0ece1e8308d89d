"""Workers as processes of this machine."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from cad_studio.jobs import processes
from cad_studio.jobs._base import LogPart, Place, Runner, WorkerStatus
from cad_studio.jobs.logs import read_part
from cad_studio.store.projects import Project

_CODE_FOLDER = Path(__file__).parent.parent.parent
_REAPING_SECONDS = 1.0


class LocalRunner(Runner):
    """Starts `cad_studio.worker` in processes that outlive the one that asks."""

    def __init__(self, project: Project) -> None:
        """Work for `project`."""
        self._project = project
        self._children: dict[int, tuple[Place, subprocess.Popen[bytes], threading.Thread]] = {}

    def submit(self) -> Place:
        """Start a process that leads a group of its own, so that it can be ended as a whole."""
        log_file = self._project.folder / "logs" / "worker.txt"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cad_studio.worker", str(self._project.folder)],
                cwd=_CODE_FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        place = processes.place_of(process.pid)
        # waiting for it keeps an ended worker from staying in the process table
        waiting = threading.Thread(target=process.wait, name=f"worker-{process.pid}", daemon=True)
        waiting.start()
        self._children[process.pid] = (place, process, waiting)
        return place

    def here(self) -> Place:
        """This process."""
        return processes.place_of(os.getpid())

    def status(self, place: Place) -> WorkerStatus:
        """Whether the process runs; if not, why, as far as this process can know."""
        if processes.is_alive(place):
            return WorkerStatus(is_alive=True)
        return WorkerStatus(False, processes.why_ended(place, self._exit_code(place)))

    def stop(self, place: Place) -> None:
        """Kill the process and its group."""
        processes.end(place)

    def logs(self, job_id: int, after_byte: int) -> LogPart:
        """What the job printed."""
        return read_part(self._project.log_file(job_id), after_byte)

    def _exit_code(self, place: Place) -> int | None:
        """What a worker ended with, when it was started here."""
        known, process, waiting = self._children.get(place.get("pid", 0), (None, None, None))
        if known is None or process is None or known["started"] != place.get("started"):
            return None
        if waiting is not None:
            waiting.join(_REAPING_SECONDS)
        return process.returncode
