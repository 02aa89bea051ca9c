"""Monitoring: profiles of windows in, findings, causes and incidents out."""
