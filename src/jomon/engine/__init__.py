"""Packed members: arrays in, scores out."""
