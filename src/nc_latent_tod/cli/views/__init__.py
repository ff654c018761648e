"""What commands show: tables and panels of what `api` returns."""
