"""Migrations of the ledger, run by Alembic when one is opened; each is a file of `versions` and stays as it is."""
