"""Imported once by the server from which training processes are forked, so that each starts at once."""

from jomon.training.estimators.lightgbm import load_lightgbm

load_lightgbm()
