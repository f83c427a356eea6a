"""Damage valid files of a format and read them: each must be read rightly or refused in one line.

python -m tests.fuzz csv --count 5000
    prints how many were read and how many refused; whatever else happens is printed with its seed, exit code 1.
python -m tests.fuzz csv --first 1234 --count 1
    the mutation of that seed alone.
"""

import argparse
import faulthandler
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from pare.errors import RequestError
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutate import mutated

SECONDS = 30
"""Seconds that a file may take."""

MEMORY = 12 * 2**30


def run(name: str, first: int, count: int, work: Path, mark: Path | None = None) -> tuple[int, int, list[str]]:
    """Count the mutations that were read and that were refused in one line; return the others' tracebacks."""
    chosen = FORMATS[name]
    valid = work / "valid"
    valid.mkdir()
    chosen.write(valid)
    variants = sorted(path for path in valid.iterdir() if path.is_dir())
    for variant in variants:
        chosen.read(_copied(variant, work))  # as it is, each is read
    read, refused, failed = 0, 0, []
    for seed in range(first, first + count):
        if mark:
            mark.write_text(str(seed))
        draw = random.Random(f"{name} {seed}")
        folder = _copied(draw.choice(variants), work)
        file = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
        file.write_bytes(mutated(file.read_bytes(), draw.randrange(2**32)))
        signal.alarm(SECONDS)
        try:
            chosen.read(folder)
            read += 1
        except RequestError as error:
            refused += 1
            if "\n" in str(error) or len(str(error)) > 1000:
                failed.append(f"seed {seed}, {file.name}: not one line: {error}")
        except BaseException:
            failed.append(f"seed {seed}, {file.relative_to(folder.parent)}:\n{traceback.format_exc(limit=-4)}")
        finally:
            signal.alarm(0)
    return read, refused, failed


def _copied(variant: Path, work: Path) -> Path:
    for left in ("root", variant.name):
        shutil.rmtree(work / left, ignore_errors=True)
    return Path(shutil.copytree(variant, work / variant.name))


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument(
        "--mark", type=Path, help="file that holds the seed under way, for a crash that Python cannot see"
    )
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pare-fuzz-") as work:
        read, refused, failed = run(options.format, options.first, options.count, Path(work), options.mark)
    print("\n".join(failed[:20]))
    seconds = time.monotonic() - start
    print(f"{options.format}: {read} read, {refused} refused in one line, {len(failed)} failed, {seconds:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
