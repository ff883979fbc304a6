"""From a Google account to one of our people: found, invited before, or made. All of it, or nothing."""

import logging

from django.conf import settings
from django.db import transaction
from social_django.models import UserSocialAuth

from accounts.admission import is_admitted, is_allowed_address
from accounts.google.identity import Identity
from accounts.google.refusals import Refused, not_allowed, not_verified, somebody_elses, switched_off
from accounts.models import User, UserProfile
from catalog.services import sync_profile

PROVIDER = "google"
logger = logging.getLogger(__name__)


@transaction.atomic
def person_for(identity: Identity) -> UserSocialAuth:
    """Return the link between a Google account and its person, both made if need be and brought in step with Google.

    Raises Refused, and then leaves everything as it was. Raises IntegrityError when somebody else makes the same
    person at the same moment; then they are there at the next try.
    """
    if not identity.sub or not identity.email or not identity.is_verified:
        raise Refused(not_verified(identity.email))
    link = UserSocialAuth.objects.filter(provider=PROVIDER, uid=identity.sub).select_related("user").first()
    is_first = link is None
    if link is None:
        link = UserSocialAuth(provider=PROVIDER, uid=identity.sub, id_key="sub", user=_unlinked(identity))
    user = link.user
    _keep_in_step(user, identity)
    if not user.is_active:
        raise Refused(switched_off(user.email))
    if not is_admitted(user):
        raise Refused(not_allowed(identity.email))
    # Nothing else: staff may have changed the rest a moment ago.
    user.save(update_fields=None if user._state.adding else ["email", "name", "picture_url"])
    if is_first:
        link.user = user
        link.save()
        _open_first_profiles(user)
    return link


def _unlinked(identity: Identity) -> User:
    """Return the person whom staff or a leader entered under that address, or a new one if config.yaml names it."""
    user = User.objects.filter(email=identity.email).first()
    if user is None:
        if not is_allowed_address(identity.email):
            raise Refused(not_allowed(identity.email))
        user = User(email=identity.email)
        user.set_unusable_password()
    # One of this very account was made this moment, in another tab: it will be found at the next try.
    elif user.social_auth.filter(provider=PROVIDER).exclude(uid=identity.sub).exists():
        raise Refused(somebody_elses(identity.email))
    return user


def _keep_in_step(user: User, identity: Identity) -> None:
    user.name = identity.name or user.name
    user.picture_url = identity.picture_url or user.picture_url
    if user.email == identity.email:
        return
    if User.objects.filter(email=identity.email).exists():
        logger.warning("Google now calls %s %s, but that is somebody else here", user.email, identity.email)
    else:
        user.email = identity.email


def _open_first_profiles(user: User) -> None:
    """Join a newcomer to the profiles that config.yaml opens to everybody.

    This happens once, so that what staff take away stays away. Who was given profiles before has what they were meant
    to have, and whom a leader invited, was invited to that leader's profile only.
    """
    if user.profile_links.exists() or user.invited_by is not None:
        return
    for name in settings.SIGN_IN.first_login_profiles:
        config = settings.STEMSET.profile(name)
        if config is not None:
            UserProfile.objects.create(user=user, profile=sync_profile(config))
