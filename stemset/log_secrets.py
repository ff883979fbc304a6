"""Keeping secrets that stand in addresses out of the log."""

import logging
import re

# /api/jobs/<id>/complete/<token>: with the token anybody could answer for the remote worker.
_TOKEN = re.compile(r"(/complete/)[^/?\s\"']+")


class HideTokens(logging.Filter):
    """Lets every message pass, without the tokens of jobs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True."""
        text = record.getMessage()
        hidden = _TOKEN.sub(r"\1[token]", text)
        if hidden != text:
            record.msg, record.args = hidden, ()
        return True
