"""Viewers, one each: a Python shell, its script and its style."""
