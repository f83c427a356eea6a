"""The mailbox, which for a worker group is a process of its own on the head."""

import subprocess
import sys


def test_its_process_imports_neither_torch_nor_ray_train():
    asked = "import sys, pare.training.workers; print([name for name in ('torch', 'ray.train') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout.strip() == "[]"
