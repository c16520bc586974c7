#!/bin/sh
# Sets the machine up for the tests and runs every one of them.
cd "$(dirname "$0")" || exit 1
./setup.sh test || exit 1
exec make -s -j "$(nproc)" test
