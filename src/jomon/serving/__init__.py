"""Serving: requests in, answers out, each recorded before it is acknowledged."""
