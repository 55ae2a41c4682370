"""The sentinel: the catalogue of its checks, a run on demand, and the post-mortem of an incident."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, RootModel

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer
from counterfoil.base.invariant import Invariant, recent_query
from counterfoil.integrity.alerts.alertmanager import exported_alerts
from counterfoil.integrity.incidents.post_mortem import post_mortem_of
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.integrity.runs import CheckAnswer, newest_answers
from counterfoil.integrity.schedules import sentinel_of
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.wiring import CHECKS

router = routes("Sentinel runs")


class PlaybookView(ViewModel):
    """What to do about a finding, in order, and whose it is."""

    name: str
    title: str
    owner: str
    steps: list[str]


class ListedCheck(ViewModel):
    """A check: what it asks, what a finding means, and what it last answered."""

    code: str
    question: str
    meaning: str
    severity: str = Field(description="critical or warning; of a monitor, at the least.")
    monitor: bool = Field(description="It depends on the moment: every run asks it, and what it no longer finds is over.")
    recent: bool = Field(description="Do recent runs ask it, too? If not, full runs alone do.")
    incident: str | None = Field(description="The level of the incident that a critical finding opens.")
    playbook: PlaybookView
    outcome: str = Field(description="holds, broken, failed, or not_checked when no full run asked it yet.")
    findings: int | None
    asked_at: datetime | None


class ChecksView(ViewModel):
    """Every check, in the order in which they are asked."""

    data: list[ListedCheck]
    measured_at: datetime


class AlertmanagerAlert(ViewModel):
    """An alert in Alertmanager's own form. It is over at `endsAt`, unless it is sent again."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    generator_url: str = Field(alias="generatorURL", description="Its page here.")


class AlertmanagerAlerts(RootModel[list[AlertmanagerAlert]]):
    """The body of Alertmanager's `POST /api/v2/alerts`."""


class SentinelRequest(RequestModel):
    """Which run to make."""

    kind: Annotated[
        Literal["recent", "full"],
        Field(description="recent: what is new since the last run; full: everything, minutes on a large database."),
    ] = "recent"


class RunMade(WriteResult):
    """A run that came to its end. `cut_short` when not everything could be asked: nothing of it is green."""

    id: str | None
    kind: str
    state: str
    verdict: str
    watermark: datetime | None
    checks: int
    broken: int
    failed: int
    opened: int = Field(description="Alerts that were opened.")
    unasked: list[str] = Field(
        description="Checks that it did not ask, of which it says nothing: in a recent run those of full runs alone."
    )


@router.get("/admin/checks", response_model=ChecksView, operation_id="check_list", summary="List the checks")
def checks(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each with its severity, its meaning, its playbook and its owner, and what it answered in the newest runs."""
    with call.reading() as conn:
        newest = newest_answers(conn, [one.code for one in CHECKS if one.monitor])
    return answer(ChecksView(data=[_shown(one, newest.get(one.code)) for one in CHECKS], measured_at=call.now))


def _shown(one: Invariant, last: CheckAnswer | None) -> ListedCheck:
    return ListedCheck(
        code=one.code,
        question=one.question,
        meaning=one.meaning,
        severity=one.severity,
        monitor=one.monitor,
        recent=one.monitor or recent_query(one) is not None,
        incident=one.incident,
        playbook=PlaybookView(**{**PLAYBOOKS[one.playbook]._asdict(), "steps": list(PLAYBOOKS[one.playbook].steps)}),
        outcome=last.outcome if last else "not_checked",
        findings=last.findings if last else None,
        asked_at=last.at if last else None,
    )


@router.post("/sentinel-runs", response_model=RunMade, operation_id="sentinel_run_create", summary="Run the sentinel")
def run(body: SentinelRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """At once, and answered when it is over. Before any full run, a recent one would not know where to begin: it is a full one."""

    def act() -> Done:
        if call.dry_run:  # it writes what it finds as it goes: nothing of it could be taken back
            asked = RunMade(
                id=None,
                kind=body.kind,
                state="running",
                verdict="unknown",
                watermark=None,
                checks=0,
                broken=0,
                failed=0,
                opened=0,
                unasked=[],
            )
            return Done("sentinel", asked)
        made = sentinel_of(call.services.wiring.context(call.services.owner)).run(body.kind, actor=call.actor)
        told = {name: value for name, value in made._asdict().items() if name in RunMade.model_fields}
        return Done(made.id, RunMade(**told))

    return call.write_outside("sentinel_run.create", act, asked=body)


@router.get(
    "/incidents/{incident_id}/post-mortem",
    operation_id="incident_export",
    summary="Export the post-mortem of an incident",
    responses={200: {"description": "The document.", "content": {"text/markdown": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def post_mortem(incident_id: Annotated[str, id_in_path("inc")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """As Markdown: what was found, who did what when, and what people wrote."""
    with call.reading() as conn:
        text = post_mortem_of(conn, incident_id, now=call.now)
    return attachment(text, "text/markdown; charset=utf-8", f"{incident_id}.md")


@router.get(
    "/alertmanager/alerts", response_model=AlertmanagerAlerts, operation_id="alert_export", summary="Export alerts for Alertmanager"
)
def alertmanager(call: Annotated[ApiCall, may(READ)], request: Request) -> Response:
    """Open and acknowledged alerts that are neither snoozed nor silenced, as Alertmanager takes them; send them again each minute."""
    here = str(request.base_url).rstrip("/")
    with call.reading() as conn:
        found = exported_alerts(conn, now=call.now, program_id=call.caller.program_id)
    rows = [AlertmanagerAlert(**one._asdict() | {"generatorURL": here + one.generator_path}) for one in found]
    return Response(AlertmanagerAlerts(rows).model_dump_json(by_alias=True), media_type="application/json")
