"""Several workers on one host: one process each, with its share of the cores."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nc_latent_tod.errors import ConfigError

log = logging.getLogger(__name__)

# Read by libraries when they are loaded. Workers with more threads than cores slow each other down many times over.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STEP_S = 0.1


def run_workers(commands: Sequence[Sequence[str]], *, env: Mapping[str, str], cores: int | None = None,
                gpus: Sequence[str] = (), on_signal: Callable[[int], None] = lambda number: None) -> int:
    """Run each command in a process of its own and wait for all; the worst of their exit codes.

    `env` is the processes' environment, to which the number of threads is added: `cores // workers`, at least 1. Of several
    workers each sees one of the `gpus`, in turn. A process that a signal ended counts as 128 + its number. SIGTERM and
    SIGINT are passed on to all processes after `on_signal` was told; a process that ends does not end the others. Call it
    in the main thread. Raises `ConfigError`.
    """
    workers = len(commands)
    if workers < 1:
        raise ConfigError(f"workers = {workers}: at least one is needed.")
    threads = str(threads_per_worker(workers, cores))
    environment = {**env, **dict.fromkeys(_THREAD_VARIABLES, threads), "TOKENIZERS_PARALLELISM": "false"}
    processes: list[subprocess.Popen[bytes]] = []
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: received.append(number)) for number in _SIGNALS}
    try:
        for number, command in enumerate(commands):
            own = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus and workers > 1 else {}
            # A group of its own, or Ctrl-C would reach the worker twice: from the terminal and from here.
            processes.append(subprocess.Popen(command, env={**environment, **own}, process_group=0))
        log.info("%d workers with %s threads each: %s", workers, threads, ", ".join(str(p.pid) for p in processes))
        while any(process.poll() is None for process in processes):
            while received:
                number = received.pop(0)
                on_signal(number)
                _pass_on(number, processes)
            time.sleep(_STEP_S)
    finally:
        _pass_on(signal.SIGTERM, processes)  # none is left, unless something went wrong here
        for number, handler in before.items():
            signal.signal(number, handler)
    return max(code if code >= 0 else 128 - code for code in (process.wait() for process in processes))


def threads_per_worker(workers: int, cores: int | None = None) -> int:
    """Threads that each of `workers` processes may use; the cores are those this process may run on by default."""
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


def visible_gpus(env: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """The GPUs that processes of this host may use, as CUDA_VISIBLE_DEVICES names them; [] where there is none."""
    chosen = env.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    return [str(number) for number, _ in enumerate(devices.glob("nvidia[0-9]*"))]


def _pass_on(number: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
