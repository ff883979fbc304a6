"""A band member practises without letting go of the instrument for longer than a key takes."""

import pytest
from playwright.sync_api import expect

from tests.browser.mixing import LEVEL, SECONDS, START_DB, Mixer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_keys_of_the_player(mixer: Mixer):
    page, press = mixer.page, mixer.page.keyboard.press
    press("Space")
    page.wait_for_function("() => stemset.player.position > 0.1")
    press("Space")
    page.wait_for_function("() => stemset.player.state === 'paused'")
    press("Home")
    assert mixer.position == 0
    # Held, it does not start and stop for as long as that.
    for _ in range(4):
        page.keyboard.down("Space")
    page.keyboard.up("Space")
    page.wait_for_function("() => stemset.player.position > 0.1")
    press("Space")
    page.wait_for_function("() => stemset.player.state === 'paused'")
    press("Home")
    press("ArrowRight")
    press("ArrowRight")
    press("Shift+ArrowLeft")
    assert mixer.position == pytest.approx(9, abs=0.01)

    press("]")
    press("ArrowLeft")
    press("[")
    rows = page.locator(".edge-row output")
    expect(rows).to_have_text(["0:04.00", "0:09.00"])
    press("Shift+ArrowRight")
    press("Home")
    assert mixer.position == pytest.approx(4, abs=0.01)  # where the loop starts
    loop = mixer.button("Loop")
    press("l")
    expect(loop).to_have_attribute("aria-pressed", "false")
    press("L")
    expect(loop).to_have_attribute("aria-pressed", "true")

    speed = page.locator("#speed-now")
    press("-")
    press("-")
    expect(speed).to_have_text("90 %")
    press("+")
    expect(speed).to_have_text("95 %")
    press("0")
    expect(speed).to_have_text("100 %")
    press("k")
    expect(mixer.button("Click")).to_have_attribute("aria-pressed", "true")

    press("ArrowDown")
    expect(mixer.lane("vocals")).to_be_focused()
    press("ArrowDown")
    press("m")
    expect(mixer.button("Mute drums")).to_have_attribute("aria-pressed", "true")
    press("s")
    expect(mixer.button("Solo drums")).to_have_attribute("aria-pressed", "true")
    press("ArrowUp")
    press("m")
    expect(mixer.button("Mute vocals")).to_have_attribute("aria-pressed", "true")


def test_keys_while_writing_and_without_keys_of_one_letter(mixer: Mixer):
    page, press = mixer.page, mixer.page.keyboard.press
    press("]")
    loop = mixer.button("Loop")
    page.get_by_label("Name of the loop").fill("")
    page.keyboard.type("solo m")
    expect(page.get_by_label("Name of the loop")).to_have_value("solo m")
    expect(loop).to_have_attribute("aria-pressed", "true")
    press("Enter")
    expect(page.locator("#loops b")).to_have_text("solo m")

    mixer.button("Keyboard shortcuts").focus()
    press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    expect(help_).to_be_visible()
    help_.get_by_label("Use keys of one letter").uncheck()
    press("Escape")
    expect(help_).to_be_hidden()
    expect(mixer.button("Keyboard shortcuts")).to_be_focused()
    press("l")
    expect(loop).to_have_attribute("aria-pressed", "true")
    mixer.open()
    press("k")
    expect(mixer.button("Click")).to_have_attribute("aria-pressed", "false")
    mixer.button("Keyboard shortcuts").press("Enter")
    help_.get_by_label("Use keys of one letter").press("Space")
    press("Escape")
    press("k")
    expect(mixer.button("Click")).to_have_attribute("aria-pressed", "true")


def test_sliders_obey_keys(mixer: Mixer):
    page, press = mixer.page, mixer.page.keyboard.press
    fader = mixer.slider("Level of drums")
    fader.focus()
    press("ArrowUp")
    expect(fader).to_have_attribute("aria-valuetext", f"−{-START_DB - 0.5:.1f} dB")
    press("PageDown")
    expect(fader).to_have_attribute("aria-valuetext", f"−{-START_DB + 2.5:.1f} dB")
    press("End")
    expect(fader).to_have_attribute("aria-valuetext", "+12.0 dB")
    press("Home")
    expect(fader).to_have_attribute("aria-valuetext", "−∞ dB")
    pan = mixer.slider("Pan of drums")
    pan.focus()
    press("ArrowLeft")
    expect(pan).to_have_attribute("aria-valuetext", "5 % left")
    press("ArrowRight")
    press("ArrowRight")
    expect(pan).to_have_attribute("aria-valuetext", "5 % right")
    volume = mixer.slider("Master volume")
    volume.focus()
    press("ArrowDown")
    expect(volume).to_have_attribute("aria-valuetext", "−0.5 dB")
    speed = mixer.slider("Speed in percent")
    speed.focus()
    press("ArrowLeft")
    expect(speed).to_have_attribute("aria-valuetext", "99 %")
    semitones = mixer.slider("Semitones")
    semitones.focus()
    press("ArrowRight")
    expect(page.locator("#transpose-now")).to_have_text("+1 st")


def test_buttons_and_the_ends_of_the_loop_obey_keys(mixer: Mixer):
    page, press = mixer.page, mixer.page.keyboard.press
    mixer.button("Solo bass").focus()
    press("Enter")
    expect(mixer.button("Solo bass")).to_have_attribute("aria-pressed", "true")
    press("m")  # in a lane, wherever
    expect(mixer.button("Mute bass")).to_have_attribute("aria-pressed", "true")
    press("m")

    page.keyboard.press("[")
    start, end = mixer.slider("Loop start"), mixer.slider("Loop end")
    expect(start).to_have_attribute("aria-valuetext", "0:00.00")
    end.focus()
    press("ArrowLeft")
    expect(end).to_have_attribute("aria-valuetext", "0:03.95")
    press("Shift+ArrowRight")
    expect(end).to_have_attribute("aria-valuetext", "0:04.95")
    press("PageUp")
    expect(end).to_have_attribute("aria-valuetext", "0:09.95")
    start.focus()
    press("PageUp")
    expect(start).to_have_attribute("aria-valuetext", "0:05.00")
    nudge = mixer.button("Loop start 0.01 seconds later")
    nudge.focus()
    press("Enter")
    press("Enter")
    expect(start).to_have_attribute("aria-valuetext", "0:05.02")

    position = mixer.slider("Position")
    position.focus()
    press("ArrowRight")
    assert mixer.position == pytest.approx(5, abs=0.01)
    press("Space")
    mixer.hears("bass", LEVEL * 0.9)
    press("Space")
    page.wait_for_function("() => stemset.player.state === 'paused'")

    tap = mixer.button("Tap")
    tap.focus()
    for _ in range(4):
        press("Enter")
    expect(page.get_by_label("Beats a minute")).not_to_have_value("120")
    page.locator("[data-effect=reverb] summary").focus()
    press("Enter")
    page.keyboard.press("Tab")
    press("Space")
    expect(page.locator("[data-effect=reverb] .effect-says")).to_have_text("on")


def test_the_way_of_the_tab_key(mixer: Mixer):
    """Everything can be reached, in the order in which it is seen, and nothing that has the focus is covered."""
    page = mixer.page
    mixer.draw_loop(2, SECONDS - 2)
    page.locator("#main").focus()
    reached: list[str] = []
    while True:
        page.keyboard.press("Tab")
        name, covered = page.evaluate(
            """() => {
                const one = document.activeElement;
                const box = one.getBoundingClientRect();
                const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                const name = one.id || one.getAttribute('aria-label') || one.textContent.trim();
                return [name, one !== seen && !one.contains(seen) && !seen?.contains(one) && one !== document.body];
            }"""
        )
        assert not covered, name
        if not name or name in reached:
            break
        reached.append(name)
    # The transport is at the window's foot, and near at hand: before the stems.
    order = ["play", "seek", "part", "zoom-in", "Loop start", "Pan of vocals", "Level of vocals", "Level of other"]
    order += ["loop-name", "speed", "bpm", "master-fader", "share", "export-format", "help-open"]
    assert [name for name in reached if name in order] == order
