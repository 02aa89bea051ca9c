"""What is wrong with a name or a document, in one sentence for a user.

Rooms that know `jomon.core.errors` turn these into errors of their own: this package imports nothing of ours.
"""

from __future__ import annotations


class OciError(ValueError):
    """A name, descriptor, manifest or index that the specification does not allow."""
