"""The loop: every method is trained by it, and nothing else trains one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from cad_studio.core.errors import JobCancelled
from cad_studio.core.progress import Part, Progress
from cad_studio.training.batching import ask, epoch_order, make_batch
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.data import TrainingData
from cad_studio.training.guard import LossGuard
from cad_studio.training.model_file import save_model
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.plan import Plan
from cad_studio.training.precision import computing_in
from cad_studio.training.report import EpochReport, judge
from cad_studio.training.schedule import learning_rate_at, snapshot_epochs
from cad_studio.training.session import Session
from cad_studio.training.snapshots import Snapshots

MODEL_FILE = "model.safetensors"
_ASKED_AT_ONCE = 512
_SETTING_UP = 0.02


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        last: Report of the last epoch.
        best: Report of the epoch the model was taken from: the one of the highest approximated
            accuracy, or the last where nothing was held out.
        resumed: Epoch and step it went on from, or None.
        damaged: Checkpoints that could not be read and were passed over.
    """

    last: EpochReport
    best: EpochReport
    resumed: tuple[int, int] | None
    damaged: list[str]


class Trainer:
    """One run in one folder: starts it, or goes on with what the folder holds.

    On a CPU the same data, plan and thread count give the same weights, bit for bit, however
    often the run is stopped or killed between; not with a time budget, whose step sizes follow
    the clock.
    """

    def __init__(
        self, data: TrainingData, plan: Plan, folder: Path, outside: Outside | None = None
    ) -> None:
        """Prepare; nothing is read or written before `fit`.

        Args:
            data: What is learned from.
            plan: What is trained and how.
            folder: Its checkpoints, beliefs and model; made when needed.
            outside: What comes from other rooms.
        """
        self._data = data
        self._plan = plan
        self._config = plan.config
        self._outside = outside or Outside()
        self._folder = folder
        self._checkpoints = Checkpoints(folder / "checkpoints")
        self._snapshots = Snapshots(folder / "beliefs")
        self._fraction = _SETTING_UP

    def fit(
        self,
        progress: Progress,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
    ) -> FitResult:
        """Train to the end.

        An epoch whose report was given out may be reported again after a kill, with the same
        figures.

        Args:
            progress: Asked before every step whether to stop.
            on_epoch: Given the report of every finished epoch.

        Raises:
            JobCancelled: The user asked to stop; a checkpoint of this very step was saved.
            SettingError: The plan does not fit the data or the checkpoint, or the loss diverged.
            StorageError: The disk is full, or no checkpoint can be read.
        """
        with _torch_state(self._config.threads, self._config.seed):
            session = open_session(
                self._data,
                self._plan,
                self._outside,
                self._checkpoints.load(),
                Part(progress, 0.0, _SETTING_UP),
                lambda: progress.report(self._fraction, "Looking at all training images"),
            )
            started = perf_counter() - session.seconds
            guard = LossGuard(self._described(session))
            while not session.is_over:
                session.seconds = perf_counter() - started
                try:
                    self._train_epoch(session, guard, progress, started)
                    report = self._finish_epoch(session, progress, started)
                except JobCancelled:
                    guard.check()
                    if session.step or session.is_epoch_trained:
                        self._checkpoints.save(*session.dump(self._plan))
                    raise
                on_epoch(report)
                session.next_epoch(report)
                if session.is_over or session.epoch % self._config.checkpoint_epochs == 0:
                    self._checkpoints.save(*session.dump(self._plan))
            assert session.last is not None
            assert session.best is not None
            return FitResult(session.last, session.best, session.resumed, session.damaged)

    def _train_epoch(
        self, session: Session, guard: LossGuard, progress: Progress, started: float
    ) -> None:
        """All steps of an epoch that are not done yet."""
        if session.is_epoch_trained:
            return
        config, algorithm = self._config, session.algorithm
        algorithm.train()
        if session.step == 0:
            self._begin_epoch(session, progress)
        parts = epoch_order(len(session.fit_rows), config.batch_size, config.seed, session.epoch)
        left = parts[session.step :]
        inputs = session.inputs.batches([session.fit_rows[part] for part in left])
        for part, images in zip(left, inputs, strict=True):
            self._report(session, guard, progress, len(parts))
            begun = perf_counter()
            session.seconds = begun - started
            session.set_learning_rate(learning_rate_at(self._share(session), config.learning_rate))
            row = torch.from_numpy(part).to(session.device)
            batch = make_batch(
                algorithm, row, images, session.views, session.view_chance, session.truth
            )
            with computing_in(session.precision, session.device):
                result = algorithm.step(batch)
            guard.add(result.loss, session.epoch, session.step, session.fit_rows[part].tolist())
            session.optimiser.zero_grad(set_to_none=True)
            result.loss.backward()
            session.optimiser.step()
            algorithm.after_step()
            session.count_step(result, len(part), perf_counter() - begun)
            every = config.checkpoint_steps
            if every and session.step % every == 0 and session.step < len(parts):
                guard.check()
                self._checkpoints.save(*session.dump(self._plan))
            if config.max_seconds and perf_counter() - started >= config.max_seconds:
                session.is_out_of_time = True
                break
        guard.check()
        algorithm.end_epoch()
        session.is_epoch_trained = True

    def _begin_epoch(self, session: Session, progress: Progress) -> None:
        algorithm, refresh = session.algorithm, self._outside.refresh
        self._fraction = self._done(session, 0.0)
        algorithm.begin_epoch(session.epoch)
        if refresh is None or session.epoch not in self._config.refreshes():
            return
        features = self._ask(
            session, algorithm.inference_network.features, session.fit_rows, progress
        )
        features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-12
        progress.report(self._fraction, "Propagating in the run's own features")
        belief = refresh(session.fit_rows, features)
        algorithm.adopt(torch.from_numpy(belief).to(session.device))

    def _finish_epoch(self, session: Session, progress: Progress, started: float) -> EpochReport:
        """Ask the network, keep what is to be kept; changes nothing that is trained."""
        data, algorithm = self._data, session.algorithm
        network = algorithm.inference_network
        held = self._ask(session, network.forward, session.held_rows, progress)
        test = self._ask(session, network.forward, data.test_rows, progress)
        kept = algorithm.confidence()
        belief = None if kept is None else kept.float().cpu().numpy()
        wanted = snapshot_epochs(self._config.epochs, self._config.snapshots)
        if session.epoch in wanted or session.is_out_of_time:
            candidates = data.candidates.dense(session.fit_rows)
            if belief is None:
                logits = self._ask(session, network.forward, session.fit_rows, progress)
                belief = _belief_of(logits, candidates)
            self._snapshots.save(session.epoch, belief, candidates)
        judged = judge(data, session.held_rows, held, test, belief, session.fit_rows)
        report = EpochReport(
            epoch=session.epoch,
            learning_rate=session.optimiser.param_groups[0]["lr"],
            losses=session.mean_losses(),
            covering_rate=judged.covering_rate,
            approximated_accuracy=judged.approximated_accuracy,
            oracle=judged.oracle,
            samples_per_second=session.samples_per_second,
            seconds=perf_counter() - started,
            memory_mb=_memory_mb(session.device),
        )
        if session.is_best(report):
            save_model(self._folder / MODEL_FILE, network, session.card(self._plan, data))
        return report

    def _ask(
        self,
        session: Session,
        read: Callable[[torch.Tensor], torch.Tensor],
        rows: NDArray[np.int64],
        progress: Progress,
    ) -> NDArray[np.float32]:
        """What the network says of some rows, float32 (M, width)."""
        if not len(rows):
            return np.zeros((0, self._data.n_classes), np.float32)
        parts = np.array_split(rows, -(-len(rows) // _ASKED_AT_ONCE))
        found = []
        network = session.algorithm.inference_network
        answers = ask(
            network, read, session.inputs.batches(parts), session.views, session.precision
        )
        for answer in answers:
            found.append(answer)
            progress.report(self._fraction, f"Asking the network in epoch {session.epoch + 1}")
        return np.concatenate(found)

    def _report(self, session: Session, guard: LossGuard, progress: Progress, n_steps: int) -> None:
        speed = f"{session.samples_per_second:,.0f} samples/s" if session.step else "starting"
        self._fraction = self._done(session, session.step / n_steps)
        progress.report(
            self._fraction,
            f"Epoch {session.epoch + 1} of {self._config.epochs}, loss {guard.last:.4f}, {speed}",
        )

    def _share(self, session: Session) -> float:
        """Part of the run that is over, for the step size: whole epochs, or the time."""
        share = session.epoch / self._config.epochs
        if self._config.max_seconds:
            share = max(share, session.seconds / self._config.max_seconds)
        return share

    def _done(self, session: Session, of_epoch: float) -> float:
        share = (session.epoch + of_epoch) / self._config.epochs
        if self._config.max_seconds:
            share = max(share, session.seconds / self._config.max_seconds)
        return _SETTING_UP + (1.0 - _SETTING_UP) * min(share, 1.0)

    def _described(self, session: Session) -> str:
        config = self._config
        return (
            f"{self._plan.method}, {self._plan.backbone}, "
            f"learning_rate {config.learning_rate}, batch_size {config.batch_size}, "
            f"{session.precision}, seed {config.seed}"
        )


def _belief_of(logits: NDArray[np.float32], candidates: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Softmax over the candidates only, float32 (N, C)."""
    masked = np.where(candidates, logits, -np.inf)
    weights = np.exp(masked - masked.max(axis=1, keepdims=True))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return psutil.Process().memory_info().rss / 2**20


@contextmanager
def _torch_state(threads: int, seed: int) -> Iterator[None]:
    """A seed and a thread count of the run's own, the caller's afterwards."""
    before = torch.get_num_threads()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    if threads:
        torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
