"""Small stores of the last generation, made up by Hypothesis.

    @given(stores())
    def test_…(description):
        with TemporaryDirectory() as folder:
            store = description.write(Path(folder) / "media")

Names, keys and values are as odd as the older version let them be; the audio is real.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.legacy_store import WHEN, LegacyStore

PROFILES = ("band", "second")
SECONDS = 0.1
TOP_KEYS = {"stems", "display_name"}
STEM_KEYS = {
    "stem_type",
    "measured_lufs",
    "peak_amplitude",
    "stem_gain_adjustment_db",
    "stem_url",
    "waveform_url",
}
# Letters and digits of many scripts, composed and decomposed; emoji, also such as are joined from several characters.
SYLLABLES = (
    *("a", "Take", "rehearsal", "7", "2019", "É", "E\u0301", "ß", "ø", "Ł", "Ω", "Ж", "й", "и\u0306", "ש", "ع"),
    *("का", "ไท", "한", "\u1112\u1161\u11ab", "東京", "か\u3099", "が", "𠮷", "𝄞", "ﬁ", "Ⅷ", "٣", "İ", "ı"),
    *("🎸", "👩🏽\u200d🎤", "🇨🇭", "❤️"),
)
ODD_STEMS = (
    *("lead vocals", "Kick & Snare", "drums (left)", "50%", "a.b", "guitar+amp", "it's", 'say "hi"', "#1", "what?"),
    *("гитара", "ギター", "🎸", "e\u0301cho", "<b>", "vocals_waveform", "metadata", "-", "_", "a=b;c", "~", "x" * 64),
)
ODD_DISPLAY_NAMES = (
    *(" ", "\t \n", "  padded  ", "<b>bold</b>", "<script>alert(1)</script>", "&amp;", '"quoted"', "back\\slash"),
    *(
        "Ünïcödé",
        "E\u0301 and É",
        "日本語のテイク",
        "שלום",
        "👩🏽\u200d🎤 live",
        "\u202eleft to right",
        "\u2028",
        "\ufeff",
        "\0",
    ),
    *("a" * 10_000, "null", "0"),
)


@dataclass(frozen=True)
class FolderDescription:
    """One recording. `document` is its metadata.json, every key in the order it is written."""

    profile: str
    name: str
    document: dict[str, Any]
    extension: str
    when: int

    def write(self, store: LegacyStore) -> Path:
        """Write the recording, all of it dated `when`."""
        folder = store.root / self.profile / self.name
        folder.mkdir(parents=True)
        for stem, fields in self.document["stems"].items():
            silent = fields["measured_lufs"] is None
            store.stem_file(folder, stem, seconds=SECONDS, extension=self.extension, silent=silent)
            store.waveform_file(folder, stem, silent=silent)
        store.metadata(folder, self.document)
        store.touch(folder, self.when)
        return folder


@dataclass(frozen=True)
class StoreDescription:
    """Recordings of some profiles, and the .processed_hashes.json of those profiles that have one."""

    folders: tuple[FolderDescription, ...]
    indexes: dict[str, dict[str, str]]

    def write(self, root: Path) -> LegacyStore:
        """Write the store; `root` becomes its media folder and must be empty or absent."""
        store = LegacyStore(root)
        for folder in self.folders:
            folder.write(store)
        for profile, entries in self.indexes.items():
            store.index(profile, entries)
        return store


@st.composite
def stores(
    draw: st.DrawFn, profiles: tuple[str, ...] = PROFILES, max_folders: int = 3, max_stems: int = 4
) -> StoreDescription:
    """Return stores of these profiles, each with at most so many folders.

    Within a folder, and within a profile, no two names differ in case or composition only: not every file system
    tells them apart. An index may name folders that do not exist, and need not name those that do.
    """
    folders: list[FolderDescription] = []
    indexes: dict[str, dict[str, str]] = {}
    for profile in profiles:
        named = draw(st.lists(folder_names(), max_size=max_folders, unique_by=lambda named: _folded(named[0])))
        folders += [draw(folder_descriptions(profile, name, max_stems)) for name, _hash in named]
        entries = {file_hash: name for name, file_hash in named if file_hash and draw(st.booleans())}
        if draw(st.booleans()):
            entries[_sha256(f"{profile} lost")] = "never_finished_" + _sha256(f"{profile} lost")[:8]
        if entries or draw(st.booleans()):
            indexes[profile] = dict(draw(st.permutations(list(entries.items()))))
    return StoreDescription(tuple(folders), indexes)


@st.composite
def folder_names(draw: st.DrawFn) -> tuple[str, str]:
    """Return a folder's name and the SHA-256 of its source, empty for folders from before the suffix."""
    parts = draw(st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=5))
    name = draw(st.sampled_from(("_", "-", ""))).join(parts)
    file_hash = _sha256(str(draw(st.integers(0, 10**6)))) if draw(st.booleans()) else ""
    return f"{name}_{file_hash[:8]}" if file_hash else name, file_hash


@st.composite
def folder_descriptions(draw: st.DrawFn, profile: str, name: str, max_stems: int = 4) -> FolderDescription:
    """Return a recording with one stem or more."""
    extension = draw(st.sampled_from((".opus", ".opus", ".wav", ".m4a", ".flac")))
    keys = draw(st.lists(stem_keys(), min_size=1, max_size=max_stems, unique_by=_folded))
    stems = {key: draw(_stem_documents(key, extension)) for key in keys}
    known = {"stems": stems, "display_name": draw(display_names())}
    document = draw(_with_unknown_keys(known, TOP_KEYS))
    return FolderDescription(profile, name, document, extension, draw(st.integers(WHEN, WHEN + 10**8)))


def stem_keys() -> st.SearchStrategy[str]:
    """Return the usual names, odd ones, and any letters; each can be part of a file's name."""
    letters = st.text(st.characters(categories=("L", "N"), max_codepoint=0xFFFF), min_size=1, max_size=12)
    return st.one_of(st.sampled_from(("vocals", "drums", "bass", "other")), st.sampled_from(ODD_STEMS), letters)


def display_names() -> st.SearchStrategy[str]:
    """Return mostly none, else odd ones or any text."""
    return st.one_of(st.just(""), st.sampled_from(ODD_DISPLAY_NAMES), st.text(max_size=20))


@st.composite
def _stem_documents(draw: st.DrawFn, key: str, extension: str) -> dict[str, Any]:
    silent = draw(st.integers(0, 4)) == 0
    known = {
        "stem_type": key,
        "measured_lufs": None if silent else draw(_hundredths(-7000, 0)),
        "peak_amplitude": 0.0 if silent else draw(st.integers(1, 12_000)) / 10_000,
        "stem_gain_adjustment_db": draw(_hundredths(-1200, 602)),
        "stem_url": f"{key}{extension}",
        "waveform_url": f"{key}_waveform.png",
    }
    return draw(_with_unknown_keys(known, STEM_KEYS))


@st.composite
def _with_unknown_keys(draw: st.DrawFn, known: dict[str, Any], taken: set[str]) -> dict[str, Any]:
    """Put other keys before and after the known ones, with any JSON for a value; often none."""
    unknown = st.dictionaries(st.text(max_size=8).filter(lambda key: key not in taken), json_values(), max_size=2)
    before, after = (draw(st.one_of(st.just({}), unknown)) for _ in range(2))
    return before | known | after


def json_values() -> st.SearchStrategy[Any]:
    """Return anything that JSON can say; large and exact numbers, nested objects whose order matters."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**25), 10**25),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=4,
    )


def _hundredths(least: int, most: int) -> st.SearchStrategy[float]:
    """Return numbers of two decimals; now and then a zero with a sign, which rounding leaves behind."""
    numbers = st.integers(least, most).map(lambda number: number / 100)
    return st.one_of(numbers, numbers, numbers, st.sampled_from((0.0, -0.0)))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
