"""Feature extractors, one file each: images in, unit-length rows out."""
