"""What engines share whose runs live elsewhere: patience with their servers, and what is written of their runs."""
