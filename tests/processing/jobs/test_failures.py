"""What people are told when an attempt fails."""

import errno

import pytest

from processing.disk import naming_disk_troubles
from processing.errors import ProcessingError
from processing.jobs.failures import judge


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (errno.ENOSPC, "No space left on device", "disk_full"),
        (errno.EROFS, "Read-only file system", "not_writable"),
        (errno.EACCES, "Permission denied", "not_writable"),
    ],
)
def test_places_on_the_server_are_for_staff_only(number, words, code):
    with pytest.raises(ProcessingError) as caught, naming_disk_troubles():
        raise OSError(number, words, "/srv/media/.incoming/0123")
    failure = judge(caught.value)

    assert (failure.code, failure.may_pass) == (code, True)
    assert "/" not in failure.text
    assert failure.text.endswith("Tell whoever runs this site.")
    assert f"/srv/media/.incoming/0123: {words}." in failure.detail
