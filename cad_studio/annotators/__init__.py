"""Networks trained on true labels that synthesise candidate sets."""
