"""A part of Stripe's API on the simulator's own money, so that the official SDK talks to it unchanged: transfers to connected accounts,
their payouts, charges, events, balance and balance transactions. Its address is the simulator's and `/stripe`."""
