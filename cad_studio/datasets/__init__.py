"""Readers of partial-label datasets, one file per format."""
