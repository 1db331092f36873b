"""Crash test: runs that are disturbed at random, each gone on with until it is done, beside undisturbed ones.

python -m tests.crash --runs 300 --seed 1          # a table at the end, and its figures in crash.json
python -m tests.crash --only 17                    # the run of one seed again; what it left stays in the folder
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.crash.judge import Reference, reference_of
from tests.crash.material import SETS, complete, write_all
from tests.crash.plan import planned
from tests.crash.trial import Outcome, tried, undisturbed

_SHARED = Path(__file__).resolve().parents[3] / "shared"


def main() -> int:
    """Run the trials, print the table, and return how many failed."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    made = write_all(given.folder / "recordings", _SHARED if _SHARED.is_dir() else None)
    sets: list[tuple[str, ...]] = [names for names in SETS if complete(names, made)]
    references = {names: _reference(names, made, given.folder) for names in sets}
    seconds = {names: reference.seconds for names, reference in references.items()}
    outcomes = []
    seeds = [given.only] if given.only is not None else range(given.seed, given.seed + given.runs)
    for seed in seeds:
        plan = planned(seed, sets, seconds)
        folder = given.folder / f"run-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        outcome = tried(plan, made, references[plan.recordings], folder)
        outcomes.append(outcome)
        _tell(outcome, folder, keep=given.only is not None)
    figures = summary(outcomes, references)
    (given.folder / "crash.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(table(figures))
    return min(int(figures["failed"]), 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further one has the next")
    parser.add_argument("--only", type=int, help="seed of the one run to do")
    default = Path(tempfile.gettempdir()) / "detstream-crash"
    parser.add_argument("--folder", type=Path, default=default, help="for recordings, outputs and records")
    return parser.parse_args()


def _reference(names: tuple[str, ...], made: dict[str, Path], folder: Path) -> Reference:
    began_s = time.monotonic()
    output = undisturbed(names, made, folder / f"undisturbed-{'-'.join(names)}")
    return reference_of(output, round(time.monotonic() - began_s, 2))


def _tell(outcome: Outcome, folder: Path, *, keep: bool) -> None:
    """Print a line of a run; leave a record of what happened, and, of one that failed, all that it left."""
    wrong = outcome.verdict.wrong
    text = "FAILED " + "; ".join(wrong)[:600] if wrong else "ok"
    victims = ",".join(outcome.victims) or "nobody"
    sys.stdout.write(f"seed {outcome.plan.seed}: {victims} {outcome.seconds:.1f} s: {text}\n")
    sys.stdout.flush()
    if not wrong and not keep:
        shutil.rmtree(folder)
    folder.with_suffix(".json").write_text(json.dumps(outcome.as_dict(), indent=2) + "\n")


def summary(outcomes: list[Outcome], references: dict[tuple[str, ...], Reference]) -> dict[str, Any]:
    """Return the figures of all runs."""
    verdicts = [outcome.verdict for outcome in outcomes]
    lost_s = [outcome.seconds - references[outcome.plan.recordings].seconds for outcome in outcomes]
    deaths = Counter(victim for outcome in outcomes for victim in outcome.victims)
    counts = {
        name: sum(getattr(verdict, name) for verdict in verdicts)
        for name in ("frames", "missing", "doubled", "disordered", "differing")
    }
    return {
        "runs": len(outcomes),
        "starts": sum(len(outcome.attempts) for outcome in outcomes),
        "kills": dict(deaths.most_common()),
        "losses of power that cost something": sum(bool(outcome.lost_to_power) for outcome in outcomes),
        **counts,
        "failed": sum(bool(verdict.wrong) for verdict in verdicts),
        "failed seeds": [outcome.plan.seed for outcome in outcomes if outcome.verdict.wrong],
        "seconds lost a kill": round(sum(lost_s) / max(sum(deaths.values()), 1), 2),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table."""
    rows = [(name, value) for name, value in figures.items() if not isinstance(value, dict)]
    rows += [(f"killed: {name}", count) for name, count in figures["kills"].items()]
    return "".join(f"| {name} | {value} |\n" for name, value in rows)


if __name__ == "__main__":
    sys.exit(main())
