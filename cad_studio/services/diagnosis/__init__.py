"""What a finished run knows and confuses."""
