"""Two sides, one set of rules, every difference explained. Stands on `base` and `statements` alone: no PostgreSQL.

What others call:

- `rules.toml_file.load_rules(path | text) -> RuleSet`: a TOML rule set; errors name the line.
- `two_files.reconcile_files(left, right, rules, *, out, engine, memory, cluster, progress) -> Outcome`: two files, no server, no database.
- `engines.engine.DuckEngine(folder, memory=…)`, then `reading.loading.read_side(engine, paths, source, "left", folder)` or
  `read_table(engine, arrow_table, source, "left", folder)` for each side, then
  `findings.outcome.reconcile(engine, left, right, rules) -> (Matched, Outcome)`: the same engine over tables of ours.
- `findings.outcome.matches_of(engine, matched, left, right)` with `engine.write(query, path)`: matches as Parquet.

An `Outcome` has the verdict, the footing per side and asset (to the unit), kinds with amounts, and `breaks`: frozen records with both
sides, the fields that differ with their distance, the candidates with why each was refused, the hypotheses with the test of each,
and the one safe action.
"""
