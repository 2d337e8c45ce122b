#!/usr/bin/env python3
"""Holds Cargo.lock against a folder of RustSec advisories, without any fetch.

usage: advisories.py ADVISORY_DB CARGO_LOCK

Exits 1 when a locked version is affected: neither patched nor unaffected, and not withdrawn. `cargo deny
check advisories` does the same where it may fetch; this is for machines that may not.
"""

import pathlib
import re
import sys
import tomllib

# Advisories accepted after a look, with the reason. Keep it empty if at all possible.
ACCEPTED: dict[str, str] = {}


def version(text):
    """A version as a tuple that orders as semver does, well enough for released versions."""
    core, _, pre = text.split("+")[0].partition("-")
    numbers = [int(part) for part in core.split(".")] + [0, 0]
    return (*numbers[:3], 0 if pre else 1, pre)


def satisfies(locked, requirement):
    """True when `locked` meets every comma-separated comparator of a Cargo version requirement."""
    return all(meets(locked, part.strip()) for part in requirement.split(",") if part.strip())


def meets(locked, comparator):
    operator, bound = re.fullmatch(r"(>=|<=|>|<|=|\^|~)?\s*(\S+)", comparator).groups()
    low = version(bound)
    match operator:
        case ">=":
            return locked >= low
        case ">":
            return locked > low
        case "<=":
            return locked <= low
        case "<":
            return locked < low
        case "=":
            return locked == low
        case "~":
            return locked >= low and locked[:2] == low[:2]
        case _:  # caret: the leftmost number that is not zero stays
            fixed = next((at + 1 for at, number in enumerate(low[:3]) if number), 3)
            return locked >= low and locked[:fixed] == low[:fixed]


def main(database, lock):
    found = 0
    packages = tomllib.loads(pathlib.Path(lock).read_text())["package"]
    for package in packages:
        locked = version(package["version"])
        for path in sorted(pathlib.Path(database, "crates", package["name"]).glob("*.md")):
            text = path.read_text().split("```toml", 1)[1].split("```", 1)[0]
            entry = tomllib.loads(text)
            advisory, versions = entry["advisory"], entry["versions"]
            safe = versions.get("patched", []) + versions.get("unaffected", [])
            if "withdrawn" in advisory or any(satisfies(locked, one) for one in safe):
                continue
            name = f"{advisory['id']} {package['name']} {package['version']}"
            if advisory["id"] in ACCEPTED:
                print(f"advisories: {name}: accepted, {ACCEPTED[advisory['id']]}")
                continue
            found += 1
            print(f"advisories: {name} ({advisory.get('informational', 'vulnerability')}) {advisory.get('url', '')}")
    print(f"advisories: {len(packages)} locked packages checked, {found} affected")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
