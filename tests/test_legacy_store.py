"""The older version's store that other tests import is what it claims to be."""

import hashlib
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import boto3
import pytest
import soundfile
from hypothesis import given, settings
from moto import mock_aws

from tests.legacy_store import GENERATIONS, STEMS, WHEN, LegacyStore, as_text, comment_of
from tests.legacy_strategies import StoreDescription, stores


@pytest.fixture
def store(tmp_path) -> LegacyStore:
    return LegacyStore(tmp_path / "media")


def decoded(path: Path) -> tuple[float, float]:
    """Seconds and the largest sample of what FFmpeg decodes."""
    frames, peak, rate = 0, 0.0, 1
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = frame.to_ndarray()
            frames, rate = frames + frame.samples, frame.sample_rate
            peak = max(peak, float(abs(sound).max()) / (1 if sound.dtype.kind == "f" else 32_768))
    return frames / rate, peak


@pytest.mark.parametrize("extension", [".opus", ".wav", ".flac", ".m4a", ".aac"])
def test_stems_are_audio_and_v0_is_in_their_comments(store, extension):
    folder = store.folder("band", "old", generation="V0", extension=extension, lufs={"drums": -30.0, "bass": None})
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{stem}{extension}" for stem in STEMS)
    for stem in STEMS:
        seconds, peak = decoded(folder / f"{stem}{extension}")
        assert seconds == pytest.approx(0.3, abs=0.03)  # raw AAC has whole packets only
        assert peak == pytest.approx(0 if stem == "bass" else 0.25, abs=0.05)
        assert json.loads(comment_of(folder / f"{stem}{extension}"))["stem_type"] == stem
    assert json.loads(comment_of(folder / f"drums{extension}")) == {
        "original_lufs": -30.0,
        "target_lufs": -23.0,
        "normalization_gain_db": 7.0,
        "stem_gain_adjustment_db": 0.0,
        "total_gain_db": 7.0,
        "stem_type": "drums",
    }


def test_length_and_rate_are_chosen(store):
    folder = store.folder("band", "take", extension=".wav", seconds=2.5, sample_rate=22_050)
    store.stem_file(folder, "vocals", seconds=0.7, extension=".wav")
    assert soundfile.info(folder / "drums.wav").samplerate == 22_050
    assert soundfile.info(folder / "drums.wav").duration == 2.5
    assert soundfile.info(folder / "vocals.wav").duration == 0.7
    store.folder("band", "low", sample_rate=16_000, seconds=3)
    assert decoded(store.root / "band/low/bass.opus")[0] == 3


def test_every_generation_has_its_fields(store):
    api = "/api/profiles/band/songs/{}/stems/vocals/waveform"
    old = {"stem_type", "measured_lufs"}
    nested = {*old, "waveform_url"}
    full = {*nested, "peak_amplitude", "stem_gain_adjustment_db"}
    expected = {
        "V1": ({*old, "target_lufs", "stem_gain_adjustment_db"}, None),
        "V2": (old, None),
        "V3": (nested, api.format("V3")),
        "V4": (full, api.format("V4")),
        "V5": (full, "vocals_waveform.png"),
        "V6": (full, api.format("V6")),
        "V7": ({*full, "stem_url"}, "vocals_waveform.png"),
        "V8": ({*full, "stem_url"}, "vocals_waveform.png"),
    }
    for generation in GENERATIONS:
        folder = store.folder("band", generation, generation=generation, stems=("vocals",), display_name="x")
        assert (folder / "metadata.json").exists() == (generation in expected)
        assert (folder / "vocals_waveform.png").exists() == (generation[1] >= "3")
        if generation in expected:
            document = json.loads((folder / "metadata.json").read_text())
            stem = document["stems"]["vocals"] if generation[1] >= "3" else document["vocals"]
            assert (set(stem), stem.get("waveform_url")) == expected[generation]
            assert ("display_name" in document) == (generation == "V8")
    with pytest.raises(ValueError, match="V9"):
        store.folder("band", "x", generation="V9")


def test_the_last_generation_character_for_character(store):
    folder = store.folder(
        "band",
        "take",
        stems=("vocals",),
        lufs=-23.414,
        display_name="Übung 🎸",
        extra={"rating": 5},
        stem_extra={"a": []},
    )
    assert (folder / "metadata.json").read_text(encoding="utf-8") == (
        '{\n  "stems": {\n    "vocals": {\n      "stem_type": "vocals",\n      "measured_lufs": -23.41,\n'
        '      "peak_amplitude": 0.8123,\n      "stem_gain_adjustment_db": 0.41,\n      "stem_url": "vocals.opus",\n'
        '      "waveform_url": "vocals_waveform.png",\n      "a": []\n    }\n  },\n'
        '  "display_name": "Übung 🎸",\n  "rating": 5\n}'
    )


def test_loudness_that_is_no_number(store):
    folder = store.folder("band", "take", generation="V1", lufs={"vocals": -math.inf, "bass": None, "other": "-inf"})
    text = (folder / "metadata.json").read_text()
    assert '"measured_lufs": -Infinity' in text
    assert json.loads(text)["other"]["measured_lufs"] == "-inf"
    heard = {stem: decoded(folder / f"{stem}.opus")[1] > 0.1 for stem in STEMS}
    assert heard == {"vocals": False, "drums": True, "bass": True, "other": False}  # null: the analysis failed


def test_dates_are_kept(store):
    folder = store.folder("band", "take", when=WHEN + 7)
    store.metadata(folder, b"\xef\xbb\xbf{", when=None)
    store.stem_file(folder, "kazoo")
    assert {path.stat().st_mtime for path in (folder, *folder.iterdir())} == {WHEN + 7}
    store.metadata(folder, {"stems": {}}, when=WHEN + 9)
    assert (folder / "metadata.json").stat().st_mtime == folder.stat().st_mtime == WHEN + 9


def test_sources_and_the_index(store):
    path, file_hash = store.source("inputs/band/Take 1.wav", seconds=0.1)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file_hash
    assert store.source("input/band/other.wav", seconds=0.1, seed=2)[1] != file_hash
    assert json.loads(store.index("band", {file_hash: "take"}).read_text()) == {file_hash: "take"}
    before = store.snapshot()
    assert set(before) == {"inputs/band/Take 1.wav", "input/band/other.wav", "media/band/.processed_hashes.json"}
    store.touch(path, WHEN + 1)
    assert store.snapshot() != before


@mock_aws
def test_the_store_in_a_bucket(store):
    store.folder("band", "take", stems=("vocals",), when=WHEN + 5)
    _path, file_hash = store.source("inputs/band/Take 1.wav", seconds=0.1)
    store.source("input/band/not uploaded.wav", seconds=0.1)
    store.index("band", {file_hash: "take"})
    client = boto3.client("s3", aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
    client.create_bucket(Bucket="old")
    assert store.upload(client, "old", source_hashes={"take": file_hash}) == 4
    metadata = {
        item["Key"]: client.head_object(Bucket="old", Key=item["Key"])["Metadata"]
        for item in client.list_objects_v2(Bucket="old")["Contents"]
    }
    assert metadata == {
        "band/take/metadata.json": {"original-mtime": str(WHEN + 5), "source-sha256": file_hash},
        "band/take/vocals.opus": {"original-mtime": str(WHEN + 5)},
        "band/take/vocals_waveform.png": {"original-mtime": str(WHEN + 5)},
        "inputs/band/Take 1.wav": {"original-mtime": str(WHEN), "sha256": file_hash},
    }


@settings(max_examples=25, deadline=None)
@given(stores())
def test_made_up_stores_can_be_written(description: StoreDescription):
    with TemporaryDirectory() as parent:
        store = description.write(Path(parent) / "media")
        written = store.documents()
        assert len(written) == len(description.folders) + len(description.indexes)
        for folder in description.folders:
            text = written[f"{folder.profile}/{folder.name}/metadata.json"].decode()
            assert as_text(json.loads(text)) == text
            path = store.root / folder.profile / folder.name
            assert path.stat().st_mtime == folder.when
            for fields in folder.document["stems"].values():
                assert (path / fields["stem_url"]).stat().st_size > 0
                assert (path / fields["waveform_url"]).is_file()
