"""Take pictures of a running site with a headless Chromium: python scripts/screenshots.py --help."""

import argparse
import os
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

# The browser that the tests drive.
sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.chromium import FLAGS, chromium


def main() -> None:
    """Visit every page given, at every width and in both colour schemes, which become part of the pictures' names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", default="http://127.0.0.1:8000", help="where the site runs (%(default)s)")
    parser.add_argument("--email", help="sign in as this person first; the password is read from STEMSET_PASSWORD")
    parser.add_argument("--to", type=Path, default=Path("docs/images"), help="folder of the PNGs (%(default)s)")
    parser.add_argument("--widths", type=int, nargs="+", default=[390, 1280], help="in CSS pixels (%(default)s)")
    parser.add_argument("--schemes", nargs="+", choices=["light", "dark"], default=["light", "dark"])
    parser.add_argument("--keys", nargs="+", default=[], metavar="KEY", help="pressed first, for example Space to play")
    parser.add_argument("--whole", action="store_true", help="down to the end of the page, not only the first screen")
    parser.add_argument("pages", nargs="+", metavar="NAME=/PATH", help="for example library=/library")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page()
        if options.email:
            sign_in(page, options.site, options.email, os.environ["STEMSET_PASSWORD"])
        for name, path in (pair.split("=", 1) for pair in options.pages):
            page.goto(options.site + path)
            press(page, options.keys)
            for width in options.widths:
                for scheme in options.schemes:
                    page.set_viewport_size({"width": width, "height": round(width * 0.625) if width > 800 else 844})
                    page.emulate_media(color_scheme=scheme)
                    page.wait_for_load_state("networkidle")
                    several = [str(width)] * (len(options.widths) > 1) + [scheme] * (len(options.schemes) > 1)
                    picture = "-".join([name, *several])
                    page.screenshot(path=options.to / f"{picture}.png", full_page=options.whole)
        browser.close()


def press(page: Page, keys: list[str]) -> None:
    """Press keys on the page of a recording, and wait until what they began can be seen."""
    if not keys:
        return
    page.locator("#mixer[data-ready]").wait_for(state="attached")
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(1_500)


def sign_in(page: Page, site: str, email: str, password: str) -> None:
    """Sign in through the form."""
    page.goto(f"{site}/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/library")


if __name__ == "__main__":
    main()
