"""An executor that does the work where it is asked for: no process, no thread, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs each call within `submit`; the future it gives is done, with the result or what was raised.

    >>> SerialExecutor().submit(divmod, 7, 3).result()
    (2, 1)
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that is done already; Ctrl-C and exits are not kept in it but leave at once."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
