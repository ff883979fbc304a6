"""How much one person may ask of the API.

Requests are counted in the memory of each process: with n processes a person has n times as many. That keeps a script
that has gone wild from slowing down everybody else, and costs no table and no other server.
"""

from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle


class PerPerson(UserRateThrottle):
    """The rate of STEMSET_API_RATE for each person who is signed in, over all routes together.

    Strangers are not counted: nearly all routes answer them 401 at once, and trying to sign in has limits of its own.
    """

    def get_cache_key(self, request: Request, view: object) -> str | None:
        """Return under which name the requests are counted, or None for those that are not."""
        if not request.user.is_authenticated:
            return None
        key: str = super().get_cache_key(request, view)
        return key
