"""Runs that travel: what is packed, trained elsewhere and taken back is as if trained here."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cad_studio import elsewhere
from cad_studio.core.archive import Archive, writing_archive
from cad_studio.core.errors import (
    CadStudioError,
    DatasetFormatError,
    RecordNotFoundError,
    SettingError,
)
from cad_studio.core.progress import Silent
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.training.training import TrainingRequest
from cad_studio.training import pack as packing
from tests.services.annotating import request as annotate
from tests.services.edited import with_editor
from tests.services.small import noise, picture_folder, store
from tests.services.test_training import QUICK, pictures, train, vectors

ROOT = Path(__file__).parents[2]
BLOCKED = (
    "gradio", "sqlalchemy", "alembic", "mako", "faiss", "datasets", "umap", "plotly",
    "transformers", "diffusers", "typer", "filelock", "krippendorff", "pandas", "pyarrow",
    "threadpoolctl",
)  # fmt: skip
WITHOUT_TIME = {"samples_per_second", "seconds", "memory_mb"}


def request(dataset="shades", method="proden", settings=None, backbone="", **config):
    config = {**QUICK, **config}
    return TrainingRequest(dataset, method, backbone, config=config, settings=settings or {})


def packed(services, folder, wanted=None, truth=True, name="a.run.zip"):
    run = services.travel.create(wanted or request(), truth)
    return run.id, services.travel.pack(run.id, folder / name, Silent())


def trained(file, out=None, **changes):
    return Path(elsewhere.train(file, out, changes, elsewhere.Told(is_json=True))["out"])


def figures(services, run_id):
    reports = services.runs.reports(run_id)
    return [{k: v for k, v in report.items() if k not in WITHOUT_TIME} for report in reports]


def files_of(services, run_id):
    """Hash of every file of a run but the times in its checkpoints' states."""
    folder, found = services.project.run_folder(run_id), {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "state.json":
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
    return found


def assert_as_if_trained_here(services, here, there):
    assert figures(services, here) == figures(services, there)
    assert files_of(services, here) == files_of(services, there)
    ours, theirs = services.runs.get(here), services.runs.get(there)
    for key in ("status", "epochs_done", "config", "settings", "data_version"):
        assert ours[key] == theirs[key]
    assert ours["best"]["epoch"] == theirs["best"]["epoch"]
    assert set(theirs["environment"]) == set(ours["environment"]) | {"packed"}


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("proden", {"start": "uniform"}),
        ("proden", {"start": "propagation", "epochs": 4, "refresh_epochs": "1, 2"}),
        ("cad-cam", {"start": "propagation", "epochs": 3, "refresh_epochs": "1"}),
        ("supervised", {"epochs": 1}),
    ],
)
def test_a_run_trained_elsewhere_is_as_if_trained_here(services, tmp_path, method, config):
    pictures(services, tmp_path)
    here = train(services, method=method, **config)["run"]
    there, _ = packed(services, tmp_path, request(method=method, **config))
    assert services.runs.get(there)["status"] == "packed"
    result = services.travel.take(trained(tmp_path / "a.run.zip"), Silent())
    assert result["run"] == there
    assert result["test_accuracy"] == services.training.result(here)["test_accuracy"]
    assert_as_if_trained_here(services, here, there)
    assert services.training.evaluate(there, None, Silent())["accuracy"] == pytest.approx(
        result["test_accuracy"], abs=1e-6
    )


def test_vectors_travel_too(services, tmp_path):
    vectors(services, tmp_path)
    config = {"start": "propagation", "refresh_epochs": "1"}
    here = train(services, "points", **config)["run"]
    there, _ = packed(services, tmp_path, request("points", **config))
    services.travel.take(trained(tmp_path / "a.run.zip"), Silent())
    assert_as_if_trained_here(services, here, there)


def test_stored_edits_travel_and_are_learned_from(services, tmp_path):
    with_editor(services, tmp_path)
    services.augmentation.make(AugmentRequest("b", budget={"budget": "all", "limit": 20}), Silent())
    wanted = request("b", "cad", {"instance_epochs": 0, "warm_up_epochs": 0}, start="uniform")
    here = services.training.create(wanted)
    services.training.train(here.id, Silent())
    there, told = packed(services, tmp_path, wanted)
    assert "20 of" in told["notes"][-1]
    assert len(Archive(tmp_path / "a.run.zip").array("edits/images.npy")) == 20
    services.travel.take(trained(tmp_path / "a.run.zip"), Silent())
    assert_as_if_trained_here(services, here.id, there)


def test_images_that_stay_encoded_travel_too(services, tmp_path):
    arrays = [noise(30 + row % 3, 40, 3, seed=row) // 2 + 120 * (row % 2) for row in range(24)]
    store(services, picture_folder(tmp_path / "pictures", arrays), "pictures")
    assert services.datasets.load("pictures").pixels.native_shape is None
    wanted = request("pictures", backbone="resnet8", epochs=1, batch_size=8, start="uniform")
    here = services.training.create(wanted)
    services.training.train(here.id, Silent())
    there, _ = packed(services, tmp_path, wanted)
    services.travel.take(trained(tmp_path / "a.run.zip"), Silent())
    assert_as_if_trained_here(services, here.id, there)


@pytest.mark.long
def test_training_elsewhere_needs_the_engine_alone_and_goes_on_after_a_kill(services, tmp_path):
    pictures(services, tmp_path)
    config = {"start": "propagation", "epochs": 3, "refresh_epochs": "1"}
    here = train(services, method="cad-cam", **config)["run"]
    there, _ = packed(services, tmp_path, request(method="cad-cam", **config))
    program = (
        "import sys, os\n"
        f"for name in {BLOCKED}: sys.modules[name] = None\n"
        "from cad_studio.training import checkpoint\n"
        "save = checkpoint.Checkpoints.save\n"
        "def dies(self, tensors, state):\n"
        "    save(self, tensors, state)\n"
        "    if os.environ.get('DIES') and state['epoch'] == 1: os.kill(os.getpid(), 9)\n"
        "checkpoint.Checkpoints.save = dies\n"
        "import runpy; sys.argv = ['cad_studio', 'run', 'train', *sys.argv[1:]]\n"
        "runpy.run_module('cad_studio', run_name='__main__')\n"
    )

    def start(**environment):
        return subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "a.run.zip"), "--json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    assert start(DIES="1").returncode == -9
    assert not (tmp_path / "a" / "a.result.zip").exists()
    done = start()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["resumed"] == [1, 0]
    services.travel.take(Path(told["out"]), Silent())
    assert_as_if_trained_here(services, here, there)
    assert trained(tmp_path / "a.run.zip") == Path(told["out"])  # once more does no harm


def test_true_labels_stay_at_home_unless_asked_for(services, tmp_path):
    """Neither the labels nor the sets of test samples, which are often nothing else."""
    truth = pictures(services, tmp_path)
    there, told = packed(services, tmp_path, truth=False)
    archive = Archive(tmp_path / "a.run.zip")
    assert not told["with_truth"]
    assert not [name for name in archive.names() if "truth" in name or "pairs" in name]
    sets = archive.array("candidates.npy")
    assert not sets[96:].any()
    assert sets[:96].any(axis=1).all()
    result = services.travel.take(trained(tmp_path / "a.run.zip"), Silent())
    assert result["test_accuracy"] is None
    assert result["approximated_accuracy"] is not None
    here = train(services)["run"]
    assert files_of(services, here) == files_of(services, there)
    pictures(services, tmp_path, "other", labels=np.roll(truth, 1))
    with pytest.raises(SettingError, match="travel only if you ask for it"):
        services.travel.create(request("other", "supervised"), False)


def test_the_version_that_travels_is_named(services, tmp_path):
    pictures(services, tmp_path)
    _, first = packed(services, tmp_path)
    assert first["notes"][0] == "Version 1 of shades travels, with everything annotated until now."
    sizes = services.datasets.load("shades").candidates.sizes()
    row = int(np.flatnonzero(sizes[:96] > 1)[0])
    (label, *_) = services.datasets.load("shades").candidates.of(row)
    services.annotation.act("shades", annotate("label", [row], given={"class": label}))
    run = services.travel.create(request(), True)
    told = services.travel.pack(run.id, tmp_path / "b.run.zip", Silent())
    assert told["notes"][0].startswith("Version 2 of shades travels, with everything")
    run = services.travel.create(request(), True)
    services.synthesis.synthesize("shades", SynthesisConfig(rate=2.0, epochs=1), Silent())
    told = services.travel.pack(run.id, tmp_path / "c.run.zip", Silent())
    assert told["version_number"] == 2
    assert "what was annotated or changed since then does not" in told["notes"][0]
    # The result is still that of the version it was made on.
    services.travel.take(trained(tmp_path / "c.run.zip"), Silent())
    assert services.runs.get(run.id)["is_stale"]


@pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
def test_a_file_cut_short_is_refused(services, tmp_path, share):
    pictures(services, tmp_path)
    packed(services, tmp_path)
    whole = (tmp_path / "a.run.zip").read_bytes()
    (tmp_path / "b.run.zip").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DatasetFormatError, match="cut short on its way"):
        trained(tmp_path / "b.run.zip")


def test_every_changed_member_of_both_files_is_noticed(services, tmp_path):
    pictures(services, tmp_path)
    there, _ = packed(services, tmp_path, request(start="propagation", refresh_epochs="1"))
    result = trained(tmp_path / "a.run.zip")
    before = services.runs.get(there)
    for file, refused in ((tmp_path / "a.run.zip", trained), (result, None)):
        archive = Archive(file)
        content = file.read_bytes()
        for name in archive.names():
            if not archive.about["files"][name]["bytes"]:
                continue
            changed = bytearray(content)
            changed[archive._start(name) + archive.about["files"][name]["bytes"] - 1] ^= 1
            bad = tmp_path / f"bad{''.join(file.suffixes)}"
            bad.write_bytes(changed)
            with pytest.raises(DatasetFormatError, match=f"damaged: {name}"):
                refused(bad) if refused else services.travel.take(bad, Silent())
    assert services.runs.get(there) == before
    assert not list(services.project.run_folder(there).glob("*"))
    services.travel.take(result, Silent())


def test_what_does_not_fit_is_refused_in_words(services, tmp_path, monkeypatch):
    pictures(services, tmp_path)
    there, _ = packed(services, tmp_path)
    file = tmp_path / "a.run.zip"
    with pytest.raises(DatasetFormatError, match=r"is a packed run\. Train it first"):
        services.travel.take(file, Silent())
    result = trained(file)
    with pytest.raises(DatasetFormatError, match=r"trained already\. Bring it back"):
        trained(result)
    with pytest.raises(DatasetFormatError, match="There is no file"):
        trained(tmp_path / "b.run.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DatasetFormatError, match="was not written by CAD Studio"):
        services.travel.take(tmp_path / "text.zip", Silent())

    # another version of the code
    with monkeypatch.context() as patch:
        patch.setattr(packing, "engine_digest", lambda: "0" * 12)
        with pytest.raises(SettingError, match="Use the same version on both machines"):
            trained(file)
    # a folder of another run
    packed(services, tmp_path, name="b.run.zip")
    with pytest.raises(SettingError, match="holds another run"):
        trained(tmp_path / "b.run.zip", tmp_path / "a")
    # somebody is at it
    with (
        elsewhere._held(tmp_path / "a"),
        pytest.raises(SettingError, match="Another process is training in"),
    ):
        trained(file)
    # in the trash
    services.runs.remove(there)
    with pytest.raises(SettingError, match="is in the trash"):
        services.travel.take(result, Silent())
    services.runs.restore(there)
    # packed again meanwhile
    services.travel.pack(there, tmp_path / "c.run.zip", Silent())
    with pytest.raises(RecordNotFoundError, match="packed again since"):
        services.travel.take(result, Silent())
    newer = trained(tmp_path / "c.run.zip")
    services.travel.take(newer, Silent())
    with pytest.raises(SettingError, match="was taken back already"):
        services.travel.take(newer, Silent())
    with pytest.raises(SettingError, match="was taken back already"):
        services.travel.pack(there, tmp_path / "d.run.zip", Silent())
    own = train(services)["run"]
    with pytest.raises(SettingError, match="is a run of this machine"):
        services.travel.pack(own, tmp_path / "d.run.zip", Silent())
    # the data is gone
    packed(services, tmp_path, name="e.run.zip")
    result = trained(tmp_path / "e.run.zip")
    services.datasets.remove("shades")
    with pytest.raises(RecordNotFoundError, match=r"its dataset was deleted.*packed on shades"):
        services.travel.take(result, Silent())


def test_a_result_waits_until_packing_is_done(services, tmp_path):
    pictures(services, tmp_path)
    there, _ = packed(services, tmp_path)
    result = trained(tmp_path / "a.run.zip")
    job = services.project.jobs.add(
        {"kind": "pack", "title": "Pack", "arguments": {"run": there}, "status": "queued",
         "fraction": 0.0, "message": "", "created_at": "2026-01-01T00:00:00Z"}
    )  # fmt: skip
    services.training.attach(there, job.id)
    with pytest.raises(SettingError, match="is still being packed"):
        services.travel.take(result, Silent())


def test_a_machine_decides_what_is_its_own_and_nothing_else(services, tmp_path):
    pictures(services, tmp_path)
    there, _ = packed(services, tmp_path, request(checkpoint_epochs=1, threads=0))
    parse = elsewhere._parser().parse_args
    changes = elsewhere._changes(parse(["f", "--device", "cpu", "--set", "threads=1"]))
    assert changes == {"threads": 1, "device": "cpu"}
    with pytest.raises(SettingError, match="epochs was decided when the run was packed"):
        elsewhere._changes(parse(["f", "--set", "epochs=3"]))
    with pytest.raises(SettingError, match="write it as name=value"):
        elsewhere._changes(parse(["f", "--set", "threads"]))
    with pytest.raises(SettingError, match="threads is -1; the least is 0"):
        trained(tmp_path / "a.run.zip", threads=-1)
    services.travel.take(trained(tmp_path / "a.run.zip", **changes), Silent())
    assert services.runs.get(there)["config"]["threads"] == 1


def test_a_diverged_run_leaves_words_and_can_be_started_again(services, tmp_path, capsys):
    pictures(services, tmp_path)
    packed(services, tmp_path, request(learning_rate=1e30, start="uniform"))
    assert elsewhere.main([str(tmp_path / "a.run.zip")]) == 2
    assert "The loss became" in capsys.readouterr().err
    assert not (tmp_path / "a" / "a.result.zip").exists()


def test_a_stop_keeps_a_checkpoint_and_the_same_command_goes_on(services, tmp_path, monkeypatch):
    pictures(services, tmp_path)
    here = train(services, epochs=3)["run"]
    there, _ = packed(services, tmp_path, request(epochs=3))
    report = elsewhere.Told.report

    def stops(self, fraction, message):
        if message.startswith("Epoch 2") and not self._is_stopping:
            os.kill(os.getpid(), signal.SIGTERM)  # as a batch system does
        report(self, fraction, message)

    with monkeypatch.context() as patch:
        patch.setattr(elsewhere.Told, "report", stops)
        assert elsewhere.main([str(tmp_path / "a.run.zip"), "--json"]) == 130
    assert elsewhere.main([str(tmp_path / "a.run.zip"), "--json"]) == 0
    services.travel.take(tmp_path / "a" / "a.result.zip", Silent())
    assert_as_if_trained_here(services, here, there)


def test_a_result_cannot_write_outside_its_run(services, tmp_path):
    pictures(services, tmp_path)
    there, _ = packed(services, tmp_path)
    result = trained(tmp_path / "a.run.zip")
    archive = Archive(result)
    about = {k: v for k, v in archive.about.items() if k not in {"kind", "format", "files"}}
    for name in ("../evil", "/tmp/evil", "beliefs/../../evil", "edits.npy", "checkpoints/x"):
        with writing_archive(tmp_path / "evil.result.zip") as file:
            for own in archive.names():
                file.add_bytes(own, archive.bytes(own))
            file.add_bytes(name, b"x")
            file.finish("trained run", about)
        with pytest.raises(DatasetFormatError, match="does not hold the result of a run"):
            services.travel.take(tmp_path / "evil.result.zip", Silent())
    first = archive.about["reports"][0]
    for key, value in (
        ("best_epoch", 7),
        ("reports", []),
        ("reports", [{"epoch": 0}]),
        ("reports", [{**first, "seconds": "<b>"}]),
        ("reports", [{**first, "losses": {"loss": float("nan")}}]),
        ("changes", {"epochs": 3}),
        ("changes", {"threads": -1}),
        ("environment", {}),
        ("environment", {**archive.about["environment"], "device": {"packed": {}}}),
    ):
        with writing_archive(tmp_path / "evil.result.zip") as file:
            for own in archive.names():
                file.add_bytes(own, archive.bytes(own))
            file.finish("trained run", {**about, key: value})
        with pytest.raises(DatasetFormatError, match="does not hold the result of a run"):
            services.travel.take(tmp_path / "evil.result.zip", Silent())
    assert services.runs.get(there)["status"] == "packed"


def test_a_packed_member_is_never_unpickled(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        np.lib.format.write_array(
            file.open("x.npy", "w"), np.array([print], dtype=object), allow_pickle=True
        )
    content = zipfile.ZipFile(tmp_path / "a.zip").read("x.npy")
    with writing_archive(tmp_path / "b.zip") as file:
        file.add_bytes("x.npy", content)
        file.finish("packed run", {})
    with pytest.raises(CadStudioError, match="damaged"):
        Archive(tmp_path / "b.zip").array("x.npy")


@pytest.mark.long
def test_the_window_packs_and_takes_back_in_the_background(services, tmp_path):
    pictures(services, tmp_path)
    made = services.travel.submit_pack(request(), True)
    assert services.runs.get(made["run"])["status"] in ("queued", "running", "packed")
    wait_for_jobs(services)
    job = services.jobs.get(made["job"])
    assert job.status == "done", job.error
    file = services.exporting.finished(job.result)
    assert file.name == f"proden-{made['run']}.run.zip"
    shutil.copyfile(file, tmp_path / "a.run.zip")
    result = trained(tmp_path / "a.run.zip")
    with pytest.raises(SettingError, match="Give the path"):
        services.travel.submit_take("  ")
    with pytest.raises(DatasetFormatError, match="There is no file"):
        services.travel.submit_take(str(tmp_path / "missing.result.zip"))
    services.travel.submit_take(str(result))
    wait_for_jobs(services)
    assert services.runs.get(made["run"])["status"] == "done"


def wait_for_jobs(services):
    """Wait until the workers that were started have done their jobs."""
    for _ in range(300):
        if not services.jobs.active():
            return
        time.sleep(0.2)
    raise AssertionError("the jobs did not end")
