"""The conformance suite: what every adapter must do, asked of it against its provider's sandbox, through a proxy that makes the faults.

Run by `counterfoil providers check NAME`, and by the tests against every adapter that there is (docs/how-to/add-a-provider.md).
"""
