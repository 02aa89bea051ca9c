"""The first key of a server, from a secret file such as `/run/secrets/jomon_key`; it is held in memory alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from jomon.core.errors import JomonError
from jomon.core.keys import Key, digest_of
from jomon.core.roles import Role

FIRST_ID = "first"
SHORTEST = 32
"""Characters: 32 hex digits are 128 bits, which nobody guesses."""
FEWEST_DIFFERENT = 8
"""Different characters: 32 random hex digits have fewer in 4 of 100 million cases; `aaaa...` has one."""
LONGEST = 1024


class SecretFileError(JomonError):
    """A secret file that cannot be read, or whose secret is too weak to stand alone before a server."""


def first_key(path: Path, now: datetime) -> Key:
    """The key of an admin whose text is the content of the file at `path`, without the end of its line.

    Raises `SecretFileError`, which never shows the secret.
    """
    mend = "write one with `openssl rand -base64 32`"
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise SecretFileError(
            f"The secret file {path} cannot be read ({error.strerror}): check the path and its permissions."
        ) from error
    if len(data) > LONGEST:
        raise SecretFileError(f"The secret file {path} is longer than {LONGEST} bytes: {mend}.")
    text = data.rstrip(b"\r\n").decode("latin-1")
    if not all("!" <= character <= "~" for character in text):
        raise SecretFileError(
            f"The secret file {path} holds characters that no header can carry (blanks, lines, accents): {mend}."
        )
    if len(text) < SHORTEST or len(set(text)) < FEWEST_DIFFERENT:
        raise SecretFileError(
            f"The secret in {path} is weak: it needs {SHORTEST} characters or more, "
            f"{FEWEST_DIFFERENT} of them different; {mend}."
        )
    return Key(FIRST_ID, "first key", (Role.ADMIN,), None, digest_of(text), now)
