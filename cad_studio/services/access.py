"""Who may do what: viewers look, annotators annotate, owners do everything."""

import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from cad_studio.core.errors import NotAllowedError, ReadOnlyError, SettingError, closest
from cad_studio.services.login_limit import LoginLimit

ROLES = ("viewer", "annotator", "owner")
"""From least to most."""

_COST, _BLOCK, _LANES = 2**14, 8, 1
_HASH = re.compile(r"scrypt\$(?:[0-9a-f]{2})+\$[0-9a-f]{64}")
_MOST_NAME = 60
_LEAST_PASSWORD = 8
_HASH_OF_NOTHING = f"scrypt${'00' * 16}${'00' * 32}"
"""Of an unknown name: to check it costs as much as any other, and no password has it."""
NOBODY = ""
"""The name of a visitor who has not logged in."""

_acting: ContextVar[str | None] = ContextVar("acting", default=None)


@dataclass(frozen=True)
class User:
    """Someone who can log in.

    Attributes:
        password: Its hash, `scrypt$SALT$HASH` in hexadecimal; empty where another service
            checks who it is.
    """

    name: str
    role: str
    password: str = ""

    def __post_init__(self) -> None:
        """Check name and role."""
        check_person(self.name)
        if self.role not in ROLES:
            raise SettingError(f"{self.role!r} is no role. {closest(self.role, ROLES)}".rstrip())

    def has_password(self, password: str) -> bool:
        """Whether this is the password; takes the same time either way."""
        if not self.password:
            return False
        _, salt, wanted = self.password.split("$")
        return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), wanted)


class Access:
    """What the one who acts at this moment may do.

    Entry points say who that is with `acting_as`; the command line and background jobs are the
    owner's and say nothing. Where a login is asked for, someone who is not known may only look.
    """

    def __init__(
        self,
        read_only: bool = False,
        users: dict[str, User] | None = None,
        other_role: str = "viewer",
    ) -> None:
        """Rule by `users`; None where there is no login.

        Args:
            read_only: Whether nobody may change anything.
            users: By name.
            other_role: Role of someone who has logged in and is none of them.
        """
        self.read_only = read_only
        self.users = users
        self._limit = LoginLimit()
        self._other_role = other_role

    @property
    def asks_for_login(self) -> bool:
        """Whether people have names that were checked."""
        return self.users is not None

    def role(self) -> str:
        """The role of the one who acts."""
        if self.read_only:
            return "viewer"
        if self.users is None:
            return "owner"
        name = _acting.get() or NOBODY
        if name in self.users:
            return self.users[name].role
        return self._other_role if name else "viewer"

    def checked_name(self) -> str | None:
        """The name that a login has checked, or None."""
        return (_acting.get() or None) if self.asks_for_login else None

    def name(self, given: str) -> str:
        """The name under which an action is written down.

        Args:
            given: What the window calls its annotator; used only where there is no login.

        Raises:
            SettingError: It cannot be a name.
        """
        return self.checked_name() or check_person(given)

    def require(self, role: str) -> None:
        """Refuse what the one who acts may not do.

        Raises:
            ReadOnlyError: Nobody may change anything here.
            NotAllowedError: A higher role is needed.
        """
        if ROLES.index(self.role()) >= ROLES.index(role):
            return
        if self.read_only:
            raise ReadOnlyError(
                "This studio is read-only. Run your own copy to import, search or train, "
                "or set CAD_READONLY=0 where it runs."
            )
        who = _acting.get()
        if not who:
            raise NotAllowedError("Log in first; visitors may only look.")
        raise NotAllowedError(
            f"{who} has the role {self.role()}; this needs the role {role}. Ask an owner."
        )

    def require_to_reach(self, place: str) -> None:
        """Refuse a path, or a name on the Hugging Face Hub, from all but owners.

        What such a text reaches lies outside the project: any file that this machine's user can
        read or write, and any address. On the command line and in jobs it is the user's own, also
        where the window is read-only.

        Args:
            place: The text, to name in the refusal.

        Raises:
            ReadOnlyError: Nobody may change anything here.
            NotAllowedError: The one who acts is no owner.
        """
        if (self.users is None and _acting.get() is None) or self.role() == "owner":
            return
        if self.read_only:
            self.require("owner")
        raise NotAllowedError(
            f"{_acting.get() or 'A visitor'} has the role {self.role()}; only an owner may name a "
            f"file or model such as {place[:80]!r}. Choose what exists already, or ask an owner."
        )

    def may_log_in(self, name: str, password: str, address: str = "") -> bool:
        """Whether someone is who they say; takes one hash, for an unknown name too.

        Args:
            name: As it was typed.
            password: As it was typed.
            address: Of the machine it comes from.

        Raises:
            TooManyTriesError: The name or the address has to wait first.
        """
        name = name[:_MOST_NAME]
        self._limit.begin(name, address)
        known = (self.users or {}).get(name)
        user = known or User("nobody", "viewer", _HASH_OF_NOTHING)
        is_right = user.has_password(password) and known is not None
        if is_right:
            self._limit.succeeded(name, address)
        else:
            self._limit.failed(name, address)
        return is_right


@contextmanager
def acting_as(name: str | None) -> Iterator[None]:
    """What happens inside is done by this person; None says that nobody is known."""
    token = _acting.set(name or NOBODY)
    try:
        yield
    finally:
        _acting.reset(token)


def check_person(name: str) -> str:
    """A name of an annotator, trimmed.

    Raises:
        SettingError: It is empty, too long, or holds what cannot be printed.
    """
    name = name.strip()
    if not 0 < len(name) <= _MOST_NAME or not name.isprintable():
        raise SettingError(
            f"{name[:_MOST_NAME]!r} cannot be the name of an annotator. Use 1 to {_MOST_NAME} "
            "printable characters."
        )
    return name


def hashed(password: str) -> str:
    """A password as it may be stored."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt)}"


def user_line(name: str, role: str, password: str) -> str:
    """A line of a users file.

    Raises:
        SettingError: Name, role or password cannot be used.
    """
    if set(name) & set(":;") or name.strip().startswith("#"):
        raise SettingError("The name of a user cannot hold a colon or semicolon, or begin with #.")
    if len(password) < _LEAST_PASSWORD:
        raise SettingError(f"A password has at least {_LEAST_PASSWORD} characters.")
    user = User(check_person(name), role, hashed(password))
    return f"{user.name}:{user.role}:{user.password}"


def read_users(text: str, where: str) -> dict[str, User]:
    """Users from lines of `name:role:password-hash`; empty lines and `#` comments are left out.

    Raises:
        SettingError: A line is something else, with its number.
    """
    users = {}
    for number, line in enumerate(text.replace(";", "\n").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.strip().split(":")
        if len(parts) != 3 or not _HASH.fullmatch(parts[2]):
            raise SettingError(
                f"{where}, line {number}: expected name:role:password-hash. "
                "Make one with: python -m cad_studio users add NAME --role ROLE."
            )
        user = User(*parts)
        if user.name in users:
            raise SettingError(f"{where}, line {number}: {user.name!r} stands there twice.")
        users[user.name] = user
    if not any(user.role == "owner" for user in users.values()):
        raise SettingError(f"{where} names no owner. Add one, or nobody can change the settings.")
    return users


@dataclass(frozen=True)
class Login:
    """How people log in to the window.

    Attributes:
        users: By name.
        by_hub: Whether Hugging Face says who they are, instead of a password.
        other_role: Role of someone Hugging Face knows and `users` does not.
    """

    users: dict[str, User]
    by_hub: bool = False
    other_role: str = "viewer"


def login_from(environment: Mapping[str, str], file: Path | None) -> Login | None:
    """The login that was asked for, or None.

    A users file, or `CAD_USERS` with its lines (`;` between them), asks for passwords. On a
    Hugging Face Space whose card says `hf_oauth: true`, Hugging Face says who someone is:
    `CAD_OWNERS` (the Space's author when left out) and `CAD_ANNOTATORS` are names with commas
    between; `*` among the annotators lets everyone annotate who has logged in.

    Raises:
        SettingError: A line is wrong.
    """
    if file is not None:
        return Login(read_users_file(file))
    if environment.get("CAD_USERS"):
        return Login(read_users(environment["CAD_USERS"], "CAD_USERS"))
    if not (environment.get("SPACE_ID") and environment.get("OAUTH_CLIENT_ID")):
        return None
    owners = _listed(environment.get("CAD_OWNERS") or environment.get("SPACE_AUTHOR_NAME", ""))
    annotators = _listed(environment.get("CAD_ANNOTATORS", ""))
    users = {name: User(name, "annotator") for name in annotators if name != "*"}
    users |= {name: User(name, "owner") for name in owners}
    return Login(users, True, "annotator" if "*" in annotators else "viewer")


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def read_users_file(path: Path) -> dict[str, User]:
    """Users from a file.

    Raises:
        SettingError: It cannot be read, or a line is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is no text of lines name:role:password-hash.") from error
    return read_users(text, str(path))


def _scrypt(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32).hex()
