"""Does the search deserve its defaults? Recorded curves replayed, nothing trained: `python -m tests.bench.search`.

Each contestant asks for trials; a surrogate of the curves that `tests.bench.record` left answers, epoch by epoch, for
any configuration of the space. Its choice is the best whole trial by validation, and is judged by the truth: the test
metric in the mean over seeds, which no contestant sees. Printed are the regret of the choice, 100 ln(truth / best
truth of the space), after a third of the budget and all of it, and the epochs and seconds of a slot until the choice
is as true as the one that random search, nothing cut short, ends with. Then the average rank over problems and repeats
with its 95 % interval (bootstrap over repeats), and what the race on fresh seeds buys.

How far the surrogate can be believed is printed first: its rank correlation on configurations it was not fitted to.
Nothing is concluded from a problem where that is below .5.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from rich.console import Console

from pare.errors import DataError
from tests.bench.problems import PROBLEMS
from tests.bench.replay import tables
from tests.bench.replay.judge import judge

CHOSEN_ON = ("ecg", "advection", "digits")
"""Problems on which the search's settings were chosen; the others were only looked at in the end."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--gp", action="store_true", help="with Gaussian processes, which take half a minute a repeat")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="contestants whose names begin so, beside random")
    arguments = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = 120
    began, judged = time.perf_counter(), []
    ask = partial(judge, gp=arguments.gp, only=arguments.only, repeats=arguments.repeats)
    try:
        with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
            for each in pool.map(ask, arguments.problems):
                console.print(each.text, highlight=False)
                console.print(tables.problem(each))
                judged.append(each)
    except DataError as error:
        sys.exit(str(error))
    believed = [each for each in judged if each.believed]
    for names in (
        CHOSEN_ON,
        [each.name for each in believed if each.name not in CHOSEN_ON],
        [e.name for e in believed],
    ):
        some = {each.name: each.courses for each in believed if each.name in names}
        if some:
            console.print(tables.ranking(some, believed[0].budget))
    if believed:
        console.print(tables.races(believed))
        console.print(tables.against_random(believed))
    console.print(f"{arguments.repeats} repeats, {time.perf_counter() - began:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
