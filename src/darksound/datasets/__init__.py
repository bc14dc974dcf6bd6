"""Published sets: fetched, checked, unpacked and put in place."""
