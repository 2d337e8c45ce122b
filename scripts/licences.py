#!/usr/bin/env python3
"""Lists what the program is made of, with the text of every licence: licences.py [TARGET...] > LICENCES

Reads the resolved dependencies and the sources that cargo has already (`cargo fetch --locked --target TARGET`); asks nobody.
Without a target, those of both architectures that are packaged.
"""
import json
import os
import re
import subprocess
import sys

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
TEXT = re.compile(r"(LICEN[CS]E|COPYRIGHT|NOTICE|UNLICENSE)([-._].*)?$", re.IGNORECASE)
# Sources of C and C++ that crates bring with them are this many folders down.
DEPTH = 2


def cargo(*args):
    return subprocess.run(["cargo", *args, "--locked", "--offline"], check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(target):
    """What ends up in the program: not what only builds or tests it, and no procedural macros."""
    tree = cargo("tree", "--edges=normal,no-proc-macro", f"--target={target}", "--prefix=none", "--format={p}")
    names = {tuple(line.split()[:2]) for line in tree.splitlines()} - {()}
    packages = json.loads(cargo("metadata", "--format-version=1", f"--filter-platform={target}"))["packages"]
    found = {(package["name"], f"v{package['version']}"): package for package in packages}
    return {name: found[name] for name in names if name[0] != "pmm-buffer"}


def texts(package):
    """The paths of the licence texts in a package's source."""
    top = os.path.dirname(package["manifest_path"])
    for folder, folders, files in os.walk(top):
        if os.path.relpath(folder, top).count(os.sep) + (folder != top) >= DEPTH:
            folders.clear()
        folders[:] = sorted(set(folders) - {"tests", "benches", "examples", "target"})
        for name in sorted(files):
            if TEXT.match(name) and not name.endswith((".rs", ".toml", ".py")):
                yield os.path.join(folder, name)


def main():
    packages = {}
    for target in sys.argv[1:] or TARGETS:
        packages.update(linked(target))
    packages = [packages[name] for name in sorted(packages)]

    print("pmm-buffer is under the Apache License 2.0. It contains the following libraries, under their own licences.\n")
    without = [p["name"] for p in packages if not (p["license"] or p["license_file"])]
    if without:
        sys.exit(f"licences: no licence is named by: {', '.join(without)}")
    for package in packages:
        print(f"{package['name']:32} {package['version']:22} {package['license'] or 'see below'}")

    # One text is in many packages, word by word.
    shared = {}
    for package in packages:
        for path in texts(package):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read().strip()
            key = " ".join(text.split())
            if key:
                shared.setdefault(key, (text, []))[1].append(package["name"])
    for text, names in shared.values():
        print(f"\n{'=' * 100}\n{', '.join(sorted(set(names)))}\n{'-' * 100}\n{text}")


main()
