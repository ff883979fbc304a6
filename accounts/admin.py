"""People and what they may open, in the admin.

Staff invite members and open profiles to them. Only superusers make staff: who may do that may do anything.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts.models import User, UserProfile


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


class InviteForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """A new person; those who sign in some other way need no password."""

    class Meta:
        model = User
        fields = ["email", "name"]


class AccessInline(StaffManage, admin.TabularInline):  # type: ignore[type-arg]
    """The profiles a person may open."""

    model = UserProfile
    autocomplete_fields = ["profile"]
    extra = 0


@admin.register(User)
class UserAdmin(StaffManage, DjangoUserAdmin):  # type: ignore[type-arg]
    """People."""

    add_form = InviteForm
    list_display = ["email", "name", "profiles", "is_active", "is_staff", "last_login", "created_at"]
    list_filter = ["is_active", "is_staff", "profile_links__profile"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    readonly_fields = ["last_login", "created_at"]
    inlines = [AccessInline]
    fieldsets = [
        (None, {"fields": ["email", "name", "picture_url", "is_active", "last_login", "created_at"]}),
        ("Password", {"fields": ["password"]}),
    ]
    superuser_fieldsets = [
        ("Power", {"fields": ["is_staff", "is_superuser"], "description": "Superusers may also make others staff."}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Count along."""
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(profile_count=Count("profile_links"))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep the fields that give power from those who may not give it; the form then has no such fields at all."""
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, *self.superuser_fieldsets] if obj and request.user.is_superuser else fieldsets

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let staff change members, but not each other (a password of one's own is set with `changepassword`)."""
        return bool(request.user.is_superuser) or obj is None or not (obj.is_staff or obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers only; the rest unset "active"."""
        return bool(request.user.is_superuser)

    @admin.display(ordering="profile_count")
    def profiles(self, user: User) -> int:
        """How many they were given."""
        count: int = user.profile_count  # type: ignore[attr-defined]  # annotated above
        return count


@admin.register(UserProfile)
class UserProfileAdmin(StaffManage, admin.ModelAdmin):  # type: ignore[type-arg]
    """Who may open which profile."""

    list_display = ["user", "profile", "created_at"]
    list_select_related = ["user", "profile"]
    list_filter = ["profile"]
    search_fields = ["user__email", "user__name", "profile__name"]
    autocomplete_fields = ["user", "profile"]
