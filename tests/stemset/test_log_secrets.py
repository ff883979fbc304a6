"""Tokens of jobs stand in addresses, and addresses in logs."""

import logging

import pytest

from stemset.log_secrets import HideTokens


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("Not Found: %s", ("/api/jobs/7/complete/Zk9_a-b",)),
        # As gunicorn writes its access log.
        ('%(h)s "%(r)s" %(s)s', ({"h": "10.0.0.1", "r": "POST /api/jobs/7/complete/Zk9_a-b HTTP/1.1", "s": "404"},)),
        ("Refused POST '/api/jobs/7/complete/Zk9_a-b': no", ()),
    ],
)
def test_a_token_is_not_logged(message, arguments):
    record = logging.LogRecord("x", logging.INFO, __file__, 1, message, arguments, None)
    assert HideTokens().filter(record)
    assert "/api/jobs/7/complete/[token]" in record.getMessage()
    assert "Zk9" not in record.getMessage()


def test_everything_else_is():
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%s: %d", ("/api/jobs/7/complete", 3), None)
    assert HideTokens().filter(record)
    assert record.getMessage() == "/api/jobs/7/complete: 3"
