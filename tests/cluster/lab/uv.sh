#!/bin/bash
# Stands in for uv on a pretended machine, which has no Internet: what is to be installed is the lab's own environment.
set -eu
echo "uv $*" >>~/uv.log
case $1 in
venv)
  folder=${!#}
  "$LAB_ENV/bin/python" -m venv --without-pip "$folder"
  "$LAB_ENV/bin/python" -c 'import site; print(site.getsitepackages()[0])' >"$(echo "$folder"/lib/python*/site-packages)/lab.pth"
  ;;
pip)
  echo ~/pare >"$(echo .venv/lib/python*/site-packages)/pare.pth"
  for script in ray tensorboard; do
    { echo "#!$PWD/.venv/bin/python" && tail -n +2 "$LAB_ENV/bin/$script"; } >.venv/bin/$script
    chmod +x .venv/bin/$script
  done
  ;;
*) echo "uv.sh: not expected: $*" >&2; exit 1 ;;
esac
