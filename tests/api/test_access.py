"""Who may ask for what."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.api.http.doorman import KEY_REMEMBERED_S
from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.problems import Problem
from counterfoil.base.text import camel
from counterfoil.operations import approvals
from counterfoil.operations.access import access
from counterfoil.operations.access.rotation import rotate_key
from counterfoil.operations.verbs import Noun, Verb
from counterfoil.wiring import NOUNS
from tests.api.office import PROGRAM, Office, fresh
from tests.people import past_the_guard

ID = "01KA0000000000000000000000"
UUID = "01a1f942-62e2-7001-a2bc-82827114880b"
BREAK = f"break_{ID}"
BECAUSE = {"reason": "test"}
TAKEN = {
    "text": "e",
    "prose": "e",
    "moment": "2026-01-01T00:00:00Z",
    "amount": "1",
    "lines": [{"debit": "a", "credit": "b", "amount": "1"}],
}


def declared(noun: Noun, verb: Verb) -> list[tuple[str, str, dict[str, Any] | None, str]]:
    """The routes of a declared verb: who may say it is declared there, and nowhere again."""
    taken = {camel(one.name): one.choices[0] if one.choices else TAKEN[one.kind] for one in verb.takes}
    body = taken | (BECAUSE if verb.reason else {})
    own = f"/api/{noun.plural}/{noun.prefix}_{ID}/{verb.word}"
    further = [f"/api{path.replace('{id}', f'{noun.prefix}_{ID}')}" for path in verb.paths]
    return [("POST", path, body or None, verb.permission) for path in (own, *further)]


SOON = "2027-01-01T00:00:00Z"
MOVEMENT = {"id": UUID, "debit": "a", "credit": "b", "amount": "1"}
READ, AUDIT, OPERATE, POST, CLOSE, ADMINISTER = (
    access.READ,
    access.AUDIT,
    access.OPERATE,
    access.POST_JOURNAL,
    access.CLOSE_PERIOD,
    access.ADMINISTER,
)
ENERGY = {"reference": "m", "agentId": f"agent_{ID}", "region": "DE", "wattHours": 1} | {
    name: f"2026-01-01T0{hour}:00:00Z" for hour, name in enumerate(("startsAt", "endsAt"))
}
BILL = {"programId": PROGRAM, "reference": "b", "firstDay": "2026-01-01", "lastDay": "2026-01-01", "lines": []}
CREDIT = {"programId": PROGRAM, "registry": "r", "series": "s", "firstSerial": 1, "lastSerial": 2, "vintage": 2025} | {
    "reference": "o",
    **BECAUSE,
}
ROUTES = [  # method, path, body, what it needs
    ("GET", "/api/programs", None, READ),
    ("POST", "/api/programs", {"id": "p", "name": "P", "assets": [{"code": "EUR", "scale": 2}]}, ADMINISTER),
    ("GET", f"/api/programs/{PROGRAM}/rates", None, READ),
    ("POST", f"/api/programs/{PROGRAM}/rates", {"platformBps": 1, "validatorBps": 1}, ADMINISTER),
    ("GET", f"/api/programs/{PROGRAM}/trial-balance?asset=EUR", None, READ),
    ("GET", f"/api/programs/{PROGRAM}/period", None, READ),
    ("POST", f"/api/programs/{PROGRAM}/period/reopen", {"until": "2026-01-01T00:00:00Z", **BECAUSE}, CLOSE),
    ("POST", f"/api/programs/{PROGRAM}/period/close", {"until": "2026-01-01T00:00:00Z", **BECAUSE}, CLOSE),
    ("GET", "/api/keys", None, AUDIT),
    ("POST", "/api/keys", {"name": "n", "role": "viewer"}, ADMINISTER),
    ("POST", f"/api/keys/key_{ID}/revoke", BECAUSE, ADMINISTER),
    ("POST", f"/api/keys/key_{ID}/rotate", BECAUSE, ADMINISTER),
    ("POST", "/api/proofs", {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, AUDIT),
    ("GET", f"/api/proofs/prf_{ID}/files/manifest.json", None, AUDIT),
    ("GET", "/api/proofs", None, READ),
    ("GET", f"/api/proofs/prf_{ID}", None, READ),
    ("POST", "/api/proofs/personal-data-policy", {"name": "Privacy 2026-1", **BECAUSE}, ADMINISTER),
    ("GET", "/api/proof-exports", None, READ),
    ("GET", f"/api/proof-exports/exp_{ID}", None, READ),
    ("GET", f"/api/proofs/prf_{ID}/package", None, AUDIT),
    ("POST", f"/api/proofs/prf_{ID}/disclosures", {"payeeId": "p", **BECAUSE}, AUDIT),
    ("GET", f"/api/proofs/prf_{ID}/request", None, READ),
    ("POST", f"/api/proofs/prf_{ID}/signatures", {"number": 1, "signerId": f"sgn_{ID}", "signature": "A" * 86 + "=="}, READ),
    ("GET", "/api/audit/export?account=suspense", None, AUDIT),
    ("GET", "/api/finance/batches", None, READ),
    ("GET", f"/api/finance/batches/{'b' * 64}", None, READ),
    ("POST", f"/api/finance/batches/{'b' * 64}/repair?map=x", None, POST),
    ("GET", f"/api/journals/{UUID}/inclusion", None, READ),
    ("GET", f"/api/payouts/po_{ID}/inclusion", None, READ),
    ("GET", "/api/signers", None, READ),
    ("GET", "/api/signers/keys", None, READ),
    ("POST", "/api/signers", {"principalId": f"prn_{ID}", "role": "auditor", "publicKey": "0" * 64, "validUntil": SOON}, ADMINISTER),
    ("POST", "/api/signers/log-key", {"cause": "planned", **BECAUSE}, ADMINISTER),
    ("POST", f"/api/signers/sgn_{ID}/revoke", BECAUSE, ADMINISTER),
    ("POST", "/api/endpoints", {"url": "https://partner.example/", "ownerEmail": "a@partner.example"}, ADMINISTER),
    ("POST", f"/api/endpoints/whe_{ID}/rotate", {"overlapDays": 1, **BECAUSE}, ADMINISTER),
    ("GET", "/api/deliveries", None, READ),
    ("GET", "/api/event-kinds", None, READ),
    ("GET", "/api/admin/slo", None, READ),
    ("GET", "/metrics", None, READ),
    ("GET", "/api/alertmanager/alerts", None, READ),
    ("GET", "/api/admin/trends", None, READ),
    ("GET", f"/api/deliveries/whd_{ID}", None, READ),
    ("GET", "/api/people", None, AUDIT),
    ("GET", "/api/people/lacking", None, READ),
    ("GET", "/api/people/seconds", None, READ),
    ("POST", f"/api/people/seconds/adm_{ID}/stop", BECAUSE, AUDIT),
    ("GET", "/api/access", None, AUDIT),
    ("GET", "/api/audit/records", None, AUDIT),
    ("POST", "/api/people", {"name": "anna", **BECAUSE}, ADMINISTER),
    ("POST", f"/api/people/prn_{ID}/roles", {"role": "viewer", **BECAUSE}, ADMINISTER),
    ("POST", f"/api/people/prn_{ID}/roles/revoke", {"role": "viewer", **BECAUSE}, ADMINISTER),
    ("POST", f"/api/people/prn_{ID}/end", BECAUSE, ADMINISTER),
    ("GET", "/api/approvals", None, READ),
    ("GET", f"/api/approvals/prop_{ID}", None, READ),
    ("POST", f"/api/approvals/prop_{ID}/approve", {"payloadSha256": "0" * 64, **BECAUSE}, READ),
    ("POST", f"/api/approvals/prop_{ID}/reject", BECAUSE, READ),
    ("POST", "/api/logins/end", None, READ),
    ("GET", "/api/logins", None, READ),
    ("POST", f"/api/logins/ses_{ID}/end", None, READ),
    ("POST", "/api/logins/confirm", {}, READ),
    ("GET", f"/api/people/prn_{ID}/logins", None, AUDIT),
    ("POST", f"/api/people/prn_{ID}/logins/end", BECAUSE, ADMINISTER),
    ("POST", f"/api/people/prn_{ID}/reset", BECAUSE, ADMINISTER),
    ("GET", f"/api/people/prn_{ID}/subjects", None, AUDIT),
    ("POST", f"/api/people/prn_{ID}/subjects", {"issuer": "https://login.example", "subject": "1", **BECAUSE}, ADMINISTER),
    ("POST", f"/api/people/prn_{ID}/subjects/lnk_{ID}/end", BECAUSE, ADMINISTER),
    ("GET", "/api/destinations", None, READ),
    ("GET", f"/api/destinations/dst_{ID}", None, READ),
    ("GET", "/api/payees/bolt/card", None, READ),
    ("GET", "/api/providers", None, READ),
    ("GET", "/api/bank-files", None, READ),
    ("POST", "/api/bank-files", None, OPERATE),
    ("GET", f"/api/bank-files/pf_{ID}", None, READ),
    ("POST", f"/api/bank-files/pf_{ID}/download", None, OPERATE),
    ("POST", f"/api/bank-files/pf_{ID}/cancel", BECAUSE, OPERATE),
    ("POST", "/api/bank-files/reports?fileName=r.xml", None, OPERATE),
    ("POST", "/api/destinations", {"programId": PROGRAM, "payeeId": "p", "token": "t"}, ADMINISTER),
    ("GET", "/api/batches", None, READ),
    ("GET", f"/api/batches/bat_{ID}", None, READ),
    ("POST", "/api/batches", {"programId": PROGRAM, "asset": "EUR"}, OPERATE),
    ("GET", "/api/payout-policies", None, READ),
    ("GET", "/api/debts", None, READ),
    ("GET", "/api/customers", None, READ),
    ("GET", "/api/customers/acme/statement", None, READ),
    (
        "POST",
        "/api/debts/pay",
        {"programId": PROGRAM, "customerId": "c", "asset": "EUR", "amount": "1", "provider": "bank", "reference": "B", **BECAUSE},
        OPERATE,
    ),
    ("POST", "/api/debts/write-off", {"programId": PROGRAM, "payeeId": "p", "asset": "EUR", "amount": "1", **BECAUSE}, OPERATE),
    ("POST", "/api/payout-policies", {"programId": PROGRAM, "asset": "EUR", "byRuleMax": "0", **BECAUSE}, ADMINISTER),
    ("POST", "/api/usage?programId=main", None, OPERATE),
    ("GET", "/api/usage/imports", None, READ),
    ("GET", f"/api/usage/imports/uf_{ID}", None, READ),
    ("POST", "/api/invoices/issue", {"programId": PROGRAM}, OPERATE),
    ("GET", "/api/invoices", None, READ),
    ("GET", f"/api/invoices/inv_{ID}", None, READ),
    ("GET", "/api/intents", None, READ),
    ("GET", "/api/intents/stats", None, READ),
    ("GET", f"/api/intents/int_{ID}", None, READ),
    ("POST", "/api/admin/reconciliation/retry-intent", {"intentId": f"int_{ID}", **BECAUSE}, OPERATE),
    ("GET", f"/api/settlements/set_{ID}", None, READ),
    ("POST", "/api/refunds", {"invoiceId": f"inv_{ID}", "amount": "1", **BECAUSE}, OPERATE),
    ("GET", f"/api/invoices/inv_{ID}/refundable", None, READ),
    ("POST", "/api/disputes", {"invoiceId": f"inv_{ID}", **BECAUSE}, OPERATE),
    ("POST", f"/api/disputes/dsp_{ID}/evidence", None, OPERATE),
    ("GET", f"/api/disputes/dsp_{ID}/evidence", None, READ),
    ("GET", f"/api/disputes/dsp_{ID}/evidence/1", None, READ),
    ("POST", "/api/payouts/execute", {"invoiceId": f"inv_{ID}", **BECAUSE}, OPERATE),
    ("GET", "/api/payouts", None, READ),
    ("GET", f"/api/payouts/po_{ID}", None, READ),
    *[row for noun in NOUNS for verb in noun.verbs for row in declared(noun, verb)],
    *[("GET", f"/api/{noun.plural}{end}", None, READ) for noun in NOUNS if noun.rows for end in ("", f"/{noun.prefix}_{ID}")],
    ("GET", "/api/assets", None, READ),
    ("GET", "/api/accounts", None, READ),
    ("POST", "/api/accounts", {"programId": PROGRAM, "asset": "EUR", "names": ["suspense"]}, POST),
    ("GET", "/api/accounts/suspense/balance?asset=EUR", None, READ),
    ("GET", "/api/accounts/suspense/explain?asset=EUR", None, READ),
    (
        "GET",
        "/api/accounts/suspense/statement?asset=EUR&startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z",
        None,
        READ,
    ),
    ("POST", "/api/accounts/reopen", {"programId": PROGRAM, "asset": "EUR", "account": "suspense", **BECAUSE}, POST),
    ("POST", "/api/accounts/freeze", {"programId": PROGRAM, "asset": "EUR", "account": "suspense", **BECAUSE}, POST),
    ("POST", "/api/accounts/unfreeze", {"programId": PROGRAM, "asset": "EUR", "account": "suspense", **BECAUSE}, POST),
    ("POST", "/api/accounts/reopen", {"programId": PROGRAM, "asset": "EUR", "account": "x", **BECAUSE}, POST),
    ("POST", "/api/accounts/close", {"programId": PROGRAM, "asset": "EUR", "account": "x", **BECAUSE}, POST),
    (
        "POST",
        "/api/finance/journal",
        {
            "programId": PROGRAM,
            "asset": "EUR",
            "key": "k",
            "lines": [{"debit": "a", "credit": "b", "amount": "1"}],
            **BECAUSE,
        },
        POST,
    ),
    ("GET", "/api/journals?programId=main", None, READ),
    ("GET", f"/api/journals/{UUID}", None, READ),
    ("POST", f"/api/journals/{UUID}/reverse", BECAUSE, POST),
    (
        "POST",
        "/api/holds",
        {"programId": PROGRAM, "asset": "EUR", "key": "k", "debit": "a", "credit": "b", "amount": "1"},
        POST,
    ),
    ("GET", f"/api/holds/{UUID}", None, READ),
    ("POST", f"/api/holds/{UUID}/post", {"programId": PROGRAM}, POST),
    ("POST", f"/api/holds/{UUID}/void", {"programId": PROGRAM, **BECAUSE}, POST),
    ("POST", "/api/movements", {"programId": PROGRAM, "asset": "EUR", **MOVEMENT}, POST),
    ("POST", "/api/movements/bulk", {"programId": PROGRAM, "asset": "EUR", "key": "k", "movements": [MOVEMENT]}, POST),
    ("GET", "/api/reconciliation/runs", None, READ),
    ("POST", "/api/reconciliation/runs", {}, OPERATE),
    ("GET", f"/api/reconciliation/runs/rec_{ID}", None, READ),
    ("GET", "/api/reconciliation/sources", None, READ),
    ("GET", "/api/reconciliation/statements", None, READ),
    ("POST", "/api/reconciliation/statements?fileName=a.sta", None, OPERATE),
    ("GET", "/api/client-money", None, READ),
    ("POST", "/api/client-money", {"date": "2026-01-01"}, OPERATE),
    ("GET", f"/api/client-money/cm_{ID}", None, READ),
    ("POST", f"/api/client-money/cm_{ID}/sign", {"sha256": "00" * 32, **BECAUSE}, CLOSE),
    (
        "GET",
        "/api/reconciliation/report?startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z",
        None,
        READ,
    ),
    ("POST", "/api/admin/reconciliation/force-reconcile", {"programId": PROGRAM}, OPERATE),
    ("GET", "/api/breaks", None, READ),
    ("GET", "/api/breaks/overview", None, READ),
    ("GET", "/api/breaks/export", None, READ),
    ("GET", "/api/breaks/limits?asset=EUR", None, READ),
    ("POST", "/api/breaks/limits", {"programId": PROGRAM, "asset": "EUR", "minor": "1", **BECAUSE}, ADMINISTER),
    (
        "POST",
        "/api/breaks/bulk",
        {"verb": "wait", "rows": [{"id": BREAK, "expectedState": "open"}], **BECAUSE},
        OPERATE,
    ),
    ("POST", "/api/breaks/import", None, OPERATE),
    ("GET", f"/api/breaks/{BREAK}", None, READ),
    ("GET", f"/api/programs/{PROGRAM}/rates/versions", None, READ),
    ("GET", "/api/fees/recomputed?startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z", None, READ),
    ("GET", "/api/treasury/movements", None, READ),
    ("GET", "/api/treasury/summary?startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z", None, READ),
    *(
        (
            "POST",
            f"/api/treasury/{what}",
            {"programId": PROGRAM, "asset": "EUR", "amount": "1", "reference": "r", **BECAUSE},
            POST,
        )
        for what in ("distributions", "withdrawals")
    ),
    ("GET", "/api/affiliates", None, READ),
    ("GET", f"/api/affiliates/aff_{ID}", None, READ),
    ("GET", f"/api/affiliates/aff_{ID}/payable", None, READ),
    ("GET", "/api/affiliates/verification", None, READ),
    ("POST", "/api/affiliates", {"programId": PROGRAM, "name": "ann", **BECAUSE}, OPERATE),
    ("GET", "/api/commissions", None, READ),
    ("GET", f"/api/commissions/com_{ID}", None, READ),
    ("GET", "/api/commissions/verification?sample=10", None, READ),
    ("GET", f"/api/programs/{PROGRAM}/commission-rates", None, READ),
    ("POST", f"/api/programs/{PROGRAM}/commission-rates", {"asset": "EUR", "levels": [100], "capBps": 100}, ADMINISTER),
    ("GET", "/api/escrows", None, READ),
    ("GET", f"/api/escrows/esc_{ID}", None, READ),
    (
        "POST",
        "/api/escrows",
        {
            "programId": PROGRAM,
            "customerId": "c",
            "payeeId": "p",
            "asset": "EUR",
            "amount": "1",
            "reference": "r",
            "expiresAt": "2026-01-01T00:00:00Z",
        },
        OPERATE,
    ),
    ("POST", "/api/agents", {"programId": PROGRAM, "name": "buyer"}, OPERATE),
    ("GET", "/api/agents", None, READ),
    ("GET", f"/api/agents/agent_{ID}", None, READ),
    ("GET", f"/api/agents/agent_{ID}/verify", None, READ),
    ("GET", f"/api/agents/agent_{ID}/explain", None, READ),
    ("POST", "/api/carbon/energy", {"programId": PROGRAM, "records": [ENERGY]}, OPERATE),
    ("POST", "/api/carbon/bills", BILL, OPERATE),
    ("GET", "/api/carbon/bills", None, READ),
    ("GET", f"/api/carbon/bills/cbill_{ID}", None, READ),
    ("POST", "/api/carbon/syncs", {}, OPERATE),
    ("GET", "/api/carbon/syncs", None, READ),
    ("GET", "/api/carbon/verify?date=2026-01-01", None, READ),
    ("GET", "/api/carbon/forecast?region=DE", None, READ),
    ("GET", "/api/carbon/region?latitude=1&longitude=1", None, READ),
    ("GET", "/api/carbon/credits", None, READ),
    ("GET", "/api/reports/monthly?month=2026-01", None, READ),
    ("POST", "/api/carbon/credits", CREDIT, POST),
    ("GET", "/api/carbon/retirements", None, READ),
    ("POST", "/api/carbon/retirements", {"creditId": f"credit_{ID}", "firstSerial": 1, "lastSerial": 1, **BECAUSE}, POST),
    ("GET", "/api/transactions", None, READ),
    ("GET", f"/api/transactions/txn_{ID}", None, READ),
    (
        "POST",
        "/api/transactions",
        {
            "programId": PROGRAM,
            "reference": "r",
            "participants": [{"agent": f"agent_{ID}", "side": side, "asset": "EUR", "amount": "1"} for side in ("debit", "credit")],
        },
        OPERATE,
    ),
    ("GET", "/api/events", None, READ),
    ("GET", "/api/workers", None, READ),
    ("GET", "/api/admin/parked", None, READ),
    ("POST", f"/api/admin/webhooks-in/whi_{ID}/requeue", BECAUSE, OPERATE),
    ("POST", f"/api/admin/webhooks-in/whi_{ID}/ignore", BECAUSE, OPERATE),
    ("POST", f"/api/admin/events/po_{ID}.payout_failed.1/requeue", BECAUSE, OPERATE),
    ("GET", "/api/admin/queue/status", None, READ),
    ("GET", "/api/admin/ops/schedules", None, READ),
    ("GET", "/api/admin/ops/schedules/runs", None, READ),
    ("GET", "/api/circuits", None, READ),
    ("GET", "/api/circuits/cir_01KA0000000000000000000000", None, READ),
    ("GET", "/api/admin/queue/pauses", None, READ),
    ("POST", "/api/admin/queue/pause", BECAUSE, OPERATE),
    ("POST", "/api/admin/queue/drain", BECAUSE, OPERATE),
    ("POST", "/api/admin/queue/pull/drain", BECAUSE, OPERATE),
    ("POST", "/api/admin/queue/resume", BECAUSE, OPERATE),
    ("POST", "/api/admin/queue/pull/pause", BECAUSE, OPERATE),
    ("POST", "/api/admin/queue/pull/resume", BECAUSE, OPERATE),
    ("GET", "/api/admin/ops/jobs", None, READ),
    ("POST", "/api/admin/ops/run/repair", None, OPERATE),
    ("GET", "/api/admin/ops/health", None, READ),
    ("GET", "/api/admin/invariants", None, READ),
    ("GET", "/api/admin/checks", None, READ),
    ("GET", "/api/sentinel-runs", None, READ),
    ("GET", f"/api/sentinel-runs/srun_{ID}", None, READ),
    ("POST", "/api/sentinel-runs", {"kind": "recent"}, OPERATE),
    ("POST", "/api/admin/notices/test", {}, OPERATE),
    ("GET", "/api/notices", None, READ),
    ("GET", f"/api/notices/ntc_{ID}", None, READ),
    ("GET", "/api/silences", None, READ),
    ("GET", f"/api/silences/sil_{ID}", None, READ),
    ("POST", "/api/silences", {"until": "2099-01-01T00:00:00Z", "reason": "x"}, OPERATE),
    ("GET", "/api/drills/standing", None, READ),
    ("POST", "/api/drills", {"name": "restore"}, OPERATE),
    ("GET", "/api/checklists", None, READ),
    ("POST", "/api/checklists/morning/runs", {}, OPERATE),
    ("GET", "/api/runbooks", None, READ),
    ("GET", "/api/runbooks/morning", None, READ),
    ("POST", "/api/runbooks/morning/runs", {}, OPERATE),
    ("GET", "/api/runbook-runs", None, READ),
    ("GET", f"/api/runbook-runs/rbr_{ID}", None, READ),
    ("GET", f"/api/runbook-runs/rbr_{ID}/document", None, READ),
    ("GET", "/api/alerts", None, READ),
    ("GET", f"/api/alerts/alt_{ID}", None, READ),
    ("GET", "/api/incidents", None, READ),
    ("GET", f"/api/incidents/inc_{ID}", None, READ),
    ("GET", f"/api/incidents/inc_{ID}/post-mortem", None, READ),
    ("GET", "/api/admin/reconciliation/status", None, READ),
    ("GET", "/api/admin/database", None, READ),
]


def test_each_role_may_do_what_its_row_says_and_nothing_else(office: Office):
    wrong = []
    for role, held in access.ROLES.items():
        with office.http(role) as client:
            for method, path, body, needed in ROUTES:
                if (role, path) == ("approver", "/api/logins/end"):
                    continue  # it would end the login that the rest is asked with
                headers = {"Idempotency-Key": fresh()}
                status = client.request(method, path, json=body, headers=headers).status_code
                refused = status == 403
                if refused != (needed not in held) or status in (401, 500):
                    wrong.append((role, method, path, needed, status))
    assert wrong == []


def test_the_table_of_roles_knows_every_route(office: Office):
    paths = office.ask("GET", "/api/openapi.json", role=None).json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    open_to_all = {
        ("GET", "/healthz"),
        ("POST", "/webhooks/{provider}"),
        ("POST", "/peers/{peer}/{message}"),
        ("POST", "/peers/{peer}/batch"),
        ("POST", "/api/logins"),
    }
    samples = {(method, _template(path, described, method)) for method, path, _, _ in ROUTES}
    assert described - open_to_all - samples == set(), "give each a row in ROUTES, with the permission that it needs"


def _template(path: str, described: set[tuple[str, str]], method: str) -> str:
    parts = path.partition("?")[0].split("/")
    for candidate_method, candidate in sorted(described):
        wanted = candidate.split("/")
        fits = len(parts) == len(wanted) and all(w == p or w.startswith("{") for w, p in zip(wanted, parts, strict=True))
        if candidate_method == method and fits and (candidate == path.partition("?")[0] or "{" in candidate):
            return candidate
    return path


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (None, "NotAuthenticated"),
        ("Basic YTpi", "NotAuthenticated"),
        ("Bearer", "NotAuthenticated"),
        ("Bearer cf_live_wrong", "KeyMistyped"),
        ("Bearer \xff\xfe", "KeyMistyped"),
    ],
)
def test_without_a_key_nothing_is_told(office: Office, header: str | None, problem: str):
    with office.http(None) as client:
        headers = {b"authorization": header.encode("latin-1")} if header else {}
        answer = client.get("/api/payouts", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, f"/problems/{problem}")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_is_well_formed_and_unknown_is_refused(office: Office):
    office.keys["stranger"] = access.new_secret(entropy(access.SECRET_BYTES), live=True)
    assert office.ask("GET", "/api/payouts", role="stranger").json()["type"] == "/problems/KeyRefused"


def test_a_key_that_is_revoked_here_ends_at_once(office: Office):
    assert office.ask("GET", "/api/payouts", role="auditor").status_code == 200
    ended = office.ask("POST", f"/api/keys/{office.key_ids['auditor']}/revoke", role="administrator", json=BECAUSE)
    assert ended.status_code == 200
    assert office.ask("GET", "/api/payouts", role="auditor").status_code == 401


def test_a_key_that_is_revoked_by_another_process_ends_within_five_seconds(office: Office):
    assert KEY_REMEMBERED_S < 5
    assert office.ask("GET", "/api/payouts", role="auditor").status_code == 200
    with office.database.transaction() as conn:
        access.revoke_key(conn, office.key_ids["auditor"], now=now())
    began = time.monotonic()
    while office.ask("GET", "/api/payouts", role="auditor").status_code == 200:
        assert time.monotonic() - began < 5
        time.sleep(0.05)


def test_an_expired_key_is_refused(office: Office):
    office.keys["old"] = access.new_secret(entropy(access.SECRET_BYTES), live=True)
    with past_the_guard(office.database.url) as conn:
        access.create_key(conn, make_id("key"), office.keys["old"], name="old", role="viewer", by="t", now=now(), expires_at=now())
    assert office.ask("GET", "/api/payouts", role="old").status_code == 401


def test_a_secret_is_shown_once_and_stored_nowhere(office: Office):
    body, key = {"name": "billing", "role": "operator"}, fresh()
    first = office.by_two("/api/keys", body, role="administrator", checker="second administrator", key=key)
    again = office.ask("POST", "/api/keys", role="administrator", key=key, json=body)
    secret = first.json()["secret"]
    assert (first.status_code, secret[:8], secret[-4:]) == (201, "cf_live_", first.json()["hint"])
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)
    office.keys["new"] = secret
    assert office.ask("GET", "/api/payouts", role="new").status_code == 200
    with office.database.transaction() as conn:
        for table in ("action", "idempotency", "api_key"):
            assert conn.execute(f"select 1 from {table} t where t::text like %s", [f"%{secret}%"]).fetchone() is None


def test_a_key_is_rotated_by_two_and_the_secret_of_before_opens_for_a_while(office: Office):
    two: dict[str, Any] = {"role": "administrator", "checker": "second administrator"}
    made = office.by_two("/api/keys", {"name": "turned", "role": "operator"}, **two).json()
    path, asked = f"/api/keys/{made['id']}/rotate", {"overlap": "24h", "reason": "once a year"}
    assert office.ask("POST", path, role="administrator", key=fresh(), json={**asked, "overlap": "169h"}).status_code == 422
    turned = office.by_two(path, asked, **two).json()
    office.keys |= {"first": made["secret"], "second": turned["secret"]}
    assert (turned["hint"], turned["secret"][:8]) == (turned["secret"][-4:], "cf_live_")
    assert [office.ask("GET", "/api/payouts", role=one).status_code for one in ("first", "second")] == [200, 200]
    [listed] = [one for one in office.ask("GET", "/api/keys", role="auditor").json()["data"] if one["id"] == made["id"]]
    assert (listed["hint"], listed["beforeUntil"]) == (turned["hint"], turned["beforeUntil"])
    with office.database.transaction() as conn:
        later = now() + timedelta(hours=25)
        assert access.authenticate(conn, turned["secret"], now=later).key_id == made["id"], "it is the same key"
        with pytest.raises(access.KeyRefused):
            access.authenticate(conn, made["secret"], now=later)
    office.keys["third"] = office.by_two(path, {"overlap": "0h", "reason": "it was seen"}, **two).json()["secret"]
    assert [office.ask("GET", "/api/payouts", role=one).status_code for one in ("first", "second", "third")] == [401, 401, 200]
    with pytest.raises(Problem, match="two people"):
        a_secret_in_its_place(office, made["id"])
    office.ask("POST", f"/api/keys/{made['id']}/revoke", role="administrator", json=BECAUSE)
    assert office.ask("GET", "/api/payouts", role="third").status_code == 401
    assert office.ask("POST", path, role="administrator", key=fresh(), json=asked).status_code == 401


def a_secret_in_its_place(office: Office, key_id: str) -> None:
    """Nobody agreed on it."""
    with office.database.transaction() as conn:
        secret = access.new_secret(entropy(access.SECRET_BYTES), live=True)
        rotate_key(conn, make_id("ksec"), key_id, secret, overlap="0h", by="t", now=now())


def test_a_narrow_key_is_made_by_two_exactly_as_it_was_approved(office: Office):
    body = {"name": "prometheus", "role": "viewer", "scopes": ["metrics:read"]}
    proposed = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=body)
    office.approve(proposed.json(), checker="second administrator")
    wider = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json={**body, "scopes": ["metrics:read", "payouts:read"]})
    assert wider.status_code == 202, "it is not what was approved, so it is proposed anew"
    made = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=body)
    assert (made.status_code, made.json()["scopes"]) == (201, ["metrics:read"])
    assert office.ask("GET", "/api/keys", role="auditor").json()["data"][0]["scopes"] == ["metrics:read"]
    office.keys["prometheus"] = made.json()["secret"]
    assert office.ask("GET", "/metrics", role="prometheus").status_code == 200
    refused = office.ask("GET", "/api/payouts", role="prometheus").json()
    assert (refused["type"], refused["needs"]) == ("/problems/OutOfScope", "payouts:read")


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        (["payout:read"], "payouts:read"),
        (["payouts:post_journal"], "post_journal"),
        ([], "scopes"),
        (["payouts"], "scopes"),
        (["keys:audit"], "viewer"),
    ],
)
def test_a_scope_that_there_is_not_or_that_the_role_does_not_have_is_refused(office: Office, scopes: list[str], told: str):
    body = {"name": "n", "role": "viewer", "scopes": scopes}
    refused = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=body)
    assert refused.status_code == 422
    assert told in refused.text


def test_the_database_refuses_a_key_that_is_wider_than_what_was_approved(office: Office):
    body = {"name": "narrow", "role": "viewer", "scopes": ["metrics:read"]}
    proposed = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=body).json()
    office.approve(proposed, checker="second administrator")
    for scopes in (None, ["metrics:read", "payouts:read"]):
        with pytest.raises(Problem, match="two people"):
            a_key_in_its_place(office, proposed["proposalId"], scopes)


def a_key_in_its_place(office: Office, proposal_id: str, scopes: list[str] | None) -> None:
    """The approval is used, and another key written under it."""
    with office.database.transaction() as conn:
        approvals.use(conn, approvals.find_proposal(conn, proposal_id), now=now())
        secret = access.new_secret(entropy(access.SECRET_BYTES), live=True)
        access.create_key(conn, make_id("key"), secret, name="narrow", role="viewer", by="t", now=now(), scopes=scopes)


def test_a_dry_run_of_making_a_key_makes_and_proposes_none(office: Office):
    body = {"name": "dry", "role": "viewer"}
    answer = office.ask("POST", "/api/keys?dryRun=true", role="administrator", key=fresh(), json=body)
    assert (answer.status_code, answer.json()["dryRun"], "secret" in answer.json()) == (202, True, False)
    names = [row["name"] for row in office.ask("GET", "/api/keys", role="auditor").json()["data"]]
    assert "dry" not in names
    assert office.ask("GET", "/api/approvals").json()["data"] == []


def test_every_write_by_hand_is_in_the_action_log_with_its_reason_and_request(office: Office):
    invoice = office.invoice()
    done = office.ask(
        "POST",
        f"/api/invoices/{invoice['id']}/cancel",
        role="controller",
        json={"reason": "a mistake"},
        headers={"X-Request-Id": "req-42"},
    )
    assert done.json()["state"] == "cancelled"
    (action,) = office.ask("GET", f"/api/invoices/{invoice['id']}").json()["actions"]
    told = {name: action[name] for name in ("actor", "role", "verb", "reason", "requestId")}
    assert told == {
        "actor": "key:controller",
        "role": "controller",
        "verb": "invoice.cancel",
        "reason": "a mistake",
        "requestId": "req-42",
    }
