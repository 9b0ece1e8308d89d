"""What only some systems have is asked for, or guarded, in every file."""

import ast
from pathlib import Path

import cad_studio

ROOT = Path(cad_studio.__file__).parent
NOT_ON_WINDOWS = {
    "os": {
        "fork", "getpgid", "getuid", "geteuid", "killpg", "setsid", "sysconf", "uname", "chown",
        "getloadavg", "sched_getaffinity", "wait3", "wait4", "mkfifo",
    },
    "signal": {
        "SIGKILL", "SIGXCPU", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "SIGSTOP",
        "alarm", "setitimer", "pthread_kill",
    },
}  # fmt: skip
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "msvcrt", "winreg"}
GUARDED = {
    # under `os.name == "posix"` or `os.name == "nt"`, or where the module is there
    "jobs/processes.py": {"getpgid", "killpg"},
    "datasets/_reader_child.py": {"sysconf", "resource", "msvcrt"},
    "datasets/_reader_process.py": {"msvcrt"},
    "elsewhere.py": {"fcntl", "msvcrt"},
    "core/cores.py": {"sched_getaffinity"},
}
"""By file, what it uses where the system has it; each was looked at."""


def used(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in NOT_ON_WINDOWS.get(node.value.id, ()):
                yield node.attr
        elif isinstance(node, ast.Import):
            yield from MODULES & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node.module


def test_nothing_of_one_system_alone_is_used_unguarded():
    """`signal.SIGKILL` in a message ended the queue on Windows, and `pass_fds` every import."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        names = set(used(ast.parse(file.read_text(encoding="utf-8"))))
        if names:
            found[file.relative_to(ROOT).as_posix()] = names
    assert found == GUARDED


def test_files_are_lent_to_a_reader_in_the_way_of_each_system():
    tree = ast.parse((ROOT / "datasets" / "_reader_process.py").read_text(encoding="utf-8"))
    keywords = {
        keyword.arg for node in ast.walk(tree) if isinstance(node, ast.Call)
        for keyword in node.keywords
    }  # fmt: skip
    assert "pass_fds" not in keywords  # Windows refuses the argument, whatever it holds
