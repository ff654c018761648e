"""A worker's counts for Prometheus, over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nc_latent_tod.errors import ConfigError, require_extra
from nc_latent_tod.system.version import __version__
from nc_latent_tod.worker.tally import COUNTS, Tally

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

PREFIX = "nc_latent_tod_"


def serve_metrics(tally: Tally, host: str, port: int) -> int:
    """Answer scrapes at http://host:port/metrics from a thread until the process ends; the port, chosen freely for 0.

    Raises `ConfigError` without prometheus-client, or where the port cannot be used.
    """
    require_extra("--metrics-port", "metrics", "prometheus_client")
    from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # memory, processor time, open files
    registry.register(_TallyCollector(tally))
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Metrics cannot be served at {host}:{port}: {error}. Choose another --metrics-port.") from error
    log.info("metrics at http://%s:%d/metrics", host, server.server_port)
    return server.server_port


class _TallyCollector:
    """Reads the tally at every scrape. A metric of prometheus_client by its `collect`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """All counts as counters, and what is true now as gauges."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        totals = self._tally.look()
        for counted, description in COUNTS.items():
            label = description.partition(":")[0]
            family = CounterMetricFamily(PREFIX + counted, f"Since the worker started. {description}".strip(),
                                         labels=[label] if label else [])
            for value, count in totals.by_label(counted).items():
                family.add_metric([value] if label else [], count)
            yield family
        yield GaugeMetricFamily(f"{PREFIX}heartbeat_timestamp_seconds", "When the worker's record was stored last.",
                                value=totals.beat_at)
        info = GaugeMetricFamily(f"{PREFIX}info", "The version that runs.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        progress = totals.current.progress if totals.current else None
        yield GaugeMetricFamily(f"{PREFIX}job_turns", "Turns of the job in hand.", value=progress.turns if progress else 0)
        yield GaugeMetricFamily(f"{PREFIX}job_turns_done", "Of them labelled.", value=progress.turns_done if progress else 0)
