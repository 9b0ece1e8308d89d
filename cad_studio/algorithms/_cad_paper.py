"""The authors' settings of CAD; loads no torch, so that a form can offer them."""

from typing import Any

PAPER: dict[str, Any] = {
    "beta": 1.5,
    "tau": 0.12,
    "queue_size": 4096,
    "scores_from": "cls",
    "max_class_views": 0,
    "class_view_share": 1.0,
    "cam": "plain",
    "anchor": 0.0,
    "inference": "network",
}
"""What the paper and its code have where the defaults differ."""
