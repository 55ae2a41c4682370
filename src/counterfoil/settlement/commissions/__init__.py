"""Commissions: what affiliates earn of the sales that they referred, worked out from what was frozen with each sale."""
