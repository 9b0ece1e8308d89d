"""A second runner: a small batch system, as a cluster has one.

Tickets lie in a folder that all machines see; a scheduler, here a thread, starts a worker for each
and writes down how it ended. Whoever asks knows tickets only, never a process.
"""

import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from cad_studio import worker
from cad_studio.config import AppConfig
from cad_studio.jobs._base import LogPart, Place, Runner, WorkerStatus
from cad_studio.jobs.logs import read_part
from cad_studio.services.container import Services

ROOT = worker.__file__.rpartition("/cad_studio/")[0]


class BatchRunner(Runner):
    """Hands in tickets and reads what the scheduler wrote on them."""

    def __init__(self, project: Path, tickets: Path, own: str | None = None) -> None:
        self._project = project
        self._tickets = tickets
        self._own = own

    def submit(self) -> Place:
        ticket = uuid.uuid4().hex
        (self._tickets / f"{ticket}.wanted").touch()
        return {"ticket": ticket}

    def here(self) -> Place:
        return {"ticket": self._own}

    def status(self, place: Place) -> WorkerStatus:
        ended = self._tickets / f"{place.get('ticket')}.ended"
        if not ended.exists():
            return WorkerStatus(is_alive=True)
        return WorkerStatus(False, ended.read_text())

    def stop(self, place: Place) -> None:
        (self._tickets / f"{place['ticket']}.unwanted").touch()

    def logs(self, job_id: int, after_byte: int) -> LogPart:
        return read_part(self._project / "logs" / f"job-{job_id}.txt", after_byte)


class Scheduler(threading.Thread):
    """Starts a worker for each ticket, and ends those that are not wanted any more."""

    def __init__(self, project: Path, tickets: Path) -> None:
        super().__init__(daemon=True)
        self._project = project
        self._tickets = tickets
        self._nodes: dict[str, subprocess.Popen] = {}
        self._is_closed = threading.Event()

    def run(self) -> None:
        while not self._is_closed.wait(0.02):
            for file in self._tickets.glob("*.wanted"):
                file.unlink()
                self._nodes[file.stem] = subprocess.Popen(
                    [sys.executable, "-m", "tests.jobs.batch_system", str(self._project),
                     str(self._tickets), file.stem],
                    cwd=ROOT,
                )  # fmt: skip
            for file in self._tickets.glob("*.unwanted"):
                file.unlink()
                self._nodes[file.stem].kill()
            for ticket, node in list(self._nodes.items()):
                if node.poll() is not None:
                    self._write_end(ticket, "The node it ran on was lost.")
                    del self._nodes[ticket]

    def lose(self, ticket: str) -> None:
        """A node breaks down."""
        os.kill(self._nodes[ticket].pid, signal.SIGKILL)

    def close(self) -> None:
        self._is_closed.set()
        self.join()
        for node in self._nodes.values():
            node.kill()
            node.wait()

    def _write_end(self, ticket: str, words: str) -> None:
        unfinished = self._tickets / f"{ticket}.unfinished"
        unfinished.write_text(words)
        unfinished.rename(self._tickets / f"{ticket}.ended")


if __name__ == "__main__":
    project_folder, ticket_folder, own_ticket = sys.argv[1:]
    runner = BatchRunner(Path(project_folder), Path(ticket_folder), own_ticket)
    worker.work(Services(AppConfig(Path(project_folder)), runner))
