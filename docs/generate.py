"""Writes docs/reference from the code: `make docs`. A test holds the pages against what this would write."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import counterfoil
from counterfoil.api.document.problem_types import problem_types
from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.environment.other_variables import OTHER_VARIABLES
from counterfoil.base.invariant import Invariant, recent_query
from counterfoil.base.machine import NOWHERE, Machine
from counterfoil.base.problems import TO_DO
from counterfoil.base.settings import Settings, variable_of
from counterfoil.cli.core.commands import PARTS, load
from counterfoil.cli.main import root
from counterfoil.integrity.metrics.board import board
from counterfoil.integrity.metrics.reading import FAILED, SAYS_FAILED
from counterfoil.integrity.metrics.rules import RULES, rules_file
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.matching.rules.reference import rule_set_page
from counterfoil.wiring import CHECKS, JOBS, METRICS, Wiring
from docs import diagrams, problem_facts, runbook_pages
from docs.catalogue import CATALOGUE

FOLDER: Final = Path(__file__).parent / "reference"
DIAGRAMS: Final = FOLDER / "diagrams"
MONITORING: Final = FOLDER / "monitoring"
MEASURED: Final = Path(__file__).parent / "measured"
PRINTED_MAX: Final = 30  # lines of one benchmark on the page of measurements
NOTICE: Final = (
    "<!-- Written by `make docs` from the code; changes here are lost. -->\n"
    "<!-- not run: drawings and measurements; tests/house/test_reference.py holds this page against the code -->\n\n"
)


class Page(NamedTuple):
    """One page of the reference: its file, its title and what lists its content."""

    file: str
    title: str
    body: Callable[[], str]


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    list(modules())
    problem_facts.FILE.write_text(problem_facts.recorded(), "utf-8")
    problem_facts.AMOUNTS_FILE.write_text(problem_facts.amounts(), "utf-8")
    DIAGRAMS.mkdir(exist_ok=True)
    MONITORING.mkdir(exist_ok=True)
    for name, drawing in drawings().items():
        (DIAGRAMS / name).write_text(drawing, "utf-8")
    for page in PAGES:
        (FOLDER / page.file).write_text(text_of(page), "utf-8")
    for name, text in monitoring_files().items():
        (MONITORING / name).write_text(text, "utf-8")


def text_of(page: Page) -> str:
    """What the file of a page holds."""
    return f"{NOTICE}# {page.title}\n\n{page.body().strip()}\n"


def modules() -> Iterator[ModuleType]:
    """Every module of ours, imported."""
    for found in pkgutil.walk_packages(counterfoil.__path__, "counterfoil."):
        if not found.name.endswith("__main__") and not found.name.endswith("postgres.stage"):
            yield importlib.import_module(found.name)


def instances_of(kind: type[Any]) -> list[Any]:
    """Every value of `kind` that stands in a module of ours, alone or in a list, each once."""
    found: dict[int, Any] = {}
    for module in modules():
        for value in vars(module).values():
            for one in value if isinstance(value, list | tuple) and not isinstance(value, kind) else [value]:
                if isinstance(one, kind):
                    found[id(one)] = one
    return list(found.values())


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def problems() -> str:
    """Every problem, with the status that it has over HTTP."""
    list(modules())
    told = [
        [
            f"`{one.name}`",
            str(one.status),
            one.title,
            one.what_to_do,
            ", ".join(f"`{fact.name}`" for fact in one.members),
        ]
        for one in problem_types()
    ]
    return (
        "A request that is understood and refused. The name is the public code: over HTTP it is the end of `type` "
        "(`/problems/NotFound`), in the terminal it stands before the sentence. A running server has a page for each at that "
        "address, as HTML and, with `Accept: application/json`, as JSON. The facts of a problem are names, ids, amounts "
        "and limits, never secrets. What to do about it depends on its kind, unless its line says more:\n\n"
        + table(["kind", "what to do"], [[kind.replace("_", " "), todo] for kind, todo in TO_DO.items()])
        + "\n\n"
        + table(["name", "HTTP", "what it says", "kind, or what to do", "facts"], told)
    )


def settings() -> str:
    """Every setting, with its variable, default and bounds."""
    rows = [
        [f"`{name}`", f"`{variable_of(name)}`", _default(field), _bounds(field), field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    others = [[f"`{name}`", meaning] for name, meaning in OTHER_VARIABLES.items()]
    return (
        "Read from the environment and from a file `.env` at start, then fixed; the environment goes over the file, an option of the "
        "command line over both. A name that begins with `COUNTERFOIL_` and is not listed here stops the start. Durations and sizes "
        "carry their unit in the name.\n\n"
        + table(["setting", "variable", "default", "bounds", "what"], rows)
        + "\n\n## Other variables\n\nRead from the environment only, not from the file.\n\n"
        + table(["variable", "what"], others)
    )


def _default(field: Any) -> str:
    return "none" if field.default is None else f"`{field.default}`"


def _bounds(field: Any) -> str:
    words = {
        "ge": "from {}",
        "gt": "above {}",
        "le": "to {}",
        "lt": "below {}",
        "pattern": "`{}`",
        "max_length": "to {} characters",
    }
    told = [words[name].format(getattr(one, name)) for one in field.metadata for name in words if getattr(one, name, None) is not None]
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        told.append(", ".join(f"`{choice}`" for choice in choices))
    return " ".join(told)


def states() -> str:
    """Every state machine: a diagram and a table."""
    machines = sorted(instances_of(Machine), key=lambda machine: machine.name)
    return (
        "What is not listed is refused, by the code and by the database, which holds the same table. A column is a state, a line a verb: "
        "from the dots, where it may be said, to the arrow, where it leads. A thick frame is where it begins, a dark box where it ends. "
        "`!` needs a reason, `!!` needs two people.\n\n" + "\n\n".join(map(_machine, machines))
    )


def _machine(machine: Machine) -> str:
    marks = {(False, False): "", (True, False): "!", (False, True): "!!", (True, True): "!!"}
    rows = [
        [f"`{start}`" if start != NOWHERE else "–", f"`{verb}`", f"`{end}`", marks[reasoned, paired]]
        for _, start, verb, end, reasoned, paired in machine.rows()
    ]
    picture = f"![The states of {machine.name}](diagrams/{machine.name}.svg)"
    listed = table(["from", "verb", "to", ""], rows)
    return f"## {machine.name}\n\n{picture}\n\n<details><summary>As a table</summary>\n\n{listed}\n\n</details>"


def drawings() -> dict[str, str]:
    """Every diagram: what its file in the folder `diagrams` holds."""
    machines = {one.name: one for one in instances_of(Machine)}
    drawn = {f"{name}.svg": diagrams.machine_svg(one) for name, one in sorted(machines.items())}
    flow = diagrams.flow_svg(machines, [job.name for job in JOBS])
    return {**drawn, "payment.svg": flow, "parts.svg": diagrams.layers_svg()}


def invariants() -> str:
    """Every check, and every playbook."""
    head = ["code", "question", "severity", "when it does not hold", "asked", "incident", "playbook"]
    always = [_check_row(one) for one in sorted(CHECKS, key=lambda one: one.code) if not one.monitor]
    in_time = [_check_row(one) for one in sorted(CHECKS, key=lambda one: one.code) if one.monitor]
    catalogue = [
        [str(number), f"`{one.code}`", ", ".join(_asks(each) for each in one.checks), one.says] for number, one in enumerate(CATALOGUE, 1)
    ]
    books = [[one.name, one.title, one.owner.replace("_", " "), str(len(one.steps))] for one in PLAYBOOKS.values()]
    return (
        "Each is a query that must find nothing. A full run of the sentinel asks all of them; a recent run those with *recent*, of what "
        "was touched since the last.\n\n"
        f"## Invariants: what must always hold\n\n{table(head, always)}\n\n"
        f"## Monitors: what must hold in time\n\n{table(head, in_time)}\n\n"
        "## The catalogue of the runbooks\n\nEach of its codes, and the checks that ask it here; those that only a full "
        "run asks, once a day, are marked so.\n\n"
        f"{table(['#', 'code', 'asked by', 'what is to be said'], catalogue)}\n\n"
        f"## Playbooks\n\nWhat each does, step by step: [Runbooks](runbooks.md).\n\n{table(['name', 'when', 'owner', 'steps'], books)}"
    )


def _asks(code: str) -> str:
    """A check by its code, with whether recent runs ask it, too."""
    return f"`{code}`" if _is_recent(next(one for one in CHECKS if one.code == code)) else f"`{code}` (full runs)"


def _is_recent(one: Invariant) -> bool:
    return one.monitor or recent_query(one) is not None


def _check_row(one: Invariant) -> list[str]:
    asked = "recent, full" if _is_recent(one) else "full"
    level = one.incident or ("" if one.monitor or one.severity == "warning" else "P1")
    return [f"`{one.code}`", one.question, one.severity, one.meaning, asked, level, one.playbook]


def metrics() -> str:
    """Every metric, and every alert rule."""
    rows = [[f"`{one.name}`", one.kind, ", ".join(one.labels), one.says] for one in METRICS]
    rows.append([f"`{FAILED}`", "gauge", "metric", SAYS_FAILED])
    rules = [[f"`{one.name}`", f"`{one.expr.replace('NS_', '')}`", one.lasts, one.severity, one.playbook] for one in RULES]
    return (
        "`GET /metrics` tells them in Prometheus's text format, each with the namespace before its name (the setting `metrics_namespace`, "
        "`counterfoil` unless you set it). They are read from the database: every server tells the same, and a restart loses nothing.\n\n"
        f"{table(['name', 'kind', 'labels', 'what it is'], rows)}\n\n"
        "## Alert rules\n\n`counterfoil metrics rules` writes them in your names, "
        "[as here](monitoring/prometheus-rules.yml); `counterfoil metrics dashboard` the dashboard for Grafana, "
        f"[as here](monitoring/grafana-dashboard.json).\n\n{table(['name', 'when', 'for', 'severity', 'playbook'], rules)}"
    )


def monitoring_files() -> dict[str, str]:
    """The files that Prometheus and Grafana take, in the names of an installation that sets none."""
    namespace = Settings.model_fields["metrics_namespace"].default
    return {"prometheus-rules.yml": rules_file(namespace), "grafana-dashboard.json": board(METRICS, namespace)}


def commands() -> str:
    """Every command of the terminal, with its options."""
    codes = inspect.cleandoc(root.__doc__ or "").split("\n\n", 1)[1].replace("\n", " ")
    panels: dict[str, list[str]] = {}
    for name, part in PARTS.items():
        panels.setdefault(part.panel, []).extend(_commands_of(load(name), f"counterfoil {name}"))
    body = "\n\n".join(f"## {panel}\n\n" + "\n\n".join(told) for panel, told in panels.items())
    narrow = (
        "On a terminal that is too narrow for a table each row is a block of lines, one for each field; CSV, JSON and a pipe are as ever."
    )
    return f"Every command understands `--help`. {codes}\n\n{narrow}\n\n{body}"


def _commands_of(command: Any, called: str) -> list[str]:
    inner = getattr(command, "commands", None)
    if inner:
        return [told for name, one in inner.items() for told in _commands_of(one, f"{called} {name}")]
    rows, words = [], [called]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = (parameter.metavar or parameter.name).upper()
            words.append(name if parameter.required else f"[{name}]")
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
        given = parameter.default if not callable(parameter.default) else None
        shown = "required" if parameter.required else ("" if given in (None, False, ()) else f"`{given}`")
        rows.append([names, shown, inspect.cleandoc(getattr(parameter, "help", None) or "")])
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    listed = [table(["option", "default", "what"], rows)] if rows else []
    return ["\n\n".join([f"### `{' '.join(words)}`", text, *listed])]


def api() -> str:
    """Every operation over HTTP, by its tag."""
    document = openapi()
    by_tag: dict[str, list[list[str]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = [
                f"`{method.upper()}`",
                f"`{path}`",
                f"`{scope}`" if (scope := operation.get("x-scope")) else "",
                operation.get("summary", ""),
                _first_line(operation.get("description", "")),
            ]
            by_tag.setdefault((operation.get("tags") or ["Other"])[0], []).append(row)
    described = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    order = [tag for tag in described if tag in by_tag] + sorted(tag for tag in by_tag if tag not in described)
    columns = ["method", "path", "scope", "what", "more"]
    sections = [f"## {tag}\n\n{described.get(tag, '')}\n\n" + table(columns, by_tag[tag]) for tag in order]
    return (
        document["info"]["description"].strip()
        + "\n\nThe running server has the whole of it at `/api/docs`, and as a document at `/api/openapi.json`. "
        + "A scope is what a key needs that is narrower than its role; `pages:read` and `pages:audit` are those of the pages.\n\n"
        + "\n\n".join(sections)
    )


def openapi() -> dict[str, Any]:
    """The API's own description. Nothing is opened or asked for it."""
    wiring = Wiring(
        database=Database("postgresql:///none"),
        providers={},
        program_id="main",
        clock=now,
        make_id=make_id,
        silent_after=timedelta(minutes=10),
        lease=timedelta(minutes=1),
        rows_max=1,
    )
    return make_app(wiring, owner="docs").openapi()


def measurements() -> str:
    """What the benchmarks printed, as `python -m benchmarks.record` kept it, each under its hand-written remarks."""
    intro = "What the benchmarks printed, on a machine that is named. `make bench` runs them on yours; `python -m benchmarks.record` keeps"
    parts = [f"{intro} their output for this page. Machines are noisy: ratios within one run say more than figures of two runs."]
    for path in sorted(MEASURED.glob("*.txt")):
        first, _, printed = path.read_text("utf-8").partition("\n")
        about = json.loads(first)
        remarks = path.with_suffix(".md")
        parts.append(f"## {path.stem.replace('_', ' ').capitalize()}")
        if remarks.exists():
            parts.append(remarks.read_text("utf-8").strip())
        parts.append(
            f"`{about['command']}`, {about['at']}, {about['cores']} cores, Python {about['python']}, {about['system']}, "
            f"load {about['load_before']} before it began:"
        )
        parts.append(f"```text\n{_figures(printed, path.name)}\n```")
    return "\n\n".join(parts)


def _figures(printed: str, file: str) -> str:
    """What a person reads of it: not the JSON for programs, and of a long log its end, where it is summed up."""
    lines = [line for line in printed.strip().splitlines() if not line.startswith("{")]
    if len(lines) <= PRINTED_MAX:
        return "\n".join(lines)
    left_out = f"… {len(lines) - PRINTED_MAX} lines before these are in docs/measured/{file}"
    return "\n".join([left_out, *lines[-PRINTED_MAX:]])


def _first_line(text: str) -> str:
    return text.strip().split("\n\n")[0].replace("\n", " ")


PAGES: Final = (
    Page("problems.md", "Problems", problems),
    Page("settings.md", "Settings", settings),
    Page("states.md", "States", states),
    Page("invariants.md", "Checks", invariants),
    Page("runbooks.md", "Runbooks", lambda: runbook_pages.page(table)),
    Page("metrics.md", "Metrics", metrics),
    Page("commands.md", "Commands", commands),
    Page("api.md", "The API over HTTP", api),
    Page("rule-set.md", "The rule set", rule_set_page),
    Page("measurements.md", "Measurements", measurements),
)

if __name__ == "__main__":
    main()
