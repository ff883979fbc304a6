"""What bands really put into the folder, all at once: each file ends as a right recording or as a clear message."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from django.core.management import call_command

from catalog.models import AudioFile, Recording, Stem
from catalog.storing import files_of
from tests.band import Band, settle
from tests.processing.audio_files import cut, noise, tone, write_av, write_wav

pytestmark = pytest.mark.django_db(transaction=True)

FRAMES = 44_100


def one_sample(path: Path) -> None:
    write_wav(path, tone()[:1])


def mono(path: Path) -> None:
    write_wav(path, noise(FRAMES, channels=1))


def telephone(path: Path) -> None:
    write_wav(path, noise(8_000), rate=8_000)


def studio(path: Path) -> None:
    write_wav(path, noise(192_000), rate=192_000)


def deep(path: Path) -> None:
    write_wav(path, noise(FRAMES), subtype="PCM_24")


def floating(path: Path) -> None:
    samples = noise(FRAMES, level=0.9)  # over full scale here and there
    samples[100] = np.nan
    samples[200] = np.inf
    write_wav(path, samples, subtype="FLOAT")


def surround(path: Path) -> None:
    write_wav(path, noise(FRAMES, channels=6))


def large_header(path: Path) -> None:
    write_wav(path, noise(FRAMES), format="RF64")


def mislabelled(path: Path) -> None:
    write_av(path, noise(FRAMES), codec="libmp3lame", container="mp3")


def silence(path: Path) -> None:
    write_wav(path, np.zeros((FRAMES, 2), np.float32))


def half_a_second_less(path: Path) -> None:
    cut(write_wav(path.with_suffix(".tmp"), noise(3 * FRAMES)), path, 0.5)
    path.with_suffix(".tmp").unlink()


def empty(path: Path) -> None:
    path.touch()


def no_samples(path: Path) -> None:
    write_wav(path, np.zeros((0, 2), np.float32))


def text(path: Path) -> None:
    path.write_text("Setlist\n1. Harbour\n")


def noise_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(3).bytes(50_000))


def headless(path: Path) -> None:
    write_av(path.with_suffix(".tmp"), noise(FRAMES), codec="aac", container="mp4")
    cut(path.with_suffix(".tmp"), path, 0.5)
    path.with_suffix(".tmp").unlink()


# name, maker, seconds of the recording it must become
GOOD = [
    ("one sample.wav", one_sample, 1 / 44_100),
    ("mono.wav", mono, 1),
    ("8 kHz.wav", telephone, 1),
    ("192 kHz.wav", studio, 1),
    ("24 bit.wav", deep, 1),
    ("float.wav", floating, 1),
    ("six channels.wav", surround, 1),
    ("RF64.wav", large_header, 1),
    ("really an mp3.wav", mislabelled, 1),
    ("silence.wav", silence, 1),
    ("truncated.wav", half_a_second_less, 1.5),
]
BAD = [
    ("empty.wav", empty, "audio_empty"),
    ("no samples.wav", no_samples, "no_samples"),
    ("text.wav", text, "not_audio"),
    ("random bytes.mp3", noise_bytes, None),
    ("cut before its index.m4a", headless, "audio_damaged"),
]


def test_everything_at_once(band, media, settings):
    for name, make, _expected in GOOD + BAD:
        make(band.source_folder / name)
        settle(band.source_folder / name)
    stdout = io.StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("process", "band", "--json", stdout=stdout, stderr=io.StringIO())
    assert stopped.value.code == 2
    items = {Path(item["path"]).name: item for item in json.loads(stdout.getvalue())["items"]}
    assert len(items) == len(GOOD) + len(BAD)
    for name, _make, code in BAD:
        assert items[name]["status"] == "failed", name
        assert items[name]["code"] != "unexpected", name
        assert code in (None, items[name]["code"]), name
        assert name in items[name]["message"]
    for name, _make, seconds in GOOD:
        assert items[name]["status"] == "created", items[name]
        assert items[name]["duration_seconds"] == pytest.approx(seconds, abs=0.03), name
    assert "truncated.wav" in items["truncated.wav"]["warnings"][0]
    assert Recording.objects.count() == AudioFile.objects.count() == len(GOOD)
    check_stems(media)
    assert {path.name for path in settings.STEMSET_WORK_DIR.iterdir()} == {"sweep.lock"}


def check_stems(media: Path) -> None:
    """Every row tells the truth about its file, and nothing else lies in storage."""
    stems = list(Stem.objects.select_related("audio_file"))
    for stem in stems:
        sound = soundfile.info(media / stem.audio_url)
        assert sound.frames == round(stem.duration_seconds * 44_100)
        if stem.audio_file.filename in ("silence.wav", "one sample.wav"):
            assert stem.measured_lufs is None
        assert stem.measured_lufs is None or -70 <= stem.measured_lufs < 20
        assert 0 <= stem.peak_amplitude < 10
    named = files_of(Stem.objects.all())
    assert {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()} == named


@pytest.mark.parametrize("output_format", ["opus", "aac", "wav", "flac"])
def test_every_output_format(media, settings, output_format, tmp_path):
    band = Band(tmp_path, settings, output_format)
    band.record(seconds=1.5)
    call_command("process", "band", stdout=io.StringIO())
    suffix = {"aac": ".m4a"}.get(output_format, f".{output_format}")
    for stem in Stem.objects.all():
        assert Path(stem.audio_url).name == stem.stem_type + suffix
        assert (media / stem.audio_url).stat().st_size == stem.file_size_bytes
        assert stem.duration_seconds == pytest.approx(1.5)
