"""CAD Studio: see and disentangle the look-alikes in partial-label image datasets."""

__version__ = "0.2.0"
