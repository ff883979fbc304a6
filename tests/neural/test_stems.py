"""What the real library makes of a file with each of its architectures."""

import numpy as np
import pytest

from tests.neural.helpers import MODELS, RATE, engine, noise, quiet, read, tone, write

pytestmark = pytest.mark.neural


@pytest.mark.parametrize("frames", [1, 12_345, 11 * RATE + 7])
@pytest.mark.parametrize("model", ["half", "demucs", "mdxc", "roformer"])
def test_stems_are_as_long_as_the_source_and_sum_to_it(tmp_path, destination, model, frames):
    mix = noise(frames)
    stems = engine(model).separate(write(tmp_path / "mix.wav", mix), destination, quiet)
    assert tuple(stems) == MODELS[model].outputs
    made = read(stems)
    assert {len(stem) for stem in made.values()} == {frames}
    assert all(stem.any() for stem in made.values())
    if MODELS[model].residual is not None:
        np.testing.assert_allclose(sum(made.values()), mix, atol=1e-6)


@pytest.mark.parametrize("peak", [1.0, 0.47, 1e-3, 1e-5])
def test_a_stem_has_the_level_the_network_gave_it(tmp_path, destination, peak):
    """The library alone makes a stem of half the mix 0.235 instead of 0.5 of it when the mix peaks at 0.47."""
    mix = tone(3 * RATE, peak)
    stems = engine("half").separate(write(tmp_path / "mix.wav", mix), destination, quiet)
    middle = slice(RATE, 2 * RATE)
    np.testing.assert_allclose(read(stems)["vocals"][middle], 0.5 * mix[middle], atol=0.002 * peak)


def test_a_stem_above_full_scale_is_not_turned_down(tmp_path, destination):
    mix = tone(3 * RATE, 0.9)
    made = read(engine("loud").separate(write(tmp_path / "mix.wav", mix), destination, quiet))
    middle = slice(RATE, 2 * RATE)
    np.testing.assert_allclose(made["vocals"][middle], 2.5 * mix[middle], atol=0.01)
    np.testing.assert_allclose(made["vocals"] + made["instrumental"], mix, atol=1e-6)


def test_sections_of_a_long_file_meet_without_a_seam(tmp_path, destination):
    mix = tone(130 * RATE + 11, 0.5)
    told: list[float] = []
    made = read(engine("half").separate(write(tmp_path / "mix.wav", mix), destination, told.append))
    inside = slice(RATE, -RATE)
    np.testing.assert_allclose(made["vocals"][inside], 0.5 * mix[inside], atol=0.002)
    assert sorted(set(told))[-3] < 0.5, "three sections, each told"


def test_demucs_gives_the_same_stems_twice(tmp_path):
    source = write(tmp_path / "mix.wav", noise(6 * RATE))
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made.append(read(engine("demucs").separate(source, tmp_path / name, quiet)))
    for output in MODELS["demucs"].outputs:
        np.testing.assert_allclose(made[0][output], made[1][output], atol=1e-6)


@pytest.mark.parametrize("model", ["half", "demucs"])
def test_silence_stays_silence(tmp_path, destination, model):
    source = write(tmp_path / "mix.wav", np.zeros((RATE, 2), np.float32))
    made = read(engine(model).separate(source, destination, quiet))
    assert all(len(stem) == RATE and not stem.any() for stem in made.values())
