#!/bin/sh
# Sets the machine up, builds Rung and shows its main job on the embedded model.
cd "$(dirname "$0")" || exit 1
./setup.sh build || exit 1
exec make -s -j "$(nproc)" demo
