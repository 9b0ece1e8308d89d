"""Class-specific edits of images, one file per editor."""
