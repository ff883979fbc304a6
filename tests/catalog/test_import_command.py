"""The command: its options, what it prints, where its report goes, and how it ends when something fails."""

import contextlib
import hashlib
import io
import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.legacy.stores import LocalStore
from catalog.models import ImportRun, Recording
from tests.importing import Run, import_metadata, row_versions
from tests.legacy_store import LegacyStore

pytestmark = pytest.mark.django_db

NAME = "Take_1_0123abcd"


@pytest.fixture
def store(band, media) -> LegacyStore:
    return LegacyStore(media)


def test_a_dry_run_only_says_what_would_be_done(store):
    store.folder("band", NAME)
    store.folder("band", "Broken", stems=())
    before = row_versions()
    run = import_metadata("--dry-run")
    assert run.done(f"band/{NAME}") == ("create", "new")
    assert run.done("band/Broken") == ("quarantine", "no_stems")
    assert run.code == 2
    assert row_versions() == before


def test_only_the_named_profiles(store):
    store.folder("band", NAME)
    store.folder("second", NAME)
    assert import_metadata("--profile", "second").totals["folders"] == 1
    assert [r.profile.name for r in Recording.objects.all()] == ["second"]
    with pytest.raises(CommandError, match="no profile 'thrid'"):
        call_command("import_metadata", "--profile", "thrid")


def test_a_profile_that_is_named_twice_is_one_profile(store):
    store.folder("band", NAME)
    store.folder("second", NAME)
    run = import_metadata("--profile", "band", "--profile", "band")
    assert (run.code, run.totals["folders"], run.totals["create"]) == (0, 1, 1)
    assert len(run.document["items"]) == 1


def test_a_report_adds_up_and_proves_itself(store, tmp_path):
    store.folder("band", NAME)
    store.folder("band", "Nothing_here", stems=(), generation="V0'")
    store.folder("elsewhere", NAME)
    target = tmp_path / "report.jsonl"
    run = import_metadata("--report", str(target))
    assert run.code == 3  # the folder of a profile that nobody named
    *lines, last = target.read_bytes().splitlines(keepends=True)
    assert json.loads(last)["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest() == run.document["sha256"]
    totals = json.loads(lines[-1])["totals"]
    items = [line for line in map(json.loads, lines) if "action" in line]
    actions = ("create", "heal", "update", "unchanged", "conflict", "quarantine", "ignore")
    assert totals["folders"] == sum(totals[action] for action in actions) == len(items) == 3
    assert (totals["create"], totals["ignore"], totals["conflict"]) == (1, 1, 1)


def test_a_receipt_is_kept_of_every_run_that_changed_something(store):
    store.folder("band", NAME)
    run = import_metadata()
    kept = ImportRun.objects.get()
    assert (kept.state, kept.report_sha256, kept.totals) == ("done", run.document["sha256"], run.totals)
    import_metadata()
    assert ImportRun.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "/nowhere"], "is not a folder"),
        (["--source", "~nobody/nowhere"], "is not a folder"),
        (["--source", ""], "--source is empty"),
        (["--jobs", "0"], "from 1 to 256"),
        (["--rebuild"], "--no-input"),
    ],
)
def test_misuse_is_named(store, options, message):
    with pytest.raises(CommandError, match=message) as error:
        call_command("import_metadata", *options)
    assert error.value.returncode == 1


def test_people_get_a_summary(store, capsys):
    store.folder("band", NAME)
    folder = store.folder("band", "Torn\x1b[2J", stems=("vocals",))
    store.file(folder, "vocals.opus", b"OggS, no more")
    with pytest.raises(SystemExit) as end:
        call_command("import_metadata", "--jobs", "1")
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert "2 folders" in out
    assert "1 brought in" in out
    assert "1 left out (1 no_stems)" in out
    assert "left out       band/Torn\\x1b[2J/vocals.opus: “vocals.opus” is damaged" in err


def test_a_dry_run_says_what_would_be_done_in_words_of_its_own(store, capsys):
    store.folder("band", NAME)
    store.folder("band", "Broken", stems=())
    with pytest.raises(SystemExit):
        call_command("import_metadata", "--jobs", "1", "--dry-run")
    out, err = capsys.readouterr()
    assert "2 folders" in out
    assert "this would be done" in out
    assert "1 new" in out
    assert "1 to be left out (1 no_stems)" in out
    assert "to be left out band/Broken: " in err


# --- where the report goes ------------------------------------------------------------------------------------------


def says(target: Path, run: Run) -> bool:
    """Whether the report of this run is there, whole."""
    return json.loads(target.read_bytes().splitlines()[-1])["sha256"] == run.document["sha256"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "--report is empty"),
        (".", "is a folder"),
        ("/", "is a folder"),
        ("{}", "is a folder"),
        ("{}/new/", "is the name of a folder"),
        ("{}/nowhere/report", "nowhere is not a folder"),
        ("{}/a file/report", "Not a directory"),
        ("{}/dangling", "nowhere is not a folder"),
        ("{}/circle", "symbolic links"),
        ("{}/socket", "a disk or a socket"),
        ("{}/" + "x" * 300, "name too long"),
        ("a\0b", "is no name that a file can have"),
        ("/dev/fd/999", "/dev/fd/999"),
    ],
)
def test_a_report_that_has_no_place_is_refused_before_anything_is_done(store, tmp_path, name, message):
    store.folder("band", NAME)
    (tmp_path / "a file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere/report")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "socket"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CommandError, match=message) as error:
        call_command("import_metadata", "--report", name.format(tmp_path))
    assert error.value.returncode == 1
    assert not Recording.objects.exists()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("there", [True, False])
def test_so_is_one_in_a_place_that_is_not_writable(store, tmp_path, there, monkeypatch):
    target = tmp_path / "report"
    if there:
        target.write_bytes(b"mine")
    # Everything is writable for root, who may be running this.
    monkeypatch.setattr("catalog.importing.report.os.access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(CommandError, match="is not writable") as error:
        call_command("import_metadata", "--report", str(target))
    assert error.value.returncode == 1


FORMER = b'{"report": "stemset import", "started_at": "2026-01-01"}\n'


def test_a_file_that_is_there_is_replaced_and_keeps_its_permissions(store, tmp_path):
    target, beside = tmp_path / "report", tmp_path / "report.new"
    target.write_bytes(FORMER)
    target.chmod(0o640)
    beside.write_bytes(b"mine")
    assert says(target, import_metadata("--report", str(target)))
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert beside.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.glob("*report*")} == {"report", "report.new"}


def test_a_new_file_can_be_read_by_whom_the_umask_lets(store, tmp_path):
    before = os.umask(0o027)
    try:
        assert import_metadata("--report", str(tmp_path / "report")).code == 0
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(store, tmp_path, there):
    (tmp_path / "elsewhere").mkdir()
    if there:
        (tmp_path / "elsewhere/report").write_bytes(FORMER)
    (tmp_path / "link").symlink_to("elsewhere/report")
    run = import_metadata("--report", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert says(tmp_path / "elsewhere/report", run)


def test_a_pipe_is_written_into_and_stays_one(store, tmp_path):
    store.folder("band", NAME)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(pipe.read_bytes)
        run = import_metadata("--report", str(pipe))
        lines = reading.result(timeout=10).splitlines()
    assert json.loads(lines[-1])["sha256"] == run.document["sha256"]
    assert pipe.is_fifo()


def test_so_is_a_device(store):
    assert import_metadata("--report", os.devnull).code == 0
    assert Path(os.devnull).is_char_device()


def test_what_is_open_already_is_written_on(store, tmp_path):
    """As with --report /dev/stdout > file, where the rest of what is said goes after the report."""
    target = tmp_path / "out"
    with target.open("wb", buffering=0) as stream:
        stream.write(b"before\n")
        run = import_metadata("--report", f"/dev/fd/{stream.fileno()}")
        stream.write(b"after\n")
    first, *lines, last = target.read_bytes().splitlines(keepends=True)
    assert (first, last) == (b"before\n", b"after\n")
    assert json.loads(lines[-1])["sha256"] == run.document["sha256"]


def test_what_is_open_for_reading_only_is_refused(store, tmp_path):
    (tmp_path / "in").write_bytes(b"mine")
    with (tmp_path / "in").open("rb") as stream, pytest.raises(CommandError, match="for reading only"):
        call_command("import_metadata", "--report", f"/dev/fd/{stream.fileno()}")


def test_when_the_report_cannot_be_written_after_all_the_import_is_done_and_its_receipt_kept(store):
    store.folder("band", NAME)
    for kept, action in ((1, "create"), (2, "unchanged")):
        run = import_metadata("--report", "/dev/full")
        assert (run.code, run.totals[action]) == (2, 1)
        assert "The import is done, but the report cannot be written to /dev/full: No space left" in run.messages
        assert run.document["sha256"] in run.messages
        assert ImportRun.objects.filter(state="done", report_sha256=run.document["sha256"]).exists()
        assert ImportRun.objects.count() == kept
    assert import_metadata().totals["unchanged"] == 1


def test_a_look_whose_report_cannot_be_written_changes_nothing_either(store):
    store.folder("band", NAME)
    run = import_metadata("--dry-run", "--report", "/dev/full")
    assert run.code == 2
    assert "The look is done, but" in run.messages
    assert not ImportRun.objects.exists()


# --- errors of disks ------------------------------------------------------------------------------------------------


def test_a_full_temporary_folder_is_named(store, tmp_path, monkeypatch):
    store.folder("band", NAME)
    (tmp_path / "report.jsonl").symlink_to("/dev/full")
    monkeypatch.setattr(
        "catalog.importing.run.tempfile.TemporaryDirectory", lambda **_: contextlib.nullcontext(str(tmp_path))
    )
    with pytest.raises(CommandError, match=f"No space left on device while writing {tmp_path}/report.jsonl") as error:
        call_command("import_metadata", "--jobs", "1")
    assert error.value.returncode == 1


@pytest.mark.parametrize("method", ["profiles", "count", "folders"])
def test_a_store_that_fails_is_named(store, method, monkeypatch):
    store.folder("band", NAME)

    def failing(*_arguments):
        raise OSError(5, "Input/output error")  # as reading from what is open already says it: without a name

    monkeypatch.setattr(LocalStore, method, failing)
    with pytest.raises(CommandError, match=f"Input/output error while reading {store.root}") as error:
        call_command("import_metadata", "--jobs", "1")
    assert error.value.returncode == 1


def test_a_file_that_fails_is_named(store, monkeypatch):
    def failing(*_arguments):
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(LocalStore, "profiles", failing)
    with pytest.raises(CommandError, match="The import cannot go on: /some/file: Permission denied"):
        call_command("import_metadata", "--jobs", "1")


def test_a_reader_of_the_output_that_leaves_does_not_make_the_import_look_undone(store):
    class Left(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    store.folder("band", NAME)
    with pytest.raises(CommandError, match=r"The import is done, but .*: Broken pipe") as error:
        call_command("import_metadata", "--jobs", "1", stdout=Left())
    assert error.value.returncode == 2
    assert ImportRun.objects.get().state == "done"


@pytest.mark.parametrize("name", ["band/.processed_hashes.json", "band/Take_1_0123abcd/metadata.json"])
def test_a_report_takes_the_place_of_no_file_of_the_store(store, name):
    store.folder("band", "Take_1_0123abcd")
    store.index("band", {"a" * 64: "Take_1_0123abcd"})
    before = store.snapshot()
    with pytest.raises(CommandError, match="is no report"):
        call_command("import_metadata", "--dry-run", "--report", str(store.root / name))
    assert store.snapshot() == before


def test_the_folder_above_the_media_folder_is_not_taken_for_it(store):
    store.folder("band", "Take_1_0123abcd")
    with pytest.raises(CommandError, match=r"do you mean --source .*/media"):
        call_command("import_metadata", "--source", str(store.root.parent))


def test_names_that_are_overwritten_are_told(store, capsys):
    store.folder("band", "Take_1_0123abcd", display_name="Theirs")
    import_metadata()
    Recording.objects.update(display_name="Ours")
    call_command("import_metadata", "--overwrite-display-names", "--jobs", "1")
    assert "renamed “Ours” → “Theirs”" in capsys.readouterr().err
