"""What staff may look at but nobody makes, changes or deletes by a form of the admin."""

from typing import Any

from django.http import HttpRequest


class LookOnly:
    """Staff may look without having been given permissions one by one; nobody may add, change or delete."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to everybody whom the admin lets in, which is staff."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show the rows to staff."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False
