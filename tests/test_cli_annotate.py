"""The commands of annotation, as a user calls them."""

import json

import pytest
from typer.testing import CliRunner

from cad_studio.cli import app
from cad_studio.config import AppConfig
from cad_studio.core.errors import SettingError
from cad_studio.services.access import read_users_file
from cad_studio.services.container import Services
from tests.services.annotating import NAME, make


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    services = Services(AppConfig(folder / "project"))
    make(services, folder)
    services.close()
    return folder / "project"


def run(project, *words, text=None):
    done = CliRunner().invoke(app, ["--project", str(project), *words], input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def answer(project, *words):
    return json.loads(run(project, "annotate", *words, "--json"))


def test_act_undo_redo_history_restore_verify_export_correct(project, tmp_path):
    assert answer(project, "act", NAME, "label", "--row", "0", "--class", "dog")["changed"] == 1
    assert answer(project, "undo", NAME)["reverses"] == 1
    assert answer(project, "redo", NAME)["reverses"] == 1
    assert [line["kind"] for line in answer(project, "history", NAME)["actions"]] == [
        "redo", "undo", "label",
    ]  # fmt: skip
    assert answer(project, "history", NAME, "--row", "0")["actions"][0]["number"] == 1
    assert "label  0" in run(project, "annotate", "history", NAME)
    out = tmp_path / "changed.csv"
    made = answer(project, "export", NAME, "--only-changed", "--out", str(out))
    assert made["rows"] == 1
    assert answer(project, "restore", NAME, "0")["changed"] == 1
    shown = run(project, "annotate", "correct", NAME, str(out))
    assert "1 of 1 samples would change" in shown
    assert answer(project, "correct", NAME, str(out), "--apply")["changed"] == 1
    assert answer(project, "verify", NAME) == answer(project, "verify", NAME, "--rebuild")
    assert answer(project, "agreement", NAME)["votes"] == 1
    assert "samples with several candidates are above 0.9, by hog features" in run(
        project, "annotate", "settled", NAME
    )


def test_the_simulation_has_the_promised_keys(project):
    found = answer(
        project, "simulate", NAME, "--queue", "expected-gain", "--actions", "10", "--seed", "0"
    )
    assert {
        "queue", "features", "actions", "changed", "disambiguation_before", "disambiguation_after",
        "pairs_before", "pairs_after", "seconds",
    } <= set(found)  # fmt: skip
    assert (found["queue"], found["actions"]) == ("expected-gain", 10)


def test_a_user_is_added_without_the_password(project, tmp_path):
    file = tmp_path / "users"
    word = "a long enough word\n"
    run(project, "users", "add", "olga", "--role", "owner", "--file", str(file), text=word * 2)
    assert read_users_file(file)["olga"].role == "owner"
    assert word.strip() not in file.read_text()
    with pytest.raises(SettingError, match="has a user 'olga' already"):
        run(project, "users", "add", "olga", "--file", str(file), text=word * 2)
