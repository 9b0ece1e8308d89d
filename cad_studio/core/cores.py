"""How many of the machine's processor cores this process may use."""

import os


def n_cores() -> int:
    """At least 1; in a container those it was given, where the system tells."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
