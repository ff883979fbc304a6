"""One folder against its rows. Pure: the folder has been listed and the rows have been read."""

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.importing.audio_work import Failure
from catalog.importing.state import PLACEHOLDER
from catalog.legacy import METADATA, WAVEFORM_SUFFIX
from catalog.legacy.paths import find, folded, stem_of_file
from catalog.legacy.stores import Folder
from catalog.verifying.findings import Finding, finding
from catalog.verifying.rows import RecordingRow, StemRow
from processing.audio.header import Header

# Encoders add up to some hundredths of a second at the ends; listeners notice less than this.
SAME_LENGTH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Present:
    """A stem whose audio file is there and not empty."""

    stem: StemRow
    key: str
    size: int

    @property
    def as_catalogued(self) -> bool:
        """Whether it has the size that it had."""
        return self.size == self.stem.size


def compare(path: str, folder: Folder | None, row: RecordingRow) -> tuple[list[Finding], list[Present]]:
    """Compare what a recording's rows name with what its folder has; return also the files to be opened.

    path    `<profile>/<output_name>`
    folder  None when storage has no such folder
    """
    if folder is not None and folder.problem:
        return [finding("folder_unreadable", path, folder.problem.message)], []
    if not row.stems:
        return [finding("recording_without_stems", path, "is in the catalogue, but none of its stems is")], []
    if folder is None:
        profile, _slash, name = path.partition("/")
        folder = Folder(profile, name)
    found: list[Finding] = []
    present: list[Present] = []
    for stem in row.stems:
        problem = _file_problem(path, folder, stem.audio_url, "audio")
        if problem:
            found.append(problem)
        else:
            size = folder.files[stem.audio_url.removeprefix(path + "/")].size
            if size != stem.size:
                found.append(finding("resized", stem.audio_url, f"has {size} bytes, but had {stem.size}"))
            present.append(Present(stem, stem.audio_url, size))
        if problem := _file_problem(path, folder, stem.waveform_url, "waveform"):
            found.append(problem)
        if stem.peaks_url and (problem := _file_problem(path, folder, stem.peaks_url, "peaks")):
            found.append(problem)
    if row.provenance == PLACEHOLDER:
        found.append(finding("placeholder_hash", path, "its source's hash is made up, since the source was not found"))
    return [*found, *_alike(path, row), *_unnamed(path, folder, row)], present


def _file_problem(path: str, folder: Folder, url: str, kind: str) -> Finding | None:
    """Say what is wrong with a file that a row names, if anything; `kind` is audio, waveform or peaks."""
    name = url.removeprefix(path + "/")
    if name == url or "/" in name or not name:
        if kind == "waveform" and not name:
            return finding("waveform_missing", path, "the catalogue names no waveform of one of its stems")
        return finding("file_elsewhere", path, f"names {url!r:.300}, which is not in its folder")
    if name in folder.refused:
        return finding("file_refused", url, folder.refused[name].message)
    if name not in folder.files:
        similar = find([name], folder.files)
        other = f"; there is {similar}, which differs in case or in the spelling of accents" if similar else ""
        return finding(f"{kind}_missing", url, f"is not in storage{other}")
    if folder.files[name].size == 0:
        return finding(f"{kind}_empty", url, "is empty (0 bytes)")
    return None


def _alike(path: str, row: RecordingRow) -> list[Finding]:
    names: dict[str, list[str]] = {}
    for stem in row.stems:
        names.setdefault(folded(stem.stem_type), []).append(stem.stem_type)
    return [
        finding("names_alike", path, f"has stems whose names differ only in case or accents: {', '.join(alike)}")
        for alike in names.values()
        if len(alike) > 1
    ]


def _unnamed(path: str, folder: Folder, row: RecordingRow) -> list[Finding]:
    named = {url for stem in row.stems for url in (stem.audio_url, stem.waveform_url, stem.peaks_url)}
    found = []
    for file in folder.files.values():
        key = f"{path}/{file.name}"
        if key in named or file.name == METADATA or file.name.startswith("source."):
            continue
        if stem_of_file(file.name) is not None and file.size:
            found.append(finding("file_not_catalogued", key, "is audio that is no stem of its recording"))
        else:
            kind = "a waveform of no stem" if file.name.endswith(WAVEFORM_SUFFIX) else "of no use to the catalogue"
            found.append(finding("file_unknown", key, "is empty (0 bytes)" if not file.size else f"is {kind}"))
    return found


def judge_audio(path: str, heard: list[tuple[Present, Header | Failure]]) -> list[Finding]:
    """Judge the headers of a recording's stems."""
    found = []
    headers = {one.stem.stem_type: header for one, header in heard if isinstance(header, Header)}
    for one, header in heard:
        if isinstance(header, Failure):
            found.append(finding("audio_unreadable", one.key, f"{header.message} ({header.code})"))
        elif one.as_catalogued and abs(header.duration_seconds - one.stem.duration) > SAME_LENGTH_SECONDS:
            message = f"is {header.duration_seconds:.1f} s long, not {one.stem.duration:.1f} s as catalogued"
            found.append(finding("duration_wrong", one.key, message))
    if differ(header.duration_seconds for header in headers.values()):
        lengths = ", ".join(f"{name} {header.duration_seconds:.1f} s" for name, header in headers.items())
        found.append(finding("stems_differ_in_length", path, lengths))
    if len({header.sample_rate for header in headers.values()}) > 1:
        rates = ", ".join(f"{name} {header.sample_rate} Hz" for name, header in headers.items())
        found.append(finding("stems_differ_in_sample_rate", path, rates))
    return found


def differ(lengths: Iterable[float]) -> bool:
    """Return whether stems of these lengths, in seconds, cannot have been made together."""
    known = list(lengths)
    return bool(known) and max(known) - min(known) > SAME_LENGTH_SECONDS
