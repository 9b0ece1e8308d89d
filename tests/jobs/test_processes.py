"""Which process is meant, and why it ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cad_studio.jobs import memory, processes

BOOT = "13995472-f13b-4dc3-b1a8-b276e6d6954b"


@pytest.fixture
def machine(tmp_path):
    """Folders like `/proc` and `/sys`, in which a test writes the counters."""

    class Machine:
        root = tmp_path

        def write(self, file, text):
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return Machine()


@pytest.fixture
def boots(monkeypatch):
    monkeypatch.setattr(processes, "boot_id", lambda: BOOT)


def ended(**values):
    return {"pid": 2**22 + 1, "started": "1", "boot": BOOT, "oom_kills": {}, **values}


def test_this_process_is_alive_and_its_place_survives_a_row_of_json():
    place = processes.place_of(os.getpid())
    assert set(place) == {"pid", "started", "boot", "oom_kills"}
    assert processes.is_alive(place)


def test_an_ended_process_is_gone_even_before_it_was_waited_for():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        place = processes.place_of(child.pid)
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not processes.is_alive(place)


def test_a_row_of_the_first_version_names_no_boot_and_its_process_is_still_known():
    place = {"pid": os.getpid(), "started": processes.started(os.getpid())}
    assert processes.is_alive(place)
    assert not processes.is_alive({"pid": None, "started": None})
    assert not processes.is_alive({})


def test_a_process_that_shares_its_group_with_others_is_ended_alone_but_for_its_children():
    program = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        child = processes.place_of(int(parent.stdout.readline()))
        processes.end(processes.place_of(parent.pid))
        assert parent.wait(10) == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while processes.is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not processes.is_alive(child)


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (None, "Its process was killed or crashed."),
        (-signal.SIGKILL, "Its process was killed (SIGKILL)."),
        (-signal.SIGTERM, "Its process was killed (SIGTERM)."),
        (-signal.SIGSEGV, "Its process crashed (SIGSEGV); its log may say where."),
        (-63, "Its process was killed (signal 63)."),
        (1, "Its process ended too early, with exit status 1; its log may say why."),
    ],
)
def test_the_exit_of_a_process_is_told_in_words(boots, exit_code, words):
    assert processes.why_ended(ended(), exit_code) == words


def test_another_boot_means_the_machine_was_restarted(boots):
    restarted = "The machine was restarted while this job ran."
    assert processes.why_ended(ended(boot="before"), None) == restarted
    assert processes.why_ended(ended(boot=None), None) != restarted


@pytest.mark.parametrize(
    ("exit_code", "now", "is_memory"),
    [
        (None, 4, True),
        (-signal.SIGKILL, 4, True),
        (None, 3, False),
        (-signal.SIGTERM, 4, False),  # the system only ever kills
        (1, 4, False),
    ],
)
def test_a_counter_that_rose_means_memory_ran_out(boots, machine, exit_code, now, is_memory):
    machine.write("proc/vmstat", "nr_free_pages 12\noom_kill 3\n")
    place = ended(oom_kills=memory.count_oom_kills(machine.root))
    machine.write("proc/vmstat", f"nr_free_pages 12\noom_kill {now}\n")
    words = processes.why_ended(place, exit_code)
    assert words.startswith("The machine ran out of memory, and the system ended") == is_memory


V2 = ("proc/self/cgroup", "0::/user.slice/cad\n")
V2_EVENTS = "sys/fs/cgroup/user.slice/cad/memory.events"
V1 = ("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/box\n0::/\n")
V1_EVENTS = "sys/fs/cgroup/memory/box/memory.oom_control"


@pytest.mark.parametrize(
    ("group", "file", "text"),
    [
        (V2, V2_EVENTS, "low 0\nhigh 2\noom 7\noom_kill {}\noom_group_kill 0\n"),
        (V1, V1_EVENTS, "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
    ],
)
def test_the_counter_of_the_own_control_group_decides_over_that_of_the_machine(
    machine, group, file, text
):
    machine.write(*group)
    machine.write(file, text.format(3))
    machine.write("proc/vmstat", "oom_kill 90\n")
    counts = memory.count_oom_kills(machine.root)
    assert list(counts.values()) == [3, 90]
    machine.write("proc/vmstat", "oom_kill 95\n")  # of somebody else
    assert not memory.has_killed_since(counts)
    machine.write(file, text.format(4))
    assert memory.has_killed_since(counts)


def test_a_control_group_that_is_gone_leaves_the_word_to_the_machine(machine):
    machine.write(*V2)
    machine.write(V2_EVENTS, "oom_kill 3\n")
    machine.write("proc/vmstat", "oom_kill 90\n")
    counts = memory.count_oom_kills(machine.root)
    (machine.root / V2_EVENTS).unlink()
    assert not memory.has_killed_since(counts)
    machine.write("proc/vmstat", "oom_kill 91\n")
    assert memory.has_killed_since(counts)


def test_a_system_without_counters_says_nothing(machine):
    assert memory.count_oom_kills(machine.root) == {}
    assert not memory.has_killed_since({})


CPU = "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried"
GPU = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB"


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (MemoryError(), "machine"),
        (MemoryError("Unable to allocate 8.00 GiB for an array"), "machine"),
        (OSError(12, "Cannot allocate memory"), "machine"),
        (RuntimeError(CPU), "machine"),
        (OutOfMemoryError(GPU), "graphics device"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "graphics device"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), "graphics device"),
    ],
)
def test_errors_of_memory_are_told_with_advice(error, where):
    words = memory.shortage(error)
    assert words.startswith(f"The {where} has too little free memory for this. Close other")
    assert "smaller batch" in words


@pytest.mark.parametrize(
    "error", [RuntimeError("shape '[3]' is invalid"), OSError(28, "No space"), KeyError("memory")]
)
def test_other_errors_are_not_taken_for_a_want_of_memory(error):
    assert memory.shortage(error) is None
