"""Datasets: in, out, split, described, and their samples."""
