"""What watches a run: progress, signals, figures in MLflow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from nc_latent_tod.config.finetune import TrackingSection
from nc_latent_tod.errors import RetryableError

Report = Callable[[dict[str, Any]], None]


class Watch(TrainerCallback):
    """Reports every step, and ends the run in order once it `should_stop`."""

    def __init__(self, report: Report, should_stop: Callable[[], bool], tokens_a_step: int) -> None:
        self._report, self._should_stop, self._tokens = report, should_stop, tokens_a_step
        self._began, self._first, self.stopped = time.monotonic(), 0, False
        self._loss = 0.0

    def saw(self, loss: float) -> None:
        """The part that one pass has in the loss of its step; the parts add up to nats a target token."""
        self._loss += loss

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._began, self._first = time.monotonic(), state.global_step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        elapsed, done = time.monotonic() - self._began, state.global_step - self._first
        if state.is_world_process_zero:
            self._report({"step": state.global_step, "steps": state.max_steps, "loss": self._loss,
                          "tokens_per_second": done * self._tokens / elapsed,
                          "seconds_left": (state.max_steps - state.global_step) * elapsed / done})
        self._loss = 0.0
        if self._should_stop():
            self.stopped = control.should_save = control.should_training_stop = True


class Patience(EarlyStoppingCallback):
    """Ends a run whose held-out loss no longer falls; a run that goes on counts on from its checkpoint."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        stored: Any = state.stateful_callbacks or {}  # of the checkpoint; the trainer itself does not look
        if own := stored.get(type(self).__name__):
            self.early_stopping_patience_counter = own["attributes"]["early_stopping_patience_counter"]
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True  # it was killed between its end and its record


class Tracking(TrainerCallback):
    """Logs losses and learning rates to MLflow; a run that was stopped goes on in the same MLflow run."""

    def __init__(self, section: TrackingSection, folder: Path, parameters: dict[str, Any]) -> None:
        self._section, self._folder, self._parameters = section, folder, parameters
        self._client: Any = None
        self._run_id = ""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not state.is_world_process_zero:
            return
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        uri = self._section.uri or f"sqlite:///{(self._folder / 'mlflow.db').absolute()}"
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._run_id = self._found_run() or self._new_run(self._client)
        except (MlflowException, OSError) as error:
            raise RetryableError(f"MLflow at {uri} cannot be used: {str(error).splitlines()[0]} Start the server, correct "
                                 "tracking.uri, or set tracking.enabled to false.") from error

    def _found_run(self) -> str | None:
        known = self._folder / "mlflow_run_id"
        return known.read_text().strip() if known.exists() else None

    def _new_run(self, client: Any) -> str:
        experiment = client.get_experiment_by_name(self._section.experiment)
        place = None if self._section.uri else (self._folder / "artifacts").absolute().as_uri()
        number = experiment.experiment_id if experiment else client.create_experiment(self._section.experiment, place)
        run = client.create_run(number, run_name=self._section.run_name or self._folder.name)
        for name, value in self._parameters.items():
            client.log_param(run.info.run_id, name, str(value)[:500])
        (self._folder / "mlflow_run_id").write_text(run.info.run_id)
        return str(run.info.run_id)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None,
               **kwargs: Any) -> None:
        if self._client is None:
            return
        for name, value in (logs or {}).items():
            if isinstance(value, int | float):
                self._client.log_metric(self._run_id, name, float(value), step=state.global_step)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._client is not None:
            self._client.set_terminated(self._run_id)
