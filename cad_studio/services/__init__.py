"""What a user can do, one file per noun."""
