"""Evidence in bits: how much likelier a pair of records is one payment than chance, counted from the files themselves, without labels.

All of it runs in DuckDB on one machine, whatever engine the other passes use: weights are logarithms, and two engines could differ in
a last digit. Weights and scores are whole thousandths of a bit and every order is total, so threads and the order of rows change nothing.
"""
