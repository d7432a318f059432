#!/usr/bin/env python3
"""Writes domains.csv: host names labelled `phishing` or `legitimate`, 1,200 of each.

Input: the npm package eth-phishing-detect, version 1.2.0, unpacked:

    npm pack eth-phishing-detect@1.2.0
    tar xzf eth-phishing-detect-1.2.0.tgz          # gives the folder `package`
    python3 make_domains.py package                # writes domains.csv beside this script

`phishing` comes from the blacklist in src/config.json; `legitimate` from its whitelist, test/alexa.json and
test/dapps.json. Names are only ever text here: nothing is resolved or fetched.

Both classes go through the same steps: lower case, no scheme, port, path, `www.` or outer dots; at most two names
that share their last two labels (siblings such as a.example.com and b.example.com would let a random split test on
what it trained on); duplicates removed; a name on the blacklist is never legitimate. Rows are chosen and ordered by
a hash of seed and name, so the file has the same bytes on every run and every Python.

Biases that remain, and that a score on this file must be read with:
- the whitelist is mostly what the package's own similarity check flagged by mistake: short names one or two edits
  from a few crypto brands (metamask, opensea, dfinity, ...). They are hard negatives, not a sample of the web;
- legitimate names are shorter (median 11 characters against 17) and rarely hold hyphens, digits or subdomains; no
  legitimate name is punycode, 102 phishing names are. These are genuine habits of attackers, but they make part of
  the task easy: calling a name phishing when it has a hyphen, a digit, three labels or more than 14 characters is
  already right on 81 % of the rows. Compare a model with that figure, not with 50 %;
- everything is about crypto wallets and exchanges of 2017 to 2022: expect less on banks, parcels or mail;
- labels are those of the list's volunteers, and some names have changed hands since.
"""

import argparse
import csv
import hashlib
import io
import json
import re
from collections import Counter
from pathlib import Path

VERSION = "1.2.0"
SEED = "filbert-domains-1"
PER_CLASS = 1200
MAX_SIBLINGS = 2
HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]+")


def normalise(name):
    """The bare host name, or None where there is none."""
    name = name.strip().lower()
    if "://" in name:
        name = name.split("://", 1)[1]
    name = re.split(r"[/?#]", name, maxsplit=1)[0]
    name = name.rsplit("@", 1)[-1].split(":", 1)[0].strip(".")
    while name.startswith("www."):
        name = name[4:]
    return name if HOST.fullmatch(name) else None


def rank(name):
    return hashlib.sha256(f"{SEED}\0{name}".encode()).digest()


def site(name):
    """The labels that siblings share: the last two, or three under suffixes such as co.uk."""
    labels = name.split(".")
    short_suffix = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if short_suffix else -2 :])


def choose(names, seen_sites):
    """Names in hash order, at most MAX_SIBLINGS per site."""
    kept = []
    for name in sorted(names, key=rank):
        if seen_sites[site(name)] < MAX_SIBLINGS:
            seen_sites[site(name)] += 1
            kept.append(name)
    return kept


def hosts(names):
    return {host for host in map(normalise, names) if host}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description="Writes domains.csv from eth-phishing-detect " + VERSION)
    parser.add_argument("package", type=Path, help="the unpacked package: the folder with package.json")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "domains.csv")
    args = parser.parse_args()

    found = read(args.package / "package.json")
    if (found.get("name"), found.get("version")) != ("eth-phishing-detect", VERSION):
        parser.error(f"{args.package} is {found.get('name')} {found.get('version')}, not eth-phishing-detect {VERSION}")

    config = read(args.package / "src" / "config.json")
    blacklist = hosts(config["blacklist"])
    legitimate = hosts(config["whitelist"])
    legitimate |= hosts(read(args.package / "test" / "alexa.json"))
    legitimate |= hosts(read(args.package / "test" / "dapps.json"))

    classes = {
        "phishing": choose(blacklist - legitimate, Counter()),
        "legitimate": choose(legitimate - blacklist, Counter()),
    }
    size = min(PER_CLASS, *map(len, classes.values()))
    rows = [(name, label) for label, names in classes.items() for name in names[:size]]
    rows.sort(key=lambda row: hashlib.sha256(f"{SEED}\0order\0{row[0]}".encode()).digest())

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    args.out.write_bytes(text.getvalue().encode("ascii"))
    print(f"{args.out}: {len(rows)} rows, {size} of each class")


if __name__ == "__main__":
    main()
