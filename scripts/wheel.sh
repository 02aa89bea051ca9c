#!/bin/sh
# Builds the wheel with one Python (which has hatchling) and installs it into the environment of the same or another.
#
#   scripts/wheel.sh .venv/bin/python [OTHER/bin/python]
set -eu

builder=$1
target=${2:-$1}
rm -rf build/wheel
"$builder" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/wheel .
"$target" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall build/wheel/*.whl
echo "  $(cd build/wheel && ls ./*.whl)"
