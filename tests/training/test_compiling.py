"""When networks are compiled, and that it changes nothing but the time."""

import shutil

import pytest
import torch

from cad_studio.core.errors import MissingPackageError
from cad_studio.core.progress import Silent
from cad_studio.training.compiling import PAYS_FROM_STEPS, choose_compile
from cad_studio.training.model_file import load_model
from cad_studio.training.trainer import MODEL_FILE, Trainer
from tests.training.runs import small_images
from tests.training.test_resuming import plan_of

CPU = torch.device("cpu")


def test_a_cpu_is_never_compiled_for_by_itself():
    assert not choose_compile("auto", CPU, 10 * PAYS_FROM_STEPS)
    assert not choose_compile("off", CPU, 10 * PAYS_FROM_STEPS)


def test_short_runs_are_not_compiled():
    assert not choose_compile("auto", torch.device("cuda"), PAYS_FROM_STEPS - 1)


def test_a_missing_compiler_is_said_before_the_first_step(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"needs a C\+\+ compiler.* compile to off"):
        choose_compile("on", CPU, 1)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_a_compiled_run_learns_the_same_in_batches_of_any_size(tmp_path):
    results = {}
    for compile in ("off", "on"):
        plan = plan_of("cad-cam", epochs=2, compile=compile)
        result = Trainer(small_images(), plan, tmp_path / compile).fit(Silent())
        results[compile] = result.last.losses
        load_model(tmp_path / compile / MODEL_FILE)
    assert results["on"] == pytest.approx(results["off"], rel=0.02)
