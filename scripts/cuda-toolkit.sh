#!/usr/bin/env bash
# Installs the CUDA 13.0 compiler into a folder, without root and without a GPU, and prints the environment variables
# under which `cargo` finds it. Needs python3 with pip, and a C++ compiler. About 105 MB to fetch, 270 MB on disk.
#
#     eval "$(scripts/cuda-toolkit.sh ~/cuda-13.0)"
set -eu

folder=${1:?usage: scripts/cuda-toolkit.sh FOLDER}
mkdir -p "$folder"
home=$(cd "$folder" && pwd)/nvidia/cu13

# 13.0 is the newest release that driver 580 runs: kernels of a later compiler would be refused by it.
if [ ! -x "$home/bin/nvcc" ]; then
    python3 -m pip install --quiet --no-deps --target "$folder" \
        nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
        nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 >&2
fi
# The packages say `lib` where an installed toolkit says `lib64`, and build scripts look for the latter.
ln -sfn lib "$home/lib64"

printf 'export CUDA_HOME=%q CUDA_PATH=%q NVCC=%q CUDA_COMPUTE_CAP=%q PATH=%q:"$PATH"\n' \
    "$home" "$home" "$home/bin/nvcc" "${CUDA_COMPUTE_CAP:-80}" "$home/bin"
