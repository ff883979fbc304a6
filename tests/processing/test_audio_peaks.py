"""The peaks file: every value against what numpy says of the same samples at once."""

import math
from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest

from processing.audio.meter import Analyser, analyse_file
from processing.audio.peaks import levels
from tests.peaks_file import PeaksFile, read_peaks
from tests.processing.audio_files import noise, tone, write_wav


def peaks_of(samples, folder, *, rate=44_100, block=65_536) -> PeaksFile:
    path = folder / "x.peaks"
    analyser = Analyser(frames=len(samples), sample_rate=rate, channels=samples.shape[1], peaks=path)
    for start in range(0, len(samples), block):
        analyser.push(samples[start : start + block])
    analyser.finish()
    return read_peaks(path.read_bytes())


def expected(samples, frames_per_point):
    """Low, high and rms of each point, straight from the samples."""
    points = []
    for start in range(0, len(samples), frames_per_point):
        part = samples[start : start + frames_per_point].astype(np.float64)
        low, high, rms = part.min(), part.max(), math.sqrt((part**2).mean())
        points.append((np.clip(low, -1, 1) * 127, np.clip(high, -1, 1) * 127, min(1, rms) * 255))
    return np.array(points)


def require_right(found: PeaksFile, samples) -> None:
    assert found.frames == len(samples)
    for frames_per_point, points in found.levels:
        # Rounding may go either way where float32 sums differ in the last digit.
        assert np.abs(points - expected(samples, frames_per_point)).max() <= 0.501


# One frame; less than a point; a point; odd ends; several blocks; two levels with a step of two and of sixteen.
@pytest.mark.parametrize("frames", [1, 255, 256, 257, 65_536, 100_003, 1_048_577, 3_000_001])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_level_is_what_the_samples_say(tmp_path, frames, channels):
    samples = noise(frames, channels=channels, seed=frames)
    samples *= np.linspace(0, 1.2, frames, dtype=np.float32)[:, None]  # from silence to clipping
    found = peaks_of(samples, tmp_path)
    require_right(found, samples)
    sizes = [frames_per_point for frames_per_point, _points in found.levels]
    assert sizes[-1] == 256
    assert len(found.levels[0][1]) <= 4096
    assert all(coarse <= 16 * fine for coarse, fine in pairwise(sizes))


@pytest.mark.parametrize("block", [1, 100, 255, 257, 70_001])
def test_it_does_not_matter_in_which_blocks_a_stem_comes(tmp_path, block):
    samples = noise(2_000 if block < 200 else 200_000, channels=2)
    one, other = (peaks_of(samples, tmp_path, block=size) for size in (block, len(samples)))
    for (_, points), (_, same) in zip(one.levels, other.levels, strict=True):
        assert np.array_equal(points, same)
    assert np.array_equal(one.loudness, other.loudness)


@pytest.mark.parametrize("seconds", [1, 30, 100, 600, 3_600, 7_200, 24 * 3_600])
def test_the_coarsest_level_fills_a_window_however_long_the_recording(seconds):
    points = math.ceil(seconds * 44_100 / 256)
    factors = levels(points)
    assert factors[-1] == 1
    assert all(coarse == fine * step for (coarse, fine), step in zip(pairwise(factors), _steps(factors), strict=True))
    coarsest = math.ceil(points / factors[0])
    assert coarsest <= 4096
    assert coarsest == points or coarsest > 1_900


def _steps(factors):
    steps = [coarse // fine for coarse, fine in pairwise(factors)]
    assert all(step in (2, 4, 8, 16) for step in steps)
    return steps


def test_silence_is_nothing_and_an_empty_stem_is_empty(tmp_path):
    found = peaks_of(np.zeros((44_100, 2), np.float32), tmp_path)
    assert not any(points.any() for _frames, points in found.levels)
    assert list(found.loudness) == [0, 0]
    empty = peaks_of(np.zeros((0, 2), np.float32), tmp_path)
    assert (empty.frames, len(empty.loudness), [len(points) for _frames, points in empty.levels]) == (0, 0, [0])


def test_what_is_no_number_or_absurdly_loud_spoils_only_its_own_point(tmp_path):
    samples = noise(256 * 100, channels=2)
    clean = peaks_of(samples, tmp_path).levels[-1][1]
    samples[256 * 10] = np.nan
    samples[256 * 20] = np.inf
    samples[256 * 30] = 1e30
    samples[256 * 30 + 1] = -1e30
    dirty = peaks_of(samples, tmp_path).levels[-1][1]
    changed = {int(place) for place in np.flatnonzero((clean != dirty).any(axis=1))}
    assert {30} <= changed <= {10, 20, 30}
    assert list(dirty[30]) == [-127, 127, 255]


def test_loudness_over_time_is_that_of_the_standard(tmp_path):
    rate = 48_000
    loud = tone(2.0, hertz=997, level=1.0, rate=rate)
    samples = np.concatenate([loud * 0.5, loud * 0.05, np.zeros((rate, 2), np.float32)])
    found = peaks_of(samples, tmp_path, rate=rate)
    assert (found.sample_rate, found.loudness_seconds, len(found.loudness)) == (rate, 0.5, 10)
    for part, value in ((samples[: 2 * rate], found.loudness[2]), (samples[2 * rate : 4 * rate], found.loudness[6])):
        standard = pyloudnorm.Meter(rate).integrated_loudness(part.astype(np.float64))
        assert value / 2 - 100 == pytest.approx(standard, abs=0.5)
    assert found.loudness[2] - found.loudness[6] == 40  # 20 dB
    assert found.loudness[9] == 0


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
def test_the_last_half_second_is_what_is_left(tmp_path, rate):
    samples = tone(1.3, rate=rate, channels=1)
    found = peaks_of(samples, tmp_path, rate=rate)
    assert len(found.loudness) == 3
    assert found.loudness_seconds == pytest.approx(0.5, abs=1e-3)
    assert abs(int(found.loudness[2]) - int(found.loudness[1])) <= 1


def test_a_long_stem_goes_by_the_disk_and_comes_out_the_same(tmp_path, monkeypatch):
    samples = noise(1_100_000, channels=2)
    in_memory = peaks_of(samples, tmp_path)
    monkeypatch.setattr("processing.audio.peaks._MEMORY_BYTES", 1_000)
    monkeypatch.setattr("processing.audio.peaks._ROWS_AT_ONCE", 64)
    by_disk = peaks_of(samples, tmp_path)
    for (_, points), (_, same) in zip(in_memory.levels, by_disk.levels, strict=True):
        assert np.array_equal(points, same)
    assert [path.name for path in tmp_path.iterdir()] == ["x.peaks"]


def test_a_file_is_read_at_its_own_rate(tmp_path):
    samples = noise(50_000, channels=2)
    path = write_wav(tmp_path / "x.wav", samples, rate=32_000, subtype="FLOAT")
    analyse_file(path, peaks=tmp_path / "x.wav.peaks")
    found = read_peaks((tmp_path / "x.wav.peaks").read_bytes())
    assert found.sample_rate == 32_000
    require_right(found, samples)
