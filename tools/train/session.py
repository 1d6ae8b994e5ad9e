"""Train in an environment into a run folder: a new run, or one that is resumed bit-exactly."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Self

from poise.algos.registry import build_learner, get_algorithm_name, restore_learner, start_from
from poise.toolkit.checkpoint import remove
from poise.toolkit.errors import EnvironmentFailedError, UserError, printable
from poise.toolkit.evaluation import Evaluator, make_run_evaluator
from poise.toolkit.experience import ActorPolicy, EnvBatch, SubprocessEnvBatch, make_env_batch
from poise.toolkit.lock import FolderLock
from poise.toolkit.loggers import FileLogger, MetricLogger, open_file_logger
from poise.toolkit.process import catch_signals
from poise.toolkit.registry import EnvDescription, describe_env
from poise.toolkit.run import Run
from poise.toolkit.trainer import Algorithm, Progress, TrainSettings, choose_budget, train
from poise.tools.train.plan import TrainRequest, plan, resolve_device

SESSION_GROUPS = ("envs", "progress", "logs")
"""Groups of a checkpoint beside those of the learner."""

RESUMABLE_SETTINGS = (
    "steps",
    "minutes",
    "num_workers",
    "worker_timeout",
    "stop_when_solved",
    "patience",
)
"""Settings of the training that may change when a run is resumed."""


@dataclass(frozen=True)
class TrainingResult:
    """The end of a training."""

    run: Run
    progress: Progress
    metrics: Mapping[str, float]
    """Evaluation of the policy of `best_step`, by name; empty after an interrupt."""
    interrupt_signal: int | None
    """Number of the signal that stopped it; None where it ended by itself."""

    @property
    def best_step(self) -> int:
        """Step of the policy that `metrics` describes, and that play, record and evaluate take."""
        return self.progress.policy_step


def start_training(request: TrainRequest, loggers: Sequence[MetricLogger] = ()) -> TrainingResult:
    """Train a new run.

    Raises:
        UserError: the request is wrong; nothing was written.
        WorkError: the training failed; the checkpoints before are kept.
    """
    return TrainingSession.create(request).train(loggers)


def resume_training(
    run: Run, training: Mapping[str, Any], loggers: Sequence[MetricLogger] = ()
) -> TrainingResult:
    """Continue a run from its latest checkpoint, as if it had never stopped.

    `training` may change RESUMABLE_SETTINGS and no others.
    """
    return TrainingSession.resume(run, training).train(loggers)


class TrainingSession:
    """A training from its config to its summary, in four calls.

    session = TrainingSession.create(request)
    with session.open():
        session.run()
        result = session.summarize()
    """

    envs: EnvBatch | SubprocessEnvBatch
    evaluator: Evaluator
    file_logger: FileLogger
    caught_signals: list[int]

    def __init__(
        self,
        run_folder: Run,
        lock: FolderLock,
        config: Mapping[str, Any],
        env: EnvDescription,
        learner: Algorithm,
        progress: Progress,
        saved_state: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        self.run_folder = run_folder
        self.lock = lock
        self.config = config
        self.env = env
        self.learner = learner
        self.progress = progress
        self.saved_state = saved_state
        self.settings = TrainSettings.parse(config["training"])
        self.is_new = False
        """Whether the run folder was created for this session, and nothing has been trained."""

    @classmethod
    def create(cls, request: TrainRequest) -> Self:
        """Make the folder of a new run, after the whole request has proved valid."""
        planned = plan(request)
        config = planned.config
        learner = _make_learner(config, planned.env, request.start_from)
        run = Run.create(request.runs_dir, request.name, config)
        try:
            lock = run.lock()
        except OSError:
            remove(run.path)
            raise
        session = cls(run, lock, config, planned.env, learner, Progress())
        session.is_new = True
        return session

    @classmethod
    def resume(cls, run: Run, training: Mapping[str, Any]) -> Self:
        """Load a run with its latest checkpoint; a run without one starts at step 0."""
        get_algorithm_name(run)  # A UserError where the run holds no policy.
        config = run.config
        for name in training:
            if name not in RESUMABLE_SETTINGS:
                raise UserError(f"--resume continues the run as it began: {name} cannot change")
        settings = choose_budget(training, config["training"])
        parsed = TrainSettings.parse(settings, "training setting")
        config["training"] = parsed.to_dict()
        env = describe_env(config["env"], config["env_settings"])
        learner = _make_learner(config, env)
        progress = Progress()
        state: Mapping[str, Mapping[str, Any]] = {}
        with ExitStack() as stack:
            lock = stack.enter_context(run.lock())
            if run.checkpoints():
                state = run.resume([*learner.state_dict(), *SESSION_GROUPS])
                learner.load_state_dict(state)
                progress = Progress(**state["progress"])
                if parsed.steps < progress.step and "steps" in training:
                    raise UserError(
                        f"run {run.path.name!r} is at step {progress.step:,} already: "
                        f"--steps {parsed.steps:,} counts from its beginning"
                    )
                # A new budget comes with new patience.
                if parsed.patience and {"steps", "minutes"} & training.keys():
                    progress.evaluations_since_best = 0
            else:
                print(
                    f"warning: run {printable(run.path.name)!r} has no checkpoint: "
                    "it is trained from step 0",
                    file=sys.stderr,
                )
            run.write("config.json", config)
            stack.pop_all()
        return cls(run, lock, config, env, learner, progress, state)

    def train(self, loggers: Sequence[MetricLogger] = ()) -> TrainingResult:
        """Open, run and summarize."""
        with self.open():
            self.run(loggers)
            return self.summarize()

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Make environments and log files, and catch signals until the end of the block.

        Where that fails, the folder of a new run is removed: it holds nothing.
        """
        with ExitStack() as stack:
            stack.callback(self.lock.release)
            if self.is_new:
                stack.callback(self._remove_unused_folder)
            self.envs = make_env_batch(
                self.config["env"],
                self.settings.num_envs,
                self.settings.seed,
                self._get_training_env_settings(),
                self.settings.num_workers,
                self.settings.worker_timeout,
            )
            stack.callback(self.envs.close)
            if self.saved_state:
                self.envs.set_state(self.saved_state["envs"])
            self.evaluator = make_run_evaluator(self.run_folder, self.settings.evaluate_episodes)
            stack.callback(self.evaluator.close)
            self.file_logger = stack.enter_context(
                open_file_logger(
                    self.run_folder.path, self.progress.step, self.saved_state.get("logs")
                )
            )
            self.caught_signals = stack.enter_context(catch_signals())
            self.is_new = False
            yield self

    def run(self, loggers: Sequence[MetricLogger] = ()) -> None:
        """Train to the end, or until a signal; save checkpoints and the policy before training.

        Raises:
            WorkError: the training failed. After an EnvironmentFailedError, everything
                before it is saved.
        """
        if self.progress.step == 0:
            self.run_folder.save_policy(0, self.learner.state_dict()["policy"])
        try:
            train(
                self.learner,
                self.envs,
                self.settings,
                self.progress,
                evaluator=self.evaluator,
                loggers=[self.file_logger, *loggers],
                save=self._save,
                should_stop=lambda: bool(self.caught_signals),
                evaluate_first="from" in self.config,
            )
        except EnvironmentFailedError as error:
            self._save(self.progress)
            if not self.caught_signals:  # After a signal, the training ends anyway.
                error.args = (
                    f"{error}; everything up to step {self.progress.step:,} is saved, "
                    f"and --resume {self.run_folder.path.name} continues from there",
                )
                raise

    def summarize(self) -> TrainingResult:
        """Evaluate the best checkpoint, unless a signal was caught, and write summary.json."""
        self._check_folder()
        metrics: Mapping[str, float] = {}
        if not self.caught_signals:
            best_step = str(self.progress.policy_step)
            best = restore_learner(self.run_folder, best_step, env=self.env)
            result = self.evaluator(ActorPolicy(best))
            metrics = result.metrics()
        interrupt_signal = self.caught_signals[0] if self.caught_signals else None
        summary = self.progress.summarize(metrics, interrupt_signal)
        self.run_folder.write("summary.json", summary)
        return TrainingResult(self.run_folder, self.progress, metrics, interrupt_signal)

    def _save(self, progress: Progress) -> None:
        self._check_folder()
        state = {
            **self.learner.state_dict(),
            "envs": self.envs.get_state(),
            "progress": asdict(progress),
            "logs": self.file_logger.flush(),
        }
        # A signal may stop a training at any step; all other saves are those of its settings.
        is_planned = progress.best_step == progress.step or progress.is_due(
            self.settings.checkpoint_every, self.settings.num_envs
        )
        if is_planned:
            self.run_folder.save_policy(progress.step, state["policy"])
        self.run_folder.save_checkpoint(
            progress.step, state, progress.best_step, is_extra=not is_planned
        )

    def _check_folder(self) -> None:
        """Raise a WorkError where the run is no longer ours; write a removed config.json again."""
        self.lock.check()
        if not (self.run_folder.path / "config.json").exists():
            self.run_folder.write("config.json", self.config)

    def _remove_unused_folder(self) -> None:
        if self.is_new:
            remove(self.run_folder.path)

    def _get_training_env_settings(self) -> Mapping[str, Any]:
        if "translator" not in self.config:
            return dict(self.config["env_settings"])
        from poise.tools.train.with_translator import get_training_env_settings

        return get_training_env_settings(self.config)


def _make_learner(
    config: Mapping[str, Any], env: EnvDescription, source: Run | None = None
) -> Algorithm:
    """Return a new learner, with the networks of the run `source` if it is given."""
    seed = config["training"]["seed"]
    device = resolve_device(config["device"])
    learner = build_learner(config["algorithm"], env, config["settings"], seed, device)
    if source is not None:
        start_from(learner, source)
    if "translator" not in config:
        return learner
    from poise.tools.train.with_translator import attach_translator

    return attach_translator(learner, config)
