from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pyloudnorm
import pytest
import soundfile
from av.audio.frame import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.audio.loudness import k_weighting
from processing.audio.meter import COLUMNS, Analyser, analyse_file
from processing.errors import AudioError
from tests.processing.audio_files import noise, tone, write_av, write_wav


def analyse(samples, *, rate=44_100, block=65_536, frames=None, true_peak=False):
    analyser = Analyser(
        frames=len(samples) if frames is None else frames,
        sample_rate=rate,
        channels=samples.shape[1],
        true_peak=true_peak,
    )
    for start in range(0, len(samples), block):
        analyser.push(samples[start : start + block])
    return analyser.finish()


def ffmpeg_loudness(samples, rate):
    """FFmpeg's own ebur128 filter: LUFS and true peak (linear)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="stereo", time_base=Fraction(1, rate))
    meter = graph.add("ebur128", "metadata=1:framelog=quiet:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    graph.push(frame)
    graph.push(None)
    found = {}
    while True:
        try:
            found = graph.pull().metadata or found
        except (av.BlockingIOError, av.EOFError):
            return float(found["lavfi.r128.I"]), float(found["lavfi.r128.true_peak"])


def music(rate, seconds=12, seed=0):
    """Bass-heavy noise with a quiet first third, so that both gates have work to do."""
    generator = np.random.default_rng(seed)
    walk = np.cumsum(generator.standard_normal((rate * seconds, 2)), axis=0)
    walk -= np.linspace(walk[0], walk[-1], len(walk))
    samples = walk / np.abs(walk).max() * 0.5 + generator.standard_normal(walk.shape) * 0.05
    samples[: rate * seconds // 3] *= 0.02
    return samples.astype(np.float32)


# Loudness


@pytest.mark.parametrize("rate", [8000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_loudness_and_true_peak_agree_with_ffmpeg(rate):
    samples = music(rate)
    lufs, true_peak = ffmpeg_loudness(samples, rate)
    found = analyse(samples, rate=rate, true_peak=True)
    assert found.lufs == pytest.approx(lufs, abs=0.02)
    assert found.true_peak == pytest.approx(true_peak, rel=0.02)


def test_loudness_agrees_with_pyloudnorm():
    samples = music(48_000)
    assert analyse(samples, rate=48_000).lufs == pytest.approx(
        pyloudnorm.Meter(48_000).integrated_loudness(samples.astype(np.float64)), abs=0.06
    )


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_ebu_tech_3341_case_1_and_2(rate, level):
    """A stereo sine of 1 kHz at −23 dBFS measures −23 LUFS."""
    samples = tone(20, rate=rate, hertz=1000, level=10 ** (level / 20))
    assert analyse(samples, rate=rate).lufs == pytest.approx(level, abs=0.1)


def test_ebu_tech_3341_case_3_relative_gate():
    parts = [tone(seconds, hertz=1000, level=10 ** (dbfs / 20)) for seconds, dbfs in ((10, -36), (60, -23), (10, -36))]
    assert analyse(np.concatenate(parts)).lufs == pytest.approx(-23, abs=0.1)


def test_ebu_tech_3341_case_4_absolute_gate():
    levels = ((10, -72), (10, -36), (60, -23), (10, -36), (10, -72))
    parts = [tone(seconds, hertz=1000, level=10 ** (dbfs / 20)) for seconds, dbfs in levels]
    assert analyse(np.concatenate(parts)).lufs == pytest.approx(-23, abs=0.1)


def test_k_weighting_at_48_khz_is_the_standards_table():
    b, a = k_weighting(48_000)
    shelf_b = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf_a = [1.0, -1.69065929318241, 0.73248077421585]
    assert b == pytest.approx(np.convolve(shelf_b, [1.0, -2.0, 1.0]), abs=1e-10)
    assert a == pytest.approx(np.convolve(shelf_a, [1.0, -1.99004745483398, 0.99007225036621]), abs=1e-10)


@pytest.mark.parametrize("seconds", [0.39, 0.0001])
def test_shorter_than_a_block_has_no_loudness(seconds):
    assert analyse(tone(seconds)).lufs is None


def test_400_ms_are_enough():
    assert analyse(tone(0.4)).lufs is not None


def test_silence_and_what_lies_below_the_gate_have_no_loudness():
    silent = analyse(np.zeros((44_100, 2), np.float32))
    assert (silent.lufs, silent.peak) == (None, 0.0)
    assert not silent.rms_columns.any()
    assert analyse(tone(2, level=10 ** (-80 / 20))).lufs is None


def test_constant_offset_is_no_sound():
    """DC passes no high pass; its onset does, once, and must not count beyond its blocks."""
    assert analyse(np.full((44_100 * 5, 2), 0.5, np.float32)).lufs < -15
    steady = Analyser(frames=44_100)
    steady.push(np.zeros((44_100, 2), np.float32))
    assert steady.finish().lufs is None


@pytest.mark.parametrize("block", [1, 97, 4410, 1_000_000])
def test_how_the_audio_is_cut_into_blocks_does_not_matter(block):
    samples = music(8000, seconds=2)
    whole = analyse(samples, rate=8000)
    found = analyse(samples, rate=8000, block=block)
    assert found.lufs == pytest.approx(whole.lufs, abs=1e-9)
    assert found.peak == whole.peak
    assert found.rms_columns == pytest.approx(whole.rms_columns, rel=1e-5)


# Peak


def test_peak_of_either_channel_and_sign():
    samples = np.zeros((1000, 2), np.float32)
    samples[10] = [0.25, -0.75]
    assert analyse(samples).peak == 0.75
    samples[20] = [1.5, 0]
    assert analyse(samples).peak == 1.5


def test_true_peak_lies_between_the_samples():
    """A sine at a quarter of the rate, sampled 45° beside its tops."""
    time = np.arange(44_100)
    samples = np.repeat(np.sin(np.pi / 2 * time + np.pi / 4)[:, np.newaxis], 2, axis=1)
    samples = (samples * np.hanning(44_100)[:, np.newaxis]).astype(np.float32)
    found = analyse(samples, true_peak=True)
    assert found.peak == pytest.approx(np.sqrt(0.5), abs=1e-3)
    assert found.true_peak == pytest.approx(1.0, abs=0.01)
    assert analyse(samples).true_peak is None


def test_not_a_number_counts_as_silence():
    samples = tone(1)
    clean = samples.copy()
    clean[5000] = 0
    samples[5000] = [np.nan, np.inf]
    found = analyse(samples)
    expected = analyse(clean)
    assert (found.lufs, found.peak) == (expected.lufs, expected.peak)
    assert np.array_equal(found.rms_columns, expected.rms_columns)


@settings(deadline=None, max_examples=60)
@given(
    frames=st.integers(0, 30_000),
    level=st.sampled_from([0.0, 1e-45, 1e-20, 1.0, 1e6, 1e20, 3e38]),
    declared=st.integers(0, 40_000),
)
def test_results_are_always_finite(frames, level, declared):
    samples = np.clip(noise(frames, level=1.0), -1, 1) * np.float32(level)
    found = analyse(samples, frames=declared, true_peak=level <= 1e6)
    assert found.frames == frames
    assert found.lufs is None or np.isfinite(found.lufs)
    assert np.isfinite(found.peak)
    assert found.rms_columns.shape == (COLUMNS,)
    assert np.isfinite(found.rms_columns).all()
    assert (found.rms_columns <= found.peak * (1 + 1e-3)).all()


# Columns


def test_each_column_is_the_rms_of_its_share():
    frames = 50_000  # no multiple of 1920
    samples = noise(frames)
    edges = [i * frames // COLUMNS for i in range(COLUMNS + 1)]
    expected = [np.sqrt(np.mean(np.square(samples[a:b], dtype=np.float64))) for a, b in pairwise(edges)]
    assert analyse(samples, block=777).rms_columns == pytest.approx(expected, rel=1e-5)


def test_fewer_frames_than_columns():
    samples = np.array([[0.5, 0.5], [0.25, 0.25], [1.0, 0.0]], np.float32)
    columns = analyse(samples).rms_columns
    assert columns[[0, 639]] == pytest.approx(0.5)
    assert columns[[640, 1279]] == pytest.approx(0.25)
    assert columns[[1280, 1919]] == pytest.approx(np.sqrt(0.5))


def test_nothing_at_all():
    found = analyse(np.zeros((0, 2), np.float32))
    assert (found.lufs, found.peak, found.frames) == (None, 0.0, 0)
    assert not found.rms_columns.any()


# Files


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.flac", {"format": "FLAC"}),
        ("a.wav", {"subtype": "FLOAT", "format": "RF64"}),
    ],
)
def test_file_by_libsndfile(tmp_path, name, options):
    samples = music(48_000, seconds=5)
    path = write_wav(tmp_path / name, samples, rate=48_000, **options)
    found = analyse_file(path)
    expected = analyse(samples, rate=48_000)
    assert found.analysis.lufs == pytest.approx(expected.lufs, abs=0.01)
    assert found.analysis.peak == pytest.approx(expected.peak, abs=1e-4)
    assert found.analysis.rms_columns == pytest.approx(expected.rms_columns, abs=1e-4)
    assert (found.sample_rate, found.channels, found.duration_seconds) == (48_000, 2, 5.0)
    assert found.file_size_bytes == path.stat().st_size


def test_file_that_only_ffmpeg_reads(tmp_path):
    path = write_av(tmp_path / "stem.m4a", tone(5), codec="aac", container="ipod")
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(path)
    found = analyse_file(path)
    assert found.duration_seconds == pytest.approx(5.0, abs=1e-3)
    assert found.analysis.lufs == pytest.approx(analyse(tone(5)).lufs, abs=0.1)


def test_wrong_length_in_the_header_still_fills_all_columns(tmp_path):
    path = write_av(tmp_path / "stem.mkv", tone(2), codec="aac", container="matroska")
    found = analyse_file(path).analysis
    assert found.frames != 2 * 44_100  # Matroska cannot tell the exact length
    assert found.rms_columns[20:1900].min() > 0.15


def test_damaged_mp3_is_refused_quietly(tmp_path, capfd):
    path = write_av(tmp_path / "stem.mp3", noise(5 * 44_100), codec="libmp3lame", container="mp3")
    data = bytearray(path.read_bytes())
    data[30_000:40_000] = np.random.default_rng(0).bytes(10_000)
    path.write_bytes(data)
    with pytest.raises(AudioError):
        analyse_file(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("channels", [1, 6])
def test_mono_and_surround_are_measured_as_the_channels_they_have(tmp_path, channels):
    path = write_wav(tmp_path / "a.wav", tone(3, channels=channels), subtype="FLOAT")
    stereo = analyse(tone(3)).lufs
    power = {1: 1, 6: 3 + 2 * 1.41}[channels]
    assert analyse_file(path).analysis.lufs == pytest.approx(stereo + 10 * np.log10(power / 2), abs=0.01)


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "audio_empty"), (b"words " * 500, "not_audio"), (b"fLaC" + bytes(60), "audio_damaged")]
)
def test_bad_files(tmp_path, content, code):
    path = tmp_path / "stem.flac"
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        analyse_file(path)
    assert caught.value.code == code


def test_no_samples_and_no_file(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros((0, 2)))
    for bad, code in ((path, "no_samples"), (tmp_path / "gone.wav", "audio_unreadable")):
        with pytest.raises(AudioError) as caught:
            analyse_file(bad)
        assert caught.value.code == code
