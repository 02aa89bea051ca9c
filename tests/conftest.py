"""What every test shares: hypothesis never fails an example for being slow, the machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("jomon", deadline=None)
settings.load_profile("jomon")
