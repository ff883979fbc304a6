"""Pictures of people, served from our origin: fetched from Google at sign-in and drawn anew, or their initials."""

import hashlib
import io
import logging
import time
from urllib.parse import urlsplit

import requests
from django.conf import settings
from PIL import Image, ImageOps

from accounts.models import Picture, User
from stemset.sign_in_settings import GOOGLE

SIDE = 192  # pixels
# Google's are below 100 kB and 1000 pixels wide.
MOST_BYTES = 2 * 1024 * 1024
MOST_PIXELS = 4096 * 4096
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
SECONDS = 4.0
GOOGLES_PICTURES = "googleusercontent.com"
logger = logging.getLogger(__name__)


class NoPicture(Exception):
    """There is none to be had."""


def fetch_picture(user: User) -> None:
    """Keep the picture that Google has of somebody. If that cannot be done, the one before stays."""
    if not user.picture_url:
        return
    try:
        content = square(download(user.picture_url))
        digest = hashlib.sha256(content).hexdigest()
        Picture.objects.update_or_create(user=user, defaults={"content": content, "sha256": digest})
    except Exception as error:  # decoders raise whatever they like at a broken file
        logger.warning("No picture of %s: %s", user.email, error)


def download(address: str) -> bytes:
    """Return what lies at an address of Google's. Raises NoPicture, or an error of requests'.

    Nothing else is fetched: the address is not ours, and may be one inside this network.
    """
    if not is_of_google(address):
        raise NoPicture(f"{address} is not where Google keeps pictures")
    until = time.monotonic() + SECONDS
    content = b""
    with requests.get(address, timeout=SECONDS, stream=True, allow_redirects=False) as response:
        if response.status_code != 200:
            raise NoPicture(f"the answer was {response.status_code}")
        for block in response.iter_content(64 * 1024):
            content += block
            if len(content) > MOST_BYTES or time.monotonic() > until:
                raise NoPicture("it is too large or comes too slowly")
    return content


def is_of_google(address: str) -> bool:
    """Return whether Google keeps pictures there, or the stand-in for Google that this site was told to use."""
    place = urlsplit(address)
    endpoint = urlsplit(settings.SIGN_IN.google_endpoint)
    if settings.SIGN_IN.google_endpoint != GOOGLE:
        return (place.scheme, place.netloc) == (endpoint.scheme, endpoint.netloc)
    host = place.hostname or ""
    return place.scheme == "https" and (host == GOOGLES_PICTURES or host.endswith(f".{GOOGLES_PICTURES}"))


def square(content: bytes) -> bytes:
    """Return a picture as a small square PNG with nothing in it but its pixels. Raises NoPicture or Pillow's errors."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise NoPicture(f"it has {picture.width} × {picture.height} pixels")
        small = ImageOps.fit(ImageOps.exif_transpose(picture).convert("RGBA"), (SIDE, SIDE))
    drawn = io.BytesIO()
    small.save(drawn, "PNG")
    return drawn.getvalue()


def initials(user: User) -> str:
    """Return up to two letters for somebody: of their name, or of their address if they have none."""
    words = (user.name or user.email.partition("@")[0].replace(".", " ")).split()
    first = [next((letter for letter in word if letter.isalnum()), "") for word in words]
    letters = [letter for letter in first if letter]
    return "".join(letters[:1] + letters[1:][-1:]).upper()


def drawn_initials(user: User) -> bytes:
    """Return the initials as an SVG. They are letters and digits, so nothing in them can be markup."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="{SIDE}" height="{SIDE}">'
        '<rect width="96" height="96" fill="#2d3237"/>'
        '<text x="48" y="50" fill="#f1f2ee" font-family="sans-serif" font-size="38" font-weight="700" '
        f'text-anchor="middle" dominant-baseline="central">{initials(user)}</text></svg>'
    ).encode()
