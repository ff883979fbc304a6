"""A remote worker for a machine with a graphics card: `python -m processing.remote.worker`.

An HTTP service that takes jobs as sites send them (docs/remote-worker.md). It needs the object store (R2_…) and
config.yaml with the same strategies, and no database.
"""

import argparse

from stemset.start import configuration_mistakes_as_text


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m processing.remote.worker", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8600, help="default: 8600")
    parser.add_argument("--waiting", type=int, default=2, help="how many jobs may wait while one is done (default: 2)")
    arguments = parser.parse_args()
    with configuration_mistakes_as_text():
        from processing.remote.service import serve  # noqa: PLC0415 - reads the settings when it is imported

        serve(arguments.host, arguments.port, arguments.waiting)


if __name__ == "__main__":
    main()
