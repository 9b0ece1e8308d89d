"""Alembic migrations of the project database. A released one is never edited."""
