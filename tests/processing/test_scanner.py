"""What is found in a source folder, and what is left alone."""

import hashlib
import os

import pytest

from processing.errors import ProcessingError
from processing.scanner import SETTLE_SECONDS, SourceFile, content_hash, scan
from tests.band import settle


def put(folder, name, content=b"sound"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return settle(path)


def no_sleep(_seconds):
    raise AssertionError("nothing here was touched recently")


def found(folder):
    return {str(file.path.relative_to(folder)) for file in scan(folder, sleep=no_sleep).files}


def test_every_extension_in_any_case_and_at_any_depth(tmp_path):
    names = ["a.wav", "b.WAVE", "c.Flac", "d.mp3", "e.M4A", "f.aac", "g.opus", "deep/er/h.OGG", "日本語 🎸.wav"]
    for name in names:
        put(tmp_path, name)
    for name in ("notes.txt", "cover.png", "wav", "song.wav.part", "a.mp4"):
        put(tmp_path, name)
    assert found(tmp_path) == set(names)


def test_hidden_files_and_folders_are_left_alone(tmp_path):
    for name in (".hidden.wav", "._take.wav", ".Trash/take.wav", "band/._AppleDouble.wav"):
        put(tmp_path, name)
    assert found(tmp_path) == set()


def test_links_out_of_the_folder_are_left_alone(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    put(outside, "secret.wav")
    put(folder, "take.wav")
    (folder / "out.wav").symlink_to(outside / "secret.wav")
    (folder / "dir").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "inside.wav").symlink_to(folder / "take.wav")
    (folder / "dangling.wav").symlink_to(folder / "nowhere.wav")
    result = scan(folder, sleep=no_sleep)
    assert {file.path.name for file in result.files} == {"take.wav", "inside.wav"}
    reasons = {path.name: reason for path, reason in result.left_alone}
    assert "leads out" in reasons["out.wav"]
    assert "cannot be read" in reasons["dangling.wav"]


def test_a_link_may_be_the_folder_itself(tmp_path):
    put(tmp_path / "card", "take.wav")
    (tmp_path / "in").symlink_to(tmp_path / "card")
    assert len(scan(tmp_path / "in", sleep=no_sleep).files) == 1


def test_a_file_that_is_still_growing_is_left_alone(tmp_path):
    growing, finished = put(tmp_path, "growing.wav"), put(tmp_path, "finished.wav")
    os.utime(growing)
    os.utime(finished)
    waits = []

    def meanwhile(seconds):
        waits.append(seconds)
        growing.write_bytes(b"more sound")

    result = scan(tmp_path, sleep=meanwhile)
    assert [file.path.name for file in result.files] == ["finished.wav"]
    assert result.left_alone == [(growing, "is still being written")]
    assert waits == [SETTLE_SECONDS]


def test_a_clock_that_is_ahead_does_not_hide_a_file(tmp_path):
    path = put(tmp_path, "future.wav")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    assert len(scan(tmp_path, sleep=lambda _seconds: None).files) == 1


def test_oldest_first(tmp_path):
    for name, when in (("b.wav", 3), ("a.wav", 2), ("z.wav", 1)):
        os.utime(put(tmp_path, name), (when, when))
    assert [file.path.name for file in scan(tmp_path, sleep=no_sleep).files] == ["z.wav", "a.wav", "b.wav"]


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(ProcessingError, match="plugged in") as caught:
        scan(tmp_path / "Volumes")
    assert caught.value.code == "no_source_folder"


def test_the_hash_is_the_sha256_of_the_content(tmp_path):
    content = os.urandom(3_000_000)
    assert content_hash(SourceFile.at(put(tmp_path, "a.wav", content))) == hashlib.sha256(content).hexdigest()


def test_a_file_that_changes_after_it_was_found_is_refused(tmp_path):
    source = SourceFile.at(put(tmp_path, "a.wav"))
    source.path.write_bytes(b"other sound")
    with pytest.raises(ProcessingError, match="changed while it was being read") as caught:
        content_hash(source)
    assert caught.value.code == "changing"


@pytest.mark.parametrize(("name", "code"), [("nowhere.wav", "unreadable"), ("folder.wav", "not_a_file")])
def test_what_is_no_file_is_named(tmp_path, name, code):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(ProcessingError, match=name) as caught:
        SourceFile.at(tmp_path / name)
    assert caught.value.code == code


def test_a_name_that_is_not_utf8_can_be_shown(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(raw, "wb") as stream:
        stream.write(b"x")
    settle(raw)
    (source,) = scan(tmp_path, sleep=no_sleep).files
    assert source.name == "caf\ufffd.wav"
    source.name.encode()


def test_links_that_lead_to_themselves_do_not_stop_the_scan(tmp_path):
    put(tmp_path, "take.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    result = scan(tmp_path, sleep=no_sleep)
    assert [file.path.name for file in result.files] == ["take.wav"]
    assert [path.name for path, _reason in result.left_alone] == ["loop.wav"]


def test_a_folder_that_is_a_file(tmp_path):
    with pytest.raises(ProcessingError, match="is not a folder"):
        scan(put(tmp_path, "take.wav"))


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_one(tmp_path, monkeypatch):
    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", str(top)))
        return []

    monkeypatch.setattr("processing.scanner.os.walk", walk)
    with pytest.raises(ProcessingError, match="cannot be read") as caught:
        scan(tmp_path)
    assert caught.value.code == "unreadable"
