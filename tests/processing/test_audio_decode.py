import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processing.audio import no_progress
from processing.audio.decode import decode_blocks, decode_to_wav, probe
from processing.errors import AudioError
from tests.processing.audio_files import cut, joined, noise, tone, write_av, write_video_only, write_wav


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def code_of(path):
    with pytest.raises(AudioError) as caught:
        list(decode_blocks(path))
    assert path.name in str(caught.value)
    return caught.value.code


# What is read


@pytest.mark.parametrize(
    ("subtype", "container", "tolerance"),
    [
        ("PCM_U8", "WAV", 2**-7),
        ("PCM_16", "WAV", 2**-15),
        ("PCM_24", "WAV", 2**-23),
        ("PCM_32", "WAV", 2**-24),
        ("FLOAT", "WAV", 0),
        ("DOUBLE", "WAV", 0),
        ("PCM_16", "RF64", 2**-15),
        ("PCM_24", "W64", 2**-23),
        ("PCM_24", "FLAC", 2**-23),
        ("PCM_16", "AIFF", 2**-15),
        ("PCM_24", "CAF", 2**-23),
    ],
)
def test_lossless_formats_come_back_as_they_were(tmp_path, subtype, container, tolerance):
    samples = noise(70_001)
    path = write_wav(tmp_path / "take", samples, subtype=subtype, format=container)
    decoded = joined(decode_blocks(path))
    assert decoded.dtype == np.float32
    assert decoded.shape == samples.shape
    assert np.abs(decoded - samples).max() <= tolerance


@pytest.mark.parametrize(
    ("codec", "container", "sample_format"),
    [("libmp3lame", "mp3", "fltp"), ("aac", "ipod", "fltp"), ("aac", "adts", "fltp"), ("libopus", "webm", "flt")],
)
def test_lossy_formats_sound_the_same(tmp_path, codec, container, sample_format):
    rate = 48_000 if codec == "libopus" else 44_100
    path = write_av(
        tmp_path / "take", tone(2, rate=rate), codec=codec, container=container, sample_format=sample_format, rate=rate
    )
    decoded = joined(decode_blocks(path))
    assert abs(len(decoded) - 2 * 44_100) < 2500  # raw AAC keeps the encoder's padding
    assert rms(decoded[5000:-5000]) == pytest.approx(0.25 / np.sqrt(2), rel=0.06)  # LAME turns down by 5 %


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 32_000, 48_000, 96_000, 192_000])
def test_any_rate_becomes_44100(tmp_path, rate):
    path = write_wav(tmp_path / "take.wav", tone(1, rate=rate), rate=rate)
    decoded = joined(decode_blocks(path))
    assert abs(len(decoded) - 44_100) <= 1
    assert np.abs(decoded - tone(1)[: len(decoded)])[1000:-1000].max() < 1e-3


def test_mono_goes_to_both_sides_at_full_level(tmp_path):
    path = write_wav(tmp_path / "take.wav", tone(channels=1), subtype="FLOAT")
    decoded = joined(decode_blocks(path))
    assert np.array_equal(decoded, tone(channels=2))


def test_six_channels_are_mixed_after_itu_without_overshoot(tmp_path):
    """FL FR FC LFE BL BR: only the centre and the left surround sound."""
    samples = np.zeros((4410, 6), np.float32)
    samples[:, 2] = 1
    samples[:, 4] = 1
    path = write_av(
        tmp_path / "take.wav", samples, codec="pcm_f32le", container="wav", sample_format="flt", layout="5.1"
    )
    decoded = joined(decode_blocks(path))
    total = 1 + 2 * np.sqrt(0.5)
    assert decoded[100] == pytest.approx([2 * np.sqrt(0.5) / total, np.sqrt(0.5) / total], rel=1e-5)


def test_effects_channel_is_left_out_and_full_scale_everywhere_stays_in_range(tmp_path):
    only_effects = np.zeros((100, 6), np.float32)
    only_effects[:, 3] = 1
    options = {"codec": "pcm_f32le", "container": "wav", "sample_format": "flt", "layout": "5.1"}
    assert not joined(decode_blocks(write_av(tmp_path / "a.wav", only_effects, **options))).any()
    loud = write_av(tmp_path / "b.wav", np.ones((100, 6), np.float32), **options)
    assert np.abs(joined(decode_blocks(loud))).max() <= 1 + 1e-6


def test_channels_without_a_layout_are_pairs(tmp_path):
    samples = np.zeros((100, 4), np.float32)
    samples[:, 2] = 0.5  # third channel: left of the second pair
    decoded = joined(decode_blocks(write_wav(tmp_path / "take.wav", samples, subtype="FLOAT")))
    assert decoded[50] == pytest.approx([0.25, 0])


def test_one_sample(tmp_path):
    path = write_wav(tmp_path / "take.wav", np.array([[0.5, -0.5]]), subtype="FLOAT")
    assert joined(decode_blocks(path)).tolist() == [[0.5, -0.5]]
    # resampled to 44.1 kHz, one sample of 48 kHz is still not nothing
    path = write_wav(tmp_path / "take48.wav", np.array([[0.5, -0.5]]), rate=48_000)
    assert len(joined(decode_blocks(path))) == 1


def test_not_a_number_and_infinity_become_silence(tmp_path):
    samples = tone()
    samples[100] = np.nan
    samples[200] = np.inf
    samples[300] = -np.inf
    decoded = joined(decode_blocks(write_wav(tmp_path / "take.wav", samples, subtype="FLOAT")))
    assert not decoded[[100, 200, 300]].any()
    assert np.array_equal(decoded[301:], samples[301:])


def test_the_content_decides_not_the_name(tmp_path):
    path = write_av(tmp_path / "take.wav", tone(2), codec="libmp3lame", container="mp3")
    assert probe(path).container == "mp3"
    assert len(joined(decode_blocks(path))) == 2 * 44_100


def test_sound_of_a_video_is_used(tmp_path):
    path = write_av(tmp_path / "gig.mov", tone(1), codec="aac", container="mov", video=True)
    decoded = joined(decode_blocks(path))
    assert abs(len(decoded) - 44_100) <= 1024
    assert rms(decoded) == pytest.approx(0.25 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    "name", ["Пробы №3.wav", "練習 1.wav", "حفلة.wav", "file:a|b?#%41.wav", "concat:x.wav", "🎸\n.wav"]
)
def test_names_in_any_script(tmp_path, name):
    path = write_wav(tmp_path / "plain.wav", tone()).rename(tmp_path / name)
    assert len(joined(decode_blocks(path))) == 44_100


def test_name_that_is_not_text(tmp_path):
    path = tmp_path / b"t\xe9t\xe9.wav".decode("utf-8", "surrogateescape")
    write_wav(tmp_path / "plain.wav", tone()).rename(path)
    assert len(joined(decode_blocks(path))) == 44_100
    path.write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"t\?t\?\.wav"):
        probe(path)


def test_tags_in_an_old_encoding_do_not_matter(tmp_path):
    data = write_wav(tmp_path / "plain.wav", tone()).read_bytes()
    info = b"INFOINAM\x06\x00\x00\x00Caf\xe9 \x00"
    path = tmp_path / "take.wav"
    path.write_bytes(data + b"LIST" + len(info).to_bytes(4, "little") + info)
    assert len(joined(decode_blocks(path))) == 44_100


@pytest.mark.parametrize("block_frames", [1000, 44_100, 1 << 20])
def test_blocks_have_the_asked_length(tmp_path, block_frames):
    samples = noise(44_100)
    path = write_wav(tmp_path / "take.wav", samples, subtype="FLOAT")
    blocks = list(decode_blocks(path, block_frames=block_frames))
    assert all(len(block) == block_frames for block in blocks[:-1])
    assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in blocks)
    assert np.array_equal(joined(blocks), samples)


def test_probe_reads_the_headers(tmp_path):
    info = probe(write_wav(tmp_path / "take.wav", tone(2, rate=96_000, channels=1), rate=96_000, subtype="PCM_24"))
    assert (info.container, info.codec, info.sample_rate, info.channels) == ("wav", "pcm_s24le", 96_000, 1)
    assert info.duration_seconds == pytest.approx(2)


# What is refused


def test_empty_file(tmp_path):
    path = tmp_path / "take.wav"
    path.touch()
    assert code_of(path) == "audio_empty"


def test_missing_file_and_folder(tmp_path):
    assert code_of(tmp_path / "gone.wav") == "audio_unreadable"
    assert code_of(tmp_path) == "audio_unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"These are my notes about the rehearsal.\n" * 200,
        bytes(5000),
        np.random.default_rng(1).bytes(300_000),
        b"%PDF-1.7\n" + bytes(3000),
        b"\x89PNG\r\n\x1a\n" + bytes(3000),
        b"x",
    ],
    ids=["text", "zeros", "random", "pdf", "png", "one byte"],
)
@pytest.mark.parametrize("name", ["take.wav", "take.mp3", "take.aac", "take.s16le"])
def test_what_is_not_audio(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    assert code_of(path) == "not_audio"


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "[playlist]\nFile1={0}\nNumberOfEntries=1\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{0}</BaseURL></MPD>',
    ],
    ids=["hls", "concat", "sdp", "pls", "dash"],
)
@pytest.mark.parametrize("name", ["take.wav", "take.m3u8", "take.ffconcat", "take.sdp"])
def test_playlists_never_open_other_files(tmp_path, playlist, name):
    secret = write_wav(tmp_path / "secret.wav", tone())
    path = tmp_path / name
    path.write_text(playlist.format(secret))
    assert code_of(path) == "not_audio"


def test_video_without_sound(tmp_path):
    assert code_of(write_video_only(tmp_path / "take.mp4")) == "no_audio_stream"


def test_header_only(tmp_path):
    path = write_wav(tmp_path / "take.wav", np.zeros((0, 2)))
    assert code_of(path) == "no_samples"


def test_cut_inside_the_header(tmp_path):
    whole = write_wav(tmp_path / "whole.wav", tone())
    (tmp_path / "take.wav").write_bytes(whole.read_bytes()[:20])
    assert code_of(tmp_path / "take.wav") == "audio_damaged"


def test_container_cut_before_its_index(tmp_path):
    whole = write_av(tmp_path / "whole.m4a", tone(2), codec="aac", container="ipod")
    assert code_of(cut(whole, tmp_path / "take.m4a", 0.5)) == "audio_damaged"


@pytest.mark.parametrize(
    ("offset", "value"), [(24, 1), (24, 100_000_000), (22, 200)], ids=["1 Hz", "100 MHz", "200 ch"]
)
def test_absurd_parameters(tmp_path, offset, value):
    data = bytearray(write_wav(tmp_path / "take.wav", tone()).read_bytes())
    width = 2 if offset == 22 else 4
    data[offset : offset + width] = value.to_bytes(width, "little")
    (tmp_path / "take.wav").write_bytes(data)
    assert code_of(tmp_path / "take.wav") == "audio_absurd"


def test_longer_than_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr("processing.audio.decode.MAX_SECONDS", 1.5)
    assert code_of(write_wav(tmp_path / "take.wav", tone(2))) == "audio_too_long"


@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a"])
def test_damage_inside_names_the_place(tmp_path, kind):
    path = tmp_path / f"take.{kind}"
    samples = noise(20 * 44_100)
    if kind == "flac":
        write_wav(path, samples, format="FLAC")
    else:
        codec, container = {"mp3": ("libmp3lame", "mp3"), "m4a": ("aac", "ipod")}[kind]
        write_av(path, samples, codec=codec, container=container)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 20_000] = np.random.default_rng(0).bytes(20_000)
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"damaged at 0:(09\.[5-9]|10\.[0-5])") as caught:
        list(decode_blocks(path))
    assert caught.value.code == "audio_damaged_inside"


# What is cut short


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "mkv"])
def test_cut_file_is_used_as_far_as_it_goes_with_a_warning(tmp_path, kind):
    whole = tmp_path / f"whole.{kind}"
    samples = noise(10 * 44_100)
    if kind in {"wav", "flac"}:
        write_wav(whole, samples, format=kind.upper())
    else:
        codec, container = {"mp3": ("libmp3lame", "mp3"), "mkv": ("aac", "matroska")}[kind]
        write_av(whole, samples, codec=codec, container=container)
    path = cut(whole, tmp_path / f"take.{kind}", 0.6)
    result = decode_to_wav(path, tmp_path / "out.wav", no_progress)
    assert result.frames / 44_100 == pytest.approx(6, abs=0.3)
    assert [warning.code for warning in result.warnings] == ["audio_truncated"]
    assert "0:10.0" in result.warnings[0].message
    assert decode_to_wav(whole, tmp_path / "out.wav", no_progress).warnings == ()


def test_a_few_missing_samples_are_no_news(tmp_path):
    whole = write_wav(tmp_path / "whole.wav", noise(10 * 44_100))
    path = cut(whole, tmp_path / "take.wav", 0.95)
    assert decode_to_wav(path, tmp_path / "out.wav", no_progress).warnings == ()


def test_recorder_that_never_wrote_the_length(tmp_path):
    """Many field recorders leave 0 or 0xFFFFFFFF in the header when the battery dies."""
    for length in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"):
        data = bytearray(write_wav(tmp_path / "take.wav", tone(2)).read_bytes())
        data[4:8] = data[40:44] = length
        (tmp_path / "take.wav").write_bytes(data)
        assert len(joined(decode_blocks(tmp_path / "take.wav"))) == pytest.approx(2 * 44_100, abs=12)


# Writing the intermediate WAV


def test_wav_holds_every_sample(tmp_path):
    samples = noise(100_003)
    source = write_wav(tmp_path / "take.wav", samples, subtype="FLOAT")
    seen = []
    result = decode_to_wav(source, tmp_path / "out.wav", seen.append)
    written, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (result.frames, rate) == (100_003, 44_100)
    assert np.array_equal(written, samples)
    assert soundfile.info(tmp_path / "out.wav").subtype == "FLOAT"
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_past_the_limit_of_riff_the_wav_becomes_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr("processing.audio.floatwav.RIFF_LIMIT", 300_000)
    samples = noise(100_003)
    source = write_wav(tmp_path / "take.wav", samples, subtype="FLOAT")
    decode_to_wav(source, tmp_path / "out.wav", no_progress)
    assert soundfile.info(tmp_path / "out.wav").format == "RF64"
    assert np.array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], samples)
    assert np.array_equal(joined(decode_blocks(tmp_path / "out.wav")), samples)


def test_half_made_target_is_removed(tmp_path):
    target = tmp_path / "out.wav"

    def cancel(_fraction):
        assert target.exists()
        raise KeyboardInterrupt

    source = write_wav(tmp_path / "take.wav", noise(200_000))
    with pytest.raises(KeyboardInterrupt):
        decode_to_wav(source, target, cancel)
    assert not target.exists()

    path = write_av(tmp_path / "take.mp3", noise(20 * 44_100), codec="libmp3lame", container="mp3")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :][:5000] = bytes(5000)
    data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
    path.write_bytes(data)
    with pytest.raises(AudioError):
        decode_to_wav(path, target, no_progress)
    assert not target.exists()


def test_source_is_never_its_own_target(tmp_path):
    source = write_wav(tmp_path / "take.wav", tone())
    before = source.read_bytes()
    with pytest.raises(ValueError, match="same file"):
        decode_to_wav(source, source, no_progress)
    assert source.read_bytes() == before


def test_ffmpeg_is_quiet(tmp_path, capfd):
    path = write_av(tmp_path / "take.mp3", noise(5 * 44_100), codec="libmp3lame", container="mp3")
    data = bytearray(path.read_bytes())
    data[20_000:30_000] = bytes(10_000)
    path.write_bytes(data)
    with pytest.raises(AudioError):
        list(decode_blocks(path))
    (tmp_path / "junk.wav").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(AudioError):
        probe(tmp_path / "junk.wav")
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def samples_of_every_kind(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    write_wav(folder / "a.wav", noise(20_000))
    write_wav(folder / "a.flac", noise(20_000), format="FLAC")
    write_wav(folder / "float.wav", noise(20_000), subtype="FLOAT")
    write_av(folder / "a.mp3", noise(20_000), codec="libmp3lame", container="mp3")
    write_av(folder / "a.m4a", noise(20_000), codec="aac", container="ipod")
    write_av(folder / "a.mkv", noise(20_000), codec="aac", container="matroska")
    soundfile.write(folder / "a.ogg", noise(20_000), 44_100)
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.iterdir())]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_bytes_decode_or_raise_audio_error(samples_of_every_kind, tmp_path, data):
    """Nothing else escapes, and whatever comes out is finite stereo."""
    suffix, content = data.draw(st.sampled_from(samples_of_every_kind))
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        # half of the blows go to the header
        limit = data.draw(st.sampled_from([64, len(broken) - 1]))
        at = data.draw(st.integers(0, limit))
        blow = data.draw(st.binary(min_size=1, max_size=16))
        broken[at : at + len(blow)] = blow
    path = tmp_path / f"take{suffix}"
    path.write_bytes(broken[: data.draw(st.integers(1, len(broken)))])
    try:
        for block in decode_blocks(path):
            assert block.shape[1] == 2
            assert np.isfinite(block).all()
    except AudioError:
        pass
