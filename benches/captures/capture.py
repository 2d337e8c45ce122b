#!/usr/bin/env python3
"""Scrapes an exporter and writes the scrapes as remote-write 1.0 requests with the labels of a PMM target."""

import re
import struct
import sys
import time
import urllib.request

# What PMM adds to each series. Names and ids are made up: the node and its services stay the same over all captures.
NODE = {
    "machine_id": "3f0c9a7be2d148f7a6c05d1e8b92f437",
    "node_id": "b1f6a2de-90c4-4b1f-8d61-0d3f5a7c9e24",
    "node_name": "db-host-01",
    "node_type": "generic",
}
AGENTS = {
    "node_exporter": "7d8f3b0a-5c1e-4f0b-9a57-1f6a0c3e2b11",
    "mysqld_exporter": "0c6e9f42-7b35-4d18-a2f4-6e0b8d91c573",
    "postgres_exporter": "e4a17d5c-3f82-46b9-9c0d-52b7f8136ae0",
}
SERVICES = {
    "mysqld_exporter": {
        "cluster": "shop",
        "environment": "production",
        "replication_set": "shop-replicas",
        "service_id": "5a92c3e7-18d4-4f6b-b7a0-9d3e6c1f8b24",
        "service_name": "db-host-01-mysql",
        "service_type": "mysql",
    },
    "postgres_exporter": {
        "cluster": "billing",
        "environment": "production",
        "replication_set": "billing-replicas",
        "service_id": "c81f5b06-6e2a-4937-8d54-27a0e9b4d61f",
        "service_name": "db-host-01-postgresql",
        "service_type": "postgresql",
    },
}
LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def target_labels(exporter):
    """The labels that PMM gives the target: those of the node, of its service if it has one, and of the agent."""
    agent = AGENTS[exporter]
    of_agent = {"agent_id": agent, "agent_type": exporter, "instance": agent, "job": f"{exporter}_{agent}_hr"}
    return {**NODE, **SERVICES.get(exporter, {}), **of_agent}


def label_section(target, name, labels):
    own = {key: re.sub(r'\\[n"\\]', lambda m: ESCAPES[m[0]], value) for key, value in LABEL.findall(labels or "")}
    pairs = sorted({**target, **own, "__name__": name}.items())
    return b"".join(field(1, field(1, key.encode()) + field(2, value.encode())) for key, value in pairs)


def write_request(target, text, timestamp_ms):
    out = b""
    for line in text.splitlines():
        if match := LINE.match(line):
            name, labels, value = match.groups()
            sample = b"\x09" + struct.pack("<d", float(value)) + b"\x10" + varint(timestamp_ms)
            out += field(1, label_section(target, name, labels) + field(2, sample))
    return out


def main(exporter, url, scrapes, seconds, path):
    target = target_labels(exporter)
    start = time.time()
    with open(path, "wb") as out:
        for number in range(int(scrapes)):
            time.sleep(max(0.0, start + number * float(seconds) - time.time()))
            timestamp_ms = int(time.time() * 1000)
            body = write_request(target, urllib.request.urlopen(url).read().decode(), timestamp_ms)
            out.write(struct.pack("<I", len(body)) + body)


if __name__ == "__main__":
    main(*sys.argv[1:])
