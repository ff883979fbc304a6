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
    fingers.drag(*mixer.way(fader, 0))
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


def test_a_finger_that_scrolls_sets_no_slider(mixer: Mixer):
    page, fingers = mixer.page, Fingers(mixer.page)
    changes = (
        "document.querySelectorAll('input[type=range]').forEach(one => one.addEventListener('input', () => changed++))"
    )
    page.evaluate(f"globalThis.changed = 0; {changes}")
    sliders = ["Position", "Level of vocals", "Pan of vocals", "Speed in percent", "Semitones", "Master volume"]
    for name in sliders:
        slider = mixer.slider(name)
        before = slider.input_value()
        _, (x, y) = mixer.way(slider, 0.25)
        scrolled = page.evaluate("scrollY")
        fingers.drag((x, y), (x, y - 200 if scrolled < 300 else y + 200))
        page.wait_for_function("before => Math.abs(scrollY - before) > 50", arg=scrolled)
        assert slider.input_value() == before
    assert page.evaluate("changed") == 0
    assert mixer.position == 0
    # A tap on the track sets it.
    slider = mixer.slider("Speed in percent")
    page.touchscreen.tap(*mixer.way(slider, 0.2)[1])
    expect(page.locator("#speed-big")).to_have_text("50 %")
    page.touchscreen.tap(*mixer.way(mixer.slider("Position"), 0.5)[1])
    page.wait_for_function("() => Math.abs(stemset.player.position - 6) < 0.2")


def test_fingers_on_loops(mixer: Mixer):
    page = mixer.page
    start, end = (page.locator(f".edge-row[data-edge={edge}] output") for edge in ("start", "end"))
    page.touchscreen.tap(*mixer.at(3))
    mixer.button("Start here").tap()
    page.touchscreen.tap(*mixer.at(6))
    mixer.button("End here").tap()
    before = [float(edge.inner_text()[2:]) for edge in (start, end)]
    assert before == pytest.approx([3, 6], abs=0.1)
    mixer.button("Loop start 0.01 seconds later").tap()
    mixer.button("Loop end 0.01 seconds earlier").tap()
    assert [float(edge.inner_text()[2:]) for edge in (start, end)] == pytest.approx(
        [before[0] + 0.01, before[1] - 0.01]
    )
    page.get_by_label("Name of the loop").tap()
    page.keyboard.type("Bridge")
    mixer.button("Keep it").tap()
    mixer.button("Clear").tap()
    expect(start).to_have_text("–:––")
    page.locator("#loops .go").tap()
    assert float(start.inner_text()[2:]) == pytest.approx(before[0] + 0.01, abs=0.001)
    with mixer.keeping():
        mixer.button("Delete Bridge").tap()
    expect(page.locator("#loops .go")).to_have_count(0)


def test_fingers_on_speed_pitch_and_click(mixer: Mixer):
    page, fingers = mixer.page, Fingers(mixer.page)
    mixer.button("50 %").tap()
    expect(page.locator("#speed-big")).to_have_text("50 %")
    fingers.drag(*mixer.way(mixer.slider("Speed in percent"), 0.6))
    expect(page.locator("#speed-big")).to_have_text("100 %")
    fingers.drag(*mixer.way(mixer.slider("Semitones"), 0))
    expect(page.locator("#transpose-big")).to_have_text("−12 st")
    page.get_by_text("Drums stay as they are").tap()
    expect(page.get_by_label("Drums stay as they are")).not_to_be_checked()

    mixer.button(
        "Click",
    ).tap()
    expect(mixer.button("Click")).to_have_attribute("aria-pressed", "true")
    fingers.drag(*mixer.way(mixer.slider("Volume of the click"), 1))
    expect(mixer.slider("Volume of the click")).to_have_value("100")
    tempo = page.get_by_label("Beats a minute")
    before_taps = tempo.input_value()
    for _ in range(4):
        mixer.button("Tap").tap()
    assert tempo.input_value() != before_taps
    mixer.button("Beat 1 is here").tap()
    page.get_by_label("Beats in a bar").tap()
    page.get_by_label("Beats in a bar").select_option("3")
    page.get_by_label("Count in").select_option("1 bar")

    mixer.button("90 %").tap()
    page.get_by_label("Every (loops)").tap()
    page.get_by_label("Every (loops)").fill("1")
    mixer.button("Step up").tap()
    expect(page.locator("#step-says")).to_have_text("95 % after 1 more loop")
    with mixer.keeping():
        mixer.button("Step up").tap()
    kept = mixer.kept()
    assert (kept["speed"], kept["transpose"], kept["drumsStay"]) == (90, -12, False)
    assert (kept["click"]["on"], kept["click"]["gain"], kept["click"]["beatsPerBar"]) == (True, 1, 3)


def test_fingers_on_the_master_panel(mixer: Mixer):
    page, fingers = mixer.page, Fingers(mixer.page)
    fingers.drag(*mixer.way(mixer.slider("Master volume"), 1))
    expect(page.locator("#master-db")).to_have_text("+12.0 dB")
    for name, setting in {"limiter": "Ceiling", "eq": "250 Hz", "compressor": "Threshold", "reverb": "Amount"}.items():
        effect = page.locator(f"[data-effect={name}]")
        effect.locator("summary").tap()
        slider = effect.get_by_label(setting)
        fingers.drag(*mixer.way(slider, 0.9))
        page.wait_for_function(
            "one => Math.abs((one.value - one.min) / (one.max - one.min) - 0.9) < 0.05", arg=slider.element_handle()
        )
        expect(effect.get_by_role("checkbox")).to_be_checked()
        effect.locator("label.tick").tap()
        expect(effect.locator(".effect-says")).to_have_text("off")
    mixer.button("Reset volume and effects").tap()
    expect(page.locator("#master-db")).to_have_text("0.0 dB")
    expect(page.locator("[data-effect=limiter] .effect-says")).to_have_text("on")


def test_fingers_on_what_one_takes_along(mixer: Mixer):
    page = mixer.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#share").tap()
    expect(page.locator("#share-said")).to_have_text("The link is on the clipboard.")
    with page.expect_download() as stems:
        page.get_by_role("link", name="All stems (zip)").tap()
    assert stems.value.suggested_filename == "Harbour stems.zip"
    page.get_by_label("Format").select_option("wav16")
    with page.expect_download() as mix:
        mixer.button("Make it").tap()
    assert mix.value.suggested_filename == "Harbour mix.wav"
    mixer.button("Keyboard shortcuts").tap()
    expect(page.get_by_role("dialog")).to_be_visible()


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
