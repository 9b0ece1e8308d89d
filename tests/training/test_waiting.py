"""Nothing in a training step waits for the device: looked at on the CPU, and counted on a GPU.

On the CPU a step is taken with tensors that remember that they would be on a device. Whatever
would make the host wait for it is noted with the line of ours that asked for it: reading a number,
an operation whose result has a size that depends on values, and a copy to the device that is not
`non_blocking`.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.core.progress import Silent
from cad_studio.training.guard import LossGuard
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.step import take_step
from tests.training.runs import small_images, small_plan

HOUSE = "cad_studio"
_SIZED = {
    "nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "bincount", "equal",
    "allclose", "repeat_interleave",
}  # fmt: skip
_READ = {
    "item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__index__", "is_nonzero",
}  # fmt: skip
ALLOWED = {
    # Stored edits are looked up on the disk, by numbers that are on the CPU anyway.
    "training/opening.py:edits: numpy",
}
"""Where a step waits all the same, each with its reason."""


class OnDevice(torch.Tensor):
    """A tensor that would be on a device; what is computed from it is one too."""


class Watch(TorchFunctionMode):
    """Notes what would make the host wait, and marks what would be on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        is_there = _is_there(args) or _is_there(list(kwargs.values()))
        moves = name in {"to", "cuda"} and _names_device(args[1:], kwargs)
        made = name in {"tensor", "as_tensor"} and kwargs.get("device") is not None
        if (
            (is_there and name in _READ | _SIZED)
            or (is_there and name == "__getitem__" and _is_mask(args[1]))
            or (moves and not is_there and not kwargs.get("non_blocking"))
            or made
        ):
            self.found.add(f"{_line_of_ours()}: {name}")
        out = func(*args, **kwargs)
        lasting = is_there and name not in _READ
        if lasting or moves or kwargs.get("device") is not None:
            return _marked(out)
        return out


def _is_there(values) -> bool:
    for value in values:
        if isinstance(value, OnDevice):
            return True
        if isinstance(value, list | tuple) and _is_there(value):
            return True
    return False


def _names_device(args, kwargs) -> bool:
    return kwargs.get("device") is not None or any(
        isinstance(each, torch.device) or each in ("cpu", "cuda") for each in args if not
        isinstance(each, torch.Tensor | torch.dtype | bool)
    )  # fmt: skip


def _is_mask(index) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)


def _marked(out):
    if isinstance(out, torch.Tensor) and type(out) is torch.Tensor:
        return out.as_subclass(OnDevice)
    if type(out) in (list, tuple):
        return type(out)(_marked(each) for each in out)
    return out


def _line_of_ours() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if HOUSE in path.parts and "tests" not in path.parts:
            place = path.parts[len(path.parts) - path.parts[::-1].index(HOUSE) :]
            return f"{'/'.join(place)}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "a test"


@contextmanager
def watching() -> Iterator[Watch]:
    with Watch() as watch:
        yield watch


def opened(method, data, outside=None, settings=None, **changes):
    plan = small_plan(method, device=changes.pop("device", "cpu"), **changes)
    if settings:
        plan = type(plan)(method, plan.backbone, plan.config, type(plan.settings)(**settings), 16)
    return open_session(data, plan, outside or Outside(), None, Silent(), lambda: None)


def mark(session):
    """All that is on the device of a run is marked to be there."""
    for module in session.algorithm.modules():
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = buffer.as_subclass(OnDevice)
    session.inputs._values = session.inputs._values.as_subclass(OnDevice)
    if session.truth is not None:
        session.truth = session.truth.as_subclass(OnDevice)
    if session.views is not None:
        session.views._mean = session.views._mean.as_subclass(OnDevice)
        session.views._std = session.views._std.as_subclass(OnDevice)


def begin(session, epoch=5):
    """What is done once an epoch, and a first step: both may wait."""
    session.algorithm.train()
    session.algorithm.begin_epoch(epoch)
    take(session, lambda loss: None, 0)


def take(session, check, step):
    part = np.arange(8 * step, 8 * step + 8)
    (images,) = session.inputs.batches([session.fit_rows[part]])
    take_step(session, part, images, check)


class Colours:
    """Colour images made of grey ones."""

    def __init__(self, pixels) -> None:
        self._pixels = pixels
        self.native_shape = (*pixels.native_shape[:2], 3)

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, rows, height, width, channels):
        return self._pixels.batch(rows, height, width, channels)


def edits(rows, labels):
    return np.zeros((len(rows), 20, 20, 1), np.uint8), np.ones(len(rows), bool)


_ALL_VIEWS = {"max_class_views": 0, "class_view_share": 1.0}
CASES = [
    *((method, {}, {}) for method in ALGORITHMS.names()),
    ("cad-cam", {"warm_up_epochs": 0}, {}),
    ("cad-cam", {"warm_up_epochs": 0, **_ALL_VIEWS}, {}),
    ("cad-cam", {"without_rl": True}, {"views": "paper"}),
    ("cad-cam", {"con_reduction": "per_instance"}, {"views": "paper", "colour": True}),
    ("cad", {"warm_up_epochs": 0, "max_class_views": 1}, {"edits": True}),
    ("pico", {}, {"views": "paper", "colour": True}),
]


@pytest.mark.parametrize(("method", "settings", "more"), CASES)
def test_no_step_waits_for_the_device(method, settings, more):
    data = small_images(n_train=32)
    if more.get("colour"):
        data = small_images(n_train=32, pixels=Colours(data.pixels))
    outside = Outside(edits=edits) if more.get("edits") else Outside()
    session = opened(method, data, outside, settings, views=more.get("views", "gentle"), epochs=8)
    begin(session)
    mark(session)
    with watching() as watch:
        for step in (1, 2):
            take(session, lambda loss: None, step)
    assert watch.found <= ALLOWED, "\n".join(sorted(watch.found - ALLOWED))


def test_every_wait_is_noticed():
    """What the test above looks for is found where it is."""
    there = torch.arange(6.0).as_subclass(OnDevice)
    cpu = torch.device("cpu")
    waits = {
        "item": lambda: there.sum().item(),
        "__float__": lambda: float(there[0]),
        "__bool__": lambda: bool(there.any()),
        "tolist": there.tolist,
        "cpu": there.cpu,
        "numpy": there.numpy,
        "nonzero": lambda: torch.nonzero(there),
        "__getitem__": lambda: there[there > 2],
        "bincount": lambda: torch.bincount(there.long()),
        "unique": lambda: torch.unique(there),
        "to": lambda: torch.ones(3).to(cpu),
        "tensor": lambda: torch.tensor([1.0], device=cpu),
    }
    for name, wait in waits.items():
        with watching() as watch:
            wait()
        assert any(name in found for found in watch.found), name
    free = [
        lambda: torch.ones(3).to(cpu, non_blocking=True) + there[:3],
        lambda: there.sort().values[torch.tensor([1, 2])],
        lambda: there.to(torch.float64),
        lambda: torch.zeros(3, device=cpu),
        lambda: torch.nonzero(torch.ones(3)),
    ]
    for each in free:
        with watching() as watch:
            each()
        assert watch.found == set()


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["proden", "cad-cam", "pico", "dirk-ref"])
def test_steps_on_a_gpu_never_synchronise(method):
    settings = {"max_class_views": 0, "class_view_share": 1.0} if method == "cad-cam" else {}
    data = small_images(n_train=64)
    session = opened(method, data, None, settings, epochs=8, device="cuda", precision="float32")
    guard = LossGuard("")

    def check(loss):
        guard.add(loss, 0, 0, [0])

    begin(session)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for step in (1, 2):
                take(session, check, step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [each for each in told if "synchroniz" in str(each.message)]
    n_allowed = 2 if method == "cad-cam" else 0  # one a step: the choice of the class views
    assert len(waits) <= n_allowed, [f"{each.filename}:{each.lineno}" for each in waits]
