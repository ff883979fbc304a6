"""What people meet who see little, hear little, or hold a small screen: WCAG 2.2 AA as far as a program can tell."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.mixing import Mixer, make_harbour, sign_in, violations
from tests.factories import make_job

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESK = {"width": 1280, "height": 800}
# What is to be hit has at least this many pixels each way. A box is as large as the words beside it.
SMALL = """least => [...document.querySelectorAll('button, a, input, select, summary, [role=slider]')]
    .filter((one) => one.checkVisibility() && !one.matches('.skip, [type=checkbox]'))
    .map((one) => [one.id || one.className || one.textContent.trim(), one.getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.width, box.height) < least - 0.5)
    .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
        if (value > 0.0001 && !hadRecentInput) shifts.push([value, sources.map(({ node }) => node?.className)]);
    }
}).observe({ type: 'layout-shift', buffered: true });
"""


@pytest.fixture
def mixer(page: Page, live_server, bob, demo_band) -> Mixer:
    """The page of a recording with a kept loop, not open yet."""
    page.add_init_script(SHIFTS)
    sign_in(page, live_server.url, bob)
    return Mixer(page, make_harbour(demo_band))


def test_the_mixer(mixer: Mixer):
    page = mixer.page
    mixer.open()
    mixer.draw_loop(3, 6)
    page.get_by_label("Name of the loop").fill("Chorus")
    mixer.button("Keep it").click()
    mixer.button("Solo bass").click()
    mixer.button("More about bass").click()
    for summary in page.locator(".effect summary").all():
        summary.click()
    mixer.play()
    for width in (PHONE["viewport"], DESK):
        page.set_viewport_size(width)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == []
    mixer.button("Keyboard shortcuts").click()
    assert violations(page) == []


def test_nothing_moves_by_itself(mixer: Mixer):
    """What is there from the start stays where it is, while the page loads, plays, loops and waits."""
    page = mixer.page
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        mixer.open()
        mixer.play()
        page.evaluate("stemset.player.seek(3)")
        page.wait_for_function("() => stemset.player.position > 3.2")
        page.evaluate("stemset.player.pause()")
        page.wait_for_function("() => stemset.player.state === 'paused'")
        assert page.evaluate("shifts") == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("least", [44, 24])
def test_what_is_to_be_hit_is_large_enough(mixer: Mixer, phone: Page, live_server, bob, least):
    page = phone if least == 44 else mixer.page
    sign_in(page, live_server.url, bob)
    there = Mixer(page, mixer.recording).open()
    page.keyboard.press("[")
    there.button("Keep it").click()
    for name in ("More about bass", "More about vocals"):
        there.button(name).click()
    for summary in page.locator(".effect summary").all():
        summary.click()
    assert page.evaluate(SMALL, least) == []


@pytest.mark.parametrize("path", ["/library", "/library/demo-band", "/upload/demo-band", "/jobs", "/account"])
def test_the_other_pages(mixer: Mixer, live_server, alice, demo_band, path):
    page = mixer.page
    sign_in(page, live_server.url, alice)
    make_job(demo_band)
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []


def test_two_hours_find_room_on_a_small_phone(mixer: Mixer):
    page = mixer.page
    mixer.recording.stems.update(duration_seconds=7_500)
    page.set_viewport_size({"width": 320, "height": 640})
    mixer.open()
    page.locator("#now").evaluate("now => { now.textContent = '2:04:59.9' }")
    overlaps = page.evaluate(
        """() => {
            const boxes = [...document.querySelectorAll('#transport :is(button, output, time, input)')]
                .map((one) => [one.id || one.textContent, one.getBoundingClientRect()]);
            const meet = ([, a], [, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
            return boxes.flatMap((a, at) => boxes.slice(at + 1).filter((b) => meet(a, b)).map((b) => [a[0], b[0]]));
        }"""
    )
    assert overlaps == []
    expect(page.locator("#length")).to_have_text("2:05:00")
