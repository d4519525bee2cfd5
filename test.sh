#!/usr/bin/env bash
# Everything that must hold: format, lints, tests. Installs what the window's image tests need where it can.
set -eu
cd "$(dirname "$0")"

# The tests draw the window in software: a Vulkan or GL driver that needs no graphics card.
if ! ldconfig -p | grep -q -E 'libvulkan\.so|libEGL\.so'; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers >/dev/null
    else
        echo "note: no Vulkan or EGL library found; install mesa-vulkan-drivers or libegl1 for the image tests" >&2
    fi
fi

cargo fmt --check
cargo clippy --quiet --all-targets -- -D warnings
# Without the network's crates, as docs/hub.md says.
cargo clippy --quiet --no-default-features -- -D warnings
# The window's tests note every command that they send; one that no test sends fails here.
sent=$(mktemp)
trap 'rm -f "$sent"' EXIT
PLUMBLINE_COMMANDS="$sent" cargo test
PLUMBLINE_COMMANDS="$sent" cargo test --quiet --test window -- --ignored every_command_was_sent
