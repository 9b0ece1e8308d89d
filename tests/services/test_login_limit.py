"""Passwords are tried freely at first, then with growing waits, per name and per address."""

import hashlib

import pytest

from cad_studio.services.access import Access, read_users, user_line
from cad_studio.services.login_limit import (
    FREE_TRIES,
    MOST_SECONDS,
    LoginLimit,
    TooManyTriesError,
)

HERE, THERE = "192.0.2.1", "198.51.100.7"


class Clock:
    """A time that goes on when it is told to."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limit(clock):
    return LoginLimit(clock)


def wait(limit, name, address):
    """How long someone has to wait before another try; none is counted."""
    with pytest.raises(TooManyTriesError) as told:
        limit.begin(name, address)
    return told.value.seconds


def fail(limit, times, name="olga", address=HERE):
    for _ in range(times):
        limit.begin(name, address)


def test_the_waits_for_a_name_grow_to_a_minute_from_whichever_address(limit, clock):
    fail(limit, FREE_TRIES["name"])
    seen = []
    for _ in range(7):
        seen.append(wait(limit, "olga", THERE))
        clock.now += seen[-1]
        fail(limit, 1, address=THERE)
    assert seen == [2, 4, 8, 16, 32, 60, 60]
    assert wait(limit, "olga", "203.0.113.5") == MOST_SECONDS["name"]


def test_the_waits_for_an_address_grow_whichever_the_names(limit, clock):
    for number in range(FREE_TRIES["address"]):
        limit.begin(f"name {number}", HERE)
    seen = []
    for number in range(9):
        seen.append(wait(limit, f"other {number}", HERE))
        clock.now += seen[-1]
        limit.begin(f"other {number}", HERE)
    assert seen == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    limit.begin("other", THERE)


def test_a_refused_try_makes_no_wait_longer(limit, clock):
    fail(limit, FREE_TRIES["name"])
    for _ in range(50):
        wait(limit, "olga", HERE)
    clock.now += 2
    limit.begin("olga", HERE)


def test_a_wait_begins_when_the_password_was_found_wrong(limit, clock):
    """On a busy machine a check takes a while, and the wait would be over with it."""
    fail(limit, FREE_TRIES["name"])
    clock.now += 5
    limit.failed("olga", HERE)
    assert wait(limit, "olga", HERE) == 2


def test_a_right_password_starts_anew(limit):
    fail(limit, FREE_TRIES["name"])
    limit.succeeded("olga", HERE)
    fail(limit, FREE_TRIES["name"])


def test_nobody_is_kept_out_by_someone_who_tries_their_name_elsewhere(limit):
    limit.begin("olga", HERE)
    limit.succeeded("olga", HERE)
    fail(limit, FREE_TRIES["name"], address=THERE)
    assert wait(limit, "olga", THERE) == 2
    limit.begin("olga", HERE)  # she logged in from here before


def test_tries_are_forgotten_after_an_hour(limit, clock):
    fail(limit, FREE_TRIES["name"])
    clock.now += 3601
    fail(limit, FREE_TRIES["name"])


def test_a_network_of_ipv6_is_one_address(limit):
    for number in range(FREE_TRIES["address"]):
        limit.begin(f"name {number}", f"2001:db8:0:1::{number:x}")
    assert wait(limit, "other", "2001:db8:0:1:ffff::1") == 2
    limit.begin("other", "2001:db8:0:2::1")


def test_what_is_kept_has_a_limit(limit):
    for number in range(12_000):
        limit.begin(f"name {number}", f"address {number}")
    assert len(limit._tries) == 10_000


@pytest.fixture
def access():
    return Access(users=read_users(user_line("olga", "owner", "owner's word"), "users"))


@pytest.mark.parametrize(
    ("name", "password", "is_right"),
    [("olga", "owner's word", True), ("olga", "wrong", False), ("nobody", "wrong", False)],
)
def test_a_check_takes_one_hash_for_known_and_unknown_names(
    access, monkeypatch, name, password, is_right
):
    """An unknown name took two, and so did a known one."""
    made, scrypt = [], hashlib.scrypt

    def counted(*given, **settings):
        made.append(settings["n"])
        return scrypt(*given, **settings)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    assert access.may_log_in(name, password, HERE) is is_right
    assert made == [2**14]


def test_the_limit_tells_nothing_about_which_names_there_are(access):
    for name in ("olga", "nobody"):
        for _ in range(FREE_TRIES["name"]):
            assert not access.may_log_in(name, "wrong", HERE)
        with pytest.raises(TooManyTriesError, match="Wait 2 s, then try again"):
            access.may_log_in(name, "owner's word", HERE)
