#!/usr/bin/env bash
# Runs cargo with the feature `cuda` so that the program loads CUDA's libraries when it first needs them, and starts
# where there are none. docs/gpu.md says why it takes a script.
#
#     scripts/cargo-cuda.sh build --release
#     scripts/cargo-cuda.sh test --lib model::device
#
# The compiler is found through CUDA_HOME; scripts/cuda-toolkit.sh installs one.
set -eu

command=${1:?usage: scripts/cargo-cuda.sh build|run|test|clippy [ARGUMENTS OF CARGO]}
shift
# candle-core asks the crate `cudarc` for linking, and this has no feature that takes that back. But cudarc's sources
# look at `dynamic-loading` alone, so that setting it for the compiler decides. With --target, cargo keeps the flag
# from build scripts, among which that of cudarc would refuse the pair.
export RUSTFLAGS="${RUSTFLAGS-} --cfg feature=\"dynamic-loading\""
exec cargo "$command" --features cuda --target host-tuple "$@"
