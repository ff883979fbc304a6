"""People and what they may open, in the admin.

Staff invite members and open profiles to them. Only superusers make staff: who may do that may do anything.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from social_django.models import UserSocialAuth

from accounts.models import ApiToken, User, UserProfile
from accounts.sessions import sign_out_everywhere
from catalog.look_only import LookOnly

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]


class StaffManage:
    """Whom the admin lets in (staff) need not be given permissions one by one."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show the rows."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow adding."""
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow changing."""
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow deleting."""
        return True


def may_manage(request: HttpRequest, user: User | None) -> bool:
    """Return whether somebody of staff may change a person: members, but not each other. Superusers may."""
    return bool(request.user.is_superuser) or user is None or not (user.is_staff or user.is_superuser)


class InviteForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """A new person; those who sign in some other way need no password."""

    class Meta:
        model = User
        fields = ["email", "name", "is_invited"]


class AccessInline(StaffManage, admin.TabularInline):  # type: ignore[type-arg]
    """The profiles a person may open, and as what."""

    model = UserProfile
    fields = ["profile", "role"]
    autocomplete_fields = ["profile"]
    extra = 0

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Make somebody a member unless something else is said."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "role":
            field.required = False
        return field


@admin.register(User)
class UserAdmin(StaffManage, DjangoUserAdmin):  # type: ignore[type-arg]
    """People."""

    add_form = InviteForm
    list_display = ["email", "name", "profiles", "is_active", "is_invited", "is_staff", "last_login", "created_at"]
    list_filter = ["is_active", "is_invited", "is_staff", "profile_links__profile"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    readonly_fields = ["invited_by", "google_account", "last_login", "created_at"]
    inlines = [AccessInline]
    actions = ["sign_out", "forget_google"]
    fieldsets = [
        (None, {"fields": ["email", "name", "my_part", "picture_url", "is_active", "is_invited", "invited_by"]}),
        ("Here", {"fields": ["last_login", "created_at", "google_account"]}),
        ("Password", {"fields": ["password"]}),
    ]
    superuser_fieldsets = [
        ("Power", {"fields": ["is_staff", "is_superuser"], "description": "Superusers may also make others staff."}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "is_invited", "usable_password", "password1", "password2"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Count along."""
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(profile_count=Count("profile_links"))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep the fields that give power from those who may not give it; the form then has no such fields at all."""
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, *self.superuser_fieldsets] if obj and request.user.is_superuser else fieldsets

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Whom staff add, they invite by that."""
        return {"is_invited": True, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let staff change members, but not each other (a password of one's own is set with `changepassword`)."""
        return may_manage(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers only; the rest unset "active"."""
        return bool(request.user.is_superuser)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Note that it is staff now who invite somebody, when they do."""
        if "is_invited" in form.changed_data:
            obj.invited_by = None
        super().save_model(request, obj, form, change)

    @admin.display
    def google_account(self, user: User) -> str:
        """What Google calls the account that opens this one."""
        return UserSocialAuth.objects.filter(user=user).values_list("uid", flat=True).first() or "none yet"

    @admin.display(ordering="profile_count")
    def profiles(self, user: User) -> int:
        """How many they were given."""
        count: int = user.profile_count  # type: ignore[attr-defined]  # annotated above
        return count

    @admin.action(description="Sign out everywhere", location=EVERYWHERE)
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End all sessions of these people; their personal tokens stay."""
        people = [user for user in queryset if may_manage(request, user)]
        sessions = sum(sign_out_everywhere(user) for user in people)
        self.message_user(request, f"{sessions} sessions of {len(people)} people were ended.", messages.SUCCESS)

    @admin.action(description="Forget the Google account", location=EVERYWHERE)
    def forget_google(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the next Google account with their address open these accounts, in place of the one that does now."""
        people = [user.pk for user in queryset if may_manage(request, user)]
        count, _by_model = UserSocialAuth.objects.filter(user__in=people).delete()
        self.message_user(request, f"{count} Google accounts were forgotten.", messages.SUCCESS)


@admin.register(UserProfile)
class UserProfileAdmin(StaffManage, admin.ModelAdmin):  # type: ignore[type-arg]
    """Who may open which profile."""

    list_display = ["user", "profile", "role", "created_at"]
    list_select_related = ["user", "profile"]
    list_filter = ["profile", "role"]
    search_fields = ["user__email", "user__name", "profile__name"]
    autocomplete_fields = ["user", "profile"]


@admin.register(ApiToken)
class ApiTokenAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Personal tokens: people make them themselves, on the page about themselves. Nobody sees what they are."""

    list_display = ["name", "user", "created_at", "last_used_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__email", "user__name"]
    fields = ["name", "user", "created_at", "last_used_at", "expires_at"]

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Let staff revoke those of members, and their own."""
        return obj is None or obj.user == request.user or may_manage(request, obj.user)
