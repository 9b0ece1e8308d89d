"""Roles hold in the services, whoever calls them; passwords are never stored in clear."""

from pathlib import Path

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import NotAllowedError, ReadOnlyError, SettingError
from cad_studio.services.access import (
    Login,
    acting_as,
    login_from,
    read_users,
    read_users_file,
    user_line,
)
from cad_studio.services.container import Services
from tests.services.annotating import NAME, act, label, make, now, request

HASH = "scrypt$00$" + "00" * 32
PASSWORDS = {"vera": "viewer's word", "anna": "annotator's word", "olga": "owner's word"}
ROLES = {"vera": "viewer", "anna": "annotator", "olga": "owner"}


@pytest.fixture(scope="module")
def lines():
    return "\n".join(user_line(name, ROLES[name], PASSWORDS[name]) for name in ROLES)


@pytest.fixture
def services(tmp_path, lines):
    alone = Services(AppConfig(tmp_path / "project"))
    make(alone, tmp_path)
    alone.close()
    services = Services(AppConfig(tmp_path / "project"), login=Login(read_users(lines, "users")))
    yield services
    services.close()


CHANGES = {
    "act": ("annotator", lambda s: label(s, 0, 1)),
    "bulk": ("annotator", lambda s: act(s, "set", [1, 2], given={"class": 0})),
    "open a queue": ("annotator", lambda s: s.queues.open(NAME, "random")),
    "select": ("annotator", lambda s: s.queues.store_selection(NAME, [1], "x")),
    "decide": ("owner", lambda s: act(s, "decide", [0], given={"classes": [1]})),
    "rename a class": ("owner", lambda s: act(s, "rename-class", given={"class": 0, "name": "z"})),
    "take": ("annotator", lambda s: s.queues.take(NAME, 1, "x")),
    "release": ("annotator", lambda s: s.queues.release(NAME, 1, "x")),
    "change the overlap": ("owner", lambda s: s.queues.set_overlap(NAME, 1, 2)),
    "restore": ("owner", lambda s: s.history.restore(NAME, 0, None, request("restore"))),
    "rebuild": ("owner", lambda s: s.history.rebuild(NAME)),
    "look at a file": ("owner", lambda s: s.corrections.preview(NAME, Path("x.csv"))),
    "take over a file": (
        "owner",
        lambda s: s.corrections.apply(NAME, Path("x.csv"), request("correct")),
    ),
    "remove a dataset": ("owner", lambda s: s.datasets.remove(NAME)),
    "start a job": ("owner", lambda s: s.jobs.submit("export", {"name": "x"})),
    "name a run": ("owner", lambda s: s.runs.rename(1, "x")),
    "empty the trash": ("owner", lambda s: s.runs.purge()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("who", [None, "vera", "anna", "stranger"])
def test_a_lower_role_is_refused_in_words_and_changes_nothing(services, change, who):
    role, do = CHANGES[change]
    if ROLES.get(who) == role:
        pytest.skip("may do it")
    if who == "anna" and role == "annotator":
        pytest.skip("may do it")
    words = "Log in first" if who is None else f"{who} has the role .*needs the role {role}"
    with acting_as(who), pytest.raises(NotAllowedError, match=words):
        do(services)
    assert services.history.newest(NAME)["head"] == 0
    assert services.datasets.names() == [NAME]


def test_an_annotator_annotates_under_the_checked_name(services):
    with acting_as("anna"):
        label(services, 0, 1, who="somebody else")
        assert services.cards.overview(NAME, "x")["role"] == "annotator"
    assert services.history.newest(NAME)["actions"][0]["who"] == "anna"
    assert now(services, 0) == [1]


def test_an_owner_does_everything(services):
    with acting_as("olga"):
        act(services, "decide", [0], given={"classes": [2]})
        services.history.restore(NAME, 0, None, request("restore"))
        services.datasets.remove(NAME)
    assert services.datasets.names() == []


def test_someone_whose_name_was_never_said_may_only_look(services):
    """An entry point that forgets to say who acts must not open the door."""
    with pytest.raises(NotAllowedError, match="Log in first"):
        label(services, 0, 1)
    assert services.datasets.describe(NAME)["n"] == 60


def test_read_only_holds_for_owners_too(tmp_path, lines):
    closed = AppConfig(tmp_path / "project", read_only=True)
    services = Services(closed, login=Login(read_users(lines, "users")))
    with acting_as("olga"), pytest.raises(ReadOnlyError, match="read-only"):
        services.runs.purge()
    services.close()


def test_passwords_are_checked_and_not_stored(services, lines):
    assert services.access.may_log_in("anna", PASSWORDS["anna"])
    for name, word in (("anna", "wrong"), ("anna", ""), ("nobody", "no password"), ("", "")):
        assert not services.access.may_log_in(name, word)
    assert not any(word in lines for word in PASSWORDS.values())
    assert user_line("a", "owner", "same words") != user_line("a", "owner", "same words")


def test_a_users_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "users").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="is no text of lines"):
        read_users_file(tmp_path / "users")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("anna:annotator", "users, line 1: expected name:role:password-hash"),
        ("anna:annotator:secret", "line 1: expected"),
        ("anna:annotator:scrypt$no hash$00", "line 1: expected"),
        (f"# one\n\nanna:boss:{HASH}", "'boss' is no role"),
        (f"anna:annotator:{HASH}", "names no owner"),
        (f"anna:owner:{HASH}\nanna:viewer:{HASH}", "line 2: 'anna' stands there twice"),
    ],
)
def test_a_wrong_users_file_is_told_with_its_line(text, words):
    with pytest.raises(SettingError, match=words):
        read_users(text, "users")


@pytest.mark.parametrize(
    ("name", "role", "password"), [("a:b", "owner", "long enough"), ("a;b", "owner", "long enough"),
    ("#a", "owner", "long enough"), ("", "owner", "long enough"),
    ("a", "boss", "long enough"), ("a", "owner", "short")],
)  # fmt: skip
def test_a_user_that_cannot_be(name, role, password):
    with pytest.raises(SettingError):
        user_line(name, role, password)


def test_a_space_lets_its_owner_in_by_hugging_face_and_others_look():
    space = {"SPACE_ID": "olga/studio", "OAUTH_CLIENT_ID": "id", "SPACE_AUTHOR_NAME": "olga"}
    login = login_from(space, None)
    assert (login.by_hub, login.users["olga"].role, login.other_role) == (True, "owner", "viewer")
    shared = login_from({**space, "CAD_OWNERS": "max, eva", "CAD_ANNOTATORS": "*"}, None)
    assert (set(shared.users), shared.other_role) == ({"max", "eva"}, "annotator")
    assert login_from({"SPACE_ID": "olga/studio"}, None) is None
    assert login_from({}, None) is None
