"""The door of a worker process: from what `jomon serve` was told to an application that answers."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from jomon import __version__
from jomon.project.serving import authority, setups
from jomon.serving.access_log import AccessLog
from jomon.serving.clock import clock_of
from jomon.serving.config import WorkerConfig
from jomon.serving.hosts import Hosts
from jomon.serving.http import App
from jomon.serving.run_folder import RunFolder
from jomon.serving.worker import Worker

SWITCH_SECONDS = 0.0001
"""How long a thread with a large request may keep the interpreter from answering small ones."""


def load(config: WorkerConfig) -> App:
    """The application of a worker, its images loaded and warm."""
    sys.setswitchinterval(SWITCH_SECONDS)
    import_module("jomon.engine.kernel")  # what every engine needs, imported before images are loaded
    gc.collect()
    gc.freeze()  # modules live as long as the process: no collection looks at them; images come and go
    worker = Worker(
        setups(config.names, RunFolder(config.run).image),
        config.limits,
        clock_of(config.clock),
        authority(config.keys, config.key_file) if config.keys_required else None,
        None
        if config.access_log is None
        else AccessLog(None if config.access_log == "-" else config.access_log),
        config.run,
        batch_wait=config.batch_wait,
        hosts=None if config.hosts is None else Hosts(config.hosts),
    )
    return App(worker, __version__)
