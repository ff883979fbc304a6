"""Pictures: from where, how they are drawn anew, and the initials of those who have none."""

import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from accounts.models import User
from accounts.pictures import SIDE, NoPicture, download, drawn_initials, initials, is_of_google, square


@pytest.mark.parametrize(
    ("address", "fetched"),
    [
        ("https://lh3.googleusercontent.com/a/x=s96-c", True),
        ("https://googleusercontent.com/x", True),
        ("http://lh3.googleusercontent.com/a", False),
        ("https://lh3.googleusercontent.com.evil.example/a", False),
        ("https://evilgoogleusercontent.com/a", False),
        ("https://lh3.googleusercontent.com@127.0.0.1/a", False),
        ("http://127.0.0.1:8000/admin/", False),
        ("https://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
        ("//lh3.googleusercontent.com/a", False),
        ("", False),
    ],
)
def test_only_where_google_keeps_them(address, fetched):
    assert is_of_google(address) is fetched
    if not fetched:
        with pytest.raises(NoPicture):
            download(address)


def test_a_stand_in_keeps_them_at_its_own_address(google):
    assert is_of_google(f"{google.url}/picture.png")
    assert not is_of_google("http://127.0.0.1:9/picture.png")
    assert not is_of_google("https://lh3.googleusercontent.com/a")


MODES = ["RGB", "RGBA", "L", "P", "1", "CMYK"]
# What each format has no way to say.
IMPOSSIBLE = {("PNG", "CMYK"), ("JPEG", "RGBA"), ("JPEG", "P"), ("GIF", "CMYK")}


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("PNG", "JPEG", "GIF", "WEBP") for mode in MODES if (kind, mode) not in IMPOSSIBLE],
)
def test_any_kind_becomes_a_square_png(kind, mode):
    drawn = io.BytesIO()
    source = Image.new(mode, (400, 100))
    facts = Image.Exif()
    facts[0x010F] = "a camera that says where it was"
    source.save(drawn, kind, exif=facts)

    with Image.open(io.BytesIO(square(drawn.getvalue()))) as made:
        assert (made.format, made.size) == ("PNG", (SIDE, SIDE))
        assert not made.info.get("exif")


@pytest.mark.parametrize(
    ("name", "email", "letters"),
    [
        ("Bob", "", "B"),
        ("Ada Byron King", "", "AK"),
        ("", "ada.king@example.org", "AK"),
        ("", "ada@example.org", "A"),
        ("Élodie Ångström", "", "ÉÅ"),
        ("李 小龙", "", "李小"),
        ("<b>x", "", "B"),
        ("😀", "", ""),
        ("", "", ""),
        ("  ", "x@y", ""),
    ],
)
def test_initials(name, email, letters):
    user = User(name=name, email=email)

    assert initials(user) == letters
    root = ET.fromstring(drawn_initials(user))  # noqa: S314  # we drew it
    assert root[1].text == (letters or None)
