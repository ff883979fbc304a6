"""A band member practises at a desk, with a mouse: every control does what it says, and it is heard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.mixing import HERTZ, LEVEL, SECONDS, START_DB, Mixer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_strip_of_a_stem(mixer: Mixer):
    mixer.play()
    for stem in HERTZ:
        mixer.hears(stem, LEVEL * 0.9, LEVEL * 1.1)

    drums = mixer.lane("drums")
    fader = mixer.slider("Level of drums")
    mixer.pull(fader, 0.4)
    mixer.hears("drums", LEVEL * 0.03, LEVEL * 0.12)
    expect(drums.locator(".db")).to_have_text(
        f"−{-float(fader.get_attribute('aria-valuetext')[:-3].replace('−', '-'))} dB"
    )
    mixer.pull(fader, 0)
    mixer.hears("drums", 0, 0)
    expect(drums.locator(".db")).to_have_text("−∞ dB")
    fader.dblclick()
    expect(fader).to_have_attribute("aria-valuetext", f"−{-START_DB} dB")
    mixer.hears("drums", LEVEL * 0.9, LEVEL * 1.1)

    mixer.button("Mute vocals").click()
    mixer.hears_only("bass", "drums", "other")
    expect(mixer.button("Mute vocals")).to_have_attribute("aria-pressed", "true")
    mixer.button("Solo bass").click()
    mixer.hears_only("bass")
    mixer.button("Solo drums").click()
    mixer.hears_only("bass", "drums")
    mixer.button("Solo drums").click()
    mixer.button("More about other").click()
    mixer.lane("other").get_by_role("button", name="Solo-safe").click()
    mixer.hears_only("bass", "other")
    mixer.lane("other").get_by_role("button", name="Reset").click()
    mixer.hears_only("bass")

    pan = mixer.slider("Pan of bass")
    mixer.pull(pan, 0)
    mixer.hears_sides((0.1, 1), (0, 0.001))
    expect(pan).to_have_attribute("aria-valuetext", "100 % left")
    mixer.pull(pan, 1)
    mixer.hears_sides((0, 0.001), (0.1, 1))
    pan.dblclick()
    mixer.hears_sides((0.05, 1), (0.05, 1))

    mixer.button("Reset the mix").click()
    mixer.hears_only(*HERTZ)
    expect(mixer.button("Reset the mix")).to_be_disabled()


def test_presets_for_ones_part(mixer: Mixer, bob):
    part = mixer.page.get_by_role("combobox", name="My part")
    mixer.button("Without me").click()
    expect(part).to_be_focused()
    expect(mixer.page.locator("#notice")).to_contain_text("Choose first what you play")
    part.select_option("bass")
    mixer.play()
    mixer.button("Without me").click()
    mixer.hears_only("drums", "other", "vocals")
    expect(mixer.button("Without me")).to_have_attribute("aria-pressed", "true")
    mixer.button("Only me").click()
    mixer.hears_only("bass")
    part.select_option("drums")
    mixer.hears_only("drums")
    mixer.button("Me louder").click()
    mixer.hears("drums", LEVEL * 1.3, LEVEL * 1.5)
    mixer.hears("bass", LEVEL * 0.5, LEVEL * 0.6)
    with mixer.keeping():
        mixer.button("Me louder").click()
    mixer.hears_only(*HERTZ)

    # What the account says is what one finds in every recording, unless one has chosen otherwise there.
    bob.my_part = "vocals"
    bob.save()
    mixer.open()
    expect(part).to_have_value("drums")
    part.select_option("")
    expect(part).to_have_value("vocals")


def test_volume_and_effects(mixer: Mixer):
    page = mixer.page
    mixer.button("Solo bass").click()
    mixer.play()
    mixer.hears_sides((0.1, 0.2), (0.1, 0.2))
    mixer.pull(mixer.slider("Master volume"), 1)
    mixer.hears_sides((0.6, 0.75), (0.6, 0.75))
    expect(page.locator("#master-db")).to_have_text("+12.0 dB")

    def effect(name: str):
        box = page.locator(f"[data-effect={name}]")
        box.locator("summary").click()
        return box

    limiter = effect("limiter")
    limiter.get_by_label("Ceiling").fill("-12")
    mixer.hears_sides((0.2, 0.26), (0.2, 0.26))
    expect(limiter.locator(".effect-says")).to_contain_text("−8.")  # so many decibels less
    limiter.get_by_role("checkbox").uncheck()
    mixer.hears_sides((0.6, 0.75), (0.6, 0.75))
    expect(limiter.locator(".effect-says")).to_have_text("off")
    mixer.slider("Master volume").dblclick()
    mixer.hears_sides((0.1, 0.2), (0.1, 0.2))

    equaliser = effect("eq")
    equaliser.get_by_label("250 Hz").fill("12")
    mixer.hears_sides((0.4, 0.75), (0.4, 0.75))
    expect(equaliser.get_by_role("checkbox")).to_be_checked()  # who moves something wants to hear it
    equaliser.get_by_label("250 Hz").dblclick()
    mixer.hears_sides((0.1, 0.2), (0.1, 0.2))

    compressor = effect("compressor")
    compressor.get_by_label("Threshold").fill("-50")
    compressor.get_by_label("Ratio").fill("20")
    mixer.hears_sides((0.002, 0.05), (0.002, 0.05))
    compressor.get_by_label("Make-up gain").fill("12")
    mixer.hears_sides((0.01, 0.2), (0.01, 0.2))
    expect(compressor.locator(".effect-says")).to_have_text("on")

    reverb = effect("reverb")
    reverb.get_by_label("Decay").fill("8")
    reverb.get_by_label("Amount").fill("100")
    mixer.button("Pause").click()
    assert mixer.loudest(300) > 0.001  # the room goes on
    mixer.button("Reset volume and effects").click()
    expect(mixer.button("Reset volume and effects")).to_be_disabled()
    for name, says in {"limiter": "on", "eq": "off", "compressor": "off", "reverb": "off"}.items():
        expect(page.locator(f"[data-effect={name}] .effect-says")).to_have_text(says)


def test_playing_and_seeking(mixer: Mixer):
    page = mixer.page
    mixer.play()
    expect(page).to_have_title("▶ Harbour · demo-band · Stemset")
    mixer.button("Forward 5 seconds").click()
    page.wait_for_function("() => stemset.player.position > 5 && stemset.player.levels.stems.get('bass') > 0.1")
    mixer.button("Back 5 seconds").click()
    page.wait_for_function("() => stemset.player.position < 5")
    mixer.button("Pause").click()
    page.wait_for_function("() => stemset.player.state === 'paused'")
    still = mixer.position
    expect(page.locator("#now")).to_have_text(f"0:{int(still * 10 + 1e-6) / 10:04.1f}")

    mixer.pull(mixer.slider("Position"), 0.5)
    assert mixer.position == pytest.approx(SECONDS / 2, abs=0.1)
    page.mouse.click(*mixer.at(9, ".lane[data-stem=vocals] .wave"))
    assert mixer.position == pytest.approx(9, abs=0.05)
    page.mouse.click(*mixer.at(3))
    assert mixer.position == pytest.approx(3, abs=0.05)
    mixer.drag(mixer.at(3, ".lane[data-stem=bass] .wave"), mixer.at(11, ".lane[data-stem=bass] .wave"))
    assert mixer.position == pytest.approx(11, abs=0.05)

    # Whoever drags its cap away and back again goes nowhere, and sees how it goes on.
    page.mouse.click(*mixer.at(0))
    (x, y), (to, _) = mixer.way(mixer.slider("Position"), 0.5)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to, y)
    expect(page.locator("#now")).to_have_text(re.compile("^0:0[56]"))
    page.mouse.move(0, y)
    page.mouse.up()
    mixer.play()
    expect(page.locator("#now")).to_have_text(re.compile(r"^0:0[1-4]"))

    # To the end; from there it begins again.
    mixer.button("Pause").click()
    page.mouse.click(*mixer.at(11))
    mixer.play()
    page.wait_for_function("() => stemset.player.state === 'ended'")
    expect(mixer.button("Play")).to_be_visible()
    expect(page).to_have_title("Harbour · demo-band · Stemset")
    mixer.button("Play").click()
    page.wait_for_function("() => stemset.player.position > 0.2 && stemset.player.position < 3")


def test_zooming(mixer: Mixer):
    page = mixer.page
    page.mouse.click(*mixer.at(6))
    for _ in range(2):
        mixer.button("Zoom in").click()
    expect(page.locator(".ticks time").first).to_have_text("0:04.5")
    # The place that was in the middle still is, and a click is where the ruler says.
    x, y = mixer.at(3, ".lane[data-stem=bass] .wave")
    page.mouse.click(x, y)
    assert mixer.position == pytest.approx(5.25, abs=0.05)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 1000)
    page.mouse.wheel(0, 1000)
    page.keyboard.up("Control")
    expect(mixer.button("Whole")).to_have_attribute("aria-disabled", "true")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(mixer.button("Whole")).to_have_attribute("aria-disabled", "false")
    first = page.locator(".ticks time").first.inner_text()
    page.mouse.wheel(800, 0)
    expect(page.locator(".ticks time").first).not_to_have_text(first)
    mixer.button("Whole").click()
    expect(page.locator(".ticks time").first).to_have_text("0:00")


def test_loops(mixer: Mixer):
    page = mixer.page
    start, end = (page.locator(f".edge-row[data-edge={edge}] output") for edge in ("start", "end"))
    toggle = mixer.button("Loop")
    toggle.click()
    expect(page.get_by_role("status").first).to_contain_text("No loop yet")

    mixer.draw_loop(3, 6)
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert float(start.inner_text()[2:]) == pytest.approx(3, abs=0.05)
    assert float(end.inner_text()[2:]) == pytest.approx(6, abs=0.05)
    # The edges can be taken on the ruler and on every waveform.
    x, y = mixer.at(6)
    mixer.drag((x + 4, y), mixer.at(8))
    assert float(end.inner_text()[2:]) == pytest.approx(8, abs=0.1)
    x, y = mixer.at(3, ".lane[data-stem=drums] .wave")
    mixer.drag((x - 4, y), mixer.at(7.5, ".lane[data-stem=drums] .wave"))
    assert float(start.inner_text()[2:]) == pytest.approx(7.5, abs=0.1)
    before = float(start.inner_text()[2:])
    mixer.button("Loop start 0.01 seconds earlier").click()
    assert float(start.inner_text()[2:]) == pytest.approx(before - 0.01, abs=0.001)
    before = float(end.inner_text()[2:])
    mixer.button("Loop end 0.01 seconds later").click(delay=700)  # held
    assert float(end.inner_text()[2:]) >= before + 0.025

    # It is heard again and again; turned off, it goes on.
    page.mouse.click(*mixer.at(10))
    mixer.play()
    page.wait_for_function("() => stemset.player.position > 7 && stemset.player.position < 8.2")
    page.evaluate("stemset.player.addEventListener('seam', ({ detail }) => { globalThis.rounds = detail.count })")
    page.wait_for_function("() => globalThis.rounds >= 2")
    toggle.click()
    page.wait_for_function("() => stemset.player.position > 9")
    mixer.button("Pause").click()

    page.get_by_label("Name of the loop").fill("Bridge")
    mixer.button("Keep it").click()
    mixer.button("Start here").click()
    mixer.button("Keep it").click()
    names = page.locator("#loops b")
    expect(names).to_have_text(["Bridge", "Loop 2"])
    mixer.button("Rename Loop 2").click()
    page.get_by_label("Name of the loop").fill("Coda")
    mixer.button("Rename it").click()
    expect(names).to_have_text(["Bridge", "Coda"])
    page.get_by_role("button", name="Bridge").first.click()
    assert mixer.position == pytest.approx(7.5, abs=0.1)
    with mixer.keeping():
        mixer.button("Delete Coda").click()
    expect(names).to_have_text(["Bridge"])
    mixer.button("Clear").click()
    expect(start).to_have_text("–:––")
    expect(toggle).to_have_attribute("aria-pressed", "false")


def test_a_loop_at_either_end_of_the_recording(mixer: Mixer):
    rows = mixer.page.locator(".edge-row output")
    mixer.button("End here").click()
    expect(rows).to_have_text(["0:00.00", "0:00.10"])
    mixer.button("Clear").click()
    mixer.page.evaluate("stemset.player.seek(11.95)")
    mixer.button("Start here").click()
    expect(rows).to_have_text(["0:11.90", "0:12.00"])


def test_speed_and_pitch(mixer: Mixer):
    page = mixer.page
    mixer.button("50 %").click()
    expect(page.locator("#speed-now")).to_have_text("50 %")
    mixer.button("Solo bass").click()
    mixer.play()
    page.wait_for_function("() => stemset.player.report.speed === 0.5 && stemset.player.position > 0.1")
    began = page.evaluate("[stemset.player.position, stemset.player.context.currentTime]")
    assert mixer.hertz() == pytest.approx(HERTZ["bass"], abs=3)
    ended = page.evaluate("[stemset.player.position, stemset.player.context.currentTime]")
    assert (ended[0] - began[0]) / (ended[1] - began[1]) == pytest.approx(0.5, abs=0.06)
    mixer.button("Faster").click()
    expect(page.locator("#speed-now")).to_have_text("55 %")
    mixer.button("Slower").click()
    mixer.pull(mixer.slider("Speed in percent"), 0.6)
    expect(page.locator("#speed-big")).to_have_text("100 %")

    mixer.button("A semitone up").click()
    expect(page.locator("#transpose-now")).to_have_text("+1 st")
    mixer.button("A semitone down").click()
    mixer.pull(mixer.slider("Semitones"), 1)
    expect(page.locator("#transpose-now")).to_have_text("+12 st")
    page.mouse.click(*mixer.at(1))
    assert mixer.hertz() == pytest.approx(2 * HERTZ["bass"], abs=4)
    mixer.button("Solo bass").click()
    mixer.button("Solo drums").click()
    page.mouse.click(*mixer.at(1))
    mixer.hears_only("drums")
    assert mixer.hertz() == pytest.approx(HERTZ["drums"], abs=4)
    page.get_by_label("Drums stay as they are").uncheck()
    page.mouse.click(*mixer.at(1))
    assert mixer.hertz() == pytest.approx(2 * HERTZ["drums"], abs=4)
    mixer.slider("Semitones").dblclick()
    expect(page.locator("#transpose-now")).to_have_text("0 st")


def test_click_and_counting_in(mixer: Mixer):
    page = mixer.page
    for stem in HERTZ:
        mixer.button(f"Mute {stem}").click()
    page.get_by_label("Beats a minute").fill("400")
    mixer.play()
    mixer.hears_nothing()
    mixer.button("Click").click()
    page.wait_for_function("() => stemset.player.levels.master[0] > 0.1")
    page.get_by_label("Volume of the click").fill("100")
    page.wait_for_function("() => stemset.player.levels.master[0] > 0.6")
    page.get_by_label("Volume of the click").fill("0")
    mixer.hears_nothing()
    page.get_by_label("Volume of the click").fill("50")
    mixer.button("Beat 1 is here").click()
    assert page.evaluate("stemset.player.position") > 0
    mixer.button("Click").click()
    mixer.button("Pause").click()

    # A bar of four beats at 240 a minute takes a second.
    page.get_by_label("Beats a minute").fill("240")
    page.get_by_label("Beats in a bar").select_option("4")
    page.get_by_label("Count in").select_option("1 bar")
    page.mouse.click(*mixer.at(2))
    page.evaluate(
        """() => {
            const [from, place] = [performance.now(), stemset.player.position];
            globalThis.counted = new Promise((resolve) => setInterval(() => {
                if (stemset.player.position > place + 0.02) resolve(performance.now() - from);
            }, 5));
        }"""
    )
    mixer.button("Play").click()
    assert mixer.loudest(400) > 0.1
    assert mixer.position == pytest.approx(2, abs=0.1)
    assert page.evaluate("counted") == pytest.approx(1100, abs=450)
    mixer.button("Pause").click()

    tap = mixer.button("Tap")
    tap.evaluate(
        "tap => { globalThis.taps = []; tap.addEventListener('pointerdown', event => taps.push(event.timeStamp)) }"
    )
    for _ in range(4):
        tap.click(delay=60)
    taps = page.evaluate("taps")
    assert page.get_by_label(
        "Beats a minute"
    ).input_value() == f"{min(400, 180_000 / (taps[3] - taps[0])):.1f}".removesuffix(".0")


def test_stepping_up(mixer: Mixer):
    page = mixer.page
    mixer.button("90 %").click()
    page.get_by_label("Every (loops)").fill("1")
    page.get_by_label("By (%)").fill("8")
    page.get_by_label("Up to (%)").fill("100")
    mixer.button("Step up").click()
    expect(page.locator("#step-says")).to_have_text("98 % after 1 more loop")
    mixer.draw_loop(1, 1.6)
    mixer.play()
    expect(page.locator("#speed-now")).to_have_text("98 %")
    expect(page.locator("#speed-now")).to_have_text("100 %")
    expect(page.locator("#step-says")).to_have_text("The goal of 100 % is reached.")
