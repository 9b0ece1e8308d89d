"""Partial-label methods, one file per paper."""
