"""Processes that fit members: `concurrent.futures.Executor` in front, Ctrl-C and crashes handled.

The processes are forked from a clean server that has loaded the library once; each fits on one thread. Another
executor (Dask's `Client.get_executor()`, Ray's) can be handed in as long as its workers see the same files.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import replace

from jomon.core.processes import without_main
from jomon.training.worker import Job, Outcome, Task, run_tasks, start_worker

ROWS_PER_CHUNK = 30_000  # rows x fits sent to a process at once: about a second of work
MOST_PER_CHUNK = 64  # members sent at once, so that progress is seen and a crash loses little

HEED = (
    0.25  # seconds between looks for Ctrl-C: a handler that Polars installs lets waiting go on in spite of it
)

MakeExecutor = Callable[[str | None], Executor]


class LocalProcesses(ProcessPoolExecutor):
    """Processes that end when this one dies or abandons them, whatever they are at.

    Each holds one end of a pipe; the other end is closed by `abandon`, or by the system with this process.
    """

    def __init__(self, workers: int, preload: str | None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_preload(preload))
        theirs, self._lifeline = context.Pipe(duplex=False)
        super().__init__(workers, mp_context=context, initializer=start_worker, initargs=(preload, theirs))

    def abandon(self) -> None:
        """End the processes in the middle of their work."""
        self._lifeline.close()
        self.shutdown(wait=True, cancel_futures=True)


def _preload(library: str | None) -> list[str]:
    return ["jomon.training.preload"] if library == "lightgbm" else []


def start_early(library: str | None) -> None:
    """Start the server from which local processes are forked, which loads the library while this process goes on."""
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(_preload(library))
    forkserver.ensure_running()


def local_processes(workers: int | None = None) -> MakeExecutor:
    """Local processes, one a core unless `workers` says otherwise."""
    count = workers or os.cpu_count() or 1
    return lambda preload: LocalProcesses(count, preload)


class Pool:
    """Runs tasks on an executor that is made when the first task needs it and made anew when a process dies."""

    def __init__(self, make: MakeExecutor) -> None:
        self._make = make
        self._executor: Executor | None = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and isinstance(self._executor, LocalProcesses):
            self._executor.abandon()
            self._executor = None
        self.close()

    def close(self) -> None:
        """Drop what has not begun, wait for what has, and let the processes go."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def run(self, job: Job, tasks: Sequence[Task]) -> Iterator[list[Outcome]]:
        """Outcomes as they come, in lists that each hold every cut of the tasks they are of.

        A process that dies takes its chunk with it: the tasks of broken chunks run again one at a time, and one that
        kills its process again is reported as failed.
        """
        broken: list[Task] = []
        yield from self._run(job, chunks(tasks), broken)
        for task in sorted(broken, key=lambda t: t.s):
            again: list[Task] = []
            yield from self._run(job, [[task]], again)
            if again:
                text = "the process that fitted it died"
                yield [Outcome(task.s, cut, None, None, text, 0.0) for cut in task.cuts]

    def _run(self, job: Job, parts: list[list[Task]], broken: list[Task]) -> Iterator[list[Outcome]]:
        waiting: dict[Future[list[Outcome]], tuple[list[Task], Executor]] = {}
        try:
            for part in parts:
                future, executor = self._submit(job, part)
                waiting[future] = part, executor
            while waiting:
                done, _ = wait(waiting, timeout=HEED, return_when=FIRST_COMPLETED)
                for future in done:
                    part, executor = waiting.pop(future)
                    try:
                        yield future.result()
                    except BrokenExecutor:
                        broken += part
                        if executor is self._executor:
                            self._executor = None
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, job: Job, part: list[Task]) -> tuple[Future[list[Outcome]], Executor]:
        preload = "lightgbm" if job.estimator == "lightgbm" else None
        with without_main():
            if self._executor is None:
                self._executor = self._make(preload)
            try:
                return self._executor.submit(run_tasks, job, part), self._executor
            except BrokenExecutor:
                self._executor = self._make(preload)
                return self._executor.submit(run_tasks, job, part), self._executor


def chunks(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks in parts of about equal work, the largest first; a large member's cuts are parts of their own."""
    single: list[list[Task]] = []
    parts: list[list[Task]] = []
    weight = 0
    for task in sorted(tasks, key=lambda t: (t.start - t.stop, t.s)):
        work = (task.stop - task.start) * len(task.cuts)
        if work > ROWS_PER_CHUNK:
            single += [
                [replace(task, cuts=(cut,))] for cut in sorted(task.cuts, key=lambda c: -c if c >= 0 else -99)
            ]
            continue
        if not parts or weight + work > ROWS_PER_CHUNK or len(parts[-1]) >= MOST_PER_CHUNK:
            parts.append([])
            weight = 0
        parts[-1].append(task)
        weight += work
    return single + parts
