"""`python -m counterfoil`: the command line."""

import gc

gc.disable()  # what is loaded stays: looking through it for what could go would be a quarter of a start; see `LazyGroup`

from counterfoil.cli.main import main  # noqa: E402 - not before the line above

if __name__ == "__main__":
    main()
