"""Class-specific edits: previewed, made, stored, judged."""
