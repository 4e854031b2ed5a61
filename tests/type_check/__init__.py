"""Programs of users that type checkers must accept and refuse; `make lint` checks them."""
