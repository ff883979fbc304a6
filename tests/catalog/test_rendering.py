"""What is written into metadata.json and .processed_hashes.json starts from what was read there."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.legacy.metadata import parse_metadata
from catalog.legacy.rendering import StemState, read_index, render_index, render_metadata

V8 = """{
  "stems": {
    "vocals": {
      "stem_type": "vocals",
      "measured_lufs": -23.41,
      "peak_amplitude": 0.8123,
      "stem_gain_adjustment_db": 0.41,
      "stem_url": "vocals.opus",
      "waveform_url": "vocals_waveform.png"
    }
  },
  "display_name": "Übung – 3. Take"
}"""
VOCALS = StemState("vocals", -23.41, 0.8123, 0.41, "vocals.opus", "vocals_waveform.png")
NAME = "Übung – 3. Take"


def entry(text: str, stem: str = "vocals") -> dict:
    return json.loads(text)["stems"][stem]


def with_vocals(**fields) -> str:
    document = json.loads(V8)
    document["stems"]["vocals"].update(fields)
    return json.dumps(document)


def test_a_new_recording_is_written_as_the_last_generation_wrote_it():
    assert render_metadata("", NAME, [VOCALS]) == V8


def test_what_says_nothing_new_is_given_back_character_for_character():
    assert render_metadata(V8, NAME, [VOCALS]) == V8


@pytest.mark.parametrize(
    "text",
    [
        V8.replace("  ", "\t") + "\r\n\r\n",
        "\ufeff" + V8,
        json.dumps(json.loads(V8)),
        json.dumps(json.loads(V8), sort_keys=True, separators=(",", ":")),
        V8.replace("0.41,", "4.1e-1,").replace("-23.41", "-23.410000"),
        V8.replace('"vocals": {', '"vocals": {"stem_type": "twice", '),
        V8.replace("Übung", "\\u00dcbung"),
        V8.replace("vocals.opus", "/srv/media/band/take/vocals.opus"),
        V8.replace("vocals.opus", "Vocals.opus"),
        V8.replace("0.8123", '"0.8123"'),
        V8.replace("-23.41", "-23.4149"),
        V8.replace("{", '{"nonsense": NaN, ', 1),
        V8.replace("{", '{"half a pair": "\\ud83d", ', 1),
    ],
)
def test_so_are_other_spellings_of_the_same(text):
    assert render_metadata(text, NAME, [VOCALS]) == text


def test_what_strict_readers_refuse_is_written_as_null():
    text = render_metadata(V8.replace("-23.41", "-Infinity"), NAME, [replace(VOCALS, measured_lufs=None)])
    assert text == V8.replace("-23.41", "null")


@pytest.mark.parametrize("silence", ["null", '"-inf"', '"-Infinity"'])
def test_so_is_silence_however_it_was_written(silence):
    text = V8.replace("-23.41", silence)
    assert render_metadata(text, NAME, [replace(VOCALS, measured_lufs=None)]) == text


def test_silence_is_written_as_null():
    text = render_metadata("", "", [replace(VOCALS, measured_lufs=None)])
    assert '"measured_lufs": null' in text


def test_numbers_are_rounded_and_zero_has_no_sign():
    text = render_metadata("", "", [StemState("a", -20.128, 0.123456, -0.001, "a.opus", "a.png")])
    assert '"measured_lufs": -20.13' in text
    assert '"peak_amplitude": 0.1235' in text
    assert '"stem_gain_adjustment_db": 0.0' in text


def test_unknown_keys_and_the_order_of_all_keys_are_kept():
    document = json.loads(V8)
    document["stems"] = {"drums": {"stem_type": "drums", "mood": [1, {"a": None}]}, **document["stems"]}
    base = json.dumps({"tags": ["live"], "display_name": "Old", **document, "tempo": 120})
    drums = replace(VOCALS, stem_type="drums", audio="drums.wav")
    text = render_metadata(base, NAME, [VOCALS, drums])
    after = json.loads(text)
    assert list(after) == ["tags", "display_name", "stems", "tempo"]
    assert list(after["stems"]) == ["drums", "vocals"]
    assert after["stems"]["drums"]["mood"] == [1, {"a": None}]
    assert (after["tags"], after["tempo"], after["display_name"]) == (["live"], 120, NAME)
    assert after["stems"]["drums"]["stem_url"] == "drums.wav"


@pytest.mark.parametrize("stated", ['""', '"   "', "null", "17"])
def test_a_name_that_means_none_stays_as_it_is(stated):
    text = V8.replace(f'"{NAME}"', stated)
    assert render_metadata(text, "", [VOCALS]) == text


def test_an_absent_name_stays_absent_until_there_is_one():
    text = V8.replace(f',\n  "display_name": "{NAME}"', "")
    assert "display_name" not in text
    assert render_metadata(text, "", [VOCALS]) == text
    assert json.loads(render_metadata(text, NAME, [VOCALS]))["display_name"] == NAME


def test_a_name_that_was_taken_away_is_written_as_empty():
    assert json.loads(render_metadata(V8, "", [VOCALS]))["display_name"] == ""


def test_a_stem_whose_file_is_gone_stays_listed():
    drums = replace(VOCALS, stem_type="drums")
    assert list(json.loads(render_metadata(V8, NAME, [drums]))["stems"]) == ["vocals", "drums"]


def test_unless_these_are_all_stems_there_are():
    base = V8.replace('"stem_type": "vocals"', '"stem_type": "vocals", "mood": 1')
    again = replace(VOCALS, audio="vocals.01234567.opus")
    drums = replace(VOCALS, stem_type="drums")
    after = json.loads(render_metadata(base, NAME, [again, drums], complete=True))
    assert list(after["stems"]) == ["vocals", "drums"]
    assert after["stems"]["vocals"]["mood"] == 1
    assert after["stems"]["vocals"]["stem_url"] == "vocals.01234567.opus"
    assert list(json.loads(render_metadata(base, NAME, [drums], complete=True))["stems"]) == ["drums"]


def test_extra_keys_come_last_and_are_not_repeated():
    extra = {"stemset": {"made_by": {"b": "1", "a": "2"}}}
    text = render_metadata(V8, NAME, [VOCALS], extra)
    assert list(json.loads(text)) == ["stems", "display_name", "stemset"]
    # The database keeps keys in an order of its own.
    assert render_metadata(text, NAME, [VOCALS], {"stemset": {"made_by": {"a": "2", "b": "1"}}}) == text


class TestOlderGenerations:
    def test_flat_ones_become_nested_and_lose_nothing(self):
        base = json.dumps(
            {"vocals": {"stem_type": "vocals", "measured_lufs": -23.41, "target_lufs": -23.0}, "comment": "loud"}
        )
        text = render_metadata(base, "", [VOCALS])
        assert list(json.loads(text)) == ["stems", "comment"]
        assert entry(text) == {
            "stem_type": "vocals",
            "measured_lufs": -23.41,
            "target_lufs": -23.0,
            "peak_amplitude": 0.8123,
            "stem_gain_adjustment_db": 0.41,
            "stem_url": "vocals.opus",
            "waveform_url": "vocals_waveform.png",
        }

    @pytest.mark.parametrize("stems", ['"none"', "[]", "17"])
    def test_flat_ones_with_a_key_called_stems_do_no_harm(self, stems):
        base = f'{{"stems": {stems}, "vocals": {{"stem_type": "vocals", "measured_lufs": -1}}}}'
        assert entry(render_metadata(base, "", [VOCALS]))["measured_lufs"] == -23.41

    def test_addresses_of_former_servers_become_file_names(self):
        base = with_vocals(waveform_url="/api/profiles/p/songs/s/stems/vocals/waveform")
        assert entry(render_metadata(base, NAME, [VOCALS]))["waveform_url"] == "vocals_waveform.png"

    @pytest.mark.parametrize("nonsense", [True, [], {}, "loud", math.nan, 10**400])
    def test_nonsense_is_replaced_by_what_was_measured(self, nonsense):
        base = with_vocals(measured_lufs=nonsense, peak_amplitude=nonsense, stem_url=nonsense)
        assert entry(render_metadata(base, NAME, [VOCALS])) == entry(V8)

    @pytest.mark.parametrize("text", ["", "{", "[]", V8[:100], '"x"', "[" * 100_000])
    def test_what_cannot_be_read_is_written_anew(self, text):
        assert render_metadata(text, NAME, [VOCALS]) == V8


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
documents = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
fields = st.dictionaries(
    st.sampled_from(["stem_type", "measured_lufs", "peak_amplitude", "stem_gain_adjustment_db", "stem_url", "mood"]),
    plain | st.floats(-60, 20),
)
bases = st.fixed_dictionaries(
    {"stems": st.dictionaries(st.sampled_from(["vocals", "drums", "x"]), fields | plain)},
    optional={"display_name": plain, "tags": documents, "measured_lufs": plain, "stemset": documents},
) | st.dictionaries(st.sampled_from(["vocals", "drums", "stems"]), fields)
decibels = st.floats(-1e6, 1e6)
states = st.lists(
    st.builds(
        StemState,
        st.sampled_from(["vocals", "drums", "bass"]),
        st.none() | decibels,
        st.floats(0, 1e6),
        decibels,
        st.sampled_from(["a.opus", "é.wav"]),
        st.just("a_waveform.png"),
    ),
    unique_by=lambda stem: stem.stem_type,
    min_size=1,
)


@given(bases, states, st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.booleans())
def test_writing_twice_is_writing_once_and_reading_gives_what_was_written(base, stems, name, complete):
    name = name if name.strip() else ""
    text = render_metadata(json.dumps(base), name, stems, complete=complete)
    assert render_metadata(text, name, stems, complete=complete) == text
    text.encode()
    read = parse_metadata(text)
    assert read.display_name == name
    for stem in stems:
        said = read.stems[stem.stem_type]
        assert said.silent == (stem.measured_lufs is None)
        assert stem.measured_lufs is None or said.lufs == pytest.approx(stem.measured_lufs, abs=0.00501)
        assert said.peak == pytest.approx(stem.peak_amplitude, abs=0.0000501)


class TestIndex:
    BASE = '{"' + "a" * 64 + '":"Take_1_aaaaaaaa", "note": {"x": 1}}\n'

    def test_nothing_new_gives_it_back_character_for_character(self):
        assert render_index(self.BASE, []) == self.BASE
        assert render_index(self.BASE, [("a" * 64, "Elsewhere")]) == self.BASE

    def test_new_entries_follow_and_the_others_are_kept(self):
        after = json.loads(render_index(self.BASE, [("b" * 64, "Take_2_bbbbbbbb")]))
        assert list(after.items()) == [
            ("a" * 64, "Take_1_aaaaaaaa"),
            ("note", {"x": 1}),
            ("b" * 64, "Take_2_bbbbbbbb"),
        ]

    def test_one_that_was_cut_off_is_kept_until_there_is_something_to_say(self):
        assert render_index(self.BASE[:50], []) == self.BASE[:50]
        assert read_index(render_index(self.BASE[:50], [("b" * 64, "x")])) == {"b" * 64: "x"}

    def test_a_new_one_looks_as_the_older_version_wrote_it(self):
        assert render_index("", [("b" * 64, "Übung")]) == '{\n  "' + "b" * 64 + '": "Übung"\n}'
