"""Why somebody was not let in, in words for them: what happened, and what they can do."""

from dataclasses import dataclass

from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthCredentialError,
    AuthInputError,
    AuthProviderError,
    AuthResponseError,
    AuthSessionError,
    SocialAuthBaseException,
)


@dataclass(frozen=True)
class Refusal:
    """What the page says."""

    title: str
    happened: str
    advice: str
    status: int = 401


class Refused(Exception):
    """Somebody may not come in."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.title)


CANCELLED = Refusal(
    "You stopped at Google",
    "Google says that you did not want to sign in, so nothing happened.",
    "If that was a slip, try again.",
)
STALE = Refusal(
    "That sign-in has run out",
    "It was begun in another browser or more than half an hour ago, or it was used already.",
    "Begin anew, in one tab, and with cookies switched on.",
)
NOT_PROVEN = Refusal(
    "Google’s answer did not hold",
    "What came back could not be verified, so it was not believed.",
    "Try again. If it happens twice, tell whoever runs this site: the log says more.",
)
UNREACHABLE = Refusal(
    "Google does not answer",
    "This site could not talk to Google, or got an answer that makes no sense.",
    "Try again in a minute. If it stays like that, tell whoever runs this site: the log says more.",
    status=502,
)
NOT_NOW = Refusal(
    "Google could not sign you in",
    "Google sent you back with an error of its own, so nothing happened.",
    "Try again in a minute. If it stays like that, tell whoever runs this site: the log says more.",
    status=502,
)
MISCONFIGURED = Refusal(
    "Google does not know this site",
    "Google refuses to talk to this site with the name and secret that it was given.",
    "Tell whoever runs this site: the client id, the client secret and the redirect address must be the ones that "
    "Google has. The log says more.",
    status=502,
)


def not_allowed(email: str) -> Refusal:
    """Say that nobody has invited this address."""
    return Refusal(
        "You are not on the list",
        f"You signed in at Google as {email}, and nobody has invited this address here.",
        f"Ask whoever runs this site to invite {email}. If you have another Google account, try again with that one.",
    )


def not_verified(email: str) -> Refusal:
    """Say that the address may not be theirs."""
    return Refusal(
        "Your address is not verified",
        f"Google does not vouch for {email or 'your e-mail address'}: it was never verified there.",
        "Verify it in your Google account, or try again with another account.",
    )


def switched_off(email: str) -> Refusal:
    """Say that staff closed the account."""
    return Refusal(
        "Your account is switched off",
        f"There is an account for {email}, but it was switched off.",
        "Ask whoever runs this site to switch it on again.",
    )


def somebody_elses(email: str) -> Refusal:
    """Say that the address is tied to another Google account, which may belong to another person."""
    return Refusal(
        "This address belongs to somebody else here",
        f"There is an account for {email}, and another Google account opens it. Addresses change hands, so you were "
        "not taken for the same person.",
        "Ask whoever runs this site: they can let the account forget its Google account.",
    )


# The first that fits. What Google said last in words is not shown: anybody can write it into a link.
_BY_ERROR: tuple[tuple[type[SocialAuthBaseException], Refusal], ...] = (
    (AuthCanceled, CANCELLED),
    (AuthSessionError, STALE),
    (AuthInputError, STALE),
    (AuthCredentialError, STALE),
    (AuthConfigurationError, MISCONFIGURED),
    (AuthProviderError, UNREACHABLE),
    (AuthResponseError, NOT_PROVEN),
)
# Answers that are not even wrong.
_GARBLED = ("malformed_response",)


def refusal_for(error: SocialAuthBaseException) -> Refusal:
    """Return what to say about an error of the library's."""
    if error.code in _GARBLED:
        return UNREACHABLE
    if isinstance(error, AuthProviderError) and error.stage == "callback":
        return NOT_NOW
    return next((refusal for kind, refusal in _BY_ERROR if isinstance(error, kind)), NOT_PROVEN)
