"""The bank as a provider, by files (the extra `counterfoil[bank-files]`): pain.001 out, pain.002 and camt.053 or camt.054 back.

A destination is `IBAN;name`, or `IBAN;BIC;name`. One file carries many orders; a person brings it to the bank. The bank answers with
files, too: it cannot be asked, and knows no keys. What it does not speak of stays as it is until it does.
"""

from typing import Final

NAME: Final = "sepa"
PAYS_FROM: Final = "cash:bank:client"  # the account that the bank takes the money from
