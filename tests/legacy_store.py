"""A media folder as the older version left it: real but short audio, waveforms, and metadata.json of every generation.

    store = LegacyStore(tmp_path / "media")
    folder = store.folder("band", "Take_1_0123abcd", generation="V4", stems=("vocals", "other"))
    store.index("band", {sha256: folder.name})

What the generations look like is told by catalog.legacy. Audio is encoded once per kind and kept, so hundreds of
folders cost no more than writing their files.
"""

import hashlib
import io
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame

from processing.audio.gains import relative_gains
from processing.audio.waveform import WIDTH, render_waveform

GENERATIONS = ("V0", "V0'", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8")
STEMS = ("vocals", "drums", "bass", "other")
LUFS = {"vocals": -21.42, "drums": -18.2, "bass": -24.91, "other": -27.35}
PEAKS = {"vocals": 0.8123, "drums": 0.9871, "bass": 0.4402, "other": 0.2795}
TARGET_LUFS = -23.0
WHEN = 1_600_000_000  # 2020-09-13
SECONDS = 0.3

# extension → container, encoder, sample format, sample rate unless told otherwise, options of the container
_CODECS: dict[str, tuple[str, str, str, int, dict[str, str]]] = {
    ".opus": ("opus", "libopus", "flt", 48_000, {}),
    ".wav": ("wav", "pcm_s16le", "s16", 44_100, {}),
    ".flac": ("flac", "flac", "s16", 44_100, {}),
    ".m4a": ("ipod", "aac", "fltp", 44_100, {}),
    ".aac": ("adts", "aac", "fltp", 44_100, {"write_id3v2": "1"}),
}

type Loudness = float | str | None


class _Plausible:
    """Stands for a plausible loudness of each stem, where None means silence."""


PLAUSIBLE = _Plausible()


class LegacyStore:
    """The store below `root`, the media folder; `inputs/` and `input/` lie beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def folder(
        self,
        profile: str,
        name: str,
        *,
        generation: str = "V8",
        stems: Iterable[str] = STEMS,
        seconds: float = SECONDS,
        extension: str = ".opus",
        display_name: str = "",
        when: float = WHEN,
        sample_rate: int | None = None,
        lufs: Loudness | Mapping[str, Loudness] | _Plausible = PLAUSIBLE,
        waveforms: bool | None = None,
        extra: Mapping[str, Any] | None = None,
        stem_extra: Mapping[str, Any] | None = None,
        without: Iterable[str] = (),
    ) -> Path:
        """Write a recording: stems, waveforms and metadata.json, all dated `when`.

        `lufs` is the loudness of all stems or of those it names, written as it is: None, -inf, NaN and "-inf" too. A
        stem that this calls silent is silent. Waveforms are there from V3 on unless `waveforms` says otherwise.
        `extra` and `stem_extra` are merged into the document and into each stem; the keys `without` are left out of
        each stem. In V0 the stems' fields are in the comment of the audio, in V0' they are nowhere.
        """
        folder = self.root / profile / name
        loudness = {stem: _loudness(lufs, stem) for stem in stems}
        fields = {
            stem: _without(fields | dict(stem_extra or {}), without)
            for stem, fields in _fields(generation, profile, name, loudness, extension).items()
        }
        kind = {"seconds": seconds, "extension": extension, "sample_rate": sample_rate}
        with_waveforms = _number(generation) >= 3 if waveforms is None else waveforms
        for stem, value in loudness.items():
            silent = _is_silent(value, generation)
            comment = json.dumps(fields[stem], ensure_ascii=False) if generation == "V0" else ""
            self.file(folder, f"{stem}{extension}", audio(stem, silent=silent, comment=comment, **kind))
            if with_waveforms:
                self.waveform_file(folder, stem, silent=silent)
        folder.mkdir(parents=True, exist_ok=True)
        if _number(generation) >= 1:
            document: dict[str, Any] = fields if _number(generation) < 3 else {"stems": fields}
            if generation == "V8":
                document["display_name"] = display_name
            self.metadata(folder, document | dict(extra or {}))
        self.touch(folder, when)
        return folder

    def stem_file(self, folder: Path, stem: str, *, when: float | None = None, **kind: Any) -> Path:
        """Write one stem's audio, see `audio`. Without `when` the folder keeps its date, and the file gets it."""
        return self.file(folder, f"{stem}{kind.get('extension', '.opus')}", audio(stem, **kind), when=when)

    def waveform_file(self, folder: Path, stem: str, *, silent: bool = False, when: float | None = None) -> Path:
        """Write one stem's waveform."""
        return self.file(folder, f"{stem}_waveform.png", _waveform(0 if silent else _tone_number(stem)), when=when)

    def metadata(self, folder: Path, content: dict[str, Any] | str | bytes, *, when: float | None = None) -> Path:
        """Write (or damage) metadata.json: a document as the last generation wrote it, or any text or bytes."""
        text = as_text(content) if isinstance(content, dict) else content
        return self.file(folder, "metadata.json", text.encode() if isinstance(text, str) else text, when=when)

    def file(self, folder: Path, name: str, data: bytes, *, when: float | None = None) -> Path:
        """Write any file. Without `when` the folder keeps its date, and the file gets it."""
        if when is None and folder.is_dir():
            when = folder.stat().st_mtime
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(data)
        if when is not None:
            os.utime(path, (when, when))
            os.utime(folder, (when, when))
        return path

    def index(self, profile: str, entries: Mapping[str, str], *, when: float = WHEN) -> Path:
        """Write the profile's .processed_hashes.json: SHA-256 of a source → folder."""
        path = self.root / profile / ".processed_hashes.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(entries), indent=2), encoding="utf-8")
        os.utime(path, (when, when))
        return path

    def source(
        self, relative_to_parent: str, *, seconds: float = SECONDS, seed: int = 1, when: float = WHEN
    ) -> tuple[Path, str]:
        """Write a WAV beside the media folder, such as "inputs/band/Take 1.wav"; return it and its SHA-256."""
        path = self.root.parent / relative_to_parent
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * 44_100), 2))
        soundfile.write(path, noise, 44_100, subtype="PCM_16")
        os.utime(path, (when, when))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    def touch(self, path: Path, when: float) -> None:
        """Date a file, or a folder and everything in it."""
        for inside in path.rglob("*"):
            os.utime(inside, (when, when), follow_symlinks=False)
        os.utime(path, (when, when), follow_symlinks=False)

    def documents(self) -> dict[str, bytes]:
        """Return every metadata.json and .processed_hashes.json, by its path in the media folder."""
        names = {"metadata.json", ".processed_hashes.json"}
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self._files() if path.name in names}

    def snapshot(self) -> dict[str, tuple[int, str]]:
        """Return date and SHA-256 of every file in and beside the media folder: equal means untouched."""
        parent = self.root.parent
        paths = [*self._files(), *(path for name in ("inputs", "input") for path in (parent / name).rglob("*"))]
        return {
            str(path.relative_to(parent)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in paths
            if path.is_file()
        }

    def upload(self, client: Any, bucket: str, *, source_hashes: Mapping[str, str] | None = None) -> int:
        """Put every folder and the uploads into a bucket, with the older version's object metadata.

        `source_hashes`, folder name → SHA-256, goes to their metadata.json. Returns the number of objects.
        """
        hashes = source_hashes or {}
        count = 0
        for key, path in self._objects():
            data = path.read_bytes()
            metadata = {"original-mtime": str(int(path.stat().st_mtime))}
            if key.startswith("inputs/"):
                metadata["sha256"] = hashlib.sha256(data).hexdigest()
            elif path.name == "metadata.json" and path.parent.name in hashes:
                metadata["source-sha256"] = hashes[path.parent.name]
            client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)
            count += 1
        return count

    def _files(self) -> Iterator[Path]:
        return (path for path in sorted(self.root.rglob("*")) if path.is_file())

    def _objects(self) -> Iterator[tuple[str, Path]]:
        """Key and file of everything that the object store held; the indexes were only ever on the disk."""
        for path in self._files():
            relative = path.relative_to(self.root)
            if len(relative.parts) > 2:
                yield relative.as_posix(), path
        for path in sorted((self.root.parent / "inputs").rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root.parent).as_posix(), path


def as_text(document: Mapping[str, Any]) -> str:
    """Return metadata.json of this content, character for character as the last generation wrote it."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def audio(
    stem: str,
    *,
    seconds: float = SECONDS,
    extension: str = ".opus",
    sample_rate: int | None = None,
    silent: bool = False,
    comment: str = "",
) -> bytes:
    """Return an audio file: a tone that the stem's name chooses among a dozen, or silence.

    Opus can be made of 8, 12, 16, 24 or 48 kHz, and is decoded at 48 kHz always.
    """
    return _encoded(0 if silent else _tone_number(stem), seconds, extension, sample_rate, comment)


def comment_of(path: Path) -> str:
    """Return the comment of an audio file. Ogg has it in the stream, other containers in the container."""
    with av.open(str(path)) as container:
        return container.metadata.get("comment") or container.streams.audio[0].metadata.get("comment", "")


def _tone_number(stem: str) -> int:
    """1 to 4 for the usual stems, up to 12 for others."""
    return STEMS.index(stem) + 1 if stem in STEMS else 5 + zlib.crc32(stem.encode()) % 8


@cache
def _encoded(tone: int, seconds: float, extension: str, sample_rate: int | None, comment: str) -> bytes:
    """Encode tone number `tone`, where 0 is silence."""
    container, codec, sample_format, usual_rate, options = _CODECS[extension]
    rate = sample_rate or usual_rate
    wave = (0.25 if tone else 0) * np.sin(2 * np.pi * 110 * tone * np.arange(round(seconds * rate)) / rate)
    samples = np.stack([wave, wave]).astype(np.float32)
    if sample_format == "s16":
        samples = (samples * 32_767).astype(np.int16)
    plane = samples if sample_format == "fltp" else samples.T.reshape(1, -1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"fflags": "+bitexact", **options}) as out:
        stream = out.add_stream(codec, rate=rate, layout="stereo")
        stream.codec_context.format = sample_format
        if comment:
            out.metadata["comment"] = comment
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(plane), format=sample_format, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


@cache
def _waveform(tone: int) -> bytes:
    swell = np.abs(np.sin(np.linspace(0, 9 * tone, WIDTH)))
    return render_waveform(swell, scale=1.2)


def _number(generation: str) -> int:
    """Return which generation it is: 0 (without metadata.json) to 8."""
    if generation not in GENERATIONS:
        raise ValueError(f"there is no generation {generation!r}")
    return int(generation[1])


def _loudness(lufs: Loudness | Mapping[str, Loudness] | _Plausible, stem: str) -> Loudness:
    plausible = LUFS.get(stem, -30.0)
    if isinstance(lufs, _Plausible):
        return plausible
    value = lufs.get(stem, plausible) if isinstance(lufs, Mapping) else lufs
    return round(value, 2) if isinstance(value, float) and math.isfinite(value) else value


def _finite(lufs: Loudness) -> float | None:
    return float(lufs) if isinstance(lufs, int | float) and math.isfinite(lufs) else None


def _is_silent(lufs: Loudness, generation: str) -> bool:
    """Minus infinity is silence; so is null, except where it means that the analysis failed."""
    if lufs is None:
        return generation not in {"V1", "V2"}
    return str(lufs).lower() in {"-inf", "-infinity"}


def _fields(
    generation: str, profile: str, name: str, loudness: Mapping[str, Loudness], extension: str
) -> dict[str, dict[str, Any]]:
    """Return the fields of each stem as this generation wrote them."""
    number = _number(generation)
    if number == 0:
        return {stem: _tag(stem, lufs) for stem, lufs in loudness.items()}
    gains = _gains(number, loudness)
    stems: dict[str, dict[str, Any]] = {}
    for stem, lufs in loudness.items():
        fields: dict[str, Any] = {"stem_type": stem, "measured_lufs": lufs}
        if number == 1:
            fields |= {"target_lufs": TARGET_LUFS, "stem_gain_adjustment_db": gains[stem]}
        if number >= 4:
            peak = 0.0 if _is_silent(lufs, generation) else PEAKS.get(stem, 0.5)
            fields |= {"peak_amplitude": peak, "stem_gain_adjustment_db": gains[stem]}
        if number >= 7:
            fields["stem_url"] = f"{stem}{extension}"
        if number >= 3:
            by_api = number in {3, 4, 6}
            api = f"/api/profiles/{profile}/songs/{name}/stems/{stem}/waveform"
            fields["waveform_url"] = api if by_api else f"{stem}_waveform.png"
        stems[stem] = fields
    return stems


def _gains(number: int, loudness: Mapping[str, Loudness]) -> dict[str, float]:
    """From V5 on all gains of a recording are shifted together; before, each stem's was its own (V4: within ±12)."""
    known = {stem: _finite(lufs) for stem, lufs in loudness.items()}
    if number >= 5:
        return {stem: round(gain, 2) for stem, gain in relative_gains(known).items()}
    limit = 12.0 if number == 4 else math.inf
    return {
        stem: 0.0 if lufs is None else round(max(-limit, min(limit, TARGET_LUFS - lufs)), 2)
        for stem, lufs in known.items()
    }


def _tag(stem: str, lufs: Loudness) -> dict[str, Any]:
    """Return what V0 put into the comment of an audio file whose samples it had made louder or softer."""
    measured = _finite(lufs)
    gain = 0.0 if measured is None else round(TARGET_LUFS - measured, 2)
    return {
        "original_lufs": lufs,
        "target_lufs": TARGET_LUFS,
        "normalization_gain_db": gain,
        "stem_gain_adjustment_db": 0.0,
        "total_gain_db": gain,
        "stem_type": stem,
    }


def _without(fields: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in set(keys)}
