"""Runners whose workers never come, for tests that claim jobs themselves."""

from cad_studio.jobs.local import LocalRunner

GONE = {"pid": 2**22 + 1, "started": "1"}
"""Where a process was that has ended."""


class NoWorkers(LocalRunner):
    """Knows processes as the real one does, but only counts the workers it is asked for."""

    def __init__(self, project):
        super().__init__(project)
        self.n_started = 0

    def submit(self):
        self.n_started += 1
        return self.here()  # as long as this process lives, the worker may still come


class NoneComes(NoWorkers):
    """Starts workers that end before they take a job."""

    def submit(self):
        self.n_started += 1
        return GONE
