"""Who meets on which fresh seed, and who is confirmed."""

import pytest

from pare.config import Run
from pare.search.finals import Entrant, Finals, most_runs

BASE = Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s")
ENTRANTS = [Entrant(f"{number:04d}", BASE.replace({"mix_weight": 0.1 + number})) for number in range(3)]
PUBLISHED = Entrant("published", BASE)


def finals(results=(), seeds=(1, 2), entrants=(*ENTRANTS, PUBLISHED), direction="minimize"):
    return Finals({"pare": entrants}, {"pare": BASE}, seeds, direction, dict(results))


def run_out(race, scores, results=None):
    """Runs the finals to their end, two at a time; a run's score is that of its entrant's name and seed."""
    names = {entrant.run.replace({"seed": 0}): entrant.name for entrant in (*ENTRANTS, PUBLISHED)}
    given, running = [], []
    results = {} if results is None else results
    while (final := race.next()) is not None or running:
        if final is not None and len(running) < 2:
            race.give(final)
            given.append(final)
            running.append(final)
            continue
        purpose, _, run, _ = running.pop(0)
        value = scores(names[run.replace({"seed": 0})], run.seed)
        results[purpose, run] = value
        race.end(purpose, run, value)
    return [final.name for final in given]


SCORES = {"0000": 0.5, "0001": 0.3, "0002": 0.4, "published": 0.6}


def test_the_worse_half_leaves_after_every_seed_and_the_winner_alone_is_confirmed():
    assert run_out(finals(), lambda name, _: SCORES[name]) == [
        *(f"race-pare-{name}-1" for name in ("0000", "0001", "0002", "published")),
        "race-pare-0001-2",
        "race-pare-0002-2",
        *("confirm-pare-1", "confirm-pare-2"),
        *("published-pare-1", "published-pare-2"),
    ]
    race = finals()
    run_out(race, lambda name, _: SCORES[name])
    assert race.winner("pare") == ENTRANTS[1]


def test_higher_is_better_where_the_metric_says_so():
    race = finals(direction="maximize")
    run_out(race, lambda name, _: SCORES[name])
    assert race.winner("pare") == PUBLISHED


def test_the_last_two_are_judged_by_all_their_seeds():
    race = finals()
    run_out(race, lambda name, seed: {1: SCORES, 2: {"0001": 0.9, "0002": 0.5}}[seed].get(name, 0.7))
    assert race.winner("pare") == ENTRANTS[2], "0.4 and 0.5 against 0.3 and 0.9"


def test_ties_go_to_the_best_of_the_search():
    race = finals()
    run_out(race, lambda *_: 0.5)
    assert race.winner("pare") == ENTRANTS[0]


def test_whoever_fails_on_a_fresh_seed_loses():
    race = finals()
    run_out(race, lambda name, _: None if name == "0001" else SCORES[name])
    assert race.winner("pare") == ENTRANTS[2]


def test_one_entrant_needs_no_race():
    assert run_out(finals(entrants=[PUBLISHED]), lambda *_: 0.5) == ["confirm-pare-1", "confirm-pare-2"]


def test_the_winner_is_not_known_before_all_have_run():
    race = finals()
    for _ in range(4):
        assert race.winner("pare") is None
        race.give(race.next())
    assert race.next() is None, "the second seed waits for the first"


def test_a_race_that_is_called_off_is_won_by_whoever_is_ahead():
    race = finals()
    race.call_off()
    assert race.winner("pare") == ENTRANTS[0], "nothing was run: the search's best"
    results = {("race", entrant.on(1)): SCORES[entrant.name] for entrant in (*ENTRANTS, PUBLISHED)}
    race = finals(results)
    race.call_off()
    assert race.winner("pare") == ENTRANTS[1]
    assert race.next().name == "confirm-pare-1"


def test_what_an_earlier_version_confirmed_without_a_race_stays():
    results = {("confirm", ENTRANTS[0].on(seed)): 0.9 for seed in (1, 2)}
    race = finals(results)
    assert race.winner("pare") == ENTRANTS[0]
    assert race.next().name == "published-pare-1"


@pytest.mark.parametrize("done", range(11))
def test_resumed_finals_go_on_like_undisturbed_ones(done):
    def scores(name, seed):
        return SCORES[name] + (0.2 if (name, seed) == ("0001", 2) else 0)

    results = {}
    whole = run_out(finals(), scores, results)
    kept = dict(list(results.items())[:done])
    again = run_out(finals(kept), scores)
    assert sorted(again) == sorted(whole[done:]) if done < len(whole) else again == []


@pytest.mark.parametrize(
    ("trials", "seeds", "runs"), [(1, 2, 2), (2, 2, 4), (4, 2, 7), (50, 2, 7), (50, 3, 9), (50, 1, 4)]
)
def test_cost_of_the_finals(trials, seeds, runs):
    assert most_runs(trials, seeds) == runs
