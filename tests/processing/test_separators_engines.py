"""What every built-in engine promises, on short and odd inputs, and how well they separate a real song."""

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from processing.audio import no_progress
from processing.errors import AudioError, ProcessingError
from processing.separators import Separator, get_separator, known_models, streaming, wavefiles
from processing.separators.dsp import DspSeparator
from processing.separators.spleeter import SpleeterSeparator, level
from tests.processing.test_separators_weights import model_folder  # noqa: F401

ROOT = Path(__file__).parents[2]
STEMS = ROOT / "benchmarks/data/harbour"
BEST = "spleeter:2stems-best"  # four times the work, so it has a test of its own
ENGINES = [name for name in known_models() if ":" in name and name != BEST]
SEGMENT = 512 * 1024

pytestmark = pytest.mark.usefixtures("model_folder")

type Audio = NDArray[np.float32]  # (samples, 2)


def read(path: Path) -> Audio:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def write(path: Path, audio: Audio, rate: int = 44_100, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, audio, rate, subtype=subtype)
    return path


def split(separator: Separator, source: Path, destination: Path) -> dict[str, Audio]:
    destination.mkdir()
    return {stem: read(path) for stem, path in separator.separate(source, destination, no_progress).items()}


def sdr(truth: Audio, estimate: Audio) -> float:
    error = truth.astype(np.float64) - estimate
    return float(10 * np.log10(np.sum(truth.astype(np.float64) ** 2) / np.sum(error**2)))


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("song") / "mix.wav", read(ROOT / "demo/input/harbour.flac"))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("length", [0, 1, 100, 1023, SEGMENT - 1, SEGMENT, SEGMENT + 1])
def test_length_and_sum(name: str, length: int, song: Path, tmp_path: Path) -> None:
    audio = read(song)[:length]
    separator = get_separator(name)
    stems = split(separator, write(tmp_path / "in.wav", audio), tmp_path / "out")
    assert tuple(stems) == separator.outputs
    assert {stem.shape for stem in stems.values()} == {(length, 2)}
    np.testing.assert_allclose(sum(stems.values()), audio, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{stem}.wav" for stem in stems)


@pytest.mark.parametrize("name", ENGINES)
def test_silence_stays_silent(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", np.zeros((50_000, 2), np.float32))
    for stem in split(get_separator(name), source, tmp_path / "out").values():
        assert not stem.any()


@pytest.mark.parametrize("name", ENGINES)
def test_damaged_samples_count_as_silence(name: str, song: Path, tmp_path: Path) -> None:
    audio = read(song)[:100_000]
    audio[5_000:5_003, 0] = [np.nan, np.inf, -np.inf]
    audio[70_000] = 1e30
    repaired = np.where(np.abs(audio) < 2, audio, 0)
    damaged = split(get_separator(name), write(tmp_path / "damaged.wav", audio), tmp_path / "a")
    clean = split(get_separator(name), write(tmp_path / "clean.wav", repaired), tmp_path / "b")
    for stem, samples in damaged.items():
        np.testing.assert_array_equal(samples, clean[stem])
        assert np.isfinite(samples).all()


@pytest.mark.parametrize("name", ["spleeter:2stems", "dsp:drums-bass-other"])
def test_number_of_workers_changes_nothing(name: str, song: Path, tmp_path: Path) -> None:
    engine = SpleeterSeparator if name.startswith("spleeter") else DspSeparator
    one = split(engine(name, workers=1), song, tmp_path / "one")
    three = split(engine(name, workers=3), song, tmp_path / "three")
    assert all(one[stem].tobytes() == three[stem].tobytes() for stem in one)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_cancelling_leaves_no_file_and_no_thread(
    name: str, error: type[BaseException], song: Path, tmp_path: Path
) -> None:
    def cancel(fraction: float) -> None:
        if fraction > 0.2:
            raise error

    with pytest.raises(error):
        get_separator(name).separate(song, tmp_path, cancel)
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("separate")]


@pytest.mark.parametrize("name", ENGINES)
def test_progress_rises_to_one(name: str, song: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    get_separator(name).separate(song, tmp_path, seen.append)
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 1
    assert seen[-1] == pytest.approx(1)


@pytest.mark.parametrize("name", ["spleeter:2stems", "dsp:hpss"])
@pytest.mark.parametrize(
    ("channels", "rate", "subtype"), [(1, 44_100, "FLOAT"), (2, 48_000, "FLOAT"), (2, 44_100, "PCM_16")]
)
def test_other_formats_are_refused(name: str, channels: int, rate: int, subtype: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", np.zeros((10, channels), np.float32), rate, subtype)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(AudioError, match="working format"):
        get_separator(name).separate(source, out, no_progress)
    assert list(out.iterdir()) == []


def test_what_is_no_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match="cannot be read"):
        get_separator("dsp:hpss").separate(tmp_path / "in.wav", tmp_path, no_progress)
    with pytest.raises(AudioError, match="cannot be read"):
        get_separator("dsp:hpss").separate(tmp_path / "missing.wav", tmp_path, no_progress)


def test_unwritable_stem_is_reported_and_the_others_removed(song: Path, tmp_path: Path) -> None:
    (tmp_path / "percussive.wav").mkdir()
    with pytest.raises(ProcessingError, match=r"percussive.wav cannot be written") as caught:
        get_separator("dsp:hpss").separate(song, tmp_path, no_progress)
    assert caught.value.code == "disk_full"
    assert not (tmp_path / "harmonic.wav").exists()


def test_full_disk_is_reported_and_leaves_nothing(song: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        with pytest.raises(ProcessingError, match="cannot be written") as caught:
            get_separator("dsp:hpss").separate(song, tmp_path, no_progress)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []


def test_stems_beyond_four_gigabytes_are_rf64(song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wavefiles, "_LARGEST_WAV", 1_000_000)
    paths = get_separator("dsp:lowband").separate(song, tmp_path, no_progress)
    assert {soundfile.info(path).format for path in paths.values()} == {"RF64"}
    audio = read(song)
    np.testing.assert_allclose(sum(read(path) for path in paths.values()), audio, atol=1e-5)


def test_a_slow_writer_holds_the_reader_back() -> None:
    begun: list[int] = []

    def jobs() -> Iterator[int]:
        for job in range(1, 101):
            begun.append(job)
            yield job

    for done, result in enumerate(streaming._in_order(lambda job: job * 2, jobs(), workers=3), start=1):
        assert result == 2 * done
        assert len(begun) <= done + 3


def test_level_is_the_rms_and_silence_has_none(tmp_path: Path) -> None:
    sine = 0.5 * np.sin(2 * np.pi * 441 * np.arange(44_100) / 44_100)
    source = write(tmp_path / "sine.wav", np.stack([sine, 0 * sine], axis=1).astype(np.float32))
    assert level(source, no_progress) == pytest.approx(0.25, rel=1e-4)
    pauses = np.concatenate([np.tile(sine, 10), np.zeros(1_000_000)])
    source = write(tmp_path / "pauses.wav", np.stack([pauses, 0 * pauses], axis=1).astype(np.float32))
    assert level(source, no_progress) == pytest.approx(0.25, rel=0.1)
    assert level(write(tmp_path / "none.wav", np.zeros((9, 2), np.float32)), no_progress) == 1


def test_vocals_do_not_depend_on_the_recording_level(song: Path, tmp_path: Path) -> None:
    audio = read(song)[:SEGMENT]
    quiet = write(tmp_path / "quiet.wav", audio * np.float32(0.01))
    loud = split(get_separator("spleeter:2stems"), write(tmp_path / "in.wav", audio), tmp_path / "loud")["vocals"]
    soft = split(get_separator("spleeter:2stems"), quiet, tmp_path / "soft")["vocals"]
    np.testing.assert_allclose(soft * 100, loud, atol=1e-4)


def test_quality_of_the_default_strategy(song: Path, tmp_path: Path) -> None:
    first = split(get_separator("spleeter:2stems"), song, tmp_path / "first")
    second = split(get_separator("dsp:drums-bass-other"), tmp_path / "first/accompaniment.wav", tmp_path / "second")
    stems = {"vocals": first["vocals"], **second}
    score = {stem: sdr(read(STEMS / f"{stem}.flac"), stems[stem]) for stem in stems}
    floor = {"vocals": 7.1, "drums": 6.9, "bass": 4.8, "other": 4.1}
    assert all(score[stem] >= floor[stem] for stem in floor), score


def test_best_is_better_and_still_sums_up(song: Path, tmp_path: Path) -> None:
    start, stop = SEGMENT // 2, 2 * SEGMENT
    audio, truth = read(song)[start:stop], read(STEMS / "vocals.flac")[start:stop]
    source = write(tmp_path / "in.wav", audio)
    plain = split(get_separator("spleeter:2stems"), source, tmp_path / "plain")
    best = split(get_separator(BEST), source, tmp_path / "best")
    assert sdr(truth, best["vocals"]) > sdr(truth, plain["vocals"])
    np.testing.assert_allclose(sum(best.values()), audio, atol=1e-5)


def test_quality_without_weights(song: Path, tmp_path: Path) -> None:
    stems = split(get_separator("dsp:4stems"), song, tmp_path / "out")
    score = {stem: sdr(read(STEMS / f"{stem}.flac"), stems[stem]) for stem in stems}
    assert all(
        score[stem] >= floor for stem, floor in {"vocals": 4.3, "drums": 6.1, "bass": 4.8, "other": 2.6}.items()
    ), score


def test_percussive_and_harmonic_go_their_ways(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4 * 44_100) / 44_100)
    tone[:22_050] *= np.linspace(0, 1, 22_050)
    tone[-22_050:] *= np.linspace(1, 0, 22_050)
    clicks = np.zeros_like(tone)
    for start in range(22_050, len(clicks), 22_050):
        clicks[start : start + 500] = np.random.default_rng(start).uniform(-0.8, 0.8, 500)
    source = write(tmp_path / "in.wav", np.repeat((tone + clicks)[:, np.newaxis], 2, axis=1).astype(np.float32))
    stems = split(get_separator("dsp:hpss"), source, tmp_path / "out")
    assert sdr(np.repeat(tone[:, np.newaxis], 2, axis=1), stems["harmonic"]) > 15
    assert sdr(np.repeat(clicks[:, np.newaxis], 2, axis=1), stems["percussive"]) > 5


def test_lowband_splits_by_frequency(tmp_path: Path) -> None:
    time = np.arange(2 * 44_100) / 44_100
    low, high = (np.repeat(0.3 * np.sin(2 * np.pi * f * time)[:, None], 2, axis=1) for f in (60, 1000))
    source = write(tmp_path / "in.wav", (low + high).astype(np.float32))
    stems = split(get_separator("dsp:lowband"), source, tmp_path / "out")
    assert sdr(low, stems["bass"]) > 30
    assert sdr(high, stems["rest"]) > 30
