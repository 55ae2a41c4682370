"""The dashboard: one page for each question that an operator asks, and its `.json` view. Rendered here, works without JavaScript.

For whoever serves it (`counterfoil.dashboard.web.routes`):

    add_dashboard(app: FastAPI, wiring: Wiring, *, version: str, refresh_s: int = 30, stuck_minutes: int = 10,
                  https: bool = False) -> None

adds `/` (which goes to the first page), the pages and their JSON views, `/login`, `/logout` and `/admin/assets/` to any app. `https`: the
browser reaches us by https, also behind a proxy; then the cookie is Secure and named `__Host-`. Nothing is asked before somebody looks.

To add a page: write the query in the package that owns the noun, a `Section` that asks and judges it, a template, and a line in `PAGES`.
"""
