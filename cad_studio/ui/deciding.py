"""Decisions about samples as a page sends them: read, checked, and done in their order.

Every page that decides sends them the same way, into the same log.
"""

from typing import Any

from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.ui.actions import Action, Told
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import OfDataset

_MOST_AT_ONCE = 50


class Decisions(OfDataset):
    """Several actions, each read by itself so that a wrong one leaves those before it done.

    Attributes:
        actions: Each as `ActionRequest`.
    """

    actions: list[dict[str, Any]]


def deciding(services: Services) -> Action:
    """The function a page sends its decisions to; it is called `act` there."""

    def act(asked: Decisions) -> Told:
        """Several actions in order, each on the disk before the next; the first refusal ends it."""
        answers = []

        @answers_errors
        def one(action: ActionRequest) -> Told:
            return services.annotation.act(asked.dataset, action)

        for each in asked.actions[:_MOST_AT_ONCE]:
            answers.append(one(each))
            if "error" in answers[-1]:
                break
        return {"answers": answers}

    return act
