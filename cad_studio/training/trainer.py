"""The loop: every method is trained by it, and nothing else trains one."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cad_studio.algorithms._set_model import SetModel
from cad_studio.core.errors import JobCancelled
from cad_studio.core.progress import Part, Progress
from cad_studio.training.batching import ask
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.data import TrainingData
from cad_studio.training.exchange import Exchange, Latch, shared_order
from cad_studio.training.guard import LossGuard
from cad_studio.training.model_file import save_model
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.plan import Plan
from cad_studio.training.precision import memory_mb
from cad_studio.training.processes import ALONE, Processes
from cad_studio.training.report import EpochReport, judge
from cad_studio.training.scalars import Scalars
from cad_studio.training.schedule import learning_rate_at, snapshot_epochs
from cad_studio.training.session import EARLY_STEPS, OWN, Session
from cad_studio.training.snapshots import Snapshots
from cad_studio.training.step import take_step
from cad_studio.training.torch_state import torch_state

MODEL_FILE = "model.safetensors"
SCALARS_FOLDER = "tensorboard"
_ASKED_AT_ONCE = 512
_SETTING_UP = 0.02
_COUNTED = 20_000
_SURE_TOO_EARLY = 0.3
"""Of the way from an even confidence to certainty: .5 where sets have 3.5 candidates."""


@dataclass(frozen=True)
class FitResult:
    """How a run ended.

    Attributes:
        last: Report of the last epoch.
        best: Report of the epoch the model was taken from: the one that explains the sets held out
            best, or the last where nothing was held out.
        resumed: Epoch and step it went on from, or None.
        damaged: Checkpoints that could not be read and were passed over.
        words: What the user should know of how it went.
    """

    last: EpochReport
    best: EpochReport
    resumed: tuple[int, int] | None
    damaged: list[str]
    words: list[str]


class Trainer:
    """One run in one folder: starts it, or goes on with what the folder holds.

    On a CPU the same data, plan and thread count give the same weights, bit for bit, however
    often the run is stopped or killed between; not with a time budget, whose step sizes follow
    the clock.
    """

    def __init__(
        self,
        data: TrainingData,
        plan: Plan,
        folder: Path,
        outside: Outside | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Prepare; nothing is read or written before `fit`.

        Args:
            data: What is learned from.
            plan: What is trained and how.
            folder: Its checkpoints, beliefs and model; made when needed.
            outside: What comes from other rooms.
            processes: Those that train it together, each with a trainer of its own; only the
                main one writes.
        """
        self._data = data
        self._plan = plan
        self._config = plan.config
        self._outside = outside or Outside()
        self._folder = folder
        self._processes = processes
        self._checkpoints = Checkpoints(folder / "checkpoints")
        self._snapshots = Snapshots(folder / "beliefs")
        self._fraction = _SETTING_UP
        self._exchange: Exchange | None = None

    def fit(
        self,
        progress: Progress,
        on_epoch: Callable[[EpochReport, bool], None] = lambda report, is_best: None,
    ) -> FitResult:
        """Train to the end.

        An epoch whose report was given out may be reported again after a kill, with the same
        figures.

        Args:
            progress: Asked before every step whether to stop; of several processes the main one
                is asked, and all stop with it.
            on_epoch: Given the report of every finished epoch, and whether the model was taken
                from it; called in the main process only.

        Raises:
            JobCancelled: The user asked to stop; a checkpoint of this very step was saved.
            SettingError: The plan does not fit the data or the checkpoint, or the loss diverged.
            StorageError: The disk is full, or no checkpoint can be read.
        """
        processes = self._processes
        scalars = Scalars(self._folder / SCALARS_FOLDER, self._config.tensorboard)
        # Several processes stop together: a wish to stop waits for the end of the step.
        latch = Latch(progress, processes.is_main)
        asked = progress if processes.is_alone else latch
        seed = self._config.seed + processes.rank
        with closing(scalars), torch_state(self._config.threads, seed):
            session = open_session(
                self._data,
                self._plan,
                self._outside,
                processes.in_main(self._checkpoints.load),
                Part(asked, 0.0, _SETTING_UP),
                lambda: asked.report(self._fraction, "Looking at all training images"),
                processes,
            )
            self._start_clock(session, latch)
            guard = LossGuard(self._described(session))
            while not session.is_over:
                session.seconds = self._clock()
                try:
                    self._train_epoch(session, guard, asked)
                    report = self._finish_epoch(session, asked)
                except JobCancelled:
                    guard.check()
                    if session.step or session.is_epoch_trained:
                        self._save(session)
                    raise
                processes.in_main(lambda report=report: scalars.add(report))
                is_best = session.is_best(report)
                processes.in_main(lambda report=report, best=is_best: on_epoch(report, best))
                session.next_epoch(report)
                if session.is_over or session.epoch % self._config.checkpoint_epochs == 0:
                    self._save(session)
            assert session.last is not None
            assert session.best is not None
            return FitResult(
                session.last, session.best, session.resumed, session.damaged, self._words(session)
            )

    def _words(self, session: Session) -> list[str]:
        """What the user should know of how it went."""
        words = []
        sizes = self._data.candidates.take(session.fit_rows).sizes()
        even, sure = float((1.0 / sizes).mean()), session.early_sureness
        if self._config.start == "uniform" and sure is not None and even < 1.0:
            excess = (sure - even) / (1.0 - even)
            if excess > _SURE_TOO_EARLY:
                words.append(
                    f"After {EARLY_STEPS} steps the run was sure of its candidates already (mean "
                    f"confidence {sure:.2f}, {even:.2f} is none), before it can have learned "
                    "which are true: it may have confirmed itself. Hold the uniform start longer "
                    "(uniform_epochs), or start from propagation."
                )
        if not session.epochs_in_force and session.algorithm.sureness is not None:
            words.append(
                "In none of its epochs was the method's own confidence in force; these figures "
                "are those of the start, not of the method."
            )
        return words

    def _start_clock(self, session: Session, latch: Latch) -> None:
        """Count seconds from where the run was left.

        With a time budget they decide on steps: of several processes the main one counts for all.
        """
        started = perf_counter() - session.seconds
        self._own_clock = lambda: perf_counter() - started
        self._clock = self._own_clock
        self._exchange = None
        if not self._processes.is_alone:
            self._exchange = Exchange(self._processes, latch, session.seconds)
            if session.resumed is None:
                self._exchange.share_state(session.algorithm, session.average)
            if self._config.max_seconds:
                self._clock = self._exchange.seconds

    def _save(self, session: Session) -> None:
        """Add a checkpoint of the whole run."""
        session.seconds = self._clock()
        own: dict[str, torch.Tensor] = {}
        if self._exchange is not None:
            self._exchange.merge_rows(session.algorithm)
            own = self._exchange.gather_own(session.algorithm, session.chances)

        def write() -> None:
            tensors, state = session.dump(self._plan)
            tensors.update({f"{OWN}{name}": value for name, value in own.items()})
            self._checkpoints.save(tensors, state)

        self._processes.in_main(write)

    def _train_epoch(self, session: Session, guard: LossGuard, progress: Progress) -> None:
        """All steps of an epoch that are not done yet."""
        config, algorithm, exchange = self._config, session.algorithm, self._exchange
        if session.is_epoch_trained:
            # Stopped while it was evaluated: its report still tells the step size.
            session.set_learning_rate(learning_rate_at(self._share(session), config.learning_rate))
            return
        algorithm.network.only_heads = session.epoch < config.epochs_of_heads()
        algorithm.train()
        if session.step == 0:
            self._begin_epoch(session, progress)
        orders = shared_order(
            len(session.fit_rows), config.batch_size, config.seed, session.epoch, self._processes
        )
        whole, own = np.concatenate(orders, axis=1), orders[self._processes.rank]
        average = None if exchange is None else self._averaging(algorithm.trainable_parameters())
        left = own[session.step :]
        inputs = session.inputs.batches([session.fit_rows[part] for part in left])
        for part, images in zip(left, inputs, strict=True):
            self._report(session, guard, progress, len(own))
            if exchange is not None:
                exchange.raise_if_stopping()
            begun = perf_counter()
            session.seconds = self._clock()
            session.set_learning_rate(learning_rate_at(self._share(session), config.learning_rate))
            rows = session.fit_rows[whole[session.step]].tolist()
            check = partial(guard.add, epoch=session.epoch, step=session.step, rows=rows)
            result = take_step(session, part, images, check, average)
            session.count_step(result, len(rows), perf_counter() - begun)
            every = config.checkpoint_steps
            if every and session.step % every == 0 and session.step < len(own):
                guard.check()
                self._save(session)
            if config.max_seconds and self._clock() >= config.max_seconds:
                session.is_out_of_time = True
                break
        guard.check()
        if exchange is not None:
            exchange.raise_if_stopping(is_last=True)
            exchange.merge_rows(algorithm)
        algorithm.end_epoch()
        if exchange is not None:
            exchange.share_state(algorithm, session.average)
        session.is_epoch_trained = True

    def _averaging(self, weights: list[nn.Parameter]) -> Callable[[torch.Tensor], torch.Tensor]:
        exchange = self._exchange
        assert exchange is not None
        return lambda loss: exchange.average(weights, loss, self._own_clock())

    def _begin_epoch(self, session: Session, progress: Progress) -> None:
        algorithm, refresh = session.algorithm, self._outside.refresh
        self._fraction = self._done(session, 0.0)
        algorithm.begin_epoch(session.epoch)
        if refresh is None or session.epoch not in self._config.refreshes():
            return
        network = session.judged_network
        features = self._ask(session, network.features, session.fit_rows, progress)
        features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-12
        own = self._belief(session, progress)
        progress.report(self._fraction, "Propagating in the run's own features")
        belief = self._processes.in_main(lambda: refresh(session.fit_rows, features, own))
        algorithm.adopt(torch.from_numpy(belief).to(session.device))

    def _finish_epoch(self, session: Session, progress: Progress) -> EpochReport:
        """Ask the network, keep what is to be kept; changes nothing that is trained."""
        data, algorithm = self._data, session.algorithm
        network = session.judged_network
        held = self._ask(session, network.forward, session.held_rows, progress)
        test = self._ask(session, network.forward, data.test_rows, progress)
        wanted = snapshot_epochs(self._config.epochs, self._config.snapshots)
        is_kept = session.epoch in wanted or session.is_out_of_time
        kept = algorithm.confidence()
        belief = self._belief(session, progress) if is_kept or kept is not None else None
        losses = _mean(self._processes.gather(session.mean_losses()))
        told = self._processes.gather(session.mean_confidence())
        confidence = None if None in told else sum(told) / len(told)

        def finish() -> EpochReport:
            if is_kept and belief is not None:
                candidates = data.candidates.dense(session.fit_rows)
                self._snapshots.save(session.epoch, belief, candidates)
            table = None if belief is None else self._table(session, belief)
            judged = judge(data, session.held_rows, held, test, belief, session.fit_rows, table)
            report = EpochReport(
                epoch=session.epoch,
                learning_rate=session.optimiser.param_groups[0]["lr"],
                losses=losses,
                held_out=judged.held_out,
                mean_confidence=confidence,
                epochs_in_force=session.epochs_in_force + (not algorithm.is_held),
                oracle=judged.oracle,
                samples_per_second=session.samples_per_second,
                seconds=self._own_clock(),
                memory_mb=memory_mb(session.device),
            )
            if session.is_best(report):
                save_model(self._folder / MODEL_FILE, network, session.card(self._plan, data))
            return report

        return self._processes.in_main(finish)

    def _belief(self, session: Session, progress: Progress) -> NDArray[np.float32]:
        """The method's belief, or the judged network's where it keeps none, float32 (N, C)."""
        kept = session.algorithm.confidence()
        if kept is not None:
            return kept.float().cpu().numpy()
        logits = self._ask(session, session.judged_network.forward, session.fit_rows, progress)
        return _belief_of(logits, self._data.candidates.dense(session.fit_rows))

    def _table(self, session: Session, belief: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(k in S | y = j), float32 (C, C), where y is the most believed candidate.

        Not the belief itself: a run that is less sure than another shall not seem to know less.
        """
        part = slice(None, None, max(1, len(belief) // _COUNTED))
        candidates = torch.from_numpy(self._data.candidates.dense(session.fit_rows[part]))
        best = torch.from_numpy(belief[part]).argmax(dim=1)
        counts = SetModel(nn.functional.one_hot(best, self._data.n_classes).float(), candidates)
        return counts.table().numpy()

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
        network, found = session.judged_network, []
        own = np.array_split(rows, self._processes.count)[self._processes.rank]
        parts = np.array_split(own, -(-len(own) // _ASKED_AT_ONCE)) if len(own) else []
        answers = ask(
            network, read, session.inputs.batches(parts), session.views, session.precision
        )
        for answer in answers:
            found.append(answer)
            progress.report(self._fraction, f"Asking the network in epoch {session.epoch + 1}")
        if self._exchange is not None:
            found = [part for own in self._exchange.agree(found) for part in own]
        return np.concatenate(found)

    def _report(self, session: Session, guard: LossGuard, progress: Progress, n_steps: int) -> None:
        speed = f"{session.samples_per_second:,.0f} samples/s" if session.step else "starting"
        self._fraction = self._done(session, session.step / n_steps)
        epoch = f"Epoch {session.epoch + 1} of {self._config.epochs}"
        alone = ", heads alone" if session.algorithm.network.only_heads else ""
        progress.report(self._fraction, f"{epoch}{alone}, loss {guard.last:.4f}, {speed}")

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


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of what each process has, by name."""
    return {name: sum(each[name] for each in found) / len(found) for name in found[0]}
