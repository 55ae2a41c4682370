"""What a step of a runbook says is done from the run itself: its verb is said of the things that the step names, by whoever asks.

The verb's own guards decide, as they do everywhere else: who may, what takes two people, and what is refused with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.audit.actions import ActionOrigin, record_action
from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.formats.runbook import StepSpec
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.access.access import require
from counterfoil.operations.verbs import Noun, Verb, VerbCall, VerbResult, say
from counterfoil.runbooks.model import RunbookRun
from counterfoil.runbooks.runs import RunbookStepRefused

Nouns = Callable[[], Sequence[Noun]]
THINGS_MAX: Final = 50


class ThingDone(NamedTuple):
    """What became of one thing: the state after it, or that it waits for a second person; or why it was refused."""

    id: str
    state: str | None
    refused: str | None


def say_action(saying: VerbCall, run: RunbookRun, number: int, spec: StepSpec, nouns: Nouns) -> list[ThingDone]:
    """Say the verb of an action of each of its things, or of the one that is `taken` as `of`: each is done or refused by itself.

    Raises RunbookStepRefused where the step is no action, or one that only its own command can do; NotAllowed; InvalidInput; and what
    the verb raises where nothing else was to be done.
    """
    noun, verb = _verb_of(run, number, spec, nouns)
    require(saying.by, verb.permission, noun.area)
    things = _things(run, number, spec, saying.taken)
    if len(things) == 1:
        return [_say_one(noun, verb, saying, run, things[0])]
    return [_say_of(noun, verb, saying, run, thing) for thing in sorted(things)]  # locks are taken in one order


def told_of(said: Sequence[ThingDone]) -> str:
    """What became of them, in a sentence."""
    done = [f"{one.id} {one.state}" for one in said if one.refused is None]
    refused = [f"{one.id} was refused: {one.refused}" for one in said if one.refused is not None]
    return "; ".join((*done, *refused))


def _verb_of(run: RunbookRun, number: int, spec: StepSpec, nouns: Nouns) -> tuple[Noun, Verb]:
    def refused(detail: str) -> RunbookStepRefused:
        return RunbookStepRefused(run=run.id, step=number, detail=detail)

    if spec.type != "action":
        raise refused(f"it is a step of type {spec.type}: there is nothing to be done by a verb")
    machine, _, name = spec.action.partition(".")
    noun = next((one for one in nouns() if one.name == machine), None)
    verb = next((one for one in noun.verbs if one.name == name), None) if noun else None
    typed = f": {spec.command}" if spec.command else ""
    if noun is None or verb is None:
        raise refused(f"{spec.action} has a command of its own{typed}")
    if needed := [one.name for one in verb.takes if one.required]:
        raise refused(f"{spec.action} is told {', '.join(needed)}, which only a person knows{typed}")
    return noun, verb


def _things(run: RunbookRun, number: int, spec: StepSpec, taken: Mapping[str, object]) -> tuple[str, ...]:
    things, one = spec.things or (), taken.get("of")
    if not things:
        detail = "the step names no thing that it is to be done of"
        raise RunbookStepRefused(run=run.id, step=number, detail=f"{detail}{f': {spec.command}' if spec.command else ''}")
    if one:
        if one not in things:
            raise InvalidInput("of", f"one of {', '.join(things[:5])}{' and others' if len(things) > 5 else ''}", got=str(one)[:40])
        return (str(one),)
    if len(things) > THINGS_MAX:
        raise InvalidInput("of", f"named, since the step is about {len(things)} and at most {THINGS_MAX} are done at once")
    return things


def _say_of(noun: Noun, verb: Verb, saying: VerbCall, run: RunbookRun, thing: str) -> ThingDone:
    try:
        with saying.conn.transaction():
            return _say_one(noun, verb, saying, run, thing)
    except Problem as problem:
        return ThingDone(thing, None, told_problem(saying.conn, problem))


def _say_one(noun: Noun, verb: Verb, saying: VerbCall, run: RunbookRun, thing: str) -> ThingDone:
    noun.show(saying.conn, thing)  # nothing is said of what is not there, or of another program
    one = saying._replace(subject_id=thing, taken={field.name: None for field in verb.takes}, expected=None)
    said = say(noun, verb, one)
    record_action(
        one.conn,
        one.make_id("act"),
        actor=one.actor,
        role=one.by.role,
        verb=f"{noun.name}.{verb.name}",
        subject_id=thing,
        reason=one.reason or None,
        request_id=run.id,
        payload={},
        at=one.now,
        origin=ActionOrigin(one.by.principal_id, one.by.key_id or None, ""),  # the action of the run itself has the address
    )
    state = f"is {said.state.replace('_', ' ')}" if isinstance(said, VerbResult) else f"waits for a second person ({said.id})"
    return ThingDone(thing, state, None)
