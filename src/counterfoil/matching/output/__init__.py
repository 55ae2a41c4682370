"""The files of a run: report, findings, matches, page, workbook."""
