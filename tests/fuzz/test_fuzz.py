"""A small run of the fuzzing: some hundred generated requests. `make fuzz` sends thousands."""

import pytest

from tests.fuzz.bands import PEOPLE
from tests.fuzz.running import fuzz
from tests.server import served

pytestmark = [pytest.mark.fuzz, pytest.mark.django_db(transaction=True)]
ONE_OF_EACH_BAND = [PEOPLE[1], PEOPLE[2]]


def test_generated_requests_find_nothing(tmp_path):
    with served(STEMSET_API_RATE="unlimited") as address:
        findings = fuzz(address, tmp_path, requests=100, examples=3, phases="fuzzing", people=ONE_OF_EACH_BAND)

    assert not findings.complaints, "\n".join(findings.complaints)
    assert findings.requests >= 100
    for counts in findings.counts.values():
        answered = {key.rpartition(" ")[0] for key, number in counts.items() if key.endswith(" 200") and number}
        assert {"GET /api/recordings", "GET /api/stems", "GET /api/audio-files"} <= answered
