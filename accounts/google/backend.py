"""Google as social-auth knows it: OpenID Connect with PKCE, and a person is Google's `sub`.

State, nonce and the PKCE verifier lie in the session, which lies in the database.
"""

from typing import Any

from social_core.backends.google_openidconnect import GoogleOpenIdConnect
from social_core.exceptions import AuthResponseError

# What people are called, and look like, may be missing in the token; then it is asked for.
ABOUT = ("name", "picture")


class Google(GoogleOpenIdConnect):  # type: ignore[type-arg]
    """Google's sign-in, or whatever speaks its language at GOOGLE_OIDC_ENDPOINT: all addresses are asked of it."""

    name = "google"
    ID_KEY = "sub"
    # Never by address: addresses change hands.
    LEGACY_ID_KEYS = ()  # type: ignore[assignment]
    DEFAULT_USE_PKCE = True
    # Without it Google lets in whoever it was last time, and somebody who was refused has no other choice.
    PROMPT = "select_account"
    ID_TOKEN_ISSUER = ""
    AUTHORIZATION_URL = ""
    ACCESS_TOKEN_URL = ""
    REVOKE_TOKEN_URL = ""

    def id_token_issuer(self) -> Any:
        """Return what the token may call its issuer. Google leaves out the scheme now and then."""
        issuer = super().id_token_issuer()
        return [issuer, issuer.removeprefix("https://")]

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        """Return the person who comes back. An error counts only if this browser's own sign-in brings it.

        The library reads the error first, which anybody can write into a link; without one it judges the state itself.
        """
        if self.get_provider_error(self.data) is not None or "denied" in self.data:
            self.validate_state()
        return super().auth_complete(*args, **kwargs)

    def user_data(self, access_token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what Google signed. Name and picture come from elsewhere if need be, who somebody is never does."""
        claims = dict(self.id_token or {})
        if all(claims.get(name) for name in ABOUT):
            return claims
        found = self.get_json(self.userinfo_url(), headers={"Authorization": f"Bearer {access_token}"})
        if not isinstance(found, dict) or found.get("sub") != claims.get("sub"):
            raise AuthResponseError(self, "userinfo is of somebody else", code="invalid_claim", stage="user_info")
        return claims | {name: found[name] for name in ABOUT if found.get(name)}

    def get_user_details(self, response: Any) -> dict[str, Any]:
        """Return nothing: accounts.google.identity reads what it needs, and does not trust its types."""
        return {}

    def get_user_id(self, details: Any, response: Any) -> Any:
        """Return Google's name for a person, which never changes."""
        return (self.id_token or {}).get("sub")
