"""The session engine: rows that know whose they are, loaded together with that person in one statement."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import Session, User
from stemset.prepared import fetch

_FIELDS = User._meta.concrete_fields
# By hand, because nearly every request asks it: the ORM takes ten times longer to write it than PostgreSQL to answer.
_PERSON = f"""
    SELECT session_data, {", ".join(f'users."{field.column}"' for field in _FIELDS)}
    FROM user_sessions JOIN users ON users.id = user_sessions.user_id
    WHERE token_id = %(token_id)s AND expire_date > %(now)s
"""  # noqa: S608

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
        row = _live().filter(session_key=self.session_key).select_related("user").first()
        if row is None:
            self._session_key = None
            return {}
        self.user = row.user
        return self.decode(row.session_data)

    def flush(self) -> None:
        """End the session, and forget whose it was."""
        self.user = None
        super().flush()

    def cycle_key(self) -> None:
        """Give the session a new key. The token of the old one dies with it: no two rows have the same."""
        self.pop(TOKEN_ID, None)
        super().cycle_key()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row that stands for `data`."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
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


def person_of_token(token_id: UUID) -> User | None:
    """Return who is signed in by the session of that token id, in one statement."""
    for session_data, *columns in fetch(_PERSON, {"token_id": token_id, "now": timezone.now()}):
        user: User = User.from_db("default", [field.attname for field in _FIELDS], columns)
        return user if _still_holds(SessionStore().decode(session_data.decode()), user) else None
    return None


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


def _live() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__gt=timezone.now())


def _still_holds(session: Mapping[str, Any] | SessionStore, user: User) -> bool:
    """Return whether a session is that person's, and their password is the one they had when it began."""
    return session.get(SESSION_KEY) == str(user.pk) and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )
