"""The dashboard: one page for each question that an operator asks, and its `.json` twin. Rendered here, works without JavaScript.

For whoever serves it (`counterfoil.dashboard.routes`):

    add_dashboard(app: FastAPI, wiring: Wiring, database: Database, *, version: str, refresh_s: int = 30, stuck_minutes: int = 10,
                  https: bool = False, runs: Runs | None = None, invariants=None, machines_due=None) -> None

adds `/` (goes to the first page), the pages and their twins, `/login`, `/logout` and `/admin/assets/`. `https`: the browser reaches us by
https, also behind a proxy; then the cookie is Secure and `__Host-`. `runs` tells what reconciliation last found (`dashboard.halves.Runs`);
without it that part of the page says "not checked".

To add a page: write the query in the package that owns the noun, a `Section` that asks and judges it, a template, and a line in `PAGES`.
"""
