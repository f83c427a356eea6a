"""`python -m pare.sources.pretrain`: the former name of `python -m pare.pretraining`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("pare.pretraining", run_name="__main__", alter_sys=True)
