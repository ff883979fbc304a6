"""A browser as far as cookies and redirects go, over real HTTP."""

import html
import re
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.google import Account, GoogleStandIn

LINK = re.compile(r'<a href="([^"]+)">([^<]+)</a>')


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, origin: str, google: GoogleStandIn) -> None:
        self.origin = origin
        self.google = google
        self.http = requests.Session()

    def ask(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        """Ask the site for something, and follow no redirect."""
        return self.http.request(method, self.origin + path, allow_redirects=False, timeout=30, **options)

    def begin(self, wanted: str = "") -> requests.Response:
        """Go to /auth/login."""
        return self.ask("/auth/login", params={"next": wanted} if wanted else {})

    def at_google(self, began: requests.Response, choice: str) -> str:
        """Click on a line of Google's page; return the path of the callback with everything behind it."""
        page = requests.get(began.headers["Location"], timeout=30)
        assert page.status_code == 200, page.text
        links = {html.unescape(text): html.unescape(address) for address, text in LINK.findall(page.text)}
        place = urlsplit(links[choice])
        return f"{place.path}?{place.query}"

    def sign_in(self, account: Account, wanted: str = "") -> requests.Response:
        """Go the whole way; return the answer to the callback."""
        return self.ask(self.at_google(self.begin(wanted), account.email))

    def cancel(self) -> requests.Response:
        """Go to Google and say no."""
        return self.ask(self.at_google(self.begin(), "Cancel"))

    def status(self) -> dict[str, Any]:
        """Return who the site says is here."""
        answer = self.ask("/auth/status")
        assert answer.status_code == 200
        return answer.json()

    def who(self) -> str | None:
        """Return the address of who is here."""
        user = self.status()["user"]
        return user["email"] if user else None

    def token(self) -> str | None:
        """Return the contract's cookie."""
        return self.http.cookies.get("stemset_token")
