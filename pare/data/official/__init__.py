"""Official files: found, downloaded, and read without trusting them."""
