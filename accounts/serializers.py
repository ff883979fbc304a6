"""What the API about people reads and writes."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.models import ApiToken
from catalog.access import Role
from catalog.api.contract_input import Text


class Person(serializers.Serializer):
    """Somebody who is signed in."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    email = serializers.CharField()
    picture = serializers.CharField(help_text="The address of their picture, or of their initials, at this origin.")


class Status(serializers.Serializer):
    """Who is signed in, and what they may open."""

    authenticated = serializers.BooleanField()
    user = Person(allow_null=True)
    profiles = serializers.ListField(child=serializers.CharField(), help_text="Names.")


class Success(serializers.Serializer):
    """It is done."""

    success = serializers.BooleanField()


class Everywhere(serializers.Serializer):
    """What else ends."""

    tokens = serializers.BooleanField(default=False, help_text="Revoke all personal tokens as well.")


class Token(serializers.ModelSerializer):
    """A personal token, as its owner sees it afterwards."""

    class Meta:
        model = ApiToken
        fields = ["id", "name", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class NewToken(serializers.ModelSerializer):
    """A personal token to be made."""

    name = Text(max_length=100, help_text="What it is for.")
    expires_at = serializers.DateTimeField(default=None, allow_null=True, help_text="Never, if not given.")

    class Meta:
        model = ApiToken
        fields = ["name", "expires_at"]

    def validate_expires_at(self, value: Any) -> Any:
        """Refuse a token that would be of no use."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("That is in the past.")
        return value


class MadeToken(Token):
    """A personal token just made: the only time that it is shown itself."""

    token = serializers.CharField(read_only=True, help_text="Send it as `Authorization: Bearer …`.")

    class Meta(Token.Meta):
        fields = [*Token.Meta.fields, "token"]
        read_only_fields = fields


class Member(serializers.Serializer):
    """Somebody in a profile."""

    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField(help_text="Empty until they have signed in as a member.")
    role = serializers.ChoiceField(Role.choices)
    joined_at = serializers.DateTimeField()
    has_been_here = serializers.BooleanField(help_text="Whether they have signed in since.")


class Invitation(serializers.Serializer):
    """Somebody to be joined to a profile."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(Role.choices, default=Role.MEMBER)


class RoleChange(serializers.Serializer):
    """What somebody is to be."""

    role = serializers.ChoiceField(Role.choices)
