#!/bin/sh
# What takes too long for every change: 200 kills of a training run, each resumed and held against the run that was left alone.
set -eu
cd "$(dirname "$0")/.."
FILBERT_KILLS="${FILBERT_KILLS:-200}" cargo test --locked -p filbert-cli --test cli -- --nocapture killed_at_any_moment
