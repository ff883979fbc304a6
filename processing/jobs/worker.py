"""A worker: takes messages from the queue, does their jobs, and looks after what dead workers left."""

import asyncio
import contextlib
import logging
import random
import signal
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import psycopg_pool
from django.db import Error, connection
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException

from processing import sweeping
from processing.jobs.attempt import attempt, warm_up
from processing.jobs.queue import TASK
from processing.jobs.rescue import rescue

logger = logging.getLogger(__name__)

RESCUE_SECONDS = 5.0
# Between attempts to reach a database that is away.
RECONNECT_SECONDS = 2.0
HEARTBEAT_SECONDS = 5.0


class Worker:
    """Runs in this process until it is stopped, through restarts of the database.

    queues       the names of those it serves, or None for all
    concurrency  how many jobs at once; each uses all cores already
    once         end when there is nothing left to do
    """

    def __init__(self, queues: list[str] | None, *, concurrency: int = 1, once: bool = False) -> None:
        self._queues, self._concurrency, self._once = queues, concurrency, once
        self._stopping = asyncio.Event()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Work until SIGTERM or SIGINT; a job that is under way then is given back. `ready` is told when it listens."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        warm_up()
        sweeping.in_background()
        rescuer = asyncio.create_task(self._rescue())
        try:
            while not self._stopping.is_set():
                try:
                    await self._serve(ready)
                except (ConnectorException, psycopg.Error, psycopg_pool.PoolTimeout, Error) as error:
                    logger.warning("The database is away: %s", error)
                if self._once:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RECONNECT_SECONDS)
        finally:
            rescuer.cancel()
            await asyncio.gather(rescuer, return_exceptions=True)

    async def _serve(self, ready: Callable[[], None]) -> None:
        """Serve the queue until stopped, or until the connection is lost."""
        app = App(connector=PsycopgConnector(kwargs=await asyncio.to_thread(_parameters), min_size=1, max_size=4))
        app.task(name=TASK)(_do)
        async with app.open_async():
            ready()
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=self._queues,  # type: ignore[arg-type]  # None is all of them
                    concurrency=self._concurrency,
                    wait=not self._once,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=0,
                    update_heartbeat_interval=HEARTBEAT_SECONDS,
                )
            )
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working

    async def _rescue(self) -> None:
        while True:
            try:
                await asyncio.to_thread(_rescue_here)
            except Exception:
                logger.exception("Looking after other workers' jobs failed; it is tried again")
            await asyncio.sleep(RESCUE_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all do it at once


async def _do(job_id: str) -> None:
    stop = threading.Event()
    working = asyncio.create_task(asyncio.to_thread(attempt, UUID(job_id), stop))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:  # the worker is stopping, or has lost its database
        stop.set()
        await working


def _rescue_here() -> None:
    try:
        count = rescue()
    finally:
        connection.close()
    if count:
        logger.warning("%s jobs whose worker or message was lost are queued again, or given up", count)


def _parameters() -> dict[str, Any]:
    """Return how to connect to the database, as Django does; an embedded server is started."""
    parameters = connection.get_connection_params()
    return {
        key: value for key, value in parameters.items() if key not in ("cursor_factory", "context", "prepare_threshold")
    }
