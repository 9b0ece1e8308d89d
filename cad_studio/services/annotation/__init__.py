"""People's answers: queues, cards, the log, and what is believed meanwhile."""
