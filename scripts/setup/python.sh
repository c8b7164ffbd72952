#!/usr/bin/env bash
# Create .venv with the locked dependencies and this package, editable. Safe to run again.
#
# PYTHON=… chooses the interpreter; otherwise the first 3.11 or 3.12 on PATH or under pyenv.
set -euo pipefail
cd "$(dirname "$0")/../.."

suits() {
  "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
    >/dev/null 2>&1
}

find_python() {
  local candidate
  # The exact version first: only for it does every pinned package have a tested wheel.
  for candidate in ${PYTHON:-} python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python \
    python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python python3 python; do
    if suits "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  echo "No Python 3.11 or 3.12 with venv was found. Install one, or set PYTHON=/path/to/python." >&2
  exit 1
}

if ! suits .venv/bin/python; then
  python=$(PATH=${PATH//"$PWD/.venv/bin:"/} find_python)
  echo "==> .venv with $("$python" --version) ($python)"
  "$python" -m venv --clear .venv
fi

# Without this index, pip on Linux would take torch with CUDA: 3 GB that nothing here uses.
torch=https://download.pytorch.org/whl/cpu
index=()
if [ "$(uname -s)" = Linux ] && .venv/bin/python - "$torch/torch/" <<'PY' 2>/dev/null; then
import sys
import urllib.request

urllib.request.urlopen(sys.argv[1], timeout=5)
PY
  index=(--extra-index-url "$torch")
fi

echo "==> Python packages (minutes, the first time)"
.venv/bin/python -m pip install -qq --disable-pip-version-check "${index[@]}" \
  --requirement requirements.lock
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
.venv/bin/python -m pip check
