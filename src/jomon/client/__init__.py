"""A client of a jomon server that needs nothing beyond the standard library.

with Client("http://localhost:8080") as client:
    told = client.predict([{"carrier": "UA", "origin": "EWR", "scheduled_departure": "2013-11-03T06:30:00"}])
    told.answers, told.request_id, told.image
"""

from __future__ import annotations

from jomon.client.client import Client, Prediction, Report, ServedFleet
from jomon.client.connection import CallError

__all__ = ["CallError", "Client", "Prediction", "Report", "ServedFleet"]
