"""The session engine: rows that know whose they are, loaded together with that person in one statement.

A row lies under a hash of the session's key: whoever reads the database cannot make a cookie of it.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import Session, User
from catalog.access import OPEN_PROFILES
from stemset.prepared import fetch

_FIELDS = User._meta.concrete_fields
_KEY = [field.attname for field in _FIELDS].index("id")
# By hand, because nearly every request asks it: the ORM takes ten times longer to write it than PostgreSQL to answer.
PERSON = f"""
    {", ".join(f'users."{field.column}"' for field in _FIELDS)}, coalesce({OPEN_PROFILES}, '[]')
"""
_SESSION = f"""
    SELECT session_data, {PERSON} FROM user_sessions LEFT JOIN users ON users.id = user_sessions.user_id
    WHERE {{column}} = %(value)s AND expire_date > %(now)s
"""  # noqa: S608
_BY_KEY, _BY_TOKEN = _SESSION.format(column="session_key"), _SESSION.format(column="token_id")

TOKEN_ID = "_token_id"  # noqa: S105  # the name of a key


class SessionStore(DatabaseStore):
    """Django's database-backed sessions with the columns `user` and `token_id`."""

    # The person in the row, once the session was loaded.
    user: User | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model of the rows."""
        return Session

    def load(self) -> dict[str, Any]:
        """Read the session, and its person along with it."""
        found = _find(_BY_KEY, stored_key(self.session_key or ""))
        if found is None:
            self._session_key = None
            return {}
        data, self.user = found
        return self.decode(data)

    def exists(self, session_key: str) -> bool:
        """Return whether there is such a session."""
        return super().exists(stored_key(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session of that key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(stored_key(key))

    def flush(self) -> None:
        """End the session, and forget whose it was."""
        self.user = None
        super().flush()

    def cycle_key(self) -> None:
        """Give the session a new key. The token of the old one dies with it: no two rows have the same.

        This is where Django signs somebody in. What was the short session of an attempt at Google then lasts as long as
        any other.
        """
        self.pop(TOKEN_ID, None)
        self.set_expiry(None)
        super().cycle_key()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row that stands for `data`."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        row.session_key = stored_key(row.session_key)
        row.user_id = UUID(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.token_id = UUID(data[TOKEN_ID]) if TOKEN_ID in data else None
        return row

    def token_id(self) -> str:
        """Return what the contract's token calls this session, giving it a name if it has none."""
        if TOKEN_ID not in self:
            self[TOKEN_ID] = str(uuid4())
        return str(self[TOKEN_ID])

    def person(self) -> User | None:
        """Return who is signed in by this session."""
        if SESSION_KEY not in self:
            return None
        user = self.user or User.objects.filter(pk=self[SESSION_KEY]).first()
        return user if user is not None and _still_holds(self, user) else None


def stored_key(session_key: str) -> str:
    """Return under what a session lies in the database: not under its key, which would be somebody's cookie.

    The key is some 190 random bits, so that a plain hash of it cannot be guessed from; 160 bits of it fill the column.
    """
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def person_of_token(token_id: UUID) -> User | None:
    """Return who is signed in by the session of that token id, in one statement."""
    found = _find(_BY_TOKEN, token_id)
    if found is None:
        return None
    data, user = found
    return user if user is not None and _still_holds(_signed_in(data), user) else None


@lru_cache(maxsize=1024)
def _signed_in(data: str) -> dict[str, Any]:
    """Return who signed in and with which password, from a session's data. It comes with every poll of a tab."""
    session = SessionStore().decode(data)
    return {key: session.get(key, "") for key in (SESSION_KEY, HASH_SESSION_KEY)}


def sessions_of(user: User) -> QuerySet[Session]:
    """Return where a person is signed in, the latest first."""
    return _live().filter(user=user).order_by("-created_at", "session_key")


def sign_out(token_id: UUID) -> None:
    """End the session of that token id."""
    Session.objects.filter(token_id=token_id).delete()


def sign_out_everywhere(user: User) -> int:
    """End all sessions of a person, and with them their tokens. Return how many there were."""
    count, _by_model = Session.objects.filter(user=user).delete()
    return count


def _find(statement: str, value: Any) -> tuple[str, User | None] | None:
    """Return the data of a session that has not ended, and its person if it has one."""
    for data, *columns in fetch(statement, {"value": value, "now": timezone.now()}):
        return data.decode(), person_from(columns)
    return None


def person_from(columns: list[Any]) -> User | None:
    """Return the person in the columns of PERSON, who brings what they may open along; None for nobody."""
    *values, open_profiles = columns
    if values[_KEY] is None:
        return None
    user: User = User.from_db("default", [field.attname for field in _FIELDS], values)
    user.open_profiles = open_profiles  # catalog.access asks for it
    return user


def _live() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__gt=timezone.now())


def _still_holds(session: Mapping[str, Any] | SessionStore, user: User) -> bool:
    """Return whether a session is that person's, and their password is the one they had when it began."""
    return session.get(SESSION_KEY) == str(user.pk) and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
