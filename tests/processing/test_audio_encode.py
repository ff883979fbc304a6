import resource
import signal

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.audio.decode import native_blocks, probe
from processing.audio.encode import StemWriter, encode, extension_for, opus_frames
from processing.audio.meter import Analyser
from tests.processing.audio_files import noise, tone

FORMATS = ["opus", "flac", "wav", "aac"]
LOSSLESS = ["flac", "wav"]


def encoded(tmp_path, samples, format, *, kbps=192, block=10_000, name="stem"):
    path = tmp_path / f"{name}{extension_for(format)}"
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    encode(blocks, path, format=format, bitrate_kbps=kbps, frames=len(samples))
    return path


def by_ffmpeg(path):
    return np.concatenate([block.samples for block in native_blocks(path)])


def by_libsndfile(path):
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def decoders(format):
    return [by_ffmpeg] if format == "aac" else [by_ffmpeg, by_libsndfile]


def expected_frames(format, frames):
    return opus_frames(frames) if format == "opus" else frames


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("frames", [1, 2, 119, 959, 960, 1024, 1025, 44_100, 100_003])
def test_length_is_exact_to_the_sample(tmp_path, format, frames):
    path = encoded(tmp_path, noise(frames), format)
    for decode in decoders(format):
        assert decode(path).shape == (expected_frames(format, frames), 2)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("frames", "at"), [(44_101, 22_050), (100_003, 0), (100_003, 63_001), (50_001, 50_000)])
def test_an_impulse_stays_where_it_was(tmp_path, format, frames, at):
    samples = np.zeros((frames, 2), np.float32)
    samples[at] = [0.8, -0.8]
    path = encoded(tmp_path, samples, format, kbps=256)
    rate = probe(path).sample_rate
    for decode in decoders(format):
        found = int(np.abs(decode(path)[:, 0]).argmax())
        assert abs(found - at * rate / 44_100) <= 0.75  # the place of a sample of 48 kHz is rounded


@pytest.mark.parametrize("format", FORMATS)
def test_no_lag_over_a_long_stem(tmp_path, format):
    """Correlating the end with the original finds no drift either."""
    samples = noise(20 * 44_100 + 7)
    decoded = by_ffmpeg(encoded(tmp_path, samples, format))
    if format == "opus":
        import soxr

        decoded = soxr.resample(decoded, 48_000, 44_100)
    for start in (5000, 10 * 44_100, len(samples) - 15_000):
        window = samples[start : start + 8192, 0]
        lags = range(-20, 21)
        scores = [float(np.dot(window, decoded[start + lag : start + lag + 8192, 0])) for lag in lags]
        assert lags[int(np.argmax(scores))] == 0


@pytest.mark.parametrize("format", LOSSLESS)
def test_lossless_formats_keep_24_bits(tmp_path, format):
    samples = noise(30_001)
    path = encoded(tmp_path, samples, format)
    expected = np.rint(samples.astype(np.float64) * 2**23) / 2**23
    for decode in decoders(format):
        assert np.array_equal(decode(path), expected.astype(np.float32))
    assert soundfile.info(path).subtype == "PCM_24"


@pytest.mark.parametrize("format", LOSSLESS)
def test_over_full_scale_is_clipped_and_never_wraps(tmp_path, format):
    samples = np.array([[1.0, -1.0], [1.5, -1.5], [100.0, -100.0], [3e38, -3e38], [0.5, -0.5]], np.float32)
    for decode in decoders(format):
        decoded = decode(encoded(tmp_path, samples, format))
        assert decoded[:4, 0].tolist() == [np.float32(1 - 2**-23)] * 4
        assert decoded[:4, 1].tolist() == [-1.0] * 4
        assert decoded[4].tolist() == [0.5, -0.5]


def test_opus_carries_overshoots_up_to_12_db(tmp_path):
    for level, expected in ((2.0, 2.0), (1e6, 4.0)):
        decoded = by_ffmpeg(encoded(tmp_path, tone(1, level=level), "opus"))
        assert float(np.percentile(np.abs(decoded[8000:-8000]), 90)) == pytest.approx(expected, rel=0.25)


def test_aac_clips_overshoots_and_keeps_full_scale(tmp_path):
    decoded = by_ffmpeg(encoded(tmp_path, tone(1, level=1.0), "aac"))
    assert np.abs(decoded[8000:-8000]).max() == pytest.approx(1.0, abs=0.03)
    decoded = by_ffmpeg(encoded(tmp_path, tone(1, level=1e6), "aac"))
    assert 0.9 < np.abs(decoded[8000:-8000]).max() < 1.6


@pytest.mark.parametrize("format", FORMATS)
def test_not_a_number_becomes_silence(tmp_path, format):
    samples = np.zeros((20_000, 2), np.float32)
    samples[5000:5010] = np.nan
    samples[6000:6010] = -np.inf
    assert np.abs(by_ffmpeg(encoded(tmp_path, samples, format))).max() < 1e-4


@pytest.mark.parametrize("format", ["opus", "aac"])
@pytest.mark.parametrize("kbps", [32, 64, 128, 256])
def test_bit_rate_is_the_total_of_both_channels(tmp_path, format, kbps):
    path = encoded(tmp_path, noise(10 * 44_100), format, kbps=kbps)
    assert path.stat().st_size * 8 / 10 / 1000 == pytest.approx(kbps, rel=0.15)


@pytest.mark.parametrize("format", ["opus", "aac"])
def test_lossy_formats_resemble_the_original(tmp_path, format):
    decoded = by_ffmpeg(encoded(tmp_path, tone(3), format, kbps=96))
    rate = probe(tmp_path / f"stem{extension_for(format)}").sample_rate
    expected = tone(3, rate=rate)
    error = np.sqrt(np.mean(np.square(decoded[5000:-5000] - expected[5000:-5000])))
    assert error < 0.02 * np.sqrt(np.mean(np.square(expected)))


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_stem_gives_the_same_bytes(tmp_path, format):
    samples = noise(50_001)
    first = encoded(tmp_path, samples, format, name="a").read_bytes()
    assert first == encoded(tmp_path, samples, format, name="b").read_bytes()
    if format in LOSSLESS:  # and the cut into blocks leaves no trace
        assert first == encoded(tmp_path, samples, format, name="c", block=777).read_bytes()


def test_the_index_of_m4a_lies_in_front(tmp_path):
    data = encoded(tmp_path, noise(50_001), "aac").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_files_are_what_their_names_say(tmp_path):
    kinds = {format: probe(encoded(tmp_path, noise(5000), format)) for format in FORMATS}
    assert [(kind.container.split(",")[0], kind.codec) for kind in kinds.values()] == [
        ("ogg", "opus"),
        ("flac", "flac"),
        ("wav", "pcm_s24le"),
        ("mov", "aac"),
    ]
    assert [extension_for(format) for format in FORMATS] == [".opus", ".flac", ".wav", ".m4a"]


@pytest.mark.parametrize("format", FORMATS)
def test_name_in_any_script(tmp_path, format):
    path = encoded(tmp_path, noise(5000), format, name="Гитара 日本 %d #1?")
    assert len(by_ffmpeg(path)) == expected_frames(format, 5000)


def test_past_4_gb_wav_becomes_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr("processing.audio.encode.WAV_LIMIT", 6 * 5000)
    assert soundfile.info(encoded(tmp_path, noise(5000), "wav")).format == "WAV"
    assert soundfile.info(encoded(tmp_path, noise(5001), "wav")).format == "RF64"


@pytest.mark.parametrize("format", FORMATS)
def test_one_pass_feeds_analyser_and_writer(tmp_path, format):
    samples = tone(1)
    analyser = Analyser(frames=len(samples))
    with StemWriter(tmp_path / "stem", format=format, bitrate_kbps=128, frames=len(samples)) as writer:
        for start in range(0, len(samples), 1000):
            block = samples[start : start + 1000]
            analyser.push(block)
            writer.push(block)
    assert analyser.finish().frames == 44_100
    assert np.array_equal(samples, tone(1))  # neither touches the caller's blocks
    assert len(by_ffmpeg(tmp_path / "stem")) == expected_frames(format, 44_100)


@pytest.mark.parametrize("format", FORMATS)
def test_failure_leaves_no_file(tmp_path, format):
    path = tmp_path / "stem"

    def interrupted():
        yield noise(20_000)
        assert path.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(interrupted(), path, format=format, bitrate_kbps=128, frames=40_000)
    assert not path.exists()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("pushed", [0, 19_999, 20_001])
def test_wrong_number_of_frames_leaves_no_file(tmp_path, format, pushed):
    path = tmp_path / "stem"
    with pytest.raises(ValueError, match="announced"):
        encode([noise(pushed)], path, format=format, bitrate_kbps=128, frames=20_000)
    assert not path.exists()


@pytest.mark.parametrize("format", FORMATS)
def test_disk_that_is_full_is_an_oserror_and_leaves_no_file(tmp_path, format):
    """A limit on the size of files stands in for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="stem"):
            encoded(tmp_path, noise(300_000), format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", FORMATS)
def test_folder_that_does_not_exist(tmp_path, format):
    with pytest.raises(OSError, match=r"No such|cannot write"):
        encode([noise(10)], tmp_path / "no" / "stem", format=format, bitrate_kbps=128, frames=10)


@pytest.mark.parametrize("kbps", [0, 31, 257])
def test_bit_rates_out_of_range(tmp_path, kbps):
    with pytest.raises(ValueError, match="bit rate"):
        encode([noise(10)], tmp_path / "stem", format="opus", bitrate_kbps=kbps, frames=10)
    assert not (tmp_path / "stem").exists()


@settings(deadline=None, max_examples=40)
@given(frames=st.integers(1, 20_000), block=st.integers(1, 9000), format=st.sampled_from(FORMATS))
def test_any_length_in_any_blocks(tmp_path_factory, frames, block, format):
    path = encoded(tmp_path_factory.mktemp("any"), noise(frames), format, block=max(block, frames // 50))
    assert len(by_ffmpeg(path)) == expected_frames(format, frames)
