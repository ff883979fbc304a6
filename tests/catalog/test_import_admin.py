"""The admin's page of imports: staff look at the store, import, follow that, and keep the receipts."""

import hashlib
import json
import os
import threading
import time
from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from catalog import import_admin
from catalog.importing import receipts, runs, starting
from catalog.importing.run import Options
from catalog.locks import exclusive
from catalog.models import ImportRun, Recording
from tests.factories import make_profile, make_user
from tests.importer import importer, processes, stuck, wait_for_ends
from tests.legacy_store import LegacyStore

__all__ = ["importer"]

State = ImportRun.State
LIST = "/admin/catalog/importrun/"


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def store(band, media) -> LegacyStore:
    """Three good recordings of the configured profile."""
    store = LegacyStore(media)
    for number in range(3):
        store.folder("band", f"take_{number}_0123abc{number}", stems=("vocals", "other"), display_name=f"Take {number}")
    return store


@pytest.fixture
def no_process(monkeypatch):
    """Start rows, but no processes."""
    monkeypatch.setattr(starting, "_launch", lambda run_id, arguments: None)


def url(view: str, run: ImportRun) -> str:
    return reverse(f"admin:catalog_importrun_{view}", args=[run.pk])


def press(client, button: str, **choices) -> ImportRun:
    """Press one of the two buttons of the list, and return the run whose page follows."""
    response = client.post(f"{LIST}start/", {"do": button, **choices})
    return ImportRun.objects.get(pk=response["Location"].rstrip("/").split("/")[-2])


def page(client, run: ImportRun) -> str:
    return client.get(url("change", run)).content.decode()


def wait_until(client, run: ImportRun, **wanted) -> dict:
    """Poll a run's progress as the page does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        progress = client.get(url("progress", run)).json()
        if wanted.items() <= progress.items():
            return progress
        time.sleep(0.05)
    raise AssertionError(progress)


def finished(client, run: ImportRun) -> ImportRun:
    """Wait for a run's end."""
    wait_until(client, run, is_going=False)
    run.refresh_from_db()
    return run


def report_of(client, run: ImportRun) -> list[str]:
    return client.get(url("report", run)).getvalue().decode().splitlines(keepends=True)


def kept_run(*entries: dict, dry_run: bool = False, **fields) -> ImportRun:
    """A run that has ended, with a report of these folders."""
    items = [{"action": "create", "code": "new", "reason": "", "notes": [], **entry} for entry in entries]
    totals = {"folders": len(items), "attention": 0}
    for item in items:
        totals[item["action"]] = totals.get(item["action"], 0) + 1
    lines = [{"report": "stemset import", "stores": "/old/media"}, *items, {"totals": totals}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    text += json.dumps({"sha256": digest}) + "\n"
    values = {"state": State.DONE, "totals": totals, "report_sha256": digest, "finished_at": timezone.now()}
    packed = receipts.gzip.compress(text.encode())
    return ImportRun.objects.create(dry_run=dry_run, report=packed, **{**values, **fields})


def test_runs_are_in_the_admin():
    assert admin.site.is_registered(ImportRun)


@pytest.mark.django_db(transaction=True)
class TestRunning:
    """With real processes."""

    def test_a_look_shows_the_plan_and_changes_nothing(self, as_alice, alice, importer, store):
        store.metadata(store.folder("band", "broken_0123abcd", stems=()), "{")

        run = finished(as_alice, press(as_alice, "look"))

        assert (run.state, run.dry_run, run.started_by) == (State.DONE, True, alice)
        assert (run.totals["create"], run.totals["quarantine"]) == (3, 1)
        shown = page(as_alice, run)
        assert "New (3)" in shown
        assert "band/take_0_0123abc0" in shown
        assert shown.index("band/broken_0123abcd") < shown.index("band/take_0_0123abc0")  # what needs attention first
        assert "Import now" in shown
        assert not Recording.objects.exists()

    def test_what_was_seen_is_imported_by_one_button(self, as_alice, importer, store):
        store.folder("elsewhere", "other_0123abcd")
        look = finished(as_alice, press(as_alice, "look", profiles=["band"], overwrite_display_names="on"))

        response = as_alice.post(url("again", look), {"do": "import"})

        run = ImportRun.objects.get(dry_run=False)
        assert response["Location"] == url("change", run)
        finished(as_alice, run)
        assert (run.state, run.totals["create"]) == (State.DONE, 3)
        assert run.options == look.options | {"dry_run": False}
        assert {recording.title for recording in Recording.objects.all()} == {"Take 0", "Take 1", "Take 2"}
        assert 'href="/library/band/take_0_0123abc0"' in page(as_alice, run)

    def test_a_profile_that_config_yaml_does_not_name_can_be_chosen(self, as_alice, importer, store):
        store.folder("elsewhere", "other_0123abcd")

        assert finished(as_alice, press(as_alice, "import")).totals["conflict"] == 1
        assert 'value="elsewhere"' in as_alice.get(LIST).content.decode()
        assert finished(as_alice, press(as_alice, "import", profiles=["elsewhere"])).totals["create"] == 1

    def test_progress_is_told_while_it_runs(self, as_alice, importer, store):
        with stuck():
            run = press(as_alice, "import")
            told = wait_until(as_alice, run, total=3)
            assert told == {"state": "importing", "is_going": True, "done": 0, "total": 3, "percent": 0, "left": ""}
            shown = page(as_alice, run)
            assert 'max="3" value="0"' in shown
            assert "Cancel" in shown
            assert "importing, 0\N{SPACE}%" in as_alice.get(LIST).content.decode()

        assert wait_until(as_alice, run, is_going=False)["percent"] == 100

    def test_a_second_one_is_refused_and_leads_to_the_first(self, as_alice, importer, store):
        with stuck():
            run = press(as_alice, "import")
            response = as_alice.post(f"{LIST}start/", {"do": "look"}, follow=True)
            assert response.redirect_chain == [(url("change", run), 302)]
            assert "An import is going already." in response.content.decode()
            assert "Look at the store" not in as_alice.get(LIST).content.decode()
            wait_until(as_alice, run, total=3)
        assert finished(as_alice, run).state == State.DONE
        assert ImportRun.objects.count() == 1

    def test_a_cancelled_one_ends_within_seconds_and_can_be_started_again(self, as_alice, importer, store):
        with stuck():
            run = press(as_alice, "import")
            wait_until(as_alice, run, total=3)
            assert as_alice.post(url("cancel", run))["Location"] == url("change", run)
            began = time.monotonic()
            finished(as_alice, run)  # although the database does not even answer it
            assert time.monotonic() - began < 30
        assert (run.state, run.message) == (State.CANCELLED, runs.IMPORT_CANCELLED)
        assert "Start again" in page(as_alice, run)

        as_alice.post(url("again", run), {"do": "import"})

        again = ImportRun.objects.exclude(pk=run.pk).get()
        assert finished(as_alice, again).totals["create"] == 3

    @pytest.mark.parametrize(("button", "advice"), [("import", "goes on where it stopped"), ("look", "look again")])
    def test_a_killed_one_is_known_at_once(self, as_alice, importer, store, button, advice):
        make_profile("band")  # so that a look reads its recordings too
        with stuck():
            run = press(as_alice, button)
            wait_until(as_alice, run, total=3)
            processes()[0].kill()
            finished(as_alice, run)
        wait_for_ends()

        assert run.state == State.FAILED
        shown = page(as_alice, run)
        assert advice in shown
        assert "Start again" in shown
        assert "stopped" in as_alice.get(LIST).content.decode()

    def test_one_killed_before_its_first_word_too(self, as_alice, importer, store):
        run = press(as_alice, "import")
        processes()[0].kill()
        wait_for_ends()

        run.refresh_from_db()
        assert run.state == State.FAILED
        assert "SIGKILL" in run.message

    def test_one_whose_command_cannot_begin_says_why(self, as_alice, importer, store, monkeypatch):
        monkeypatch.setenv("STEMSET_CONFIG", "/nowhere/config.yaml")
        run = press(as_alice, "import")
        wait_for_ends()

        run.refresh_from_db()
        assert run.state == State.FAILED
        assert run.message.startswith("It could not start. The last it said: /nowhere/config.yaml")

    def test_one_without_an_interpreter_says_so(self, as_alice, importer, store, monkeypatch):
        monkeypatch.setattr("sys.executable", "/nowhere/python")

        run = press(as_alice, "import")

        assert run.state == State.FAILED
        assert "could not be started" in page(as_alice, run)

    def test_it_outlives_the_worker_that_started_it(self, as_alice, importer, store):
        with stuck():
            run = press(as_alice, "import")
            process = processes()[0]
            assert os.getsid(process.pid) == process.pid != os.getsid(0)
            wait_until(as_alice, run, total=3)
        finished(as_alice, run)

    def test_the_receipt_is_the_whole_report_and_its_sum_is_right(self, as_alice, importer, store):
        run = finished(as_alice, press(as_alice, "import"))

        response = as_alice.get(url("report", run))
        lines = response.getvalue().decode().splitlines(keepends=True)

        assert response["Content-Type"] == "application/x-ndjson"
        assert response["Content-Disposition"].startswith('attachment; filename="stemset-import-')
        assert hashlib.sha256("".join(lines[:-1]).encode()).hexdigest() == run.report_sha256
        assert json.loads(lines[-1]) == {"sha256": run.report_sha256}
        assert [json.loads(line)["path"] for line in lines if '"action"' in line] == [
            f"band/take_{number}_0123abc{number}" for number in range(3)
        ]
        assert run.report_sha256 in page(as_alice, run)
        assert run.report_sha256[:12] in as_alice.get(LIST).content.decode()

    def test_names_are_shown_as_they_are_and_not_as_html(self, as_alice, importer, store, media):
        evil = "<img src=x onerror=alert(1)>"
        store.folder("band", evil, display_name="<script>alert(2)</script>")
        odd = media / "band" / os.fsdecode(b"not\xfftext")
        odd.mkdir()
        (odd / "vocals.opus").write_bytes(b"x")
        finished(as_alice, press(as_alice, "import"))
        Recording.objects.filter(output_name=evil).update(display_name="<b>mine</b>")

        run = finished(as_alice, press(as_alice, "look", overwrite_display_names="on"))

        shown = page(as_alice, run)
        assert "&lt;img src=x onerror=alert(1)&gt;" in shown
        assert "&lt;script&gt;alert(2)" in shown
        for tag in ("<img src=x", "<script>alert", "<b>mine"):
            assert tag not in shown
        assert "band/not?text" in shown

    def test_two_clicks_at_once_make_one_run(self, alice, no_process):
        together, answers = threading.Barrier(4), []

        def click() -> None:
            together.wait()
            try:
                answers.append(starting.start(Options(), alice).pk)
            except starting.AlreadyGoing as refusal:
                answers.append(refusal.run.pk)
            finally:
                connection.close()

        threads = [threading.Thread(target=click) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert answers == [ImportRun.objects.get().pk] * 4

    def test_no_process_takes_on_a_run_that_is_not_waiting(self, no_process, alice):
        run = kept_run()
        for run_id in (str(run.pk), "no-such"):
            with pytest.raises(CommandError, match="no run"):
                call_command("import_metadata", run=run_id)

    def test_no_two_processes_take_on_the_same_run(self, no_process, alice):
        run = starting.start(Options(), alice)
        with runs.taken_on(str(run.pk)), pytest.raises(runs.NotWaiting), runs.taken_on(str(run.pk)):
            pass


@pytest.mark.django_db(transaction=True)
class TestCrashes:
    """A run is going as long as its process has its lock, however silent it is."""

    @pytest.mark.parametrize("state", [State.WAITING, State.RUNNING])
    @pytest.mark.parametrize("view", ["list", "page", "progress"])
    def test_without_its_lock_it_has_stopped(self, as_alice, state, view):
        run = ImportRun.objects.create(state=state, heartbeat_at=timezone.now(), folders_total=3)

        as_alice.get({"list": LIST, "page": url("change", run), "progress": url("progress", run)}[view])

        run.refresh_from_db()
        assert (run.state, run.message) == (State.FAILED, runs.IMPORT_STOPPED)

    def test_with_its_lock_it_is_going_after_hours_of_silence(self, as_alice):
        run = ImportRun.objects.create(state=State.RUNNING, heartbeat_at=timezone.now() - timedelta(hours=9))
        release, held = threading.Event(), threading.Event()

        def hold() -> None:
            with exclusive(runs._lock_name(run.pk)):
                held.set()
                release.wait()
            connection.close()

        process = threading.Thread(target=hold)
        process.start()
        held.wait()
        try:
            assert as_alice.get(url("progress", run)).json()["is_going"]
        finally:
            release.set()
            process.join()
        assert not as_alice.get(url("progress", run)).json()["is_going"]

    @pytest.mark.parametrize(("age", "is_going"), [(timedelta(0), True), (runs.STARTS_WITHIN, False)])
    def test_one_that_is_starting_up_has_no_lock_yet(self, as_alice, age, is_going):
        run = ImportRun.objects.create()
        ImportRun.objects.update(created_at=timezone.now() - age)

        assert as_alice.get(url("progress", run)).json()["is_going"] is is_going

    def test_a_crashed_one_is_in_nobodys_way(self, as_alice, no_process):
        crashed = ImportRun.objects.create(state=State.RUNNING, heartbeat_at=timezone.now())

        assert press(as_alice, "look").pk != crashed.pk

    def test_what_has_ended_stays_as_it_ended(self):
        run = kept_run()

        runs.stopped(run.pk)
        runs.Recorder(run).fail(State.CANCELLED, "too late")

        run.refresh_from_db()
        assert (run.state, run.message) == (State.DONE, "")


@pytest.mark.django_db
class TestPages:
    def test_the_list_shows_past_runs(self, as_alice, alice):
        kept_run({"path": "band/a"}, {"path": "band/b", "action": "quarantine"}, started_by=alice)
        kept_run({"path": "band/a"}, dry_run=True)

        shown = as_alice.get(LIST).content.decode()

        assert "1 left out, 1 brought in" in shown
        assert "1 new" in shown
        assert "Alice" in shown
        assert shown.count("<code title=") == 2

    # The session with its user, the run that is going, the profiles to choose from, the number of runs and the runs.
    @pytest.mark.parametrize("rows", [2, 40])
    def test_the_list_costs_the_same_for_two_runs_as_for_forty(self, as_alice, alice, rows, django_assert_num_queries):
        for _ in range(rows):
            kept_run({"path": "band/a"}, started_by=alice)

        with django_assert_num_queries(5) as queries:
            as_alice.get(LIST)

        assert not any('"import_runs"."report",' in query["sql"] for query in queries.captured_queries)

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_a_run_shows_what_needs_attention_first(self, as_alice, dry_run):
        serious = {"code": "stem_file_missing", "message": "has no file", "file": "drums", "serious": True}
        remark = {"code": "display_name_differs", "message": "named otherwise", "file": "", "serious": False}
        run = kept_run(
            {"path": "band/1-new"},
            {"path": "band/2-half", "notes": [remark, serious]},
            {"path": "band/3-same", "action": "unchanged"},
            {"path": "band/4-remark", "action": "unchanged", "notes": [remark]},
            {"path": "band/5-out", "action": "quarantine", "reason": "no stems"},
            {"path": "band/6-both", "action": "conflict", "reason": "renamed on both sides"},
            {"path": "band/7-heal", "action": "heal", "reason": "the catalogue had no bass"},
            dry_run=dry_run,
        )

        shown = page(as_alice, run)

        order = ["6-both", "5-out", "2-half", "drums: has no file", "1-new", "7-heal", "4-remark"]
        assert sorted(order, key=shown.index) == order
        assert "3-same" not in shown
        assert ("To be completed (1)" in shown) is dry_run
        assert ("Completed (1)" in shown) is not dry_run
        assert ('href="/library/band/1-new"' in shown) is not dry_run

    def test_of_many_folders_the_first_are_shown(self, as_alice):
        run = kept_run(*({"path": f"band/take-{number:03}"} for number in range(receipts.SHOWN + 7)))

        shown = page(as_alice, run)

        assert "take-199" in shown
        assert "take-200" not in shown
        assert "and 7 more" in shown
        assert len(report_of(as_alice, run)) == receipts.SHOWN + 7 + 3

    def test_of_many_remarks_the_serious_are_shown(self, as_alice):
        trifle = {"code": "file_not_listed", "message": "left alone", "file": "x", "serious": False}
        serious = {"code": "stem_file_empty", "message": "is empty", "file": "drums.opus", "serious": True}
        run = kept_run({"path": "band/a", "notes": [*[trifle] * 30, serious]})

        shown = page(as_alice, run)

        assert "drums.opus: is empty" in shown
        assert "and 21 more" in shown

    def test_an_empty_store_is_said_to_be_empty(self, as_alice):
        assert "There are no folders of recordings." in page(as_alice, kept_run())

    def test_choices_are_kept_and_handed_on(self, as_alice, no_process):
        make_profile("second-band")

        run = press(as_alice, "import", profiles=["second-band"], overwrite_display_names="on")

        options = Options(["second-band"], overwrite_display_names=True)
        assert run.options == options.as_dict()
        assert starting.command_line(run.pk, options)[2:] == [
            "import_metadata",
            f"--run={run.pk}",
            "--no-input",
            "--overwrite-display-names",
            "--profile=second-band",
        ]
        assert "only second-band; the store&#x27;s names replace those given here" in page(as_alice, run)

    @pytest.mark.parametrize(("name", "profiles"), [("old-band", ["old-band"]), ("", None), ("--rebuild", "refused")])
    def test_a_folder_of_a_bucket_is_named_since_it_is_not_listed(
        self, as_alice, no_process, monkeypatch, name, profiles
    ):
        monkeypatch.setattr(import_admin, "storage_store", object)
        assert 'name="other_profile"' in as_alice.get(LIST).content.decode()

        as_alice.post(f"{LIST}start/", {"do": "look", "other_profile": name})

        assert [run.options["profiles"] for run in ImportRun.objects.all()] == (
            [] if profiles == "refused" else [profiles]
        )

    @pytest.mark.parametrize("name", ["no-such", "--rebuild", "a\0b", "../up"])
    def test_no_other_names_are_handed_to_a_command(self, as_alice, name):
        response = as_alice.post(f"{LIST}start/", {"do": "import", "profiles": [name]}, follow=True)

        assert "Nothing was started." in response.content.decode()
        assert not ImportRun.objects.exists()

    def test_what_an_operator_ran_differently_is_not_repeated_from_here(self, as_alice):
        run = kept_run(options={"source": "/mnt/old", "rebuild": True}, dry_run=True)

        shown = page(as_alice, run)

        assert "from /mnt/old" in shown
        assert "Import now" not in shown

    @pytest.mark.parametrize(
        ("done", "seconds", "left"),
        [(0, 10, ""), (50, 10, "less than a minute left"), (10, 60, "about 9 min left"), (1, 600, "about 16 h left")],
    )
    def test_the_time_left_is_estimated(self, done, seconds, left):
        now = timezone.now()
        run = ImportRun(folders_total=100, folders_done=done, created_at=now - timedelta(seconds=seconds))
        run.heartbeat_at = now

        assert receipts.time_left(run) == left

    def test_an_estimate_that_was_too_low_does_not_pass_the_whole(self):
        assert receipts.percent(ImportRun(folders_total=3, folders_done=4)) == 100
        assert receipts.percent(ImportRun(folders_total=0)) is None


@pytest.mark.django_db
class TestAccess:
    @pytest.mark.parametrize("view", ["change", "progress", "report"])
    @pytest.mark.parametrize(
        ("who", "answer"), [(None, "/login"), ("charlie", "/admin/login/"), ("bob", "/admin/login/"), ("alice", 200)]
    )
    def test_only_staff_look(self, request, client, view, who, answer):
        run = kept_run({"path": "band/a"})
        if who:
            client.force_login(request.getfixturevalue(who))

        response = client.get(url(view, run))
        response.getvalue()

        assert response.status_code == (200 if answer == 200 else 302)
        assert answer == 200 or response["Location"].partition("?")[0] == answer

    @pytest.mark.parametrize("who", [None, "charlie", "bob"])
    def test_only_staff_press_buttons(self, request, client, who):
        run = ImportRun.objects.create()
        if who:
            client.force_login(request.getfixturevalue(who))

        for address in (f"{LIST}start/", url("again", run), url("cancel", run)):
            assert "login" in client.post(address, {"do": "import"})["Location"]

        assert [one.cancel_requested for one in ImportRun.objects.all()] == [False]

    def test_buttons_need_a_token_and_a_post(self, as_alice, alice):
        run = ImportRun.objects.create()
        strict = type(as_alice)(enforce_csrf_checks=True)
        strict.force_login(alice)

        for address in (f"{LIST}start/", url("again", run), url("cancel", run)):
            assert strict.post(address, {"do": "import"}).status_code == 403
            assert as_alice.get(address).status_code == 405

        assert ImportRun.objects.count() == 1

    @pytest.mark.parametrize("view", ["change", "progress", "report", "cancel", "again"])
    def test_a_run_that_does_not_exist_is_not_found(self, as_alice, view):
        nothing = ImportRun()
        ask = as_alice.post if view in {"cancel", "again"} else as_alice.get

        assert ask(url(view, nothing)).status_code == 404

    def test_a_run_without_a_report_has_none_to_download(self, as_alice):
        assert as_alice.get(url("report", ImportRun.objects.create())).status_code == 404

    def test_not_even_superusers_make_change_or_delete_runs(self, client):
        client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
        run = kept_run()

        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(url("change", run), {"state": "failed"}).status_code == 403
        assert client.post(url("delete", run), {"post": "yes"}).status_code == 403
        assert client.get(f"{LIST}no-such-id/change/").status_code == 404
