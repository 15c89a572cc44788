"""What the API takes and shows of money, one module a noun."""
