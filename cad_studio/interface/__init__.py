"""The Python interface: a project, its datasets and runs as data frames and calls."""
