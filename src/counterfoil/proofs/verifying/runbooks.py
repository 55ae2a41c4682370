"""Runs of playbooks and checklists, as `counterfoil proof verify` holds them against the entries of the period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from counterfoil.proofs.packages.layout import RUN_BEGINS, RUN_ENDS, RUN_KINDS
from counterfoil.proofs.verifying.reading import OpenPackage, holds, read_json

UNTOLD: Final = "Not checked here: playbooks and checklists: the package holds none of their runs."  # made before packages held them
_End = tuple[str, str, str]  # state, by whom, when


class RunbookRuns:
    """Which were begun and which ended, by the acts of the period."""

    def __init__(self) -> None:
        """None yet."""
        self._begun: set[str] = set()
        self._ended: dict[str, _End] = {}

    def take(self, act: Mapping[str, Any]) -> None:
        """An entry that is an act."""
        verb, run_id = act["verb"], act["subject"]
        if verb == RUN_BEGINS:
            self._begun.add(run_id)
        elif (state := RUN_ENDS.get(verb)) is not None:
            self._ended[run_id] = (state, act["actor"], act["at"])

    def add(self, later: RunbookRuns) -> None:
        """Those of later entries."""
        self._begun |= later._begun
        self._ended |= later._ended

    def held_against(self, package: OpenPackage, manifest: Mapping[str, Any]) -> str:
        """What is to be said of them, once all that the package names are those of the entries. Raises ProofBroken."""
        told = manifest.get("runbooks")
        if told is None:
            return UNTOLD
        named: dict[str, _End | None] = {}
        for line in package.lines("runs.jsonl"):
            run = read_json(line, "A line of runs.jsonl")
            if run["kind"] in RUN_KINDS:
                holds(run["id"] not in named, "runs.jsonl names a playbook or checklist twice.")
                named[run["id"]] = None if run["state"] == "running" else (run["state"], run["ended_by"], run["ended_at"])
        ended = {run_id: end for run_id, end in named.items() if end is not None}
        holds(ended == self._ended, "runs.jsonl names other playbooks and checklists that ended than the entries.")
        holds(self._begun <= named.keys(), "runs.jsonl lacks a playbook or checklist that was begun in the period.")
        states, unfinished = Counter(end[0] for end in ended.values()), [run_id for run_id, end in named.items() if end is None]
        counted = {"signed": states["signed"], "closed": states["closed"], "unfinished": unfinished}
        holds(told == counted, "The manifest counts other playbooks and checklists than runs.jsonl names.")
        left = f"not finished: {len(unfinished)}" + (f" ({', '.join(unfinished)})" if unfinished else "")
        return f"Playbooks and checklists of the period: signed: {states['signed']}; closed unpassed: {states['closed']}; {left}."
