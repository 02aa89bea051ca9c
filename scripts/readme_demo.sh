#!/bin/sh
# Runs the demo in a new folder and writes what it prints into README.md, between the marks.
#
#   scripts/readme_demo.sh [.venv/bin/jomon]
set -eu

jomon=$(readlink -f "${1:-.venv/bin/jomon}")
readme=$(readlink -f README.md)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && PATH="$(dirname "$jomon"):$PATH" COLUMNS=118 NO_COLOR=1 PYTHONUNBUFFERED=1 jomon demo >demo.txt 2>&1)
{
  sed '/^<!-- demo -->$/q' "$readme"
  printf '\n```text\n$ jomon demo\n'
  sed 's/[[:space:]]*$//' "$folder/demo.txt"
  printf '```\n\n'
  sed -n '/^<!-- \/demo -->$/,$p' "$readme"
} >"$folder/README.md"
cp "$folder/README.md" "$readme"
