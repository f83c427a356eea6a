#!/usr/bin/env bash
# Gives a node the environment that the project is tested with: node.sh [EXTRA], such as `node.sh aws`.
# The cluster YAMLs run it on every node, after ~/pare has been copied there. Safe to run again: Ray runs set-up twice.
set -euo pipefail
cd ~/pare
export PATH="$HOME/.local/bin:$PATH"

# Pinned: every node must have the same Python down to the patch level, and what the constraints name.
if ! command -v uv >/dev/null; then
  curl --proto '=https' --tlsv1.2 -LsSf https://astral.sh/uv/0.13.9/install.sh | sh
fi
[ -x .venv/bin/python ] || uv venv --quiet --python 3.11.7 .venv
uv pip install --quiet --python .venv --constraint constraints.txt --editable ".${1:+[$1]}"

# Ray's token came with the files. Later shells need to know that it is to be used.
chmod 600 ~/.ray/auth_token
grep -q 'pare cluster' ~/.bashrc || cat >>~/.bashrc <<'RC'

# pare cluster
export RAY_AUTH_MODE=token PATH="$HOME/pare/.venv/bin:$PATH"
RC
