"""A band member practises with a phone on a stand: fingers, the lock screen, and a screen that stays on."""

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.mixing import HERTZ, LEVEL, SECONDS, Mixer, make_harbour, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# What a phone has, and a browser without a screen has not: watched here.
LOCKS = """
globalThis.locks = [];
Object.defineProperty(navigator, 'wakeLock', { value: { request: async (kind) => {
    const lock = { kind, released: false, release: async () => { lock.released = true } };
    locks.push(lock);
    return lock;
} } });
globalThis.actions = {};
const before = MediaSession.prototype.setActionHandler;
MediaSession.prototype.setActionHandler = function (action, handler) {
    actions[action] = handler;
    return before.call(this, action, handler);
};
"""


@pytest.fixture
def mixer(phone: Page, live_server, bob, demo_band) -> Mixer:
    """The page of a recording on a phone, open for bob."""
    phone.add_init_script(LOCKS)
    sign_in(phone, live_server.url, bob)
    return Mixer(phone, make_harbour(demo_band)).open()


class Fingers:
    """One finger or two on the screen."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)

    def put(self, kind: str, *points: tuple[float, float]) -> None:
        """Send a touch event."""
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with a finger."""
        self.put("touchStart", start)
        for step in range(1, 6):
            self.put("touchMove", tuple(a + (b - a) * step / 5 for a, b in zip(start, end, strict=True)))  # type: ignore[arg-type]
        self.put("touchEnd")


def test_fingers(mixer: Mixer):
    page, fingers = mixer.page, Fingers(mixer.page)
    mixer.button("Play").tap()
    mixer.hears_only(*HERTZ)
    mixer.button("Mute vocals").tap()
    mixer.hears_only("bass", "drums", "other")

    fader = mixer.slider("Level of vocals")
    box = fader.bounding_box()
    y = box["y"] + box["height"] / 2
    fingers.drag((box["x"] + 8 + 0.72 * (box["width"] - 16), y), (box["x"] + 1, y))
    expect(fader).to_have_attribute("aria-valuetext", "−∞ dB")
    mixer.button("Pause").tap()

    # A tap on a waveform goes there; a loop is drawn and its end dragged on the ruler.
    page.touchscreen.tap(*mixer.at(6, ".lane[data-stem=vocals] .wave"))
    assert mixer.position == pytest.approx(6, abs=0.1)
    fingers.drag(mixer.at(3), mixer.at(6))
    start, end = mixer.slider("Loop start"), mixer.slider("Loop end")
    assert float(start.get_attribute("aria-valuenow")) == pytest.approx(3, abs=0.1)
    assert float(end.get_attribute("aria-valuenow")) == pytest.approx(6, abs=0.1)
    x, y = mixer.at(6)
    fingers.drag((x + 10, y), mixer.at(9))
    assert float(end.get_attribute("aria-valuenow")) == pytest.approx(9, abs=0.4)
    mixer.button("Loop").tap()
    mixer.button("Slower").tap()
    expect(page.locator("#speed-now")).to_have_text("95 %")
    mixer.button("A semitone up").tap()
    expect(page.locator("#transpose-now")).to_have_text("+1 st")

    # Two fingers zoom; one that moves up scrolls the page and goes nowhere.
    (left, y), (right, _) = (mixer.at(second, ".lane[data-stem=vocals] .wave") for second in (5, 7))
    fingers.put("touchStart", (left, y), (right, y))
    for step in range(1, 5):
        fingers.put("touchMove", (left - 20 * step, y), (right + 20 * step, y))
    fingers.put("touchEnd")
    expect(mixer.button("Whole")).to_have_attribute("aria-disabled", "false")
    before = mixer.position
    fingers.drag((left, y), (left, y - 200))
    # Until it has come to rest: a tap before would only stop it.
    page.wait_for_function(
        """() => {
            globalThis.still = scrollY > 100 && globalThis.lastY === scrollY ? (globalThis.still ?? 0) + 1 : 0;
            globalThis.lastY = scrollY;
            return globalThis.still > 5;
        }"""
    )
    assert mixer.position == before
    mixer.button("Whole").tap()
    expect(mixer.button("Whole")).to_have_attribute("aria-disabled", "true")


def test_the_lock_screen(mixer: Mixer):
    page = mixer.page
    told = page.evaluate("(({ title, artist }) => [title, artist])(navigator.mediaSession.metadata)")
    assert told == ["Harbour", "demo-band"]
    page.evaluate("actions.seekto({ action: 'seekto', seekTime: 7 })")
    assert mixer.position == pytest.approx(7, abs=0.01)
    page.evaluate("actions.seekbackward({ action: 'seekbackward' })")
    assert mixer.position == pytest.approx(2, abs=0.01)
    page.evaluate("actions.seekforward({ action: 'seekforward', seekOffset: 3 })")
    assert mixer.position == pytest.approx(5, abs=0.01)
    page.evaluate("actions.previoustrack({ action: 'previoustrack' })")
    assert mixer.position == 0

    assert page.evaluate("locks.length") == 0
    page.get_by_label("Keep the screen on while it plays").check()
    mixer.play()
    assert page.evaluate("navigator.mediaSession.playbackState") == "playing"
    assert page.evaluate("locks.map(({ kind, released }) => [kind, released])") == [["screen", False]]
    page.evaluate("actions.pause({ action: 'pause' })")
    page.wait_for_function("() => stemset.player.state === 'paused' && locks[0].released")
    assert page.evaluate("navigator.mediaSession.playbackState") == "paused"
    page.evaluate("actions.play({ action: 'play' })")
    page.wait_for_function("() => stemset.player.state === 'playing' && locks.length === 2")
    mixer.hears("bass", LEVEL * 0.9)
    page.get_by_label("Keep the screen on while it plays").uncheck()
    page.wait_for_function("() => locks[1].released")
    assert page.evaluate("stemset.player.duration") == pytest.approx(SECONDS, abs=0.01)
