"""What an annotator's actions mean, how a log replays, and how far annotators agree."""
