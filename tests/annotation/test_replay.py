"""A log replays to its state, and one that was cut, changed or reordered is found."""

from dataclasses import replace

import pytest

from cad_studio.annotation.replay import digest_of, replay
from cad_studio.core.annotation import Action, Change
from cad_studio.core.errors import ProjectError


def log(*steps):
    actions, digest = [], ""
    for number, (who, row, before, classes) in enumerate(steps, 1):
        after = [classes, number]
        change = Change(row, "mine", before, after, (), tuple(classes)).to_json()
        columns = {
            "number": number, "who": who, "window": "w", "at": "2026-01-01T00:00:00+00:00",
            "kind": "label", "details": {}, "changes": [change], "why": "", "version": "v",
            "seconds": 1.5, "key": str(number), "queue_id": None, "position": None,
            "reverses": None,
        }  # fmt: skip
        digest = digest_of(digest, columns)
        actions.append(Action(id=number, book_id=1, digest=digest, **columns))
    return actions


STEPS = [("anna", 0, None, [1]), ("bo", 0, None, [2]), ("anna", 0, [[1], 1], [2])]


def test_the_state_follows_from_the_log():
    found = replay(log(*STEPS))
    assert found.number == 3
    assert found.states[0].effective((0, 1, 2)) == (2,)
    assert {who: said.number for who, said in found.states[0].statements.items()} == {
        "anna": 3, "bo": 2,
    }  # fmt: skip


def test_the_clock_has_no_say_in_the_order():
    actions = log(*STEPS)
    assert replay(actions).digest == actions[-1].digest


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda actions: [actions[0], actions[2]], "goes from action 1 to action 3"),
        (lambda actions: [actions[1]], "goes from action 0 to action 2"),
        (lambda actions: [replace(actions[0], who="eve"), *actions[1:]], "Action 1 of the log is"),
        (lambda actions: [*actions[:2], replace(actions[2], changes=[])], "Action 3 of the log is"),
    ],
)
def test_a_broken_log_is_found(broken, words):
    with pytest.raises(ProjectError, match=words):
        replay(broken(log(*STEPS)))


def test_an_action_that_does_not_follow_is_found():
    with pytest.raises(ProjectError, match="Action 1 does not follow"):
        replay(log(("anna", 0, [[3], 1], [1])))
