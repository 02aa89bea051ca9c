"""The door of a worker process: from what `jomon serve` was told to an application that answers."""

from __future__ import annotations

import gc
import sys

from jomon import __version__
from jomon.project.serving import authority, setups
from jomon.serving.access_log import AccessLog
from jomon.serving.clock import clock_of
from jomon.serving.config import WorkerConfig
from jomon.serving.http import App
from jomon.serving.worker import Worker

SWITCH_SECONDS = 0.001
"""How long a thread with a large request may keep the interpreter from answering small ones."""


def load(config: WorkerConfig) -> App:
    """The application of a worker, its images loaded and warm."""
    sys.setswitchinterval(SWITCH_SECONDS)
    worker = Worker(
        setups(config.names),
        config.limits,
        clock_of(config.clock),
        authority(config.keys, config.key_file) if config.keys_required else None,
        None
        if config.access_log is None
        else AccessLog(None if config.access_log == "-" else config.access_log),
        config.run,
        batch_wait=config.batch_wait,
    )
    app = App(worker, __version__)
    gc.collect()
    gc.freeze()  # what lives as long as the process is not looked at by every collection
    return app
