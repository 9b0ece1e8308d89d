"""The project on disk: the only room that speaks SQL."""
