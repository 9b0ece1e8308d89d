"""The commands that make edits, as a user types them."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.commands import here, json_here
from tests.services.edited import brightness
from tests.services.small import store

EDITOR = ("--set", "width=16", "--set", "components=8", "--set", "threads=1", "--set", "device=cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "project"
    services = Services(AppConfig(folder))
    store(services, brightness(folder.parent), "b")
    services.close()
    return folder


def test_editor_edits_training_and_deletion_from_the_command_line(project):
    editor = json_here(project, "edit-model", "b", "--epochs", "1", *EDITOR)
    assert (editor["epochs"], editor["belief"]) == (1, "propagation")
    asked = ("augment", "b", "--editor", "in-domain", "--budget", "all", "--limit", "9")
    estimate = json_here(project, *asked, "--estimate")
    assert (estimate["to_make"], estimate["bytes"]) == (9, 9 * 144)
    made = json_here(project, *asked)
    assert (made["made"], made["reused"], made["failed"]) == (9, 0, 0)
    loop = ("--epochs", "2", "--set", "batch_size=16", "--set", "threads=1", "--set", "device=cpu")
    trained = json_here(project, "train", "b", "--method", "cad", *loop)
    assert "9 of" in trained["notes"][-1]
    again = json_here(project, *asked)
    assert (again["made"], again["reused"], again["judge"]) == (0, 9, trained["run"])
    assert 0 <= again["reached_class"] <= 1
    (listed,) = json_here(project, "edits", "list")["sets"]
    assert (listed["n"], listed["n_stale"], listed["editor"]) == (9, 0, "in-domain")
    gone = json_here(project, "edits", "remove", made["set"])
    assert gone["removed"] == 9
    assert gone["freed_bytes"] >= made["bytes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("augment", "b", "--editor", "instruct-pix2pix"), "hf download timbrooks"),
        (("augment", "nothing"), "nothing"),
        (("augment", "b", "--budget", "some"), "budget is 'some'"),
        (("augment", "b", "--set", "strength"), "write it as name=value"),
        (("edit-model", "b", "--set", "depth=3"), "'depth' is not a setting"),
        (("edits", "judge", 77), "Edit set 77 is not in this project"),
        (("edits", "remove", 77), "edits list"),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(project, arguments, words):
    code, out, told = here(project, *arguments)
    assert (code, out) == (2, "")
    assert words in told
