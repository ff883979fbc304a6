"""Generated requests against the running site: `make fuzz`, or `python -m tests.fuzz --requests 20000`."""
