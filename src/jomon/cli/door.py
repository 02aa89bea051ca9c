"""The door: how every command begins and ends. Errors are one sentence, statuses 0, 1, 2 and 130."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from typer.core import TyperGroup

from jomon.core.errors import JomonError, SpecError

DEBUG = "--debug"
INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


class StoppedError(JomonError):
    """Ctrl-C; the text says what was kept."""

    exit_status = INTERRUPTED


@contextmanager
def kept(what: str) -> Iterator[None]:
    """Inside, Ctrl-C ends the command with one sentence: `stopped; ` and `what` was kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; {what}") from None


class Door(TyperGroup):
    """The `jomon` command: commands give their exit status, errors become sentences on stderr."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command and exit with its status (or give the status, if not `standalone_mode`)."""
        given = list(sys.argv[1:] if args is None else args)
        debug = DEBUG in given
        plain = [word for word in given if word != DEBUG] or ["--help"]
        try:
            result = super().main(
                plain, prog_name or "jomon", complete_var, False, windows_expand_args, **extra
            )
            sys.stdout.flush()
            status = result if isinstance(result, int) else 0
            if status == INTERRUPTED:
                told("stopped")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has seen enough
            status = 0
        except Exception as error:
            if debug:
                raise
            status = _explain(error)
        if standalone_mode:
            sys.exit(status)
        return status


def told(sentence: str) -> None:
    """One sentence of ours on stderr, if anybody listens there."""
    with suppress(OSError):
        print(f"jomon: {sentence}", file=sys.stderr)


def _explain(error: Exception) -> int:
    """Print an error as the sentence it is, and give its exit status."""
    if isinstance(error, SpecError):
        for problem in error.problems:
            told(problem)
        return error.exit_status
    if isinstance(error, JomonError):
        told(" ".join(str(error).split()))
        return error.exit_status
    usage = getattr(error, "format_message", None)
    if callable(usage):
        said = " ".join(str(usage()).split()).rstrip(".")
        context = getattr(error, "ctx", None)
        command = getattr(context, "command_path", "jomon")
        told(f"{said or 'a command is missing'}; `{command} --help` shows how.")
        return 2
    if isinstance(error, OSError) and error.filename is not None:
        told(
            f"{error.filename} cannot be used ({error.strerror}); check the path, its permissions and the disk."
        )
        return 2
    if isinstance(error, MemoryError):
        told(
            "the memory of this machine does not suffice; use fewer workers (--workers) or a larger machine."
        )
        return 2
    kind = type(error).__name__
    told(
        f"this is a defect of jomon ({kind}: {' '.join(str(error).split())}); run it again with --debug and report it."
    )
    return 2
