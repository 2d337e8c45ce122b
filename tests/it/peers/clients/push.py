"""Pushes as programs in Python do, with the libraries they do it with.

push.py text prometheus|openmetrics     prints what a program exposes
push.py gateway ADDRESS                 pushes to a Pushgateway there, and prints what it pushed
push.py remote-write URL...             sends the same to each URL by remote write
"""

import sys

from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import generate_latest, push_to_gateway
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics


def registry():
    """One metric of each kind, with exemplars and with values that have to be escaped."""
    metrics = CollectorRegistry()
    counter = Counter("client_requests", "Requests.", ["code", "path"], registry=metrics)
    counter.labels("200", '/a "b"\\\n').inc(3, {"trace_id": "4bf92f"})
    counter.labels("500", "/é 日本").inc()
    gauge = Gauge("client_temperature", "With a \\ and\na new line.", ["room"], registry=metrics)
    for room, value in [("a", -0.1), ("b", 1e-9), ("c", float("inf")), ("", 12345678901234)]:
        gauge.labels(room).set(value)
    histogram = Histogram("client_latency_seconds", "Latency.", ["method"], registry=metrics)
    for value in [0.001, 0.3, 7, 100]:
        histogram.labels("GET").observe(value, {"trace_id": str(value)})
    Summary("client_size_bytes", "Size.", ["kind"], registry=metrics).labels("x").observe(17)
    Info("client_build", "Build.", ["part"], registry=metrics).labels("x").info({"version": "1.2"})
    Enum("client_state", "State.", ["part"], states=["up", "down"], registry=metrics).labels("x").state("down")
    return metrics


def gateway(address):
    metrics = registry()
    push_to_gateway(address, job="my/job", grouping_key={"zone": "z 1"}, registry=metrics)
    sys.stdout.buffer.write(generate_latest(metrics))


def remote_write(urls):
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("client")
    counter = meter.create_counter("client_otel_requests")
    counter.add(3, {"zone": "b", "code": "200", "__odd-name": "é"})
    counter.add(2.5, {"code": "500"})
    meter.create_up_down_counter("client_otel_queue").add(-7, {"zone": "b"})
    histogram = meter.create_histogram("client_otel_latency", unit="s")
    for value in [0.1, 30, 1e9]:
        histogram.record(value, {"method": "GET"})
    data = reader.get_metrics_data()
    for url in urls:
        if PrometheusRemoteWriteMetricsExporter(url).export(data) is not MetricExportResult.SUCCESS:
            sys.exit(f"{url} did not take it")


match sys.argv[1:]:
    case ["text", "prometheus"]:
        sys.stdout.buffer.write(generate_latest(registry()))
    case ["text", "openmetrics"]:
        sys.stdout.buffer.write(generate_openmetrics(registry()))
    case ["gateway", address]:
        gateway(address)
    case ["remote-write", *urls]:
        remote_write(urls)
    case _:
        sys.exit(__doc__)
