"""The admin: staff look at the catalogue, correct names and open profiles to people. Only superusers give power."""

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.models import User, UserProfile
from catalog.models import AudioFile, Profile, Recording, Stem
from tests.factories import make_profile, make_recording, make_user

MODELS = [Profile, AudioFile, Recording, Stem, User, UserProfile]


def url(model, view: str = "changelist", *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def as_superuser(client, db):
    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def recording(demo_band) -> Recording:
    return make_recording(demo_band, "harbour_12345678", filename="STE-001.wav")


def test_every_model_of_ours_is_there():
    assert {model for model in MODELS if admin.site.is_registered(model)} == set(MODELS)


def test_things_have_words_that_people_use(as_superuser):
    sections = as_superuser.get("/admin/").context["app_list"]

    assert {section["name"]: [model["name"] for model in section["models"]] for section in sections} == {
        "Catalogue": ["Imports", "Profiles", "Recordings", "Source files", "Stems"],
        "People": ["Memberships", "People", "Personal tokens"],
        "Processing": ["Jobs"],
    }


@pytest.mark.parametrize(
    ("model", "heading"),
    [(User, "Select person to view"), (UserProfile, "Select membership"), (AudioFile, "Select source file to view")],
)
def test_so_do_their_lists(as_alice, model, heading):
    assert heading.removesuffix(" to view") in as_alice.get(url(model)).content.decode()


class TestLooking:
    @pytest.mark.parametrize("model", MODELS)
    def test_every_list_and_form_opens(self, as_alice, bob, recording, model):
        assert as_alice.get(url(model)).status_code == 200
        assert as_alice.get(url(model, "change", model.objects.first().pk)).status_code == 200

    @pytest.mark.parametrize(
        ("model", "words"),
        [
            (Profile, "demo"),
            (AudioFile, "ste-001"),
            (Recording, "ste-001"),
            (Stem, "vocals harbour"),
            (User, "bob"),
            (UserProfile, "bob demo"),
        ],
    )
    def test_every_list_can_be_searched(self, as_alice, bob, recording, model, words):
        found = as_alice.get(url(model), {"q": words}).context["cl"].result_list

        assert len(found) == 1
        assert not as_alice.get(url(model), {"q": "zzz"}).context["cl"].result_list

    def test_source_files_are_found_by_the_beginning_of_their_hash(self, as_alice, recording):
        source = AudioFile.objects.get()

        found = as_alice.get(url(AudioFile), {"q": source.file_hash[:10]}).context["cl"].result_list

        assert list(found) == [source]

    def test_a_recording_shows_and_plays_its_stems(self, as_alice, recording):
        page = as_alice.get(url(Recording, "change", recording.pk)).content.decode()

        for stem in ("vocals", "drums", "bass", "other"):
            assert f'src="/media/demo-band/harbour_12345678/{stem}.opus"' in page
            assert f'src="/media/demo-band/harbour_12345678/{stem}_waveform.png"' in page
        assert "−18.2 LUFS" in page
        assert 'href="/library/demo-band/harbour_12345678"' in page
        assert " style=" not in page

    def test_profiles_are_offered_while_typing(self, as_alice, demo_band):
        asked = {"app_label": "accounts", "model_name": "userprofile", "field_name": "profile", "term": "demo"}

        assert [found["text"] for found in as_alice.get("/admin/autocomplete/", asked).json()["results"]] == [
            "demo-band"
        ]

    # Each list asks for the session with its user, the numbers of rows found and of all, and the rows; then for what
    # its filters offer: profiles, strategies, kinds of stems.
    @pytest.mark.parametrize("rows", [2, 50])
    @pytest.mark.parametrize(
        ("model", "queries"),
        [(Profile, 4 + 1), (AudioFile, 4 + 1), (Recording, 4 + 2), (Stem, 4 + 2), (User, 4 + 1), (UserProfile, 4 + 1)],
    )
    def test_costs_the_same_for_two_rows_as_for_fifty(self, as_alice, rows, model, queries, django_assert_num_queries):
        for number in range(rows):
            band = make_profile(f"band-{number}")
            make_recording(band, stem_types=["vocals"])
            make_user(f"member-{number}@example.org", profiles=[band])

        with django_assert_num_queries(queries):
            as_alice.get(url(model))


class TestRenaming:
    def test_in_the_list(self, as_alice, recording):
        before = recording.updated_at
        form = {
            "form-TOTAL_FORMS": "1",
            "form-INITIAL_FORMS": "1",
            "form-0-id": str(recording.pk),
            "form-0-display_name": "Harbour",
            "_save": "Save",
        }

        assert as_alice.post(url(Recording), form).status_code == 302

        recording.refresh_from_db()
        assert recording.display_name == "Harbour"
        assert recording.updated_at > before

    def test_on_the_form_and_nothing_else_changes(self, as_alice, recording):
        stems = list(recording.stems.values())
        form = {
            "display_name": "Harbour",
            "output_name": "elsewhere",
            "strategy_name": "made up",
            "stems-TOTAL_FORMS": "4",
            "stems-INITIAL_FORMS": "4",
            **{f"stems-{place}-id": str(stem["id"]) for place, stem in enumerate(stems)},
            "stems-0-DELETE": "on",
            "stems-1-measured_lufs": "0",
        }

        assert as_alice.post(url(Recording, "change", recording.pk), form).status_code == 302

        recording.refresh_from_db()
        assert recording.display_name == "Harbour"
        assert recording.output_name == "harbour_12345678"
        assert recording.strategy_name == "four"
        assert list(recording.stems.values()) == stems


class TestCompleteness:
    """A recording exists with all its stems and files, or not at all: not even superusers break that here."""

    @pytest.mark.parametrize("model", [Profile, AudioFile, Recording, Stem])
    def test_nothing_of_the_catalogue_is_added(self, as_superuser, model):
        assert as_superuser.get(url(model, "add")).status_code == 403
        assert as_superuser.post(url(model, "add"), {}).status_code == 403

    @pytest.mark.parametrize("model", [Profile, AudioFile, Recording, Stem])
    def test_nothing_of_the_catalogue_is_deleted(self, as_superuser, recording, model):
        row = model.objects.first()

        assert as_superuser.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        bulk = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
        as_superuser.post(url(model), bulk)
        assert model.objects.filter(pk=row.pk).exists()

    @pytest.mark.parametrize("model", [Profile, AudioFile, Stem])
    def test_what_was_measured_or_configured_is_not_changed(self, as_superuser, recording, model):
        row = model.objects.first()

        assert as_superuser.post(url(model, "change", row.pk), {}).status_code == 403


class TestPeople:
    def test_staff_invite_a_member_who_needs_no_password(self, as_alice, demo_band):
        form = {
            "email": "New@Example.org",
            "name": "New",
            "usable_password": "false",
            "profile_links-TOTAL_FORMS": "1",
            "profile_links-INITIAL_FORMS": "0",
            "profile_links-0-profile": str(demo_band.pk),
            "is_staff": "on",
            "is_superuser": "on",
        }

        assert as_alice.post(url(User, "add"), form).status_code == 302

        member = User.objects.get(email="new@example.org")
        assert not member.has_usable_password()
        assert not member.is_staff
        assert not member.is_superuser
        assert [link.profile for link in member.profile_links.all()] == [demo_band]

    def test_staff_change_members_but_give_no_power(self, as_alice, bob, demo_band):
        link = bob.profile_links.get()
        form = {
            "email": bob.email,
            "name": "Robert",
            "is_active": "on",
            "is_staff": "on",
            "is_superuser": "on",
            "profile_links-TOTAL_FORMS": "1",
            "profile_links-INITIAL_FORMS": "1",
            "profile_links-0-id": str(link.pk),
            "profile_links-0-user": str(bob.pk),
            "profile_links-0-profile": str(demo_band.pk),
            "profile_links-0-DELETE": "on",
        }

        assert as_alice.post(url(User, "change", bob.pk), form).status_code == 302

        bob.refresh_from_db()
        assert (bob.name, bob.is_staff, bob.is_superuser) == ("Robert", False, False)
        assert not bob.profile_links.exists()

    @pytest.mark.parametrize("view", ["change", "password_change", "delete"])
    def test_staff_do_not_touch_each_other(self, as_alice, db, view):
        root = make_user("root@example.org", is_staff=True, is_superuser=True)
        path = f"/admin/accounts/user/{root.pk}/password/" if view == "password_change" else url(User, view, root.pk)

        assert as_alice.post(path, {"name": "Mine", "password1": "x" * 12, "password2": "x" * 12}).status_code == 403

        root.refresh_from_db()
        assert root.name == ""
        assert root.check_password("secret")

    def test_staff_do_not_raise_themselves(self, as_alice, alice):
        form = {"email": alice.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

        assert as_alice.post(url(User, "change", alice.pk), form).status_code == 403

        alice.refresh_from_db()
        assert not alice.is_superuser

    def test_superusers_make_staff(self, as_superuser, bob):
        form = {
            "email": bob.email,
            "name": bob.name,
            "is_active": "on",
            "is_staff": "on",
            "profile_links-TOTAL_FORMS": "0",
            "profile_links-INITIAL_FORMS": "0",
        }

        assert as_superuser.post(url(User, "change", bob.pk), form).status_code == 302

        bob.refresh_from_db()
        assert bob.is_staff

    def test_an_address_that_is_taken_is_an_error_on_the_form(self, as_alice, bob):
        form = {
            "email": "BOB@example.org",
            "usable_password": "false",
            "profile_links-TOTAL_FORMS": "0",
            "profile_links-INITIAL_FORMS": "0",
        }

        response = as_alice.post(url(User, "add"), form)

        assert response.status_code == 200
        assert "already exists" in str(response.context["adminform"].form.errors)
