"""A stand-in for Google: a real HTTP server that speaks OpenID Connect with PKCE, and can be told to misbehave.

    with GoogleStandIn() as google:
        use_google(settings, google, allowed=["bob@example.org"])

It checks what Google checks: client id and secret, the redirect address, the one-time code, the PKCE verifier.
"""

import base64
import dataclasses
import hashlib
import html
import io
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image

CLIENT_ID = "stemset-tests.apps.example"
CLIENT_SECRET = "a secret that only Google and the site know"


@dataclass(frozen=True)
class Account:
    """Somebody at Google."""

    sub: str
    email: str
    name: str = ""
    email_verified: Any = True
    picture: str = "/picture.png"


BOB = Account("1001", "bob@example.org", "Bob")
CHARLIE = Account("1002", "charlie@example.org", "Charlie")


@dataclass
class Knobs:
    """What the stand-in does otherwise than Google."""

    claims: dict[str, Any] = field(default_factory=dict)  # put over those of the id_token; None takes one out
    sign_with_another_key: bool = False
    token_status: int = 200
    token_answer: bytes | None = None
    slow_seconds: float = 0.0
    discovery_status: int = 200
    about_in_userinfo_only: bool = False
    userinfo_sub: str = ""
    picture: bytes | None = None
    picture_redirects_to: str = ""


@dataclass
class GoogleStandIn:
    """The server. `accounts` are offered on its page; `knobs` may be turned at any time."""

    accounts: list[Account] = field(default_factory=lambda: [BOB, CHARLIE])
    knobs: Knobs = field(default_factory=Knobs)
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    # What has been asked, for tests about what was sent.
    authorizations: list[dict[str, str]] = field(default_factory=list)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    userinfo_requests: int = 0
    codes: dict[str, tuple[Account, dict[str, str]]] = field(default_factory=dict)
    redirect_uris: set[str] = field(default_factory=set)  # registered ones; empty means any

    # Making keys is slow, and one pair does for all.
    key: ClassVar[rsa.RSAPrivateKey] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    another_key: ClassVar[rsa.RSAPrivateKey] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def __enter__(self) -> "GoogleStandIn":
        handler = type("Handler", (_Handler,), {"google": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        # Closing it waits for the end of an interval.
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its GOOGLE_OIDC_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def authorize(self, address: str, account: Account) -> str:
        """Do what somebody does who is sent to `address` and chooses an account; return where they are sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return self.send_back(asked, account)

    def send_back(self, asked: dict[str, str], account: Account) -> str:
        """Return the callback's address with a new code."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = (account, asked)
        return f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], 'code': code, 'scope': asked['scope']})}"

    def id_token(self, account: Account, asked: dict[str, str], access_token: str) -> str:
        """Sign what is known of an account."""
        now = int(time.time())
        digest = hashlib.sha256(access_token.encode()).digest()
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": self.client_id,
            "azp": self.client_id,
            "sub": account.sub,
            "email": account.email,
            "email_verified": account.email_verified,
            "nonce": asked.get("nonce"),
            "at_hash": base64.urlsafe_b64encode(digest[:16]).decode().rstrip("="),
            "iat": now,
            "exp": now + 3600,
        }
        if not self.knobs.about_in_userinfo_only:
            claims |= self.about(account)
        claims = {name: value for name, value in (claims | self.knobs.claims).items() if value is not None}
        key = self.another_key if self.knobs.sign_with_another_key else self.key
        return jwt.encode(claims, key, "RS256", headers={"kid": "one"})

    def about(self, account: Account) -> dict[str, Any]:
        """What somebody is called and looks like."""
        picture = f"{self.url}{account.picture}" if account.picture.startswith("/") else account.picture
        return {"name": account.name, "picture": picture}

    def discovery(self) -> dict[str, Any]:
        """The document in which everything begins."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/certs",
            "revocation_endpoint": f"{self.url}/revoke",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key, as a JWKS."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}

    def exchange(self, asked: dict[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        """Give tokens for a code, once, to whom it was made for."""
        name, secret = asked.get("client_id", ""), asked.get("client_secret", "")
        if basic:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
        if (name, secret) != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        account, wanted = self.codes.pop(asked.get("code", ""), (None, {}))
        challenge = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        if (
            account is None
            or asked.get("grant_type") != "authorization_code"
            or asked.get("redirect_uri") != wanted["redirect_uri"]
            or wanted.get("code_challenge_method") != "S256"
            or base64.urlsafe_b64encode(challenge).decode().rstrip("=") != wanted.get("code_challenge")
        ):
            return 400, {"error": "invalid_grant"}
        access_token = f"access-{account.sub}"
        return 200, {
            "access_token": access_token,
            "id_token": self.id_token(account, wanted, access_token),
            "expires_in": 3599,
            "token_type": "Bearer",
            "scope": wanted["scope"],
        }


class _Handler(BaseHTTPRequestHandler):
    google: GoogleStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        answer = getattr(
            self, f"get_{place.path.strip('/').replace('/', '_').replace('.', '_').replace('-', '_')}", None
        )
        if answer is None:
            self._send(404, b"")
        else:
            answer(asked)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        if urlsplit(self.path).path != "/token":
            self._send(404, b"")
            return
        knobs = self.google.knobs
        self.google.token_requests.append(asked)
        time.sleep(knobs.slow_seconds)
        if knobs.token_answer is not None or knobs.token_status != 200:
            self._send(knobs.token_status, knobs.token_answer or b"")
            return
        basic = self.headers.get("Authorization", "").removeprefix("Basic ")
        self._json(*self.google.exchange(asked, basic))

    def get__well_known_openid_configuration(self, asked: dict[str, str]) -> None:
        if self.google.knobs.discovery_status != 200:
            self._send(self.google.knobs.discovery_status, b"")
        else:
            self._json(200, self.google.discovery())

    def get_certs(self, asked: dict[str, str]) -> None:
        self._json(200, self.google.keys())

    def get_authorize(self, asked: dict[str, str]) -> None:
        """The page on which somebody chooses an account, or does not."""
        google = self.google
        google.authorizations.append(asked)
        uris = google.redirect_uris
        if asked.get("client_id") != google.client_id or (uris and asked.get("redirect_uri") not in uris):
            self._send(400, b"redirect_uri_mismatch or invalid_client", "text/html")
            return
        cancel = f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        links = [(google.send_back(asked, account), account.email) for account in google.accounts]
        rows = "".join(
            f'<li><a href="{html.escape(to)}">{html.escape(text)}</a></li>' for to, text in [*links, (cancel, "Cancel")]
        )
        page = f"<!doctype html><title>Choose an account</title><link rel=icon href=data:,><ul>{rows}</ul>"
        self._send(200, page.encode(), "text/html; charset=utf-8")

    def get_userinfo(self, asked: dict[str, str]) -> None:
        self.google.userinfo_requests += 1
        token = self.headers.get("Authorization", "").removeprefix("Bearer access-")
        account = next((account for account in self.google.accounts if account.sub == token), None)
        if account is None:
            self._json(401, {"error": "invalid_token"})
        else:
            sub = self.google.knobs.userinfo_sub or account.sub
            self._json(200, {"sub": sub, **self.google.about(account)})

    def get_picture_png(self, asked: dict[str, str]) -> None:
        if self.google.knobs.picture_redirects_to:
            self.send_response(302)
            self.send_header("Location", self.google.knobs.picture_redirects_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(200, self.google.knobs.picture or picture(), "image/png")

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # whoever asked did not wait
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def picture(colour: str = "#ff7a6b", size: tuple[int, int] = (300, 200)) -> bytes:
    """Return a PNG of one colour."""
    drawn = io.BytesIO()
    Image.new("RGB", size, colour).save(drawn, "PNG")
    return drawn.getvalue()


def use_google(settings: Any, google: GoogleStandIn, *, allowed: list[str] | None = None, **changes: Any) -> None:
    """Have this process sign people in at the stand-in."""
    social = {
        "SOCIAL_AUTH_GOOGLE_KEY": CLIENT_ID,
        "SOCIAL_AUTH_GOOGLE_SECRET": CLIENT_SECRET,
        "SOCIAL_AUTH_GOOGLE_OIDC_ENDPOINT": google.url,
    }
    for name, value in social.items():
        setattr(settings, name, value)
    settings.SIGN_IN = dataclasses.replace(
        settings.SIGN_IN,
        with_google=True,
        google_endpoint=google.url,
        allowed_emails=frozenset(allowed or ()),
        social_auth=settings.SIGN_IN.social_auth | social,
        **changes,
    )


def google_environment(google: GoogleStandIn) -> dict[str, str]:
    """Return what another process of the site needs in its environment to do the same."""
    return {
        "GOOGLE_CLIENT_ID": CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "GOOGLE_OIDC_ENDPOINT": google.url,
    }
